"""What an earlier run of the same captures decrypted, put beside what this one did: each with its own secrets, which no case folder holds.

Of a message, a logon, a shell and a command the reading counts that has more; equal ones are this run's. Texts of the earlier run are as the folder has them.
"""

from msgspec.structs import replace

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.sealing import Message
from analyzer.records.wsman import Command


def with_earlier(found: Evidence, before: Evidence) -> Evidence:
    """The evidence with what only the earlier run could read."""
    messages = {name: _message(one, before.messages.get(name)) for name, one in found.messages.items()}
    known = {one.id: one for one in before.conversations}
    conversations = tuple(_conversation(one, known.get(one.id)) for one in found.conversations)
    by_id = {one.id: one for one in conversations}
    shells = {(one.server, one.client, one.id): one for one in before.shells} | {(one.server, one.client, one.id): one for one in found.shells}
    commands = {_name(one): one for one in before.commands}
    for one in found.commands:
        other = commands.get(_name(one))
        commands[_name(one)] = one if other is None else _command(one, other)
    kept_shells = [replace(one, commands=_together(one.commands, _of(before, one.server, one.client, one.id))) for one in shells.values()]
    ordered = sorted(kept_shells, key=lambda one: (one.first_ns, one.id))
    rank = {(one.server, one.id): place for place, one in enumerate(ordered)}
    return replace(
        found,
        messages=messages,
        conversations=conversations,
        conversations_of={name: tuple(by_id[one.id] for one in own) for name, own in found.conversations_of.items()},
        shells=tuple(ordered),
        commands=tuple(sorted(commands.values(), key=lambda one: (rank.get((one.server, one.shell), len(rank)), one.first_ns))),
    )


def _of(before: Evidence, *wanted: str) -> tuple[str, ...]:
    return next((one.commands for one in before.shells if (one.server, one.client, one.id) == wanted), ())


def _together(own: tuple[str, ...], others: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*own, *others)))


def _message(one: Message, other: Message | None) -> Message:
    return other if other is not None and other.opened and not one.opened else one


def _conversation(one: Conversation, other: Conversation | None) -> Conversation:
    return replace(one, client=other.client) if other is not None and one.client.user is None and other.client.user is not None else one


def _name(one: Command) -> tuple[str, str, str]:
    return one.server, one.shell, one.id


def _command(one: Command, other: Command) -> Command:
    """The one of which less is missing; then the one with more output."""
    own, others = ((len(each.missing), -len(each.outputs)) for each in (one, other))
    return other if others < own else one
