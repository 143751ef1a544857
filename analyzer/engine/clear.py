"""The texts of messages in clear, of those of which something is left to be read."""

from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from analyzer.formats.content import Room, codings, unpacked
from analyzer.formats.holes import text_of
from analyzer.formats.reader import Fetch, Reader
from analyzer.records.evidence import Evidence
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.records.wsman import Said
from analyzer.sealing.messages import read_body, read_body_holed
from analyzer.sealing.opening import Talk
from analyzer.settings import Limits
from analyzer.wsman.envelope import decoded, encoding_of

_READABLE = (Protection.CLEAR, Protection.TLS)


def _tells_all(found: Said | None, room: Room | None, compressed: AbstractSet[str]) -> bool:
    """What was said stands, whatever was learnt since: it has no streams, or they are not compressed and there is room for all."""
    own = None if found is None else found.operation
    if own is None or not own.streams:
        return found is not None
    return own.exchange not in compressed and own.shell_id not in compressed and (room is None or not room.full)


def clear_texts(
    talk: Talk, evidence: Evidence, fetch: Fetch, limits: Limits, room: Room | None, compressed: AbstractSet[str] | None
) -> Iterator[tuple[Message, str | None]]:
    """The clear messages of a connection with their texts, in order. ``compressed``: the exchanges and shells whose streams are by now; a message that does not
    depend on them has no text here, as ``said`` of the evidence has all that it says. None: texts are what is wanted."""
    messages, said = evidence.messages, evidence.said
    readers: dict[bool, Reader] = {}
    for exchange in talk.exchanges:
        for from_client, half in ((True, exchange.request), (False, exchange.response)):
            if isinstance(half, Absent):
                continue
            message = messages.get(half.id)
            if message is None or message.protection not in _READABLE or message.from_client is not from_client:
                continue
            if compressed is not None and _tells_all(said.get(half.id), room, compressed):
                yield message, None
                continue
            if not readers:  # where everything is said already, nothing is read
                readers = {True: Reader(talk.connection.to_server, fetch), False: Reader(talk.connection.to_client, fetch)}
            reader = readers[from_client]
            if (half.body.missing or not half.body.complete) and not codings(half.headers):
                part = read_body_holed(reader, half.body, limits.opened_bytes)
                yield message, text_of(part, encoding_of(part.data))
                continue
            raw = read_body(reader, half.body, 0, min(half.body.size, limits.opened_bytes))
            plain = unpacked(raw, codings(half.headers), limits.opened_bytes, room)
            if not isinstance(plain, Absent):
                yield message, decoded(plain)
