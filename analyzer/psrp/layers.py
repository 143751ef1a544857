"""Opens the layers that command lines are wrapped in: ``-EncodedCommand``, base64 strings handed to FromBase64String, gzip and deflate inside them.

Limits: a few layers deep, a megabyte each, so many characters of them in all. What is found is text; nothing is ever run.
"""

import base64
import binascii
import re
import zlib
from collections import deque
from collections.abc import Iterator

_DEPTH = 4
_LIMIT = 1 << 20
MOST = 2 << 20
"""Characters of all the layers of one text; what is cut there has exactly so many."""
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_ENCODED = r"(?i)(?:^|\s)[-/\u2013\u2014](?:e|ec|en|enc|enco|encod|encode|encoded\w*)\s+[\"']?([A-Za-z0-9+/=]{16,})"
_FROM_BASE64 = r"(?i)FromBase64String\s*+\(\s*+\(?\s*+[\"']([A-Za-z0-9+/=\s]{16,})[\"']"


def opened(text: str) -> str | None:
    """The innermost texts, layer after layer joined by new lines; None when nothing is encoded."""
    layers: list[str] = []
    waiting = deque(((text, 0),))
    left = MOST
    while waiting and left > 0:
        here, depth = waiting.popleft()
        if depth >= _DEPTH:
            continue
        for inner in _inner(here):
            layers.append(inner)
            waiting.append((inner, depth + 1))
            left -= len(inner) + 1
            if left <= 0:
                break
    return "\n".join(layers)[:MOST] if layers else None


def _inner(text: str) -> Iterator[str]:
    for match in re.finditer(_ENCODED, text):
        data = _base64(match[1])
        if data is not None and len(data) % 2 == 0:
            yield data.decode("utf-16-le", "replace")
    for match in re.finditer(_FROM_BASE64, text):
        data = _base64(match[1])
        if data is not None:
            plain = _inflated(data)
            readable = _readable(data if plain is None else plain)
            if readable is not None:
                yield readable


def _base64(text: str) -> bytes | None:
    try:
        return base64.b64decode("".join(text.split()) + "=" * (-len("".join(text.split())) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _inflated(data: bytes) -> bytes | None:
    """gzip, zlib or raw deflate, at most `_LIMIT` bytes of it."""
    for window in (31, 15, -15):
        try:
            plain = zlib.decompressobj(window).decompress(data, _LIMIT)
        except zlib.error:
            continue
        if plain:
            return plain
    return None


def _readable(data: bytes) -> str | None:
    """The bytes as text, when they are text: UTF-16LE or UTF-8 without control characters."""
    for encoding in ("utf-16-le",) if data[1:2] == b"\x00" else ("utf-8",):
        try:
            text = data[:_LIMIT].decode(encoding)
        except UnicodeDecodeError:
            return None
        if _CONTROL.search(text) is None:
            return text
    return None
