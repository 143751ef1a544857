"""One packet by its number, for a person who wants to look at it: the file is walked again up to there. The adapter to scapy, which dissects it.

scapy takes a second to import, so it is imported with the first packet that is dissected.
"""

from decimal import Decimal
from typing import TYPE_CHECKING

from msgspec import Struct

from analyzer.capture.containers import rows
from analyzer.capture.open import is_pipe, opened
from analyzer.capture.window import Walk
from analyzer.errors import InputError, UsageError
from analyzer.formats.scapy_quiet import quietly
from analyzer.settings import Limits

if TYPE_CHECKING:
    from scapy.packet import Packet as ScapyPacket

_ETHERNET = 1


class Packet(Struct, frozen=True, gc=False):
    """``data`` as captured, beginning with the link layer of ``link_type`` (LINKTYPE number); ``wire_size`` is what was sent; ``ts_ns`` since 1970 UTC."""

    number: int
    ts_ns: int
    link_type: int
    data: bytes
    wire_size: int

    def to_scapy(self) -> "ScapyPacket":
        """The packet dissected by scapy, with its time exact to the nanosecond; a link type that scapy does not know gives ``Raw``."""
        with quietly():
            import scapy.layers.all  # noqa: F401  registers the layers
            from scapy.config import conf
            from scapy.layers.l2 import Ether
            from scapy.packet import Raw

        layer = Ether if self.link_type == _ETHERNET else conf.l2types.num2layer.get(self.link_type, Raw)
        made: ScapyPacket = layer(self.data)
        made.time = Decimal(self.ts_ns) / Decimal(1_000_000_000)
        return made


def packet(path: str, number: int, limits: Limits) -> Packet:
    """Packet ``number`` (from 1, as Wireshark counts) of a capture. `InputError`: it cannot be read again; `UsageError`: there is no such packet."""
    if is_pipe(path):
        msg = "a packet of a pipe cannot be read again"
        raise InputError(msg)
    source = opened(path)
    try:
        for row in rows(source.fill, limits, Walk()):
            if row.number == number:
                return Packet(number, row.ts_ns, row.link, bytes(row.buffer[row.at : row.at + row.size]), row.wire_size)
            if row.number > number:
                break
    finally:
        source.stream.close()
        source.raw.close()
    msg = f"{path} has no packet {number}"
    raise UsageError(msg)
