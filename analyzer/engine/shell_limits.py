"""Issues about limits that were reached while shells and their commands were put together."""

from collections.abc import Iterator

from analyzer.psrp.history import ROOM
from analyzer.psrp.layers import MOST
from analyzer.psrp.shells import Built
from analyzer.records.ids import key_number
from analyzer.records.issues import Issue
from analyzer.records.wsman import Command
from analyzer.settings import Limits


def reached(built: Built, limits: Limits) -> Iterator[Issue]:
    """One for each shell or command that has more than is kept."""
    yield from (_layers_cut(one) for one in built.commands if one.decoded is not None and len(one.decoded) >= MOST)
    limit = f"object_bytes={limits.object_bytes}"
    for one in built.shells:
        if one.cut:
            yield Issue("wsman.limit", f"{limit}: {one.cut} objects of shell {one.id} are longer", capture=one.capture)
        if one.unparsed:
            told = f"json_characters={ROOM}: {one.unparsed} objects of shell {one.id} are given as text only"
            yield Issue("wsman.limit", told, capture=one.capture)


def _layers_cut(command: Command) -> Issue:
    number = key_number(command.packets[0]) if command.packets else None
    told = f"layers={MOST} characters: what is encoded in command {command.id} was decoded up to there"
    return Issue("wsman.limit", told, command.id, command.capture, number)
