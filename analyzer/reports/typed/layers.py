"""Secrets within base64: a text that a command line or a stream carries encoded (-EncodedCommand, FromBase64String, Basic credentials, one in another).

Only the characters that carry the secret are masked, so that the rest still reads as it was sent; of what is compressed, all of it.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from analyzer.reports.typed.values import Span

DEPTH = 4
"""Layers of base64 in one another that are looked into."""
_SHORTEST = 12
_LONGEST = 4 << 20
_HEADER, _LAST_FLAG = 21, 3
"""Of a fragment (MS-PSRP 2.2.4): ids of eight bytes each, a byte of flags (1: the message begins), the length."""
_MESSAGE_HEADER = 40
_INFLATED = 1 << 20
INFLATED_IN_ALL = 2 << 20
"""Characters that the compressed runs of one text may become, layers in them counted; what would be more is masked whole, unseen."""
_RUN = re.compile(rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{{{_SHORTEST},}}+={{0,2}}")
_STREAM = re.compile(r"<(?:\w{1,20}:)?Stream\s(?P<about>[^<>]{1,400})>(?P<data>[A-Za-z0-9+/=]++)</")
_RUN_CHARACTERS = bytes(ord("0") if chr(code) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-" else ord(" ") for code in range(256))
_NO_CONTROLS = bytes(code if code > 31 or code in b"\t\r\n" else 10 for code in range(256))
_PAIR = re.compile(r"[\w.@\\-]{1,104}:(?P<value>[^\x00-\x1f]{1,256})", re.DOTALL)
_BASIC = re.compile(r"basic\s+$", re.IGNORECASE)
Spans = Callable[[str], Iterable[Span]]


def in_layers(text: str, spans: Spans, room: list[int]) -> Iterator[Span]:
    """Where base64 carries what ``spans`` finds in the decoded text. ``room``: what is left of `INFLATED_IN_ALL`; it shrinks."""
    if b"0" * _SHORTEST not in text.encode("ascii", "replace").translate(_RUN_CHARACTERS):
        return
    for found in _RUN.finditer(text):
        if found.end() - found.start() <= _LONGEST:
            yield from _in_run(text, found, spans, room)


def in_streams(text: str, spans: Spans) -> Iterator[Span]:
    """The same over the pieces of a stream that an envelope carries one after the other (MS-WSMV 2.2.4.39): a secret may stand astride two."""
    streams: dict[str, list[re.Match[str]]] = {}
    for found in _STREAM.finditer(text) if "Stream" in text else ():
        streams.setdefault(found["about"], []).append(found)
    for pieces in streams.values():
        whole = [(found.start("data"), data) for found in pieces if (data := decoded(found["data"])) is not None]
        inner = plain_of(b"".join(data for _, data in whole)) if len(whole) > 1 else Plain("")
        for begin, end in spans(inner.text) if inner.text else ():
            first, last, at = inner.offset(begin), inner.offset(end), 0
            for start, data in whole:
                if at < last and first < at + len(data):
                    here, there = max(first - at, 0), min(last - at, len(data))
                    yield start + here * 8 // 6, start - (-there * 8 // 6)
                at += len(data)


def _in_run(text: str, found: re.Match[str], spans: Spans, room: list[int]) -> Iterator[Span]:
    data = decoded(found[0])
    if data is None:
        return
    windows = _windows(data)
    if windows and room[0] <= 0:
        yield found.span()
        return
    plain = _inflated(data, windows)
    inner = plain_of(data if plain is None else plain)
    if not inner.text:
        return
    if plain is not None:
        room[0] -= len(inner.text)
        if room[0] < 0:
            yield found.span()
            return
    inside = list(spans(inner.text))
    if not inside and _BASIC.search(text[max(0, found.start() - 8) : found.start()]) and (pair := _PAIR.fullmatch(inner.text)):
        inside = [pair.span("value")]
    if inside and plain is not None:
        yield found.span()
        return
    for begin, end in inside:
        first, last = inner.offset(begin), inner.offset(end)
        yield found.start() + first * 8 // 6, min(found.end(), found.start() - (-last * 8 // 6))


def decoded(run: str) -> bytes | None:
    """As much as decodes: a run may be cut, or lack its padding."""
    bare = run.rstrip("=").replace("-", "+").replace("_", "/")
    bare = bare[: len(bare) - (len(bare) % 4 == 1)]
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except (binascii.Error, ValueError):
        return None


def _windows(data: bytes) -> tuple[int, ...]:
    """How zlib calls what this may be compressed with: gzip or zlib by their marks. Raw deflate has none, and is tried where the bytes are no text."""
    if data[:2] == b"\x1f\x8b":
        return (31,)
    if data[:1] == b"\x78":
        return (15,)
    if data[:1] in (b"\x00", b"\xff") or data[1:2] == b"\x00" or data[:64].isascii():
        return ()
    return (-15,)


def _inflated(data: bytes, windows: tuple[int, ...]) -> bytes | None:
    """What it holds, at most a megabyte; None where it is nothing of the kind."""
    for window in windows:
        try:
            plain = zlib.decompressobj(window).decompress(data, _INFLATED)
        except zlib.error:
            continue
        if plain:
            return plain
    return None


class Plain(NamedTuple):
    """What bytes read as: in UTF-8 or UTF-16LE, or character by byte, where ``places`` tells which."""

    text: str
    encoding: str = "utf-8"
    places: Sequence[int] = ()

    def offset(self, at: int) -> int:
        """Bytes before a character."""
        if self.places:
            return self.places[at] if at < len(self.places) else self.places[-1] + 1
        return len(self.text[:at].encode(self.encoding, "surrogatepass"))


def plain_of(data: bytes) -> Plain:
    """The bytes as text; empty where they are none."""
    head = data[:128]
    if data[:4] == bytes(4) and len(data) > _HEADER and data[16] <= _LAST_FLAG and 0 < int.from_bytes(data[17:21], "big") <= len(data) - _HEADER:
        return _fragments(data)
    if head.count(0) * 3 > len(head) and len(head) > 3 and head[1::2].count(0) * 2 > len(head) // 2:
        return Plain(data[: len(data) & ~1].decode("utf-16-le", "replace"), "utf-16-le")
    if sum(byte < 32 and byte not in b"\t\r\n\x1b" for byte in head):
        return Plain("")
    try:
        return Plain(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        near_end = error.start > len(head) // 2 or error.start >= len(data) - 3
        return Plain(data[: error.start].decode("utf-8") if near_end else "")


def _fragments(data: bytes) -> Plain:
    """What PowerShell's fragments hold, without their headers: a secret may stand astride two."""
    pieces: list[bytes] = []
    places: list[int] = []
    at = 0
    while at < len(data):
        size = int.from_bytes(data[at + 17 : at + 21], "big")
        begin, end = (at + _HEADER, at + _HEADER + size) if at + _HEADER + size <= len(data) else (at, len(data))
        skipped = min(_MESSAGE_HEADER, end - begin) if begin > at and data[at + 16] & 1 else 0
        pieces.append(b"\n" * skipped + data[begin + skipped : end])
        places.extend(range(begin, end))
        at = end
    return Plain(b"".join(pieces).translate(_NO_CONTROLS).decode("latin-1"), places=places)
