"""Single packets of a finished run, read again from their files."""

from collections.abc import Collection, Iterator, Sequence

from analyzer.capture.containers import rows
from analyzer.capture.identity import difference
from analyzer.capture.open import is_pipe, opened
from analyzer.capture.scapy_packet import Packet, packet
from analyzer.capture.window import Walk
from analyzer.errors import InputError, UsageError
from analyzer.records.capture import Capture
from analyzer.settings import Limits

__all__ = ["Packet", "packet_of", "packets_of"]


def packet_of(captures: Sequence[Capture], name: str, number: int) -> Packet:
    """Packet ``number`` of the capture called ``name``. `UsageError` when there is no such capture or packet."""
    for capture in captures:
        if capture.name == name:
            return packet(capture.path, number, Limits())
    msg = f"there is no capture {name!r}; there are {', '.join(capture.name for capture in captures)}"
    raise UsageError(msg)


def packets_of(capture: Capture, numbers: Collection[int]) -> Iterator[Packet]:
    """The packets of these numbers in the order of the file, which is read once. `InputError`: it cannot be read again, or some are not there any more."""
    if is_pipe(capture.path):
        msg = "packets of a pipe cannot be read again; save the capture to a file first"
        raise InputError(msg)
    wanted = set(numbers)
    last = max(wanted, default=0)
    source = opened(capture.path)
    if capture.identity is not None and difference(capture.identity, source.watch.before):
        source.raw.close()
        msg = f"{capture.name} was changed since it was read"
        raise InputError(msg)
    try:
        for row in rows(source.fill, Limits(), Walk()):
            if row.number in wanted:
                wanted.remove(row.number)
                yield Packet(row.number, row.ts_ns, row.link, bytes(row.buffer[row.at : row.at + row.size]), row.wire_size)
            if row.number >= last:
                break
    finally:
        source.stream.close()
        source.raw.close()
    if wanted:
        msg = f"{capture.name} has no packet {min(wanted)} any more: it was changed since it was read"
        raise InputError(msg)
