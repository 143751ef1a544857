"""What the envelope of a decrypted body says. Plaintexts have the shapes of clear bodies, and are remembered as these are (`analyzer.wsman.remembered`)."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from operator import attrgetter
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.records.issues import Issue
from analyzer.records.sealing import Message, Protection
from analyzer.records.wsman import Said
from analyzer.settings import Limits
from analyzer.wsman.envelope import decoded, described_text
from analyzer.wsman.remembered import Described, Place, Shapes
from analyzer.wsman.saying import said_in_clear
from analyzer.wsman.structure import Seen, looked
from analyzer.wsman.winrs import depends

_SHAPES = Shapes()
"""Of plaintexts; each process has its own."""
_TOLD = (
    "action",
    "resource_uri",
    "message_id",
    "relates_to",
    "session_id",
    "shell_id",
    "command_id",
    "fault_code",
    "fault",
    "operation_timeout_s",
    "operation",
    "wsman",
    "settings",
)
"""What an envelope tells of its message."""
_told = attrgetter(*_TOLD)
Complaints = Callable[[Message, str, Seen], tuple[Issue, ...]]
"""What is odd in an envelope, of which this is the message: issues."""


class Told(NamedTuple):
    """The message with what its plaintext says, all that this says of shells and resources, and what is odd about it."""

    message: Message
    said: Said
    issues: tuple[Issue, ...]


def told_by(
    message: Message,
    known: Mapping[str, object],
    data: bytes,
    half: Place,
    status: int | None,
    limits: Limits,
    complaints: Complaints,
    compressed: AbstractSet[str],
) -> Told | None:
    """An encrypted message of which ``data`` is the whole plaintext, with the fields that are ``known`` already. ``compressed``: the exchanges and shells whose
    streams are. None where the plaintext is too long, depends on other messages, or was not looked at."""
    if len(data) > limits.envelope_bytes or len(data) > limits.opened_bytes:
        return None
    bare = Message(message.id, message.exchange, message.from_client, Protection.CLEAR, len(data), message.content_type)

    def read(data: bytes) -> Described:
        text = decoded(data)
        seen = looked(text, limits)
        full = described_text(bare, text, seen, limits)
        return Described(full, complaints(full, text, seen), said_in_clear(full, text, seen, half, status))

    found = _SHAPES.described(bare, data, half, status, limits, read)
    said, own = found.said, found.message
    if said is None or depends(said.operation, compressed):
        return None
    return Told(replace(message, **known, **dict(zip(_TOLD, _told(own), strict=True))), said, found.issues)
