"""Fragments and messages of MS-PSRP (2.2.4, 2.2.1).

    ObjectId u64 | FragmentId u64 | flags u8 (1 start, 2 end) | BlobLength u32 | blob                    big-endian, many in one stream piece
    Destination u32 | MessageType u32 | RPID 16 | PID 16 | CLIXML                                         little-endian

Reassembly is by object within a shell and direction. It begins anywhere: fragments of an object whose start is not in the capture are given as an incomplete
message, and nothing that is malformed stops what follows.
"""

import struct
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

_HEADER = struct.Struct(">QQBI")
_MESSAGE = struct.Struct("<II16s16s")
_OBJECT_LIMIT = 64 << 20

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


@dataclass(slots=True)
class _Object:
    blobs: list[bytes] = field(default_factory=list)
    following: int = 0
    size: int = 0
    broken: bool = False


class Defragmenter:
    """The fragments of one direction of one shell. Feed it stream data in order of time."""

    def __init__(self) -> None:
        self._objects: dict[int, _Object] = {}

    def messages(self, data: bytes) -> Iterator[PsMessage]:
        """The messages that ``data`` completes. A fragment never spans two stream pieces (MS-WSMV 3.1.4.1.31.6)."""
        at = 0
        while at + _HEADER.size <= len(data):
            identity, number, flags, size = _HEADER.unpack_from(data, at)
            at += _HEADER.size
            blob = data[at : at + size]
            at += size
            known = self._objects.get(identity)
            if flags & 1 or known is None:
                known = self._objects[identity] = _Object(broken=not flags & 1)
            elif number != known.following:
                known.broken = True
            known.broken = known.broken or len(blob) < size or known.size + len(blob) > _OBJECT_LIMIT
            known.following = number + 1
            known.size += len(blob)
            if known.size <= _OBJECT_LIMIT:
                known.blobs.append(blob)
            if flags & 2:
                del self._objects[identity]
                yield _message(b"".join(known.blobs), whole=not known.broken)


def _message(data: bytes, *, whole: bool) -> PsMessage:
    if len(data) < _MESSAGE.size:
        return PsMessage("malformed", "", None, "", len(data), whole=False)
    _, kind, runspace, pipeline = _MESSAGE.unpack_from(data)
    text = data[_MESSAGE.size :].removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    name = TYPES.get(kind, f"{kind:#010x}") if whole or kind in TYPES else "malformed"
    return PsMessage(name, _identity(runspace) or "", _identity(pipeline), text, len(data), whole)


def _identity(raw: bytes) -> str | None:
    return None if raw == bytes(16) else str(uuid.UUID(bytes_le=raw)).upper()
