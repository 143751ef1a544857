"""Secrets within base64: a text that a command line or a stream carries encoded (-EncodedCommand, FromBase64String, Basic credentials, one in another).

Only the characters that carry the secret are masked, so that the rest still reads as it was sent; of what is compressed, all of it.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Iterable, Iterator

from analyzer.reports.typed.values import Span

DEPTH = 4
"""Layers of base64 in one another that are looked into."""
_SHORTEST = 12
_LONGEST = 4 << 20
_INFLATED = 1 << 20
_RUN = re.compile(rf"(?<![A-Za-z0-9+/_-])[A-Za-z0-9+/_-]{{{_SHORTEST},}}+={{0,2}}")
_RUN_CHARACTERS = bytes(ord("0") if chr(code) in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/_-" else ord(" ") for code in range(256))
_NO_CONTROLS = bytes(code if code > 31 or code in b"\t\r\n" else 10 for code in range(256))
_PAIR = re.compile(r"[\w.@\\-]{1,104}:(?P<value>[^\x00-\x1f]{1,256})", re.DOTALL)
_BASIC = re.compile(r"basic\s+$", re.IGNORECASE)
Spans = Callable[[str], Iterable[Span]]


def in_layers(text: str, spans: Spans) -> Iterator[Span]:
    """Where base64 carries what ``spans`` finds in the decoded text."""
    if b"0" * _SHORTEST not in text.encode("ascii", "replace").translate(_RUN_CHARACTERS):
        return
    for found in _RUN.finditer(text):
        if found.end() - found.start() <= _LONGEST:
            yield from _in_run(text, found, spans)


def _in_run(text: str, found: re.Match[str], spans: Spans) -> Iterator[Span]:
    data = _decoded(found[0])
    if data is None:
        return
    plain = _inflated(data)
    inner, width = _text(data if plain is None else plain)
    if not inner:
        return
    inside = list(spans(inner))
    if not inside and _BASIC.search(text[max(0, found.start() - 8) : found.start()]) and (pair := _PAIR.fullmatch(inner)):
        inside = [pair.span("value")]
    if inside and plain is not None:
        yield found.span()
        return
    for begin, end in inside:
        first, last = _offset(inner, begin, width), _offset(inner, end, width)
        yield found.start() + first * 8 // 6, min(found.end(), found.start() - (-last * 8 // 6))


def _decoded(run: str) -> bytes | None:
    """As much as decodes: a run may be cut, or lack its padding."""
    bare = run.rstrip("=").replace("-", "+").replace("_", "/")
    bare = bare[: len(bare) - (len(bare) % 4 == 1)]
    try:
        return base64.b64decode(bare + "=" * (-len(bare) % 4))
    except (binascii.Error, ValueError):
        return None


def _inflated(data: bytes) -> bytes | None:
    """What gzip or zlib holds, at most a megabyte; None where it is neither. Raw deflate has no mark, and is tried where the bytes are no text."""
    if data[:2] == b"\x1f\x8b":
        windows: tuple[int, ...] = (31,)
    elif data[:1] == b"\x78":
        windows = (15,)
    elif data[:1] in (b"\x00", b"\xff") or data[1:2] == b"\x00" or data[:64].isascii():
        return None
    else:
        windows = (-15,)
    for window in windows:
        try:
            plain = zlib.decompressobj(window).decompress(data, _INFLATED)
        except zlib.error:
            continue
        if plain:
            return plain
    return None


def _text(data: bytes) -> tuple[str, int]:
    """The bytes as text with how many bytes a character has at least (UTF-16LE: 2, UTF-8: 1; 0: one for each). Empty where they are none."""
    head = data[:128]
    if head.count(0) * 3 > len(head) and len(head) > 3 and head[1::2].count(0) * 2 > len(head) // 2:
        return data[: len(data) & ~1].decode("utf-16-le", "replace"), 2
    if b"<Obj " in data[:4096]:  # MS-PSRP: fragments, with their headers between the pieces of CLIXML
        return data.translate(_NO_CONTROLS).decode("latin-1"), 0
    if sum(byte < 32 and byte not in b"\t\r\n\x1b" for byte in head):
        return "", 1
    try:
        return data.decode("utf-8"), 1
    except UnicodeDecodeError as error:
        return (data[: error.start].decode("utf-8"), 1) if error.start > 64 or error.start >= len(data) - 3 else ("", 1)


def _offset(text: str, at: int, width: int) -> int:
    """Bytes before a character."""
    if not width:
        return at
    return len(text[:at].encode("utf-16-le", "surrogatepass")) if width == 2 else len(text[:at].encode("utf-8", "surrogatepass"))
