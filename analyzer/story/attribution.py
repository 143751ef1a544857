"""Who asked for a command, and as whom it ran: two answers that differ where a proxy shares a connection that someone else logged on."""

from collections.abc import Iterable

from msgspec.structs import replace

from analyzer.records.evidence import Evidence
from analyzer.records.halves import request
from analyzer.records.story import Fate
from analyzer.records.wsman import Command


def attributed(evidence: Evidence, commands: Iterable[Command]) -> tuple[Command, ...]:
    """The commands with the client that asked for each, its own account, and the account of the server's connection."""
    fates = _by_packet(evidence)
    return tuple(_attributed(command, fates) for command in commands)


def _by_packet(evidence: Evidence) -> dict[int, Fate]:
    """First packet of each request, on every side, to its fate."""
    found: dict[int, Fate] = {}
    for fate in evidence.story.fates.values():
        for identity in (fate.request, *fate.forwarded_as):
            asked = request(evidence.exchanges[identity])
            for key in () if asked is None else asked.packets:
                found.setdefault(key, fate)
    return found


def _attributed(command: Command, fates: dict[int, Fate]) -> Command:
    fate = next((fates[key] for key in command.packets if key in fates), None)
    if fate is None:
        return command
    return replace(command, asked_from=fate.asked_from, asked_as=fate.asked_as, ran_as=fate.ran_as)
