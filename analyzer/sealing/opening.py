"""Opens the sealed bodies of a pair of hosts, message by message, and says of each one whether it opened, with what, or why not.

Bodies are opened in the order of exchanges on each connection, since a keystream runs on from one message to the next. What its own connection's context does
not open is tried with the contexts of the same client's other connections to the same server: a client that lost its connection sends the body again, sealed
for the old one. A wrong secret opens nothing, because every plaintext is proved by its signature before it is given out.
"""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from analyzer.formats.reader import Fetch, Reader
from analyzer.formats.tls import KeyLog
from analyzer.records.auth import Conversation, Mechanism
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.quality import Absent, Known, Why
from analyzer.records.sealing import Message, Protection, SealedPart
from analyzer.records.secrets import Secrets
from analyzer.records.transport import Connection
from analyzer.sealing.contexts import Context, contexts, tls_token
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


class Source(NamedTuple):
    """Where bytes are, and how many may be unpacked."""

    fetch: Fetch
    limits: Limits


class Mark(NamedTuple):
    """A context, and where it was before a body opened."""

    context: Context
    mark: tuple[int, int]


class Talk(NamedTuple):
    """One connection with what was read of it."""

    connection: Connection
    exchanges: Sequence[Exchange]
    conversations: Sequence[Conversation]


def opened(talks: Sequence[Talk], messages: Mapping[str, Message], secrets: Secrets, tickets: Tickets, keys: KeyLog, source: Source) -> Iterator[Opened]:
    """The sealed bodies of ``talks``: all connections of one client host to one server endpoint, in order. Each sealed message is given once."""
    all_contexts: list[Context] = []
    before: dict[bytes, Mark] = {}
    waiting: list[tuple[Talk, Exchange, Message, Opened]] = []
    for talk in talks:
        own = contexts(talk.exchanges, talk.conversations, secrets, tickets)
        for inner in own:
            if inner.conversation.mechanism is Mechanism.CREDSSP and keys:
                _credssp(talk, inner, messages, keys, source)
        all_contexts += own
        for exchange in talk.exchanges:
            context = _standing(own, exchange.position)
            for half in (exchange.request, exchange.response):
                message = None if isinstance(half, Absent) else messages.get(half.id)
                if message is None or message.protection is not Protection.SEALED:
                    continue
                mark = None if context is None or context.sealer is None else context.sealer.mark(from_client=message.from_client)
                result = _open(talk, exchange, message, context, source)
                digest = _digest(half)
                if context is not None and mark is not None and digest is not None and not isinstance(result.text, Absent):
                    before.setdefault(digest, Mark(context, mark))
                if isinstance(result.text, Absent) and result.text.why is Why.SEALED and message.from_client:
                    waiting.append((talk, exchange, message, result))
                else:
                    yield result
    for talk, exchange, message, result in waiting:
        yield _again(talk, exchange, message, before, source) or _elsewhere(talk, exchange, message, all_contexts, source) or result


def _open(talk: Talk, exchange: Exchange, message: Message, context: Context | None, source: Source) -> Opened:
    if context is None:
        return Opened(message.id, Absent(Why.SEALED, "no handshake on this connection in the capture"), None, "none")
    if context.sealer is None:
        _adopt(context, talk, exchange, message, source)
    if context.sealer is None:
        return Opened(message.id, Absent(Why.SEALED, context.why_not), None, "none")
    parts = list(_parts(talk, exchange, message, source))
    if any(data is None for _, data in parts) or not parts:
        context.sealer.passed([_length(part) for part, _ in parts], from_client=message.from_client)
        return Opened(message.id, _unread(talk, exchange, message, source), context.tag, "none", *_who(context))
    texts = []
    for part, data in parts:
        plain = context.sealer.open(part.header, data or b"", from_client=message.from_client)
        if plain is None:
            return Opened(message.id, Absent(Why.SEALED, f"its signature does not agree with the context of {context.conversation.id}"), context.tag, "bad")
        texts.append(plain.text)
    return Opened(message.id, b"".join(texts), context.tag, "good", *_who(context))


