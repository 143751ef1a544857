"""Fragments and messages of MS-PSRP (2.2.4, 2.2.1).

    ObjectId u64 | FragmentId u64 | flags u8 (1 start, 2 end) | BlobLength u32 | blob                    big-endian, many in one stream piece
    Destination u32 | MessageType u32 | RPID 16 | PID 16 | CLIXML                                         little-endian

Reassembly is by object within a shell, a direction and a command: the fragments of one object travel under one CommandId, and senders may count objects for
each command on its own. It begins anywhere: an object of which fragments are not in the capture is given as an incomplete message, with a mark where something
is missing, and nothing that is malformed stops what follows.
"""

import struct
import uuid
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct, field

from analyzer.formats.forms import chosen
from analyzer.formats.holes import Holed, joined, lost, text_of
from analyzer.psrp import strings

_HEADER = struct.Struct(">QQBI")
_MESSAGE = struct.Struct("<II16s16s")
_FREE = 1 << 20
"""Missing bytes of an object for which zeros may stand in any case; more only where there are as many of it."""
_STRINGS = chosen(strings)
TYPES = {
    0x00010002: "SESSION_CAPABILITY",
    0x00010004: "INIT_RUNSPACEPOOL",
    0x00010005: "PUBLIC_KEY",
    0x00010006: "ENCRYPTED_SESSION_KEY",
    0x00010007: "PUBLIC_KEY_REQUEST",
    0x00010008: "CONNECT_RUNSPACEPOOL",
    0x00021002: "SET_MAX_RUNSPACES",
    0x00021003: "SET_MIN_RUNSPACES",
    0x00021004: "RUNSPACE_AVAILABILITY",
    0x00021005: "RUNSPACEPOOL_STATE",
    0x00021006: "CREATE_PIPELINE",
    0x00021007: "GET_AVAILABLE_RUNSPACES",
    0x00021008: "USER_EVENT",
    0x00021009: "APPLICATION_PRIVATE_DATA",
    0x0002100A: "GET_COMMAND_METADATA",
    0x0002100B: "RUNSPACEPOOL_INIT_DATA",
    0x0002100C: "RESET_RUNSPACE_STATE",
    0x00021100: "RUNSPACEPOOL_HOST_CALL",
    0x00021101: "RUNSPACEPOOL_HOST_RESPONSE",
    0x00041002: "PIPELINE_INPUT",
    0x00041003: "END_OF_PIPELINE_INPUT",
    0x00041004: "PIPELINE_OUTPUT",
    0x00041005: "ERROR_RECORD",
    0x00041006: "PIPELINE_STATE",
    0x00041007: "DEBUG_RECORD",
    0x00041008: "VERBOSE_RECORD",
    0x00041009: "WARNING_RECORD",
    0x00041010: "PROGRESS_RECORD",
    0x00041011: "INFORMATION_RECORD",
    0x00041100: "PIPELINE_HOST_CALL",
    0x00041101: "PIPELINE_HOST_RESPONSE",
}
"""Message types by number (MS-PSRP 2.2.1)."""


class PsMessage(NamedTuple):
    """One message: its type's name (the number in hex where it is not known), the runspace pool and pipeline (upper case, None: none), its CLIXML.

    ``whole`` is false when bytes or fragments of it are missing; its text has the characters of `analyzer.formats.holes` there.
    """

    kind: str
    runspace: str
    pipeline: str | None
    text: str
    size: int
    whole: bool


class Strings(NamedTuple):
    """A run of whole PIPELINE_OUTPUT messages of a pipeline (upper case), each of which is one string: their texts one after the other as CLIXML has them,
    where each one ends in that, and the sizes of the messages."""

    pipeline: str
    texts: bytes
    ends: Sequence[int]
    sizes: Sequence[int]


Place = TypeVar("Place")


class Found(NamedTuple, Generic[Place]):
    """A message with the places that brought it, the first fragment's first."""

    message: PsMessage | Strings
    places: tuple[Place, ...]


