"""An envelope without what differs from one to the next: its shape, and the values that were cut out of it.

    <a:MessageID>uuid:6973E5D9-…</a:MessageID> … <rsp:Command>dir</rsp:Command>
    <a:MessageID>uuid:.</a:MessageID>          … <rsp:Command>.</rsp:Command>        6973E5D9-…   dir

Cut out are identifiers (RFC 4122 section 3, wherever they stand in a text or in a value between quotes) and the texts of a few elements. What is cut out holds
nothing that an XML reader, or whoever searches in the text, could take for anything else. What is made of the values of the next one is made here, too: `Form`
has the fields of a record in which they are left out. One source, two ways to run, as `analyzer.wsman.marks`: shapes.pxd
has the types. Bounds checks are on.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from analyzer.records.wsman import Said

Fill: TypeAlias = Callable[[Sequence[str], Sequence[str | bytes]], Any]
"""Makes a value of identifiers and texts."""
Places: TypeAlias = tuple[list[tuple[int, int]], list[tuple[int, int]], list[tuple[int, int]], list[tuple[int, int, str, str]]]
COMMAND, ARGUMENT, STREAM, CREATION, ADDRESS = range(5)
"""Texts: of Command, Arguments, Stream, creationXml, To."""
_KINDS = {b"Command": COMMAND, b"Arguments": ARGUMENT, b"Stream": STREAM, b"creationXml": CREATION, b"To": ADDRESS}
TEXT_AT = 0xC0
"""What stands for a text of kind ``k`` is the byte TEXT_AT + k; for the identifier ``i`` it is ID_AT + i. Neither is in an envelope in ASCII."""
ID_AT = 0x80
_ID, _TEXT = ID_AT, TEXT_AT
_TEXTS = tuple(bytes((TEXT_AT + kind,)) for kind in range(5))
_MOST_IDS, _MOST_TEXTS = 16, 64
_IDS = tuple(bytes((ID_AT + number,)) for number in range(_MOST_IDS))
_LONGEST, _MOST_SHAPE = 1 << 20, 1 << 13
"""Bytes of an envelope, and of its shape; with more of them it has none."""
_LONGEST_ADDRESS = 256
_PLAIN = bytes(code for code in range(32, 127) if code != 38)
"""What a text may have in it that is cut out: no control characters, and no references."""
_IN_LINES = _PLAIN + b"\t\n\r"
"""The same of a stream, whose base64 may be written in lines."""
_LOOKED_AT = bytes(chr(code) in "<>-\"'" for code in range(256))
_BEGINS = bytes(any(word[0] == code for word in _KINDS) for code in range(256))
_SAME: dict[str, str] = {}
_MOST_SAME = 512
_HEX = bytes(chr(code) in "0123456789abcdefABCDEF" for code in range(256))


def cut(data: bytes) -> tuple[bytes, list[str], list[bytes]] | None:  # noqa: C901, PLR0911, PLR0912, PLR0915  one loop
    """The shape of an envelope, its identifiers (each once) and its texts, those of To left out; None where it has no shape: it is not in ASCII, too long, or
    not made of whole tags."""
    end = len(data)
    if end > _LONGEST or not data.isascii():
        return None
    parts: list[bytes] = []
    ids: list[str] = []
    known: list[bytes] = []
    folded: list[bytes] = []
    texts: list[bytes] = []
    last = i = tag = quote = 0
    inside = False
    while True:
        while i < end and (data[i] > 62 or not _LOOKED_AT[data[i]]):  # letters are above
            i += 1
        if i >= end:
            break
        code = data[i]
        if code == 45:
            if i - 8 >= last and (quote or not inside) and _is_id(data, i - 8, end):
                number = _number(ids, known, folded, data[i - 8 : i + 28])
                if number < 0:
                    return None
                parts.append(data[last : i - 8])
                parts.append(_IDS[number])
                last = i = i + 28
                continue
        elif quote:
            if code == quote:
                quote = 0
            elif code == 60:
                return None
        elif inside:
            if code == 62:
                inside = False
                i += 1
                kind = _kind(data, tag + 1, i)
                if kind >= 0 and data[i - 2] != 47:
                    stop = data.find(b"<", i)
                    if stop > i and stop + 1 < end and data[stop + 1] == 47 and _is_plain(data[i:stop], kind):
                        if len(texts) >= _MOST_TEXTS:
                            return None
                        parts.append(data[last:i])
                        parts.append(_TEXTS[kind])
                        if kind != 4:
                            texts.append(data[i:stop])
                        last = i = stop
                continue
            if code == 60:
                return None
            quote = code
        elif code == 60:
            if i + 1 < end and data[i + 1] == 33:
                return None
            if i - last > _MOST_SHAPE:
                return None
            tag = i
            inside = True
        i += 1
    if inside:
        return None
    parts.append(data[last:])
    shape = b"".join(parts)
    return None if len(shape) > _MOST_SHAPE else (shape, ids, texts)


def fit(data: bytes, pieces: tuple[bytes, ...], places: bytes) -> tuple[list[str], list[bytes]] | None:
    """The identifiers and texts of an envelope, as `cut` has them, where its shape is ``pieces`` with ``places`` between them (`apart`); else None."""
    end = len(data)
    if end > _LONGEST or not data.isascii():
        return None
    ids: list[str] = []
    known: list[bytes] = []
    folded: list[bytes] = []
    texts: list[bytes] = []
    at = 0
    for k in range(len(places)):
        piece = pieces[k]
        if not data.startswith(piece, at):
            return None
        at += len(piece)
        code = places[k]
        if code < _TEXT:
            if not _is_id(data, at, end) or _number(ids, known, folded, data[at : at + 36]) != code - _ID:
                return None
            at += 36
        else:
            stop = data.find(b"<", at)
            if stop <= at:
                return None
            value = data[at:stop]
            if not _is_plain(value, code - _TEXT):
                return None
            if code != _TEXT + 4:
                texts.append(value)
            at = stop
    piece = pieces[len(places)]
    return (ids, texts) if end - at == len(piece) and data.startswith(piece, at) else None


def apart(shape: bytes) -> tuple[tuple[bytes, ...], bytes]:
    """A shape's pieces, and what stands between them: one byte for each value that was cut out."""
    places = bytes(code for code in shape if code >= ID_AT)
    return tuple(bytes(min(ID_AT, code) for code in shape).split(_IDS[0])), places


