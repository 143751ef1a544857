"""Opens the sealed bodies of a pair of hosts, message by message, and says of each one whether it opened, with what, or why not.

Bodies are opened in the order of exchanges on each connection, since a keystream runs on from one message to the next. What its own connection's context does
not open is tried with the contexts of the same client's other connections to the same server: a client that lost its connection sends the body again, sealed
for the old one. A wrong secret opens nothing, because every plaintext is proved by its signature before it is given out.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from analyzer.formats.holes import Holed, joined, lost, read_holed
from analyzer.formats.reader import Fetch, Reader
from analyzer.formats.tls import KeyLog
from analyzer.records.auth import Conversation, Mechanism
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.quality import Absent, Known, Why
from analyzer.records.sealing import Message, Protection, SealedPart
from analyzer.records.secrets import Secrets
from analyzer.records.transport import Connection
from analyzer.sealing.contexts import Context, Sealer, contexts, tls_token
from analyzer.sealing.credssp import Chunk, digest
from analyzer.sealing.credssp import context as credssp_context
from analyzer.sealing.messages import content_reader, packed
from analyzer.sealing.multipart import Read
from analyzer.sealing.tickets import Tickets
from analyzer.settings import Limits


class Opened(NamedTuple):
    """What became of one sealed body: its plaintext or why there is none, the tag of the secret, and the signature's verdict (good, bad, none)."""

    message: str
    text: Known[bytes]
    secret: str | None
    check: str
    conversation: str | None = None
    client: str | None = None
    """Who the client of that conversation is, where the secret told it: ``user@REALM`` or ``DOMAIN\\user``."""
    part: Holed | None = None
    """What could be decrypted of a body that lacks bytes. No signature proves it."""


class _Readers:
    """The readers of the connection that was read last: its bodies are read one after the other."""

    def __init__(self) -> None:
        self.of: Connection | None = None
        self.both: tuple[Reader, Reader] | None = None

    def one(self, connection: Connection, fetch: Fetch, *, from_client: bool) -> Reader:
        """That of a direction."""
        if self.both is None or self.of is not connection:
            self.of, self.both = connection, (Reader(connection.to_server, fetch), Reader(connection.to_client, fetch))
        return self.both[0] if from_client else self.both[1]


class Source(NamedTuple):
    """Where bytes are, and how many may be unpacked."""

    fetch: Fetch
    limits: Limits
    readers: _Readers | None = None

    def reader(self, connection: Connection, *, from_client: bool) -> Reader:
        """What reads a direction of a connection."""
        return (self.readers or _Readers()).one(connection, self.fetch, from_client=from_client)


_CONTEXTS = 32
_STRANGERS = 8
"""Contexts that a body is tried with, besides its own connection's. Bodies of one connection in a row that no other context opened, after which no more of
them are tried: they belong to a handshake that nobody has seen."""


class Talk(NamedTuple):
    """One connection with what was read of it."""

    connection: Connection
    exchanges: Sequence[Exchange]
    conversations: Sequence[Conversation]


def opened(talks: Sequence[Talk], messages: Mapping[str, Message], secrets: Secrets, tickets: Tickets, keys: KeyLog, source: Source) -> Iterator[Opened]:
    """The sealed bodies of ``talks``: all connections of one client host to one server endpoint, in order, with the other sides and views of these. Each sealed
    message is given once."""
    if not any(_is_sealed(half, messages) for talk in talks for exchange in talk.exchanges for half in (exchange.request, exchange.response)):
        return
    source = source._replace(readers=_Readers())
    all_contexts: list[tuple[int, Context]] = []
    before: dict[bytes, _Mark] = {}
    waiting: list[_Waiting] = []
    for number, talk in enumerate(talks):
        own = contexts(talk.exchanges, talk.conversations, secrets, tickets)
        for inner in own:
            if inner.conversation.mechanism is Mechanism.CREDSSP and keys:
                _credssp(talk, inner, messages, keys, source)
        all_contexts += ((number, found) for found in own)
        for exchange in talk.exchanges:
            context = _standing(own, exchange.position)
            for half in (exchange.request, exchange.response):
                message = None if isinstance(half, Absent) else messages.get(half.id)
                if message is None or message.protection is not Protection.SEALED:
                    continue
                mark = None if context is None or context.sealer is None else context.sealer.mark(from_client=message.from_client)
                result = _open(talk, exchange, message, context, source)
                if context is not None and mark is not None and not isinstance(result.text, Absent):
                    _remember(context, mark, message, half, before)
                if isinstance(result.text, Absent) and result.text.why in (Why.SEALED, Why.NOT_CAPTURED, Why.UNSENT) and result.part is None:
                    waiting.append(_Waiting(number, talk, exchange, message, result))
                else:
                    yield result
    yield from _elsewhere(waiting, before, all_contexts, source)


