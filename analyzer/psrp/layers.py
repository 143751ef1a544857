"""Opens the layers that command lines are wrapped in: ``-EncodedCommand``, base64 strings handed to FromBase64String, gzip and deflate inside them.

Limits: a few layers deep, a megabyte each, so many characters of them in all; what was reached is told. What is found is text; nothing is ever run.
"""

import base64
import binascii
import codecs
import re
import zlib
from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

_DEPTH = 4
_LIMIT = 1 << 20
_MOST = 2 << 20
"""Characters of all the layers of one text."""
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ENCODED = r"(?i)(?:^|\s)[-/\u2013\u2014](?:e|ec|en|enc|enco|encod|encode|encoded\w*)\s+[\"']?([A-Za-z0-9+/=]{16,})"
_FROM_BASE64 = r"(?i)FromBase64String\s*+\(\s*+\(?\s*+[\"']([A-Za-z0-9+/=\s]{16,})[\"']"


class Opened(NamedTuple):
    """The texts, layer after layer joined by new lines, None when nothing is encoded; and a sentence for each limit that was reached."""

    text: str | None = None
    reached: tuple[str, ...] = ()


_NOTHING = Opened()
_CALL = "frombase64string"


class _Inner(NamedTuple):
    text: str
    cut: bool = False


def opened(text: str) -> Opened:
    """What is encoded in a text."""
    if text.isascii():  # other letters can be the same as those of ASCII where case does not count
        low = text.lower()
        if "-e" not in low and "/e" not in low and _CALL not in low:
            return _NOTHING
    layers: list[str] = []
    reached: dict[str, None] = {}
    waiting = deque(((text, 0),))
    left = _MOST
    while waiting and left > 0:
        here, depth = waiting.popleft()
        for inner in _inner(here):
            if depth >= _DEPTH:
                reached[f"layers={_DEPTH}: what is encoded deeper was not decoded"] = None
                break
            layers.append(inner.text)
            waiting.append((inner.text, depth + 1))
            if inner.cut:
                reached[f"layer_bytes={_LIMIT}: a layer is longer, and was decoded up to there"] = None
            left -= len(inner.text) + 1
            if left <= 0:
                reached[f"layer_characters={_MOST}: what is encoded was decoded up to there"] = None
                break
    return Opened("\n".join(layers)[:_MOST] if layers else None, tuple(reached))


def _inner(text: str) -> Iterator[_Inner]:
    for match in re.finditer(_ENCODED, text):
        data = _base64(match[1])
        if data is not None and len(data) % 2 == 0:
            yield _Inner(data.decode("utf-16-le", "replace"))
    for match in re.finditer(_FROM_BASE64, text):
        data = _base64(match[1])
        if data is not None:
            plain, cut = _inflated(data) or (data[:_LIMIT], len(data) > _LIMIT)
            readable = _readable(plain, cut=cut)
            if readable is not None:
                yield _Inner(readable, cut)


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()) + "=" * (-len("".join(text.split())) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _inflated(data: bytes) -> tuple[bytes, bool] | None:
    """gzip, zlib or raw deflate, at most `_LIMIT` bytes of it, and whether there is more."""
    for window in (31, 15, -15):
        reader = zlib.decompressobj(window)
        try:
            plain = reader.decompress(data, _LIMIT)
        except zlib.error:
            continue
        if plain:
            return plain, len(plain) == _LIMIT and _goes_on(reader)
    return None


def _goes_on(reader: "zlib._Decompress") -> bool:
    try:
        return bool(reader.decompress(reader.unconsumed_tail, 1))
    except zlib.error:
        return True


def _readable(data: bytes, *, cut: bool) -> str | None:
    """The bytes as text, when they are text: UTF-16LE or UTF-8 without control characters. A cut may lie inside a character."""
    encoding = "utf-16-le" if data[1:2] == b"\x00" else "utf-8"
    try:
        text = codecs.getincrementaldecoder(encoding)().decode(data, final=not cut)
    except UnicodeDecodeError:
        return None
    return text if _CONTROL.search(text) is None else None
