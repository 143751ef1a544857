"""The bodies of messages as another program may have them: without secrets, also without those of which one body has only a part."""

from collections import defaultdict
from collections.abc import Collection

from analyzer.exports.registry import Source
from analyzer.records.evidence import Evidence
from analyzer.reports.typed.astride import carried
from analyzer.tables.headers import begins

LEFT_OUT = "left out: something that looks like a password or key runs on from this message into the next one, or from the one before"


def bodies(source: Source, evidence: Evidence, only: Collection[str]) -> dict[str, str | None]:
    """Texts by message id, of these connections where any are named; None where a body has only a part of a secret (`LEFT_OUT`)."""
    made: dict[str, str | None] = {}
    streams: dict[tuple[str, str, str], list[tuple[int, str, bytes]]] = defaultdict(list)
    for name, text in source.bodies():
        if only and name.rpartition(".x")[0] not in only:
            continue
        made[name] = source.clean(text)
        exchange, _, half = name.rpartition(".")
        for piece in carried(text):
            streams[half, *piece.of].append((begins(evidence.exchanges[exchange])[0], name, piece.data))
    for pieces in streams.values():
        made |= dict.fromkeys(source.astride([piece[1:] for piece in sorted(pieces, key=lambda piece: piece[0])]))
    return made
