"""The formats of capture files as a table, one row each, and the walk over a file's records: one row per packet, from any
source of bytes.

A format is a module: ``rows(window, limits, walk, bulk)`` yields its packets in the order in which the format's own tools
count them, and, where no magic number tells the format, ``begins(head)`` says whether it is one. A row points into a
buffer that is filled again, so it is good until the next one is asked for. Damage never ends the walk while something that
can be trusted follows; what was passed over is an issue.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import NamedTuple, Protocol, cast

from analyzer.capture import kinds
from analyzer.capture.window import Bulk, Fill, Row, Walk, Window
from analyzer.settings import Limits

HEAD_SIZE = kinds.HEAD_SIZE
"""Bytes from a file's beginning that tell its format, or what it is instead."""


class Format(NamedTuple):
    """A format's name for people, its module, and the bytes that its files begin with; without any, the module's ``begins`` tells."""

    name: str
    module: str
    magics: tuple[bytes, ...] = ()


FORMATS = (
    Format("pcapng", "pcapng", (b"\x0a\x0d\x0d\x0a",)),
    Format("pcap", "pcap", (b"\xa1\xb2\xc3\xd4", b"\xd4\xc3\xb2\xa1", b"\xa1\xb2\x3c\x4d", b"\x4d\x3c\xb2\xa1", b"\xa1\xb2\xcd\x34", b"\x34\xcd\xb2\xa1")),
    Format("Network Monitor", "netmon", (b"GMBU", b"RTSS")),
    Format("snoop", "snoop", (b"snoop\0\0\0",)),
    Format("event trace", "etl"),
    Format("ERF", "erf"),
)


class _Reader(Protocol):
    """What a format's module has."""

    def begins(self, head: bytes) -> bool: ...

    def rows(self, window: Window, limits: Limits, walk: Walk, bulk: Bulk | None) -> Iterator[Row]: ...


def _reader(form: Format) -> _Reader:
    """The module, imported with the first file of its format: most runs meet one only."""
    return cast("_Reader", import_module(f"analyzer.capture.{form.module}"))


def format_of(head: bytes) -> Format | None:
    """The format of a file that begins with ``head`` (`HEAD_SIZE` bytes, fewer where the file has fewer); None when it is none of these."""
    for form in FORMATS:
        if head.startswith(form.magics) if form.magics else _reader(form).begins(head):
            return form
    return None


def rows(fill: Fill, limits: Limits, walk: Walk, bulk: Bulk | None = None) -> Iterator[Row]:
    """Every packet of a capture in file order, but for those that ``bulk`` takes. An input that is no capture yields
    nothing: it leaves ``walk.format`` empty, and ``walk.instead`` says what it is.

    What an exception of ``fill`` cuts off is lost, what was read before it is not.
    """
    window = Window(fill, limits.read_size_bytes)
    window.need(HEAD_SIZE)
    head = bytes(window.buffer[: min(window.end, HEAD_SIZE)])
    form = format_of(head)
    if form is not None:
        yield from _reader(form).rows(window, limits, walk, bulk)
    if not walk.format:
        walk.instead = walk.instead or kinds.sentence(head)
