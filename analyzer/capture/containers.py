"""Walks the records of pcap, pcapng and Network Monitor, from any source of bytes, and yields one row per packet as Wireshark counts them.

A row points into a moving buffer, so it is good until the next one is asked for. Damage never ends the walk while something that can be trusted follows;
what was passed over is an issue.
"""

from collections.abc import Iterator

from analyzer.capture import pcap, pcapng
from analyzer.capture.window import Bulk, Fill, Row, Walk, Window
from analyzer.settings import Limits

NETMON_MAGICS = (b"GMBU", b"RTSS")


def rows(fill: Fill, limits: Limits, walk: Walk, bulk: Bulk | None = None) -> Iterator[Row]:
    """Every packet of a capture in file order, but for those that ``bulk`` takes. An input that is no capture yields nothing and leaves ``walk.format`` empty.

    What an exception of ``fill`` cuts off is lost, what was read before it is not.
    """
    window = Window(fill, limits.read_size_bytes)
    window.need(pcap.HEADER_SIZE)
    magic = window.buffer[: min(4, window.end)]
    if magic == pcapng.PCAPNG_MAGIC:
        walk.format = "pcapng"
        yield from pcapng.blocks(window, limits, walk, bulk)
        return
    if magic in NETMON_MAGICS:
        from analyzer.capture import netmon

        yield from netmon.records(window, limits, walk)
        return
    head = pcap.pcap_head(window.buffer[: window.end])
    if head is not None:
        window.at = pcap.HEADER_SIZE
        yield from pcap.records(window, limits, walk, head, bulk)
