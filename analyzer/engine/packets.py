"""Single packets of a finished run, read again from their files."""

from collections.abc import Sequence

from analyzer.capture.scapy_packet import Packet, packet
from analyzer.errors import UsageError
from analyzer.records.capture import Capture
from analyzer.settings import Limits

__all__ = ["Packet", "packet_of"]


def packet_of(captures: Sequence[Capture], name: str, number: int) -> Packet:
    """Packet ``number`` of the capture called ``name``. `UsageError` when there is no such capture or packet."""
    for capture in captures:
        if capture.name == name:
            return packet(capture.path, number, Limits())
    msg = f"there is no capture {name!r}; there are {', '.join(capture.name for capture in captures)}"
    raise UsageError(msg)
