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
    for i in range(len(rows.key)):
        ident = rows.ident[i]
        numbered = ident >> 16
        key = (rows.direction[i], rows.seq[i], rows.ack[i], rows.flags[i], rows.wire_size[i], numbered or ident - (1 << 20))
        before = seen.get(key)
        if before is not None and abs(rows.ts_ns[i] - before) <= (window_ns if numbered else _CLOSE_NS):
            copies += 1
            continue
        seen[key] = rows.ts_ns[i]
        kept.append(i)
    return kept, copies