def _unread(talk: Talk, exchange: Exchange, message: Message, source: Source) -> Absent:
    """Why the ciphertext is not there: it cannot be decompressed, its sender stopped before its end, or bytes were not captured."""
    half = exchange.request if message.from_client else exchange.response
    if not isinstance(half, Absent) and packed(half):
        content = content_reader(Reader(talk.connection.to_server if message.from_client else talk.connection.to_client, source.fetch), half, source.limits)
        if isinstance(content, Absent):
            return content
    unsent = not isinstance(half, Absent) and not half.body.complete and not half.body.missing
    return Absent(Why.UNSENT, "not sent to the end") if unsent else Absent(Why.NOT_CAPTURED, "bytes of the body are not in the capture")


def _who(context: Context) -> tuple[str, str | None]:
    return context.conversation.id, context.client


def _adopt(context: Context, talk: Talk, exchange: Exchange, message: Message, source: Source) -> None:
    """An exported session key shows that it belongs here by opening the first body of a direction."""
    for tag, sealer in context.unproved:
        begin = sealer.mark(from_client=message.from_client)
        for part, data in _parts(talk, exchange, message, source):
            if data is not None and sealer.open(part.header, data, from_client=message.from_client) is not None:
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
                run.extend(Chunk(part.header + data, digest(part.header, data)) for part, data in parts if data is not None)
    made = credssp_context(*runs, keys)
    if made is not None:
        context.sealer, context.tag, context.client = made, "keylog", made.client


def _standing(own: Sequence[Context], position: int) -> Context | None:
    """The context at a position; those of a connection do not overlap."""
    place = bisect_right(own, position, key=lambda found: found.first) - 1
    return own[place] if place >= 0 and position <= own[place].last else None


def _digest(half: Request | Response | Absent) -> bytes | None:
    return None if isinstance(half, Absent) or isinstance(half.body.digest, Absent) else half.body.digest


def _again(talk: Talk, exchange: Exchange, message: Message, before: Mapping[bytes, Mark], source: Source) -> Opened | None:
    """The same body was opened before: a client sends it once more after it lost its connection. It opens where it opened then."""
    digest = _digest(exchange.request if message.from_client else exchange.response)
    known = None if digest is None else before.get(digest)
    if known is None or known.context.sealer is None:
        return None
    now = known.context.sealer.mark(from_client=message.from_client)
    known.context.sealer.reset(known.mark, from_client=message.from_client)
    text = _texts(talk, exchange, message, known.context, source)
    known.context.sealer.reset(now, from_client=message.from_client)
    return None if text is None else Opened(message.id, text, known.context.tag, "good")


def _texts(talk: Talk, exchange: Exchange, message: Message, context: Context, source: Source) -> bytes | None:
    """The plaintext of all parts under a context, None unless each is wholly there and opens."""
    parts = list(_parts(talk, exchange, message, source))
    texts = []
    for part, data in parts:
        plain = None if data is None or context.sealer is None else context.sealer.open(part.header, data, from_client=message.from_client)
        if plain is None:
            return None
        texts.append(plain.text)
    return b"".join(texts) if parts else None


def _elsewhere(talk: Talk, exchange: Exchange, message: Message, others: Sequence[Context], source: Source) -> Opened | None:
    """The body under the pair's other contexts (of older handshakes, of other connections), at the place where each of them stopped."""
    for context in others:
        if context.sealer is None:
            continue
        mark = context.sealer.mark(from_client=True)
        text = _texts(talk, exchange, message, context, source)
        context.sealer.reset(mark, from_client=True)
        if text is not None:
            return Opened(message.id, text, context.tag, "good")
    return None


def _parts(talk: Talk, exchange: Exchange, message: Message, source: Source) -> Iterator[tuple[SealedPart, bytes | None]]:
    """Each part with its ciphertext, None when it is not wholly there."""
    half = exchange.request if message.from_client else exchange.response
    if isinstance(half, Absent):
        return
    stream = talk.connection.to_server if message.from_client else talk.connection.to_client
    content = content_reader(Reader(stream, source.fetch), half, source.limits)
    if isinstance(content, Absent):
        return
    for part in message.parts:
        yield part, _data(content[0], part)


def _data(read: Read, part: SealedPart) -> bytes | None:
    size = part.length if part.length is not None and len(part.header) == 16 else part.data_size
    data = read(part.data_at, min(size, part.data_size))
    return data if len(data) == size else None


def _length(part: SealedPart) -> int:
    return part.length if part.length is not None else part.data_size
