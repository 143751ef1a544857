"""Oddities of a TCP connection under the names that Zeek's weird.log gives them: what a stack does not do, and a packet that was forged or damaged may.

They are told, and nothing more: each also occurs without anyone's intention.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analyzer.records.arrays import Ints
from analyzer.records.capture import Segments
from analyzer.transport.columns import flagged

_FIN, _SYN, _RST = 1, 2, 4
_HANDSHAKE = 2
"""Nothing lies between the two SYNs of most connections."""


class Weird(NamedTuple):
    """A name, how many packets show it (``times``), and the key of the first of them."""

    name: str
    times: int
    packet: int


def weird(rows: Segments, kept: Ints) -> Iterator[Weird]:
    """What of the rows ``kept``, in capture order, is odd."""
    flags, sizes = rows.flags, rows.wire_size
    special = flagged(flags, kept, _SYN | _RST)
    if not special:
        return
    syns = [place for place in special if flags[kept[place]] & _SYN]
    if len(special) == len(syns) == _HANDSHAKE and syns[1] == syns[0] + 1 and not any(sizes[kept[place]] for place in syns):
        return
    resets = [place for place in special if flags[kept[place]] & _RST]
    yield from _named("SYN_with_data", rows, [kept[place] for place in syns if sizes[kept[place]]])
    yield from _named("RST_with_data", rows, [kept[place] for place in resets if sizes[kept[place]]])
    if resets:
        later = kept[resets[0] + 1 :]
        yield from _named("data_after_reset", rows, [k for k in later if sizes[k] and not flags[k] & _RST])
    asked, answered = _first(rows, kept, syns)
    if asked is not None and answered is not None:
        side = rows.direction[kept[asked]]
        between = [k for k in kept[asked + 1 : answered] if rows.direction[k] == side and not flags[k] & (_SYN | _RST)]
        yield from _named("data_before_established", rows, [k for k in between if sizes[k]])
        yield from _named("inappropriate_FIN", rows, [k for k in between if flags[k] & _FIN and not sizes[k]])


def _first(rows: Segments, kept: Sequence[int], syns: Sequence[int]) -> tuple[int | None, int | None]:
    """The places of the first SYN and of the first one of the other side."""
    if not syns:
        return None, None
    side = rows.direction[kept[syns[0]]]
    return syns[0], next((place for place in syns if rows.direction[kept[place]] != side), None)


def _named(name: str, rows: Segments, found: Sequence[int]) -> Iterator[Weird]:
    if found:
        yield Weird(name, len(found), rows.key[found[0]])
