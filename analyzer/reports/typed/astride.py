"""Secrets that run on from one message into the next: a stream is cut into messages anywhere, and an object of PowerShell into fragments.

Each body by itself has only a part of such a secret, which looks like nothing. So what bodies carry of one command's stream is put together again.
"""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from analyzer.reports.typed.layers import Spans, decoded, plain_of

_CARRIED = re.compile(r"<(?:\w{1,20}:)?(?P<what>Stream|Arguments|creationXml)(?P<about>(?:\s[^<>]{0,400})?)>\s*+(?P<data>[A-Za-z0-9+/=\s]++)</")
_COMMAND = re.compile(r"CommandId\s?=\s?[\"']([0-9A-Fa-f-]{1,64})")
_NAME = re.compile(r"\sName\s?=\s?[\"'](stdout|stderr)[\"']")
_MOST = 64
"""Messages that one secret may run through."""


class Carried(NamedTuple):
    """Bytes that a body carries, and of what: command and stream."""

    of: tuple[str, str]
    data: bytes


def carried(text: str) -> Iterator[Carried]:
    """What a body carries, in its order. Arguments begin what the input goes on with."""
    if "Stream" not in text and "Arguments" not in text and "creationXml" not in text:
        return
    line = _COMMAND.search(text)
    for found in _CARRIED.finditer(text):
        data = decoded("".join(found["data"].split()))
        if data:
            own, name = _COMMAND.search(found["about"]), _NAME.search(found["about"])
            named = own or line
            yield Carried((named[1].upper() if named is not None else "", name[1] if name is not None else ""), data)


def astride(pieces: Sequence[tuple[str, bytes]], spans: Spans) -> set[str]:
    """The names of bodies that have a part of a secret of which another one has the rest. ``pieces``: (name, data) of one stream in order of time."""
    found: set[str] = set()
    for first in range(len(pieces) - 1):
        last = first + 2
        while True:
            hidden, open_end = _within(pieces[first:last], spans)
            found |= hidden
            if not open_end or last >= len(pieces) or last - first >= _MOST:
                break
            last += 1
    return found


def _within(pieces: Sequence[tuple[str, bytes]], spans: Spans) -> tuple[set[str], bool]:
    """Names of pieces that share a secret, and whether one reaches to the end of them all."""
    inner = plain_of(b"".join(data for _, data in pieces))
    hidden: set[str] = set()
    open_end = False
    for begin, end in spans(inner.text) if inner.text else ():
        first, last, at = inner.offset(begin), inner.offset(end), 0
        touched = set()
        for name, data in pieces:
            if at < last and first < at + len(data):
                touched.add(name)
            at += len(data)
        if len(touched) > 1:
            hidden |= touched
            open_end = open_end or end >= len(inner.text)
    return hidden, open_end
