"""What envelopes of one shape say, worked out once: the values that differ are put in.

The first envelope of a shape (`analyzer.wsman.shapes`) is read like any. When a second one comes, it is read like any as well, and once more with marks in the
place of its values: where the marks come out again is where the values of the next one belong. What is remembered so is believed only where it gives, for that
second envelope, exactly what was read of it. A shape is not remembered where a mark comes out changed or in the midst of a text that was cut out, where an
issue was found, or where the operation is one of which more than identifiers is compared or measured.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from msgspec import Struct

from analyzer.formats.forms import chosen, compiled
from analyzer.records.issues import Issue
from analyzer.records.sealing import Message, Protection
from analyzer.records.wsman import Said
from analyzer.settings import Limits
from analyzer.wsman import shapes
from analyzer.wsman.properties import TELLING
from analyzer.wsman.saying import looked_at
from analyzer.wsman.shapes import ADDRESS, ARGUMENT, COMMAND, CREATION, ID_AT, STREAM, TEXT_AT, Fill, Form, Forms, apart, fit, same
from analyzer.wsman.winrs import OPERATIONS, in_base64, is_packed

_Cut: TypeAlias = tuple[bytes, list[str], list[bytes]]
CUT: Callable[[bytes], _Cut | None] | None = chosen(shapes).cut if compiled(chosen(shapes)) else None
"""`analyzer.wsman.shapes.cut`; uncompiled it takes longer than what it saves."""


class Described(Struct, frozen=True, gc=False):
    """The message with what its envelope says; what is wrong with it; what it says of shells and operations, where it is whole and depends on no other."""

    message: Message
    issues: tuple[Issue, ...] = ()
    said: Said | None = None


Place: TypeAlias = tuple[int, tuple[int, ...]]
"""When a message's first byte was seen, and its packets."""
Own: TypeAlias = tuple[str, str, bool, Protection, int, str | None]
"""A message's own id, that of its exchange, whether it is the client's, its protection, size and content type."""
Told: TypeAlias = tuple[Message, Said | None]
Read: TypeAlias = Callable[[bytes], Described]
"""Reads an envelope like any, as the message at hand."""

_SHAPES, _SHAPE_BYTES = 4096, 4 << 20
"""Shapes that are known at a time, and their bytes."""
_RECENT = 8
_SHORT = 2048
"""Characters of an envelope up to which the limits of what it says of a shell are not looked at (`analyzer.wsman.properties.reached`)."""
_KEPT = frozenset((*OPERATIONS, "Identify", "IdentifyResponse"))
_ID = "aBcDeF{:02x}-aBcD-eFaB-cDeF-aBcDeFaBcDeF"
_ID_SEEN = re.compile("abcdef([0-9a-f]{2})-abcd-efab-cdef-abcdefabcdef", re.IGNORECASE)
_TEXT = "qXzV{:02d}VzXq"
_TEXT_SEEN = re.compile(r"qXzV(\d\d)VzXq", re.IGNORECASE)
_CUT_OUT = re.compile(rb"[\x80-\xff]")
_DIGEST = Message.__struct_fields__.index("text_digest")


_NONE: list["Shape"] = []
_NO_VALUES: list[str | bytes] = []


class _ChangedError(Exception):
    """A mark came out where no value can be put in. It never leaves this module."""


def _form(record: Struct, kinds: Sequence[int], last: int = -1) -> Form:
    """What makes records like this one."""
    return _filled(type(record), *_record(record, kinds), last)


def _filled(kind: type | None, fields: Sequence[object], fills: list[tuple[int, Fill]], last: int = -1) -> Form:
    """What makes the record, or the tuple (None), with these fields; ``fills``: of those that have values in them."""
    ids = [(at, fill.number) for at, fill in fills if isinstance(fill, _IdAlone) and not fill.upper]
    upper = [(at, fill.number) for at, fill in fills if isinstance(fill, _IdAlone) and fill.upper]
    texts = [(at, fill.number) for at, fill in fills if isinstance(fill, _TextAlone)]
    around = [(at, fill.number, fill.before, fill.after) for at, fill in fills if isinstance(fill, _IdWithin)]
    others = [(at, fill) for at, fill in fills if not isinstance(fill, (_IdAlone, _IdWithin, _TextAlone))]
    return Form(kind, fields, (ids, upper, texts, around), others, last)


class _IdAlone(Struct, frozen=True):
    """What makes a value that is an identifier and nothing else."""

    number: int
    upper: bool

    def __call__(self, ids: Sequence[str], _texts: Sequence[str | bytes]) -> str:
        return same(ids[self.number].upper() if self.upper else ids[self.number])


class _IdWithin(Struct, frozen=True):
    """What makes a value that is an identifier between two texts."""

    number: int
    before: str
    after: str

    def __call__(self, ids: Sequence[str], _texts: Sequence[str | bytes]) -> str:
        return same(f"{self.before}{ids[self.number]}{self.after}")


