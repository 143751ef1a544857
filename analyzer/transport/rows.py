"""Leaves out packets that were captured twice (``-i any``, mirrored on two interfaces, merged files), so that each counts once.

Two rows are one packet when direction, sequence and acknowledgement numbers, flags and size are equal and the IPv4 identification is the same: a real
retransmission gets a new one. Where there is no identification (IPv6, or 0), the TCP checksum must agree too and the time must be close, since a
retransmission carries a later timestamp option.
"""

from array import array

from analyzer.formats.reader import Fetch
from analyzer.records.arrays import Ints
from analyzer.records.capture import Segments
from analyzer.transport.columns import no_copies

CLOSE_NS = 10_000_000


def distinct(rows: Segments, window_ns: int, fetch: Fetch) -> tuple[Ints, int]:
    """The indexes of rows to keep, in order, and how many were copies. Numbers alone are no proof, as anyone can send equal ones: a copy has the same bytes, as
    far as both were captured."""
    if no_copies(rows, max(window_ns, CLOSE_NS)):
        return array("q", range(len(rows.key))), 0
    seen: dict[tuple[int, int, int, int, int, int], tuple[int, int]] = {}
    kept = array("q")
    copies = 0
    numbers = zip(rows.direction, rows.seq, rows.ack, rows.flags, rows.wire_size, rows.ident, rows.ts_ns, strict=True)
    for i, (direction, seq, ack, flags, wire_size, ident, ts_ns) in enumerate(numbers):
        numbered = ident >> 16
        key = (direction, seq, ack, flags, wire_size, numbered or ident - (1 << 20))
        before = seen.get(key)
        if before is None or abs(ts_ns - before[0]) > (window_ns if numbered else CLOSE_NS):
            seen[key] = ts_ns, i
        elif _alike(rows, before[1], i, fetch):
            copies += 1
            continue
        kept.append(i)
    return kept, copies


def _alike(rows: Segments, one: int, other: int, fetch: Fetch) -> bool:
    """The payloads of two segments are equal, as far as both were captured."""
    size = min(rows.size[one], rows.size[other])
    return not size or fetch(rows.source[one], rows.file_at[one], size) == fetch(rows.source[other], rows.file_at[other], size)
