"""What Windows' tracing says of packets: the data of events of NDIS packet capture (``netsh trace``) and of Packet Monitor (``pktmon``), whichever file they
lie in (.etl, or a capture of Network Monitor). Layouts by the providers' manifests, checked on real files; etl2pcapng's keywords for fragments and media.
"""

import struct
from typing import NamedTuple
from uuid import UUID

ETHERNET, RAW, WLAN = 1, 101, 105
"""LINKTYPE numbers."""
NDIS = UUID("2ed6006e-4729-4609-b423-3ee7bcd678ef").bytes_le
"""Microsoft-Windows-NDIS-PacketCapture."""
PKTMON = UUID("4d4f80d9-c8bd-4d73-bb5b-19c90402c5ac").bytes_le
"""Microsoft-Windows-PktMon."""
_FRAGMENT, _SWITCH_FRAGMENT = 1001, 1003
_START, _END, _WWAN, _NATIVE_WLAN = 0x4000_0000, 0x8000_0000, 0x200, 0x10000
_PROTECTED = 0x40
_COMPONENT, _PACKET, _DROP, _DROP_AGAIN = 20, 160, 170, 240
_HEADER = 34
"""Bytes of a pktmon event before the frame."""
_LINKS = {1: ETHERNET, 2: WLAN, 3: RAW}
_DIRECTIONS = ("", "in", "out", "received", "sent", "ingress", "egress")
_SEARCHED = 4096
_LEAST_FRAME = 14


class Piece(NamedTuple):
    """A frame, or a part of one (``start`` and ``end`` tell), in an event of NDIS packet capture: link type, and where its bytes lie in the event's data."""

    link: int
    at: int
    size: int
    start: bool
    end: bool
    interface: int


class Sight(NamedTuple):
    """A packet at one place of Windows' network stack, as pktmon logs it. ``group`` and ``number`` name the packet, ``link`` is None for what is no frame.

    ``reason`` and ``location`` are pktmon's codes where it was dropped there, else None. ``at`` and ``size`` say where the frame lies in the event's data.
    """

    group: int
    number: int
    link: int | None
    kind: int
    component: int
    direction: str
    reason: int | None
    location: int
    at: int
    size: int
    wire_size: int


def piece(number: int, keywords: int, data: bytes | memoryview) -> Piece | None:
    """The frame in an event of NDIS packet capture; None for an event without one."""
    if number == _FRAGMENT and len(data) >= 12:
        interface, size = struct.unpack_from("<II", data, 4)
        at = 12
    elif number == _SWITCH_FRAGMENT:
        found = _switch_fragment(bytes(data))
        if found is None:
            return None
        interface, at, size = found
    else:
        return None
    link = WLAN if keywords & _NATIVE_WLAN else RAW if keywords & _WWAN else ETHERNET
    return Piece(link, at, min(size, len(data) - at), bool(keywords & _START), bool(keywords & _END), interface)


def is_fragment(number: int) -> bool:
    """Whether events of NDIS packet capture with this number hold bytes of packets."""
    return number in (_FRAGMENT, _SWITCH_FRAGMENT)


def _switch_fragment(data: bytes) -> tuple[int, int, int] | None:
    """Of the virtual switch: port, and where the frame lies. Names of the source come before it, and destinations of a size that is not told; but the frame's
    size, the frame, the size of what follows and that itself end exactly where the event does, which only one place fulfils."""
    if len(data) < 12:
        return None
    port = struct.unpack_from("<I", data, 8)[0]
    at = 12
    for _ in range(3):
        end = _string_end(data, at)
        if end is None:
            return None
        at = end
    for place in range(at + 4, min(at + _SEARCHED, len(data) - 8)):
        size = struct.unpack_from("<I", data, place)[0]
        behind = place + 4 + size
        if size >= _LEAST_FRAME and behind + 4 <= len(data) and behind + 4 + struct.unpack_from("<I", data, behind)[0] == len(data):
            return port, place + 4, size
    return None


def _string_end(data: bytes, at: int) -> int | None:
    while at + 2 <= len(data):
        if data[at] == 0 and data[at + 1] == 0:
            return at + 2
        at += 2
    return None


def sight(number: int, data: bytes | memoryview) -> Sight | None:
    """A packet that pktmon saw, or dropped; None for events of other kinds."""
    if number not in (_PACKET, _DROP, _DROP_AGAIN) or len(data) < _HEADER:
        return None
    group, count, _, direction, kind, component, _, _, reason, location, sent, logged = struct.unpack_from("<QHHHHHHHIIHH", data)
    size = min(logged, len(data) - _HEADER)
    return Sight(
        group,
        count,
        _LINKS.get(kind),
        kind,
        component,
        _DIRECTIONS[direction] if direction < len(_DIRECTIONS) else "",
        None if number == _PACKET else reason,
        location,
        _HEADER,
        size,
        max(sent, size),
    )


def component(number: int, data: bytes | memoryview) -> tuple[int, str] | None:
    """The number and the name of a part of the network stack, as pktmon tells them at the beginning or the end of a trace."""
    if number != _COMPONENT or len(data) < 8:
        return None
    raw = bytes(data)
    texts, at = [], 4
    for _ in range(2):  # the driver's file, then what pktmon list calls its name
        end = _string_end(raw, at)
        if end is None:
            break
        texts.append(raw[at : end - 2].decode("utf-16-le", "replace"))
        at = end
    name = next((text for text in reversed(texts) if text and text.isprintable()), "")
    return (struct.unpack_from("<H", raw)[0], name) if name else None


def decrypted(link: int, frame: bytes) -> bytes:
    """The frame without the flag that says 802.11 is encrypted: Windows traces such frames decrypted, and leaves the flag."""
    if link == WLAN and len(frame) > 1 and frame[1] & _PROTECTED:
        return frame[:1] + bytes([frame[1] & ~_PROTECTED]) + frame[2:]
    return frame


def sent_size(link: int, frame: bytes) -> int:
    """How long a frame was that the trace may have cut, by its IP header, as etl2pcapng tells it."""
    at = 14 if link == ETHERNET else 0
    if link not in (ETHERNET, RAW) or len(frame) < at + 20:
        return len(frame)
    kind = frame[12:14] if at else b""
    if kind == b"\x08\x00" or (not at and frame[0] >> 4 == 4):
        return max(len(frame), at + int.from_bytes(frame[at + 2 : at + 4], "big"))
    if kind == b"\x86\xdd" or (not at and frame[0] >> 4 == 6):
        return max(len(frame), at + 40 + int.from_bytes(frame[at + 4 : at + 6], "big"))
    return len(frame)