def begins(data: bytes) -> bool:
    """Bytes of a stream that can only be fragments of PSRP: text of a command begins with no zeros. Objects are counted from 1."""
    if len(data) < _HEADER.size + _MESSAGE.size or any(data[:4]):
        return False
    _, number, flags, size = _HEADER.unpack_from(data)
    return flags <= 3 and (bool(flags & 1) == (number == 0)) and size > 0 and (number > 0 or _MESSAGE.unpack_from(data, _HEADER.size)[1] in TYPES)


class _Object(Struct, Generic[Place]):
    """The fragments of one object by number; ``last`` is the number of the one with the end flag. ``owner``: the command that they travelled under."""

    owner: str | None
    limit: int
    places: list[Place] = field(default_factory=list)
    blobs: dict[int, Holed] = field(default_factory=dict)
    begun: bool = False
    last: int | None = None
    size: int = 0
    broken: bool = False

    def add(self, number: int, flags: int, blob: Holed, place: Place) -> None:
        if not self.places or self.places[-1] is not place:
            self.places.append(place)
        self.begun = self.begun or bool(flags & 1)
        self.last = number if flags & 2 else self.last
        room = self.limit - self.size
        self.size += len(blob.data)
        self.broken = self.broken or self.size > self.limit
        if room > 0:
            self.blobs.setdefault(number, blob if len(blob.data) <= room else blob.cut(0, room))

    def complete(self) -> bool:
        return self.begun and self.last is not None and (self.broken or len(self.blobs) == self.last + 1)

    def message(self, room: int) -> tuple[PsMessage, int]:
        """What there is of it, and how much of ``room`` it took. A fragment that is missing is a hole as long as the others where these are all of one length,
        as senders fill them, else of unknown size, as the end of the object always is. The numbers are only what the sender says, so that beyond four times
        what is there only ``room`` bytes are believed."""
        spent = 0
        numbers = sorted(self.blobs)
        pieces: list[Holed] = []
        expected = 0
        usual = {len(blob.data) for number, blob in self.blobs.items() if number != self.last}
        size = usual.pop() if len(usual) == 1 and len(self.blobs) > 2 else None
        for number in numbers:
            if number != expected:
                missing = None if size is None else size * (number - expected)
                if missing is not None and missing > 4 * self.size:
                    spent, missing = (spent + missing, missing) if spent + missing <= room else (spent, None)
                pieces.append(lost(missing))
            pieces.append(self.blobs[number])
            expected = number + 1
        if self.last is None or expected != self.last + 1 or self.broken:
            pieces.append(lost(None))
        return _message(pieces[0] if len(pieces) == 1 else joined(pieces), self.owner), spent


