"""Leaves out packets that were captured twice (``-i any``, mirrored on two interfaces, merged files), so that each counts once.

Two rows are one packet when direction, sequence and acknowledgement numbers, flags and size are equal and the IPv4 identification is the same: a real
retransmission gets a new one. Where there is no identification (IPv6, or 0), the TCP checksum must agree too and the time must be close, since a
retransmission carries a later timestamp option.
"""

from analyzer.records.capture import Segments

_CLOSE_NS = 10_000_000


def distinct(rows: Segments, window_ns: int) -> tuple[list[int], int]:
    """The indexes of rows to keep, in order, and how many were copies."""
    seen: dict[tuple[int, int, int, int, int, int], int] = {}
    kept = []
    copies = 0
    numbers = zip(rows.direction, rows.seq, rows.ack, rows.flags, rows.wire_size, rows.ident, rows.ts_ns, strict=True)
    for i, (direction, seq, ack, flags, wire_size, ident, ts_ns) in enumerate(numbers):
        numbered = ident >> 16
        key = (direction, seq, ack, flags, wire_size, numbered or ident - (1 << 20))
        before = seen.get(key)
        if before is not None and abs(ts_ns - before) <= (window_ns if numbered else _CLOSE_NS):
            copies += 1
            continue
        seen[key] = ts_ns
        kept.append(i)
    return kept, copies
