"""Issues about limits that were reached while shells and their commands were put together."""

from collections.abc import Iterable, Iterator

from analyzer.psrp.history import ROOM
from analyzer.psrp.shells import Built
from analyzer.records.ids import key_number
from analyzer.records.issues import Issue
from analyzer.records.wsman import Command
from analyzer.settings import Limits


def reached(built: Built, limits: Limits) -> Iterator[Issue]:
    """One for each shell or command that has more than is kept."""
    yield from layers(built.commands)
    limit = f"object_bytes={limits.object_bytes}"
    for one in built.shells:
        if one.cut:
            yield Issue("wsman.limit", f"{limit}: {one.cut} objects of shell {one.id} are longer", capture=one.capture)
        if one.unparsed:
            told = f"json_characters={ROOM}: {one.unparsed} objects of shell {one.id} are given as text only"
            yield Issue("wsman.limit", told, capture=one.capture)
        for told in one.untold:
            yield Issue("wsman.limit", f"{told}: shell {one.id}", one.id, one.capture)
        for told in one.strange:
            yield Issue("wsman.weird", f"{told}: shell {one.id}", one.id, one.capture)


def layers(commands: Iterable[Command]) -> Iterator[Issue]:
    """One for each limit that was reached in decoding the layers of a command."""
    for command in commands:
        number = key_number(command.packets[0]) if command.packets else None
        for told in command.undecoded:
            yield Issue("wsman.limit", f"{told}: command {command.id}", command.id, command.capture, number)