def _is_sealed(half: Request | Response | Absent, messages: Mapping[str, Message]) -> bool:
    message = None if isinstance(half, Absent) else messages.get(half.id)
    return message is not None and message.protection is Protection.SEALED


class _Mark(NamedTuple):
    """A context, and where it was before a body opened."""

    context: Context
    mark: tuple[int, int]


class _Waiting(NamedTuple):
    """A body that its own connection's context did not open, and what it said."""

    number: int
    talk: Talk
    exchange: Exchange
    message: Message
    result: Opened


def _remember(context: Context, mark: tuple[int, int], message: Message, half: Request | Response | Absent, before: dict[bytes, _Mark]) -> None:
    number = message.parts[0].sequence
    if number is not None:
        context.marks.setdefault((message.from_client, number), mark)
    digest = _digest(half)
    if digest is not None:
        before.setdefault(digest, _Mark(context, mark))


def _elsewhere(waiting: Sequence[_Waiting], before: Mapping[bytes, _Mark], others: Sequence[tuple[int, Context]], source: Source) -> Iterator[Opened]:
    """Bodies that were sealed by another context than their own connection's: a client sends one again after it lost its connection; the handshake was seen on
    the proxy's other side only, or in another capture. Each is proved by its signature."""
    failures: dict[int, int] = {}
    last: dict[int, Context] = {}
    known = [found for found in others if found[1].sealer is not None]
    for number, talk, exchange, message, result in waiting:
        again = _again(talk, exchange, message, before, source)
        if again is not None or failures.get(number, 0) >= _STRANGERS:
            yield again or result
            continue
        tries = ((context, _under(talk, exchange, message, context, source)) for context in _nearest(known, number, last.get(number)))
        context, under = next((one for one in tries if one[1] is not None), (None, None))
        failures[number] = failures.get(number, 0) + 1 if context is None else 0
        if context is not None:
            last[number] = context
        yield under or result


