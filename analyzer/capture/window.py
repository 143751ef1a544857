"""What the walks over capture files share: a moving window over the input, and the row that tells where a packet lies in it."""

from array import array
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol

from msgspec import Struct, field

from analyzer.records.capture import Drop

Fill = Callable[[memoryview], int | None]
"""Puts bytes of the input into a buffer and gives their number, 0 at the end: the method ``readinto`` of a stream."""


HEAD_BYTES = 1 << 16
"""Bytes of a file's beginning that tell which file it goes on with (`analyzer.capture.points`)."""


class Row(NamedTuple):
    """One packet: its number, time, link type, and where its bytes lie in ``buffer`` (``at``, ``size`` captured, ``wire_size`` sent) and in the file."""

    number: int
    ts_ns: int
    link: int
    buffer: bytearray
    at: int
    size: int
    wire_size: int
    file_at: int


class Bulk(Protocol):
    """Takes ordinary records by the thousand (see `analyzer.capture.kernel.Kernel`); what it does not take comes as a row."""

    @property
    def number(self) -> int:
        """That of the last packet that it took."""
        ...

    @property
    def seconds(self) -> int:
        """The time of that packet, in a pcap."""
        ...

    @property
    def last_block_ns(self) -> int:
        """The time of that packet, in a pcapng."""
        ...

    def pcap(self, buffer: bytearray, span: tuple[int, int, int], number: int, layout: tuple[int, int, int], link: int) -> int:
        """Where it stopped."""
        ...

    def pcapng(self, buffer: bytearray, span: tuple[int, int, int], number: int, big: int, interfaces: "array[int]") -> int:
        """Where it stopped."""
        ...

    def know(self, randoms: Iterable[bytes]) -> None:
        """The client randoms of a key log that the capture carries."""
        ...


class Interface(Struct, frozen=True, gc=False):
    """Of a pcapng section: link type, snap length, units of time in a second, and the seconds that are added to every time."""

    link: int
    snaplen: int
    ticks: int = 1_000_000
    offset_s: int = 0


class Walk(Struct):
    """What the walk learns besides packets; filled while it runs."""

    format: str = ""
    instead: str = ""
    """What the input is that is no capture, as a sentence."""
    snaplen: int | None = None
    packets: int = 0
    links: set[int] = field(default_factory=set)
    secrets: list[tuple[int, int, int]] = field(default_factory=list)
    comments: list[tuple[int, str]] = field(default_factory=list)
    order: str = "<"
    interfaces: list[Interface] = field(default_factory=list)
    """Of the pcapng section that the walk is in: byte order and interfaces."""
    drops: list[Drop] = field(default_factory=list)
    borrowed: bool = False
    """True when a packet without a time of its own was given that of the packet before."""
    problems: list[tuple[str, str, int | None]] = field(default_factory=list)
    """(issue code, detail, packet number)."""


class Window:
    """A moving window over the input: ``need(n)`` makes n bytes available at ``at`` where the input has them. One buffer is filled again and again."""

    __slots__ = ("_ended", "_fill", "at", "base", "buffer", "end")

    def __init__(self, fill: Fill, size: int) -> None:
        self._fill = fill
        self._ended = False
        self.buffer = bytearray(size)
        self.at = 0
        self.end = 0
        """Where the bytes in the buffer end."""
        self.base = 0
        """Added to a place in the buffer it gives the place in the input."""

    def need(self, size: int) -> bool:
        """True when ``size`` bytes lie at ``at``."""
        have = self.end - self.at
        if have >= size:
            return True
        if self._ended:  # asked again and again while a damaged end is searched: no copying then
            return False
        rest = self.buffer[self.at : self.end]
        if size > len(self.buffer):
            self.buffer = bytearray(size + (size >> 1))
        self.buffer[:have] = rest
        self.base += self.at
        self.at, self.end = 0, have
        view = memoryview(self.buffer)
        while self.end < size:
            got = self._fill(view[self.end :])
            if not got:
                self._ended = True
                break
            self.end += got
        return self.end >= size

    def span(self) -> tuple[int, int, int]:
        """Where to go on, where the bytes end, and what makes an offset of the input out of a place."""
        return self.at, self.end, self.base

    def left(self) -> int:
        """How many bytes are in the window."""
        return self.end - self.at

    def tell_cut(self, walk: "Walk") -> None:
        """What is left is the beginning of a record whose end is not in the file."""
        size = self.left()
        told = f"{size} byte{'s' if size > 1 else ''} after the last whole record {'belong' if size > 1 else 'belongs'} to a packet that is not wholly there"
        walk.problems.append(("capture.cut", told, None))