class _TextAlone(Struct, frozen=True):
    """What makes a value that is a text and nothing else."""

    number: int

    def __call__(self, _ids: Sequence[str], texts: Sequence[str | bytes]) -> str | bytes:
        return texts[self.number]


class Shape:
    """What envelopes of one shape say. ``kinds``: of the texts that are cut out, in order; ``short``: they are no longer than `_SHORT`."""

    def __init__(self, shape: bytes, told: Described, kinds: tuple[int, ...], *, short: bool) -> None:
        self.pieces, self.places = apart(shape)
        self.short = short
        self.kinds = kinds
        own = Said() if told.said is None else told.said
        operation, cim = (None if one is None else _form(one, kinds) for one in (own.operation, own.cim))
        self.forms = Forms(_form(told.message, kinds, _DIGEST), operation, cim, told.said)

    def told(self, own: Own, digest: bytes | None, place: Place, ids: list[str], texts: Sequence[bytes]) -> Told | None:
        """What the message of which ``own`` and ``digest`` are says with these values; None where they have to be looked at."""
        values = _values(self.kinds, texts) if texts else _NO_VALUES
        if values is None:
            return None
        return self.forms.made(own, digest, place, ids, values)


class Shapes:
    """The shapes that are known, of envelopes that were read within the same limits."""

    def __init__(self) -> None:
        self.limits: Limits | None = None
        self.known: dict[tuple[bytes, bool, int | None, bool], Shape | bool] = {}
        """By shape, direction, status and whether the envelope is short: what such envelopes say; True: there was one; False: that is not remembered."""
        self.bytes = 0
        self.recent: dict[tuple[bool, int | None], list[Shape]] = {}
        """Those that came last, by direction and status: the next envelope most likely is of one of them."""

    def _forget(self) -> None:
        self.known.clear()
        self.recent.clear()
        self.bytes = 0

    def at_once(self, own: Own, digest: bytes | None, data: bytes, place: Place, status: int | None, limits: Limits) -> Told | None:
        """The message of which ``own`` and ``digest`` are, in clear, its whole body ``data``, where its shape is known; else None."""
        if CUT is None or limits is not self.limits:
            return None
        short = len(data) <= _SHORT
        kind = own[2], status
        recent = self.recent.get(kind, _NONE)
        for place_in, one in enumerate(recent):
            values = fit(data, one.pieces, one.places) if one.short is short else None
            if values is not None:
                if place_in:
                    recent.insert(0, recent.pop(place_in))
                return one.told(own, digest, place, values[0], values[1])
        found = CUT(data)
        known = None if found is None else self.known.get((found[0], *kind, short))
        if found is None or not isinstance(known, Shape):
            return None
        recent = self.recent.setdefault(kind, [])
        recent.insert(0, known)
        del recent[_RECENT:]
        return known.told(own, digest, place, found[1], found[2])

    def described(self, message: Message, data: bytes, place: Place, status: int | None, limits: Limits, read: Read) -> Described:
        """As ``read`` has it. ``message``: in clear, its whole body ``data``, nothing known of it yet."""
        if CUT is None:
            return read(data)
        if limits is not self.limits:
            self._forget()
            self.limits = limits
        own = message.id, message.exchange, message.from_client, message.protection, message.size, message.content_type
        at_once = self.at_once(own, message.text_digest, data, place, status, limits)
        if at_once is not None:
            return Described(at_once[0], (), at_once[1])
        told = read(data)
        found = CUT(data)
        if found is None:
            return told
        short = len(data) <= _SHORT
        shape = found[0]
        key = (shape, message.from_client, status, short)
        known = self.known.get(key)
        if known is None:
            if len(self.known) >= _SHAPES or self.bytes + len(shape) > _SHAPE_BYTES:
                self._forget()
            self.known[key] = True
            self.bytes += len(shape)
        elif known is True:
            self.known[key] = _learnt(message, place, status, found, told, read, short=short) or False
        return told


def _learnt(
    message: Message, place: Place, status: int | None, found: tuple[bytes, list[str], list[bytes]], told: Described, read: Read, *, short: bool
) -> Shape | None:
    """The shape, where it can be remembered."""
    shape, ids, texts = found
    if not _is_kept(told, status) or _ID_SEEN.search(shape.decode("latin-1")) or _TEXT_SEEN.search(shape.decode("latin-1")):
        return None
    marked, kinds = _marked(shape)
    if told.message.operation in TELLING and not {COMMAND, ARGUMENT, STREAM}.isdisjoint(kinds):
        return None
    other = read(marked)
    if not _is_kept(other, status):
        return None
    try:
        made = Shape(shape, other, tuple(kind for kind in kinds if kind != ADDRESS), short=short)
    except _ChangedError:
        return None
    own = message.id, message.exchange, message.from_client, message.protection, message.size, message.content_type
    again = made.told(own, message.text_digest, place, ids, texts)
    return made if again is not None and Described(again[0], (), again[1]) == told else None