def same(text: str) -> str:
    """One object for texts that come again soon: an answer names the MessageID of its request, and what is in a shell the shell."""
    if len(_SAME) >= _MOST_SAME:
        _SAME.clear()
    known = _SAME.get(text)
    if known is None:
        known = _SAME[text] = text
    return known


class Form:
    """Makes records that differ by identifiers and texts. ``kind``: the record's type, None for a tuple; ``fields``: the values of all its fields; ``places``:
    those that are an identifier as it stands, or one in upper case, or a text, or an identifier between two texts, each with the number of that; ``others``:
    those that are made of such, each with what makes it; ``last``: the field that is each record's own, besides its first ones; -1 where there is none."""

    def __init__(self, kind: type | None, fields: Sequence[object], places: Places, others: list[tuple[int, Fill]], last: int) -> None:
        self.kind = kind
        self.fields = list(fields)
        self.ids, self.upper, self.texts, self.around = places
        self.others = others
        self.last = last

    def made(self, own: tuple[object, ...], last: object, ids: Sequence[str], texts: Sequence[str | bytes]) -> Any:  # noqa: ANN401  of whichever kind
        """The record whose first fields are ``own``."""
        fields = self.fields.copy()
        for i in range(len(own)):
            fields[i] = own[i]
        for at, number in self.ids:
            fields[at] = same(ids[number])
        for at, number in self.upper:
            fields[at] = same(ids[number].upper())
        for at, number in self.texts:
            fields[at] = texts[number]
        for at, number, before, after in self.around:
            fields[at] = same(before + ids[number] + after)
        for at, fill in self.others:
            if isinstance(fill, Form):
                form = fill
                fields[at] = form.made((), None, ids, texts)
            else:
                fields[at] = fill(ids, texts)
        if self.last >= 0:
            fields[self.last] = last
        return tuple(fields) if self.kind is None else self.kind(*fields)

    def __call__(self, ids: Sequence[str], texts: Sequence[str | bytes]) -> Any:  # noqa: ANN401  of whichever kind
        """The same of a record, or a tuple, that is a field of another one."""
        return self.made((), None, ids, texts)


