"""Fragments and messages of MS-PSRP (2.2.4, 2.2.1).

    ObjectId u64 | FragmentId u64 | flags u8 (1 start, 2 end) | BlobLength u32 | blob                    big-endian, many in one stream piece
    Destination u32 | MessageType u32 | RPID 16 | PID 16 | CLIXML                                         little-endian

Reassembly is by object within a shell and direction. It begins anywhere: an object of which fragments are not in the capture is given as an incomplete message,
and nothing that is malformed stops what follows.
"""

import struct
import uuid
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Generic, NamedTuple, TypeVar

from msgspec import Struct, field

from analyzer.formats.forms import chosen
from analyzer.psrp import strings

_HEADER = struct.Struct(">QQBI")
_MESSAGE = struct.Struct("<II16s16s")
_OBJECT_LIMIT = 64 << 20
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

    ``whole`` is false when fragments of it are missing.
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


class _Object(Struct, Generic[Place]):
    """The fragments of one object by number; ``last`` is the number of the one with the end flag."""

    place: Place
    blobs: dict[int, bytes] = field(default_factory=dict)
    begun: bool = False
    last: int | None = None
    size: int = 0
    broken: bool = False

    def add(self, number: int, flags: int, blob: bytes, place: Place) -> None:
        self.place = place
        self.begun = self.begun or bool(flags & 1)
        self.last = number if flags & 2 else self.last
        self.size += len(blob)
        if self.size <= _OBJECT_LIMIT:
            self.blobs.setdefault(number, blob)
        else:
            self.broken = True

    def complete(self) -> bool:
        return self.begun and self.last is not None and (self.broken or len(self.blobs) == self.last + 1)

    def message(self) -> PsMessage:
        numbers = sorted(self.blobs)
        whole = self.begun and not self.broken and self.last is not None and len(numbers) == self.last + 1 and numbers[-1] == self.last
        return _message(b"".join(self.blobs[number] for number in numbers), whole=whole)


class Defragmenter(Generic[Place]):
    """The fragments of one direction of one shell. Feed it stream data with the place that it came from; a message's place is that of its last fragment.

    Fragments may come in any order, since a shell's requests go over several connections. What never becomes whole is given by `unfinished`.
    """

    def __init__(self) -> None:
        self._objects: dict[int, _Object[Place]] = {}

    def messages(self, data: bytes, place: Place) -> Iterator[tuple[PsMessage | Strings, Place]]:
        """The messages that ``data`` completes. A fragment never spans two stream pieces (MS-WSMV 3.1.4.1.31.6)."""
        at = 0
        while at + _HEADER.size <= len(data):
            run = _STRINGS.strings(data, at, self._objects)
            if run is not None:
                yield Strings(_identity(run.pipeline) or "", run.texts, run.ends, run.sizes), place
                at = run.end_at
                continue
            identity, number, flags, size = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            blob = data[at : at + size]
            at += size
            known = self._objects.get(identity)
            if known is None and flags & 3 == 3 and number == 0 and size <= _OBJECT_LIMIT:  # most objects have one fragment
                yield _message(blob, whole=len(blob) == size), place
                continue
            if known is not None and number in known.blobs and blob != known.blobs[number]:
                yield self._objects.pop(identity).message(), known.place  # another object under the same number: this one will never end
                known = None
            if known is None:
                known = self._objects[identity] = _Object(place)
            known.add(number, flags, blob, place)
            known.broken = known.broken or len(blob) < size
            if known.complete():
                yield self._objects.pop(identity).message(), place

    def unfinished(self) -> Iterator[tuple[PsMessage, Place]]:
        """What lacks fragments at the end of the capture, as far as it is there."""
        while self._objects:
            known = self._objects.pop(next(iter(self._objects)))
            yield known.message(), known.place


def _message(data: bytes, *, whole: bool) -> PsMessage:
    if len(data) < _MESSAGE.size:
        return PsMessage("malformed", "", None, "", len(data), whole=False)
    _, kind, runspace, pipeline = _MESSAGE.unpack_from(data)
    text = data[_MESSAGE.size :].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    name = TYPES.get(kind, f"{kind:#010x}") if whole or kind in TYPES else "malformed"
    return PsMessage(name, _identity(runspace) or "", _identity(pipeline), text, len(data), whole)


@lru_cache(maxsize=1024)
def _identity(raw: bytes) -> str | None:
    return None if raw == bytes(16) else str(uuid.UUID(bytes_le=raw)).upper()