def _is_kept(told: Described, status: int | None) -> bool:
    """Nothing is odd about it, and it is of a kind that is remembered."""
    message, said = told.message, told.said
    if told.issues or not message.wsman or message.operation not in _KEPT or message.settings:
        return False
    if said is None:
        return not looked_at(status)
    return not said.by_method and said.forwarded is None and said.listing is None


def _marked(shape: bytes) -> tuple[bytes, tuple[int, ...]]:
    """An envelope of that shape with marks for values, and the kinds of all texts that were cut out."""
    kinds: list[int] = []

    def mark(found: re.Match[bytes]) -> bytes:
        code = found[0][0]
        if code < TEXT_AT:
            return _ID.format(code - ID_AT).encode()
        kinds.append(code - TEXT_AT)
        number = len(kinds) - kinds.count(ADDRESS) if kinds[-1] != ADDRESS else 0
        text = _TEXT.format(number).encode()
        return b64encode(text) if kinds[-1] in (STREAM, CREATION) else text

    return _CUT_OUT.sub(mark, shape), tuple(kinds)


def _values(kinds: Sequence[int], texts: Sequence[bytes]) -> list[str | bytes] | None:
    """The texts as records have them; None where a stream looks compressed."""
    values: list[str | bytes] = []
    for kind, text in zip(kinds, texts, strict=True):
        if kind in (COMMAND, ARGUMENT):
            values.append(text.decode("ascii"))
            continue
        data = in_base64(text)
        if kind == STREAM and data and is_packed(data):
            return None
        values.append(data)
    return values


def _record(record: Struct, kinds: Sequence[int]) -> tuple[list[Any], list[tuple[int, Fill]]]:
    """The fields of a record, and what makes those that have values in them."""
    fields = [getattr(record, name) for name in record.__struct_fields__]
    return fields, [(at, fill) for at, field in enumerate(fields) if (fill := _fill(field, kinds)) is not None]


def _fill(value: object, kinds: Sequence[int]) -> Fill | None:
    """What makes a value that has marks in it; None for one that has none."""
    if isinstance(value, str):
        return _of_text(value, kinds)
    if isinstance(value, bytes):
        return _of_bytes(value, kinds)
    if isinstance(value, tuple):
        inside = [(at, fill) for at, one in enumerate(value) if (fill := _fill(one, kinds)) is not None]
        return _filled(None, value, inside) if inside else None
    if isinstance(value, Struct):
        fields, inside = _record(value, kinds)
        return _filled(type(value), fields, inside) if inside else None
    return None


def _of_text(value: str, kinds: Sequence[int]) -> Fill | None:
    seen = _TEXT_SEEN.search(value)
    if seen is not None:
        number = int(seen[1]) - 1
        if value != _TEXT.format(number + 1) or number < 0 or kinds[number] not in (COMMAND, ARGUMENT):
            raise _ChangedError
        return _TextAlone(number)
    parts: list[str] = []
    marks: list[tuple[int, str]] = []
    last = 0
    for found in _ID_SEEN.finditer(value):
        number, plain = int(found[1], 16), _ID.format(int(found[1], 16))
        if found[0] not in (plain, plain.upper(), plain.lower()):
            raise _ChangedError
        parts.append(value[last : found.start()])
        marks.append((number, "" if found[0] == plain else "upper" if found[0] == plain.upper() else "lower"))
        last = found.end()
    if not marks:
        return None
    after = value[last:]
    if len(marks) == 1 and marks[0][1] != "lower" and not parts[0] and not after:
        return _IdAlone(marks[0][0], marks[0][1] == "upper")
    if len(marks) == 1 and not marks[0][1]:
        return _IdWithin(marks[0][0], parts[0], after)
    pieces = list(zip(parts, marks, strict=True))
    return lambda ids, _texts: "".join([f"{before}{_cased(ids[number], case)}" for before, (number, case) in pieces]) + after


def _cased(value: str, case: str) -> str:
    return value.upper() if case == "upper" else value.lower() if case == "lower" else value


def _of_bytes(value: bytes, kinds: Sequence[int]) -> Fill | None:
    seen = _TEXT_SEEN.search(value.decode("latin-1"))
    if seen is None:
        if _ID_SEEN.search(value.decode("latin-1")):
            raise _ChangedError
        return None
    number = int(seen[1]) - 1
    if value != _TEXT.format(number + 1).encode() or number < 0 or kinds[number] not in (STREAM, CREATION):
        raise _ChangedError
    return _TextAlone(number)