class Forms:
    """What makes all that envelopes of one shape say: their message; what they say of an operation and of a CIM class, where they do; else what each says."""

    def __init__(self, message: Form, operation: Form | None, cim: Form | None, said: Said | None) -> None:
        self.message = message
        self.operation = operation
        self.cim = cim
        self.said = said

    def made(
        self, own: tuple[Any, ...], digest: bytes | None, place: tuple[int, tuple[int, ...]], ids: list[str], texts: Sequence[str | bytes]
    ) -> tuple[Any, Said | None]:
        """Both of the message that ``own`` is known of, with this ``digest``, first seen at ``place``."""
        said = self.said
        if self.operation is not None or self.cim is not None:
            about = own[0], own[1], own[2], place[0], place[1]
            operation = None if self.operation is None else self.operation.made(about, None, ids, texts)
            cim = None if self.cim is None else self.cim.made(about, None, ids, texts)
            said = Said(operation, False, cim)  # noqa: FBT003  by position, as all of these
        return self.message.made(own, digest, ids, texts), said


def _kind(data: bytes, begin: int, end: int) -> int:
    """Of which of the elements the tag is whose name begins at ``begin``; -1 for all others."""
    i = local = begin
    while i < end and data[i] != 62 and data[i] != 32 and data[i] != 47:
        if data[i] == 58:
            local = i + 1
        i += 1
    size = i - local
    if not _BEGINS[data[local]]:
        return -1
    if size != 7 and size != 9 and size != 6 and size != 11 and size != 2:  # noqa: PLR1714  the compiler makes comparisons of it
        return -1
    found = _KINDS.get(data[local:i])
    return -1 if found is None else found


def _is_plain(value: bytes, kind: int) -> bool:
    """A text that may be cut out."""
    if value.find(b"xmlns") >= 0:
        return False
    if kind == 2:
        return value.find(b">") < 0 and not value.translate(None, _IN_LINES)
    if value.translate(None, _PLAIN):
        return False
    if kind < 2:
        return value.find(b"]]>") < 0
    if kind == 4 and len(value) > _LONGEST_ADDRESS:
        return False
    return value.find(b">") < 0 and value[0] != 32 and value[len(value) - 1] != 32


def _is_id(data: bytes, at: int, end: int) -> bool:
    """An identifier stands at ``at``: 8, 4, 4, 4 and 12 hexadecimal digits."""
    if at + 36 > end or data[at + 13] != 45 or data[at + 18] != 45 or data[at + 23] != 45:
        return False
    for i in range(36):  # noqa: SIM110  a generator is an object where C has a loop
        if i != 8 and i != 13 and i != 18 and i != 23 and not _HEX[data[at + i]]:  # noqa: PLR1714  the compiler makes comparisons of it
            return False
    return True


def _number(ids: list[str], known: list[bytes], folded: list[bytes], own: bytes) -> int:
    """The identifier's number, from 0 by where it stands first; -1 where there are too many, or another one that differs from it by the case of its letters."""
    for i in range(len(known)):
        if known[i] == own:
            return i
    low = own.lower()
    if len(ids) >= _MOST_IDS or low in folded:
        return -1
    ids.append(own.decode("ascii"))
    known.append(own)
    folded.append(low)
    return len(ids) - 1
