"""Connections are read, each by itself: what it says goes to a file, and a summary of it stays (`analyzer.engine.parts`)."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from msgspec import Struct

from analyzer.engine.bonds import bonds, gateway_errors
from analyzer.engine.keeping import packed
from analyzer.engine.parts import Summary
from analyzer.engine.plan import Talk, Tools, Work, talk

RECORDS, EACH = 7, 16 << 10
"""Times the packed size of what a connection said, that looking at it takes; bytes that a connection takes besides."""


class Talked(Struct, frozen=True, gc=False):
    """What one connection, with the tunnels in it, said."""

    talks: tuple[Talk, ...]


def summed(items: Iterable[Work], tools: Tools, file: BinaryIO, name: str) -> Iterator[Summary]:
    """Of each connection that there was time for. ``name``: what the file is called by whoever reads it."""
    at = 0
    for item in items:
        talks = talk((item,), tools)
        if not talks:
            continue
        data = _packed(Talked(talks))
        file.write(data)
        points = tuple({flow.point for flow in item.flows})
        views = (*(view[0] for view in item.views), *((item.twin_of,) if item.twin_of is not None else ()))
        trouble = any(one.connection.syn is not None and not one.connection.established for one in talks), gateway_errors(talks)
        yield Summary(item.number, points, bonds(talks, tools.fetch), len(data) * RECORDS + EACH, (name, at, len(data)), views, *trouble)
        at += len(data)


def _packed(talked: Talked) -> bytes:
    try:
        return packed(talked, lossless=True)
    except UnicodeEncodeError:  # a lone surrogate, which no table shows either
        return packed(talked)