class Defragmenter(Generic[Place]):
    """The fragments of one direction of one shell. Feed it stream data with the place that it came from.

    Fragments may come in any order, since a shell's requests go over several connections. What never becomes whole is given by `unfinished`. Of an object
    there are at most ``limit`` bytes; ``cut`` counts those that had more.
    """

    def __init__(self, limit: int = 64 << 20) -> None:
        self._limit = limit
        self._room = _FREE
        self.cut = 0
        self._objects: dict[int, dict[str | None, _Object[Place]]] = {}
        self._numbers: dict[str | None, dict[int, None]] = {}
        """By the command, the numbers of its objects."""

    def messages(self, found: bytes | Holed, place: Place, owner: str | None = None) -> Iterator[Found[Place]]:
        """The messages that the data completes. A fragment never spans two stream pieces (MS-WSMV 3.1.4.1.31.6); what follows a hole in a fragment's own
        header cannot be told apart any more."""
        data, holed = (found, None) if isinstance(found, bytes) else _trusted(found)
        at = 0
        while at + _HEADER.size <= len(data):
            run = _STRINGS.strings(data, at, self._objects) if holed is None else None
            if run is not None:
                yield Found(Strings(_identity(run.pipeline) or "", run.texts, run.ends, run.sizes), (place,))
                at = run.end_at
                continue
            if holed is not None and holed.touches(at, at + _HEADER.size):
                return
            identity, number, flags, size = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            blob = Holed(data[at : at + size]) if holed is None else holed.cut(at, min(at + size, len(data)))
            at += size
            if len(blob.data) < size:
                blob = joined((blob, lost(None)))  # how much is missing is only what the sender says: no memory is spent on it
            known = self._known(identity, owner)
            if known is None and flags & 3 == 3 and number == 0 and size <= self._limit:  # most objects have one fragment
                yield Found(_message(blob, owner), (place,))
                continue
            if known is not None and number in known.blobs and blob != known.blobs[number]:
                yield self._pop(identity, known)  # another object under the same number: this one will never end
                known = None
            if known is None:
                known = _Object(owner, self._limit)
                self._put(identity, known)
            elif known.owner is None and owner is not None:
                self._take(identity, known)
                known.owner = owner
                self._put(identity, known)
            known.add(number, flags, blob, place)
            if known.complete():
                yield self._pop(identity, known)

    def _known(self, identity: int, owner: str | None) -> _Object[Place] | None:
        """The object of that number under that command; where one of the two names none, they may be the same."""
        own = self._objects.get(identity, {})
        return own.get(owner) or (next(iter(own.values()), None) if owner is None else own.get(None))

    def _put(self, identity: int, known: _Object[Place]) -> None:
        self._objects.setdefault(identity, {})[known.owner] = known
        self._numbers.setdefault(known.owner, {})[identity] = None

    def _take(self, identity: int, known: _Object[Place]) -> None:
        del self._objects[identity][known.owner], self._numbers[known.owner][identity]
        if not self._objects[identity]:
            del self._objects[identity]
        if not self._numbers[known.owner]:
            del self._numbers[known.owner]

    def _pop(self, identity: int, known: _Object[Place]) -> Found[Place]:
        self._take(identity, known)
        self.cut += known.broken
        message, spent = known.message(self._room)
        self._room -= spent
        return Found(message, tuple(known.places))

    def unfinished(self, owner: str | None = None) -> Iterator[Found[Place]]:
        """What lacks fragments, as far as it is there: of one command, which will get no more of them, or (None) of all at the end of the capture."""
        for identity in list(self._objects if owner is None else self._numbers.get(owner, ())):
            own = self._objects[identity]
            for known in list(own.values()) if owner is None else [own[owner]]:
                yield self._pop(identity, known)


def _trusted(found: Holed) -> tuple[bytes, Holed | None]:
    """Data that lacks bytes, as far as its fragments' lengths agree with where it ends. Where they do not, the hole has swallowed the end of one stream and the
    beginning of another, and what follows it stands in no known place."""
    if not found.holes:
        return found.data, None
    data, at = found.data, 0
    first, open_end = found.holes[0][0], not found.holes[-1][1]
    while at + _HEADER.size <= len(data) and not found.touches(at, at + _HEADER.size):
        _, _, flags, size = _HEADER.unpack_from(data, at)
        if at > first and flags > 3:
            at = -1
            break
        at += _HEADER.size + size
    if at != len(data) and not (open_end and at > first) and not (at >= 0 and found.touches(at, at + _HEADER.size)):
        found = joined((found.cut(0, first), lost(None)))
    return found.data, found


def _message(found: Holed, owner: str | None) -> PsMessage:
    data = found.data
    if len(data) < _MESSAGE.size or (found.holes and found.touches(0, _MESSAGE.size)):
        if not found.holes:
            return PsMessage("malformed", "", None, "", len(data), whole=False)
        return PsMessage("headless", "", owner, text_of(found), len(data), whole=False)
    _, kind, runspace, pipeline = _MESSAGE.unpack_from(data)
    body = found.cut(_MESSAGE.size, len(data)) if found.holes else Holed(data[_MESSAGE.size :])
    text = text_of(body).removeprefix("\ufeff")
    name = TYPES.get(kind, f"{kind:#010x}") if not found.holes or kind in TYPES else "malformed"
    return PsMessage(name, _identity(runspace) or "", _identity(pipeline), text, len(data), whole=not found.holes)


@lru_cache(maxsize=1024)
def _identity(raw: bytes) -> str | None:
    return None if raw == bytes(16) else str(uuid.UUID(bytes_le=raw)).upper()
