"""What an earlier run of the same captures decrypted, put beside what this one did: each with its own secrets, which no case folder holds.

Of a message, a logon, a shell and a command the reading counts that has more; equal ones are this run's. Texts of the earlier run are as the folder has them.
"""

from collections.abc import Mapping
from typing import TypeVar

from msgspec.structs import replace

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.forwarding import Forwarding, Kind
from analyzer.records.operations import CimOperation
from analyzer.records.sealing import Message
from analyzer.records.wsman import Command

Record = TypeVar("Record")


def with_earlier(found: Evidence, before: Evidence | None) -> Evidence:
    """The evidence with what only the earlier run could read, where there was one."""
    if before is None:
        return found
    found = _with_connections(found, before)
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
        operations=_operations(found, before),
        forwarding=_forwarding(found.forwarding, before.forwarding),
        host_logs=before.host_logs,
        commands=tuple(sorted(commands.values(), key=lambda one: (rank.get((one.server, one.shell), len(rank)), one.first_ns))),
    )


def _operations(found: Evidence, before: Evidence) -> tuple[CimOperation, ...]:
    """Those of both runs, in order of place; of one that both read what this one read."""
    own = {one.id: one for one in (*before.operations, *found.operations)}
    return tuple(own[name] for name in found.exchanges if name in own)


def _forwarding(found: Forwarding, before: Forwarding) -> Forwarding:
    """Of a delivery the reading that has its kind, then the one with more events; with each the events that it read."""
    deliveries = {one.id: (one, before) for one in before.deliveries}
    for one in found.deliveries:
        known = deliveries.get(one.id)
        if known is None or ((known[0].kind is Kind.UNREAD) >= (one.kind is Kind.UNREAD) and known[0].events <= one.events):
            deliveries[one.id] = (one, found)
    chosen = sorted(deliveries.values(), key=lambda item: item[0].first_ns)
    own = {id(run): {one.id for one, other in chosen if other is run} for run in (found, before)}
    events = [one for run in (found, before) for one in run.events if one.delivery in own[id(run)]]
    subscriptions = {(one.source, one.collector, one.about.id, one.about.name): one for one in (*before.subscriptions, *found.subscriptions)}
    return Forwarding(tuple(one for one, _ in chosen), tuple(subscriptions.values()), tuple(sorted(events, key=lambda one: (one.sent_ns, one.delivery))))


def _with_connections(found: Evidence, before: Evidence) -> Evidence:
    """With the connections whose TLS only the earlier run decrypted, what was said on them, and what it was joined with."""
    own = {name for name, one in before.connections.items() if name not in found.connections or (one.tls_opened and not found.connections[name].tls_opened)}
    if not own:
        return found
    exchanges = {name: one for name, one in before.exchanges.items() if one.connection in own}
    talks = (*(one for one in found.conversations if one.connection not in own), *(one for one in before.conversations if one.connection in own))
    joined = {(hop.near, hop.far): hop for hop in (*found.hops, *(hop for hop in before.hops if hop.near in exchanges or hop.far in exchanges))}
    routes = {
        one.client_connection: one for one in (*found.routes, *(one for one in before.routes if own & {one.client_connection, *one.upstream_connections}))
    }
    return replace(
        found,
        connections=_merged(found.connections, {name: before.connections[name] for name in own}, list(before.connections)),
        exchanges=_merged(found.exchanges, exchanges, list(before.exchanges)),
        exchanges_of={**found.exchanges_of, **{name: before.exchanges_of.get(name, ()) for name in own}},
        messages=_merged(found.messages, {name: one for name, one in before.messages.items() if one.exchange in exchanges}, list(before.messages)),
        conversations=talks,
        conversations_of={**found.conversations_of, **{name: before.conversations_of.get(name, ()) for name in own}},
        hops=tuple(joined.values()),
        near={hop.near: hop for hop in joined.values()},
        far={hop.far: hop for hop in joined.values()},
        routes=tuple(replace(one, id=f"r{place}") for place, one in enumerate(routes.values(), start=1)),
        roles={**found.roles, **{name: role for name, role in before.roles.items() if name in own}},
        winrm=found.winrm | (before.winrm & own),
        winrm_exchanges=found.winrm_exchanges | (before.winrm_exchanges & exchanges.keys()),
        unanswered=(*found.unanswered, *(one for one in before.unanswered if one.connection in own)),
    )


def _merged(found: Mapping[str, Record], more: Mapping[str, Record], order: list[str]) -> dict[str, Record]:
    """Both, in the order of the one that has more."""
    whole = {**found, **more}
    rank = {name: place for place, name in enumerate(order)}
    return dict(sorted(whole.items(), key=lambda item: rank.get(item[0], len(rank))))


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
