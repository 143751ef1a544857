"""Bytes of which some are not in the capture, and the texts that are made of them.

    bytes       zeros stand where bytes are missing; ``holes`` says where, and how many
    text        one character of the last private plane stands for each missing byte, another for missing bytes of an unknown number
    shown text  "[1,448 bytes are not in the capture]" stands there, and ``holes`` says where it does

So whatever splits or parses a text takes the holes along, and nobody reads a splice as if it were whole. What has no holes is never touched.
"""

import base64
import binascii
import re
from collections.abc import Iterable
from typing import NamedTuple

from analyzer.formats.reader import Reader

HOLE, UNKNOWN = "\U0010fffd", "\U0010fffc"
"""A missing byte, and missing bytes of an unknown number, in a text that is being parsed."""
_RUN = re.compile(f"[{UNKNOWN}{HOLE}]+")
_RESERVED = {ord(HOLE): "\ufffd", ord(UNKNOWN): "\ufffd"}
_ALPHABET = re.compile(r"[A-Za-z0-9+/]*={0,2}")

Holes = tuple[tuple[int, int], ...]
"""(offset, size) in order; size 0 says that it is not known."""


class Holed(NamedTuple):
    """Bytes, and where some are missing."""

    data: bytes
    holes: Holes = ()

    @property
    def missing(self) -> int | None:
        """How many bytes are missing; None when that is not known."""
        return sum(size for _, size in self.holes) if all(size for _, size in self.holes) else None

    def cut(self, start: int, end: int) -> "Holed":
        """The bytes [start, end) with the holes in them."""
        if not self.holes:
            return Holed(self.data[start:end])
        inside = []
        for at, size in self.holes:
            if (not size and start <= at <= end) or (size and at < end and at + size > start):
                begin = max(at, start)
                inside.append((begin - start, min(at + size, end) - begin if size else 0))
        return Holed(self.data[start:end], tuple(inside))

    def touches(self, start: int, end: int) -> bool:
        """Some byte of [start, end) is missing."""
        return any(at < end and at + max(size, 1) > start for at, size in self.holes)


def joined(pieces: Iterable[Holed]) -> Holed:
    """One after the other."""
    data, holes, at = [], [], 0
    for piece in pieces:
        data.append(piece.data)
        holes += [(at + where, size) for where, size in piece.holes]
        at += len(piece.data)
    return Holed(b"".join(data), tuple(holes))


def lost(size: int | None) -> Holed:
    """So many missing bytes; None: not known how many."""
    return Holed(b"", ((0, 0),)) if not size else Holed(bytes(size), ((0, size),))


def read_holed(reader: Reader, start: int, end: int) -> Holed:
    """The bytes [start, end) of a stream with the gaps in it."""
    pieces, at = [], start
    while at < end:
        data = reader.read(at, end)
        if not data:
            place = reader.next_data(at)
            stop = end if place is None or not at < place < end else place
            pieces.append(lost(stop - at))
            at = stop
            continue
        pieces.append(Holed(data))
        at += len(data)
    return pieces[0] if len(pieces) == 1 else joined(pieces)


def text_of(found: Holed, encoding: str = "utf-8") -> str:
    """The text, with the characters that stand for what is missing. UTF-16 keeps its pairs where a hole has an even size."""
    if not found.holes:
        return found.data.decode(encoding, "replace")
    out, at = [], 0
    for where, size in found.holes:
        out.append(found.data[at:where].decode(encoding, "replace").translate(_RESERVED))
        out.append(HOLE * size if size else UNKNOWN)
        at = where + size
    out.append(found.data[at:].decode(encoding, "replace").translate(_RESERVED))
    return "".join(out)


def has_holes(text: str) -> bool:
    """Something is missing in it."""
    return not text.isascii() and (HOLE in text or UNKNOWN in text)


def bytes_of(text: str) -> Holed:
    """`base64` text that may have holes as bytes. A hole costs the groups of four that it touches. Between two of unknown size nothing can be decoded; what is
    behind the last one is aligned from the end, where base64 has a group of four, too."""
    if not has_holes(text):
        return Holed(_decoded(text))
    text = "".join(text.split())
    whole, unknown, rest = text.partition(UNKNOWN)
    if not unknown:
        return _with_holes(whole)
    rest = rest.rpartition(UNKNOWN)[2]
    whole = whole[: len(whole) // 4 * 4]
    return joined((_with_holes(whole), lost(None), *([_with_holes(rest[len(rest) % 4 :])] if rest.strip(HOLE) else [])))


def _with_holes(text: str) -> Holed:
    if len(text) % 4:  # base64 comes in groups of four: what follows the hole belongs to something else, or ends early
        begin = _RUN.search(text)
        if begin is not None:
            return joined((Holed(_decoded(text[: begin.start()])), lost(None)))
    pieces, at = [], 0
    for match in _RUN.finditer(text):
        first, last = match.start() // 4 * 4, -(-match.end() // 4) * 4
        first = max(first, at)
        if last <= at:
            continue
        pieces.append(Holed(_decoded(text[at:first])))
        pieces.append(lost(min(last, -(-len(text) // 4) * 4) // 4 * 3 - first // 4 * 3))
        at = last
    pieces.append(Holed(_decoded(text[at:])))
    return joined(piece for piece in pieces if piece.data or piece.holes)


def _decoded(text: str) -> bytes:
    """Leniently: what can be decoded up to the first damage."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    match = _ALPHABET.match(text)
    good = match[0] if match else ""
    good = good[: len(good) // 4 * 4]
    try:
        return base64.b64decode(good, validate=True)
    except (binascii.Error, ValueError):
        return b""


def said(size: int) -> str:
    """What stands in a shown text for ``size`` missing bytes (0: not known how many)."""
    if not size:
        return "[a part is not in the capture]"
    return f"[{size:,} bytes are not in the capture]" if size > 1 else "[1 byte is not in the capture]"


def shown(text: str) -> tuple[str, Holes]:
    """The text as a person reads it, and where it lacks something."""
    if not has_holes(text):
        return text, ()
    out: list[str] = []
    holes: list[tuple[int, int]] = []
    at = length = 0
    for match in _RUN.finditer(text):
        size = 0 if UNKNOWN in match[0] else len(match[0])
        before = text[at : match.start()]
        holes.append((length + len(before), size))
        out += [before, said(size)]
        length += len(before) + len(out[-1])
        at = match.end()
    out.append(text[at:])
    return "".join(out), tuple(holes)


def unshown(text: str, holes: Holes) -> str:
    """What `shown` made its text of."""
    out, at = [], 0
    for where, size in holes:
        out += [text[at:where], HOLE * size if size else UNKNOWN]
        at = where + len(said(size))
    out.append(text[at:])
    return "".join(out)