def _nearest(known: Sequence[tuple[int, Context]], number: int, last: Context | None) -> Iterator[Context]:
    """The contexts to try for a connection: the one that opened its last such body, then its own and its neighbours', `_CONTEXTS` at most."""
    if last is not None:
        yield last
    at = bisect_left(known, number, key=lambda found: found[0])
    first, end = max(at - _CONTEXTS // 2, 0), at + _CONTEXTS // 2
    for _, context in sorted(known[first:end], key=lambda found: abs(found[0] - number)):
        if context is not last:
            yield context


def _open(talk: Talk, exchange: Exchange, message: Message, context: Context | None, source: Source) -> Opened:
    if context is None:
        return Opened(message.id, Absent(Why.SEALED, "no handshake on this connection in the capture"), None, "none")
    if context.sealer is None:
        _adopt(context, talk, exchange, message, source)
    if context.sealer is None:
        return Opened(message.id, Absent(Why.SEALED, context.why_not), None, "none")
    parts = list(_parts(talk, exchange, message, source))
    if any(data.holes for _, data in parts) or not parts:
        read = _guess(context.sealer, parts, message)
        context.sealer.passed([_length(part) for part, _ in parts], from_client=message.from_client)
        return Opened(message.id, _unread(talk, exchange, message, source, read), context.tag, "none", *_who(context), read)
    texts = []
    for part, data in parts:
        plain = context.sealer.open(part.header, data.data, from_client=message.from_client)
        if plain is None:
            return Opened(message.id, Absent(Why.SEALED, f"its signature does not agree with the context of {context.conversation.id}"), context.tag, "bad")
        texts.append(plain.text)
    return Opened(message.id, b"".join(texts), context.tag, "good", *_who(context))


def _guess(sealer: Sealer, parts: Sequence[tuple[SealedPart, Holed]], message: Message) -> Holed | None:
    """What can be decrypted of a body that lacks bytes: of one part, which is what all but CredSSP seal; of more, up to the first that cannot be read."""
    texts: list[Holed] = []
    for part, data in parts:
        text = None if texts else sealer.guess(part.header, data, from_client=message.from_client)
        if text is None:
            break
        texts.append(text)
    if not texts:
        return None
    return joined((*texts, lost(None))) if len(texts) < len(parts) else texts[0]


def _unread(talk: Talk, exchange: Exchange, message: Message, source: Source, part: Holed | None) -> Absent:
    """Why the ciphertext is not there: it cannot be decompressed, its sender stopped before its end, or bytes were not captured; and what was read of it."""
    half = exchange.request if message.from_client else exchange.response
    if not isinstance(half, Absent) and message.codings and packed(half):
        content = content_reader(source.reader(talk.connection, from_client=message.from_client), half, source.limits, message.codings)
        if isinstance(content, Absent):
            return content
    unsent = not isinstance(half, Absent) and not half.body.complete and not half.body.missing
    read = "" if part is None else "; the rest was decrypted, but without them no signature proves it"
    return Absent(Why.UNSENT, f"not sent to the end{read}") if unsent else Absent(Why.NOT_CAPTURED, f"bytes of the body are not in the capture{read}")


def _who(context: Context) -> tuple[str, str | None]:
    return context.conversation.id, context.client


def _adopt(context: Context, talk: Talk, exchange: Exchange, message: Message, source: Source) -> None:
    """An exported session key shows that it belongs here by opening the first body of a direction."""
    for tag, sealer in context.unproved:
        begin = sealer.mark(from_client=message.from_client)
        for part, data in _parts(talk, exchange, message, source):
            if not data.holes and sealer.open(part.header, data.data, from_client=message.from_client) is not None:
                sealer.reset(begin, from_client=message.from_client)
                context.sealer, context.tag = sealer, tag
                return
            break


def _credssp(talk: Talk, context: Context, messages: Mapping[str, Message], keys: KeyLog, source: Source) -> None:
    """The inner TLS of a CredSSP context, from its first token to its last body."""
    begin = next(exchange.position for exchange in talk.exchanges if exchange.id == context.conversation.exchanges[0])
    runs: tuple[list[Chunk], list[Chunk]] = ([], [])
    for exchange in talk.exchanges:
        if not begin <= exchange.position <= context.last:
            continue
        for run, from_client, half in zip(runs, (True, False), (exchange.request, exchange.response), strict=True):
            token = tls_token(exchange, from_client=from_client)
            if token:
                run.append(Chunk(token, None))
            message = None if isinstance(half, Absent) else messages.get(half.id)
            if message is not None and message.protection is Protection.SEALED:
                parts = _parts(talk, exchange, message, source)
                run.extend(Chunk(part.header + data.data, digest(part.header, data.data)) for part, data in parts if not data.holes)
    made = credssp_context(*runs, keys)
    if made is not None:
        context.sealer, context.tag, context.client = made, made.tag, made.client


def _standing(own: Sequence[Context], position: int) -> Context | None:
    """The context at a position; those of a connection do not overlap."""
    place = bisect_right(own, position, key=lambda found: found.first) - 1
    return own[place] if place >= 0 and position <= own[place].last else None


def _digest(half: Request | Response | Absent) -> bytes | None:
    return None if isinstance(half, Absent) or isinstance(half.body.digest, Absent) else half.body.digest


def _again(talk: Talk, exchange: Exchange, message: Message, before: Mapping[bytes, _Mark], source: Source) -> Opened | None:
    """The same body was opened before: a client sends it once more after it lost its connection. It opens where it opened then."""
    digest = _digest(exchange.request if message.from_client else exchange.response)
    known = None if digest is None else before.get(digest)
    if known is None or known.context.sealer is None:
        return None
    text = _at(talk, exchange, message, known, source)
    return None if text is None else Opened(message.id, text, known.context.tag, "good")


def _at(talk: Talk, exchange: Exchange, message: Message, known: _Mark, source: Source) -> bytes | None:
    """The plaintext under a context at a place of it."""
    sealer = known.context.second()
    if sealer is None:
        return None
    sealer.reset(known.mark, from_client=message.from_client)
    return _texts(talk, exchange, message, sealer, source)


def _texts(talk: Talk, exchange: Exchange, message: Message, sealer: Sealer, source: Source) -> bytes | None:
    """The plaintext of all parts under a context, None unless each is wholly there and opens."""
    parts = list(_parts(talk, exchange, message, source))
    texts = []
    for part, data in parts:
        plain = None if data.holes else sealer.open(part.header, data.data, from_client=message.from_client)
        if plain is None:
            return None
        texts.append(plain.text)
    return b"".join(texts) if parts else None


def _under(talk: Talk, exchange: Exchange, message: Message, context: Context, source: Source) -> Opened | None:
    """The body under another context: where that was before this message by its number, or where it stopped."""
    sealer = context.sealer
    parts = list(_parts(talk, exchange, message, source))
    if not parts or sealer is None:
        return None
    mark = context.before(message.parts[0].sequence, from_client=message.from_client) or sealer.mark(from_client=message.from_client)
    if not any(data.holes for _, data in parts):
        text = _at(talk, exchange, message, _Mark(context, mark), source)
        return None if text is None else Opened(message.id, text, context.tag, "good")
    second = context.second() or sealer
    second.reset(mark, from_client=message.from_client)
    part = _guess(second, parts, message)
    return None if part is None else Opened(message.id, _unread(talk, exchange, message, source, part), context.tag, "none", part=part)


def _parts(talk: Talk, exchange: Exchange, message: Message, source: Source) -> Iterator[tuple[SealedPart, Holed]]:
    """Each part with its ciphertext, which has holes when it is not wholly there."""
    half = exchange.request if message.from_client else exchange.response
    if isinstance(half, Absent):
        return
    reader = source.reader(talk.connection, from_client=message.from_client)
    content = content_reader(reader, half, source.limits, message.codings)
    if isinstance(content, Absent):
        return
    for part in message.parts:
        data = _data(content[0], part)
        yield part, Holed(data) if data is not None else _with_holes(reader, half, part, source.limits)


def _data(read: Read, part: SealedPart) -> bytes | None:
    size = part.length if part.length is not None and len(part.header) == 16 else part.data_size
    data = read(part.data_at, min(size, part.data_size))
    return data if len(data) == size and (part.length is None or size >= part.length) else None


def _with_holes(reader: Reader, half: Request | Response, part: SealedPart, limits: Limits) -> Holed:
    """The ciphertext of a part as far as it is there. What a device compressed on the way is not read in part."""
    size = part.length if part.length is not None else part.data_size
    if packed(half) or size > limits.opened_bytes:
        return lost(None)
    begin, end = part.data_at, min(part.data_at + size, half.body.size)
    pieces, at = [], 0
    for span in half.body.spans:
        first, last = max(begin - at, 0), min(end - at, span.size)
        if first < last:
            pieces.append(read_holed(reader, span.at + first, span.at + last))
        at += span.size
    have = max(end - begin, 0)
    return joined((*pieces, lost(size - have))) if have < size else joined(pieces)


def _length(part: SealedPart) -> int:
    return part.length if part.length is not None else part.data_size
