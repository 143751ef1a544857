"""Writes pcapng: the packets as they were captured, to the nanosecond, each with its comments; and the TLS key log that opens them, where it is asked for.

One section, one interface for each capture and link type; nothing of the time of writing, so that equal packets give equal bytes.
Source: draft-ietf-opsawg-pcapng (section header, interface description and enhanced packet blocks; decryption secrets block,
which comes before the packets that it opens; opt_comment 1, shb_userappl 4, if_name 2, if_tsresol 9).
"""

import struct
from collections.abc import Iterable, Iterator
from typing import NamedTuple

_SECTION, _INTERFACE, _PACKET, _SECRETS = 0x0A0D0D0A, 1, 6, 10
_TLS_KEY_LOG = 0x544C534B
_MAGIC, _NANOSECONDS = 0x1A2B3C4D, b"\x09"
_COMMENT, _NAME, _USERAPPL, _TSRESOL = 1, 2, 4, 9
_MOST_OPTION = 0xFFFF


class Interface(NamedTuple):
    """Where packets come from: a capture, one of its link types (LINKTYPE number), and its snap length (0: unlimited)."""

    name: str
    link_type: int
    snaplen: int


class Frame(NamedTuple):
    """One packet: the place of its interface, its time, its bytes as captured, its size on the wire, and what is said of it."""

    interface: int
    ts_ns: int
    data: bytes
    wire_size: int
    comments: tuple[str, ...]


def blocks(items: Iterable[Interface | Frame], program: str, comment: str, key_log: str = "") -> Iterator[bytes]:
    """The file, block by block. Interfaces are counted from 0 in the order in which they come; each comes before its first packet.

    ``key_log``: lines of a TLS key log (the NSS format); Wireshark opens with them what they open.
    """
    yield _block(_SECTION, struct.pack("<IHHq", _MAGIC, 1, 0, -1) + _options([(_COMMENT, comment.encode()), (_USERAPPL, program.encode())]))
    if key_log:
        lines = key_log.encode("ascii")
        yield _block(_SECRETS, struct.pack("<II", _TLS_KEY_LOG, len(lines)) + _padded(lines))
    for one in items:
        if isinstance(one, Interface):
            options = _options([(_NAME, one.name.encode("utf-8", "replace")), (_TSRESOL, _NANOSECONDS)])
            yield _block(_INTERFACE, struct.pack("<HHI", one.link_type, 0, one.snaplen) + options)
        else:
            head = struct.pack("<IIIII", one.interface, one.ts_ns >> 32, one.ts_ns & 0xFFFFFFFF, len(one.data), one.wire_size)
            yield _block(_PACKET, head + _padded(one.data) + _options([(_COMMENT, text.encode("utf-8", "replace")) for text in one.comments]))


def _block(kind: int, body: bytes) -> bytes:
    size = len(body) + 12
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


def _options(options: list[tuple[int, bytes]]) -> bytes:
    if not options:
        return b""
    made = [struct.pack("<HH", code, len(value[:_MOST_OPTION])) + _padded(value[:_MOST_OPTION]) for code, value in options]
    return b"".join(made) + struct.pack("<HH", 0, 0)


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
