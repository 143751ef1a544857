"""One `Message` for each body of an exchange: what protects it, told from its content type and its first bytes."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import accumulate

from msgspec.structs import replace

from analyzer.formats.content import codings, unpacked
from analyzer.formats.holes import Holed, joined, lost, read_holed
from analyzer.formats.pages import page_text
from analyzer.formats.reader import Fetch, Reader
from analyzer.records.http import Body, Exchange, Header, Request, Response, Span
from analyzer.records.ids import key_capture, key_number
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent, Known, Why
from analyzer.records.sealing import Message, Page, Protection
from analyzer.records.transport import Connection
from analyzer.sealing.multipart import OVER, Read, parts
from analyzer.settings import Limits

_SEALED = ("multipart/encrypted", "multipart/x-multi-encrypted")
_SEALED_OPERATION = Absent(Why.SEALED)
_SOAP = ("application/soap+xml",)
_XML = ("text/xml", "application/xml")


def messages(
    connection: Connection, exchange: Exchange, fetch: Fetch, limits: Limits, readers: tuple[Reader, Reader] | None = None
) -> tuple[tuple[Message, ...], tuple[Issue, ...]]:
    """The request's and the response's message (each only when it is known), and what is malformed in their framing. ``readers``: of both directions, the
    client's first, for whoever reads one message after the other."""
    near, far = readers or (Reader(connection.to_server, fetch), Reader(connection.to_client, fetch))
    found = []
    issues = []
    for from_client, half, reader in ((True, exchange.request, near), (False, exchange.response, far)):
        if isinstance(half, Absent):
            continue
        told, issue = message_of(connection, exchange, half, reader, limits, from_client=from_client)
        found.append(told)
        if issue is not None:
            issues.append(issue)
    return tuple(found), tuple(issues)


def message_of(
    connection: Connection, exchange: Exchange, half: Request | Response, reader: Reader, limits: Limits, *, from_client: bool
) -> tuple[Message, Issue | None]:
    """The same of one of them. ``reader``: of its direction."""
    content_type, applied = _labels(half.headers)
    protection = _protection(half.body, content_type)
    in_clear = clear_on(connection)
    if protection is Protection.CLEAR:
        protection = in_clear
    digest = half.body.digest
    read = None if protection is not in_clear or isinstance(digest, Absent) else digest
    message = Message(half.id, exchange.id, from_client, protection, half.body.size, content_type, codings=applied, text_digest=read)
    if protection is Protection.SEALED:
        content = content_reader(reader, half, limits, applied)
        message, problem = _sealed(message, half, content, limits)
        if _is_readable(message, content):
            read = None if isinstance(digest, Absent) else digest
            message, problem = replace(message, protection=in_clear, parts=(), protocol=None, operation=None, text_digest=read), _LABEL
        if problem is not None:
            place = (key_capture(half.packets[0]), key_number(half.packets[0])) if half.packets else (exchange.capture, None)
            return message, Issue("wsman.limit" if problem.startswith(OVER) else "sealing.malformed", problem, half.id, *place)
    elif protection is Protection.NONE and not from_client:
        message = replace(message, page=_page(half, reader, content_type, limits))
    return message, None


def clear_on(connection: Connection) -> Protection:
    """What protects a body that is not encrypted by itself."""
    return Protection.TLS if connection.tls_opened else Protection.CLEAR


def soap_type(headers: tuple[Header, ...]) -> str | None:
    """The content type of bodies that are SOAP by their label, and neither encrypted nor coded; None of others. One tuple serves all messages with the same
    head, so it is looked up as the object that it is."""
    known = _SOAP_TYPES.get(id(headers))
    if known is None or known[0] is not headers:
        content_type, applied = _labels(headers)
        is_soap = content_type is not None and not applied and len(content_type) <= _LABEL_LENGTH and _media(content_type) in _SOAP
        if len(_SOAP_TYPES) >= _MOST_TYPES:
            _SOAP_TYPES.clear()
        known = _SOAP_TYPES[id(headers)] = (headers, content_type if is_soap else None)
    return known[1]


_SOAP_TYPES: dict[int, tuple[tuple[Header, ...], str | None]] = {}
_MOST_TYPES = 1024
"""Heads, by what Python calls each: an entry keeps its head, so that no other is called so meanwhile."""


_LABEL = "labeled as encrypted, but its content is a SOAP envelope in clear"
_BEGINNING = 256
"""Bytes of a part in which an envelope's first tag is looked for; that ciphertext looks so by chance is out of question."""


def _is_readable(message: Message, content: Known[tuple[Read, int]]) -> bool:
    """A label says nothing: what it calls encrypted is an envelope that anyone can read."""
    if isinstance(content, Absent):
        return False
    read, _ = content
    places = [0] if not message.parts else [part.data_at for part in message.parts[:1]]
    return any(is_envelope(read(at, _BEGINNING)) for at in places)


def _sealed(message: Message, half: Request | Response, content: Known[tuple[Read, int]], limits: Limits) -> tuple[Message, str | None]:
    """The message with its parts, and what is wrong with its framing, as far as that can be told."""
    if isinstance(content, Absent):
        return replace(message, operation=_SEALED_OPERATION), None
    read, size = content
    sealed = parts(read, size, limits.sealed_parts)
    whole = not half.body.missing and half.body.complete
    told = sealed.problem if whole or (sealed.problem or "").startswith(OVER) else None
    return replace(message, parts=sealed.parts, protocol=sealed.protocol, operation=_SEALED_OPERATION), told


def _page(half: Request | Response, reader: Reader, content_type: str | None, limits: Limits) -> Page | None:
    """A page's words; None where its bytes are not text, or cannot be read."""
    media = (content_type or "text/plain").partition(";")[0].strip().lower()
    if not media.startswith("text/") and not media.endswith(("json", "xml", "xhtml")):
        return None
    plain = unpacked(read_body(reader, half.body, 0, min(half.body.size, limits.page_bytes)), codings(half.headers), limits.page_bytes)
    if isinstance(plain, Absent):
        return None
    found = page_text(plain, content_type, limits.page_text_characters)
    return Page(found.title, found.text) if found.title or found.text else None


def packed(half: Request | Response) -> tuple[str, ...]:
    """The codings that a device put around a body that WinRM had encrypted. SLDC is WinRM's own, and lies inside of the encryption (MS-WSMV 2.2.9.2)."""
    return tuple(coding for coding in codings(half.headers) if coding != "sldc")


def content_reader(reader: Reader, half: Request | Response, limits: Limits, applied: tuple[str, ...]) -> Known[tuple[Read, int]]:
    """What reads a body as its sender had it before a device compressed it, and the size of that. ``applied``: all its codings."""
    if not applied or not (applied := packed(half)):
        return body_reader(reader, half.body), half.body.size
    raw = read_body(reader, half.body, 0, min(half.body.size, limits.opened_bytes))
    if len(raw) < half.body.size:
        return Absent(Why.NOT_CAPTURED, "bytes of the compressed body are not in the capture")
    plain = unpacked(raw, applied, limits.opened_bytes)
    if isinstance(plain, Absent):
        return Absent(plain.why, f"the body was compressed on its way ({', '.join(applied)}) and could not be decompressed: {plain.detail}")
    return (lambda at, size: plain[at : at + size]), len(plain)


def _labels(headers: tuple[Header, ...]) -> tuple[str | None, tuple[str, ...]]:
    """The content type, and the codings."""
    content_type: str | None = None
    applied: tuple[str, ...] = ()
    for header in headers:
        size = len(header.name)
        if size == _TYPE and content_type is None and header.name.lower() == "content-type":
            content_type = header.value
        elif size == _CODING and header.name.lower() == "content-encoding":
            applied = codings(headers)
    return content_type, applied


_TYPE, _CODING = len("content-type"), len("content-encoding")


def _protection(body: Body, content_type: str | None) -> Protection:
    if not body.size:
        return Protection.EMPTY
    media = "" if content_type is None else _media(content_type) if len(content_type) <= _LABEL_LENGTH else _media.__wrapped__(content_type)
    if media in _SEALED:
        return Protection.SEALED
    if media in _SOAP or (media in _XML and looks_xml(body.starts)) or is_envelope(body.starts):
        return Protection.CLEAR
    return Protection.NONE


@lru_cache(maxsize=256)
def _media(content_type: str) -> str:
    """The media type without parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


_LABEL_LENGTH = 256
"""Characters of a content type that is remembered."""


def looks_xml(starts: bytes) -> bool:
    """True when text begins with markup, in UTF-8 or UTF-16."""
    return starts.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").startswith(b"<")


def is_envelope(starts: bytes) -> bool:
    """True when a SOAP envelope (with or without an XML declaration) can be told from the first bytes."""
    text = starts.replace(b"\x00", b"")
    return looks_xml(starts) and b":Envelope" in text


def read_body(reader: Reader, body: Body, at: int, size: int) -> bytes:
    """Bytes [at, at+size) of a body, fewer at a gap or the end: body offsets run over its spans."""
    return body_reader(reader, body)(at, size)


def read_body_holed(reader: Reader, body: Body, limit: int) -> Holed:
    """At most ``limit`` bytes of a body from its beginning, with the holes in it; where it ends before its length, the rest is a hole, too."""
    pieces, left = [], limit
    for span in body.spans:
        pieces.append(read_holed(reader, span.at, span.at + min(span.size, left)))
        left -= min(span.size, left)
        if not left:
            break
    whole = pieces[0] if len(pieces) == 1 else joined(pieces)
    return whole if body.complete or not left else joined((whole, lost(tail(body, left))))


def tail(body: Body, limit: int) -> int | None:
    """How many bytes a body lacks at its end; None when its framing does not tell, or it is more than ``limit``."""
    size = None if body.declared is None else body.declared - body.size
    return size if size is not None and 0 < size <= limit else None


_AT_ONCE = 1 << 14
"""Bytes of a body that is read as a whole: its parts lie apart, and each of them would be looked for in the capture by itself."""


def body_reader(reader: Reader, body: Body) -> Read:
    """What reads a body as `read_body` does, many times: a body may have a million chunks."""
    if len(body.spans) == 1:
        begin, end = body.spans[0].at, body.spans[0].at + body.spans[0].size
        if body.size <= _AT_ONCE:
            data = reader.read(begin, end)
            if len(data) == body.size:
                return lambda at, size: data[at : at + size]
        return lambda at, size: reader.read(min(begin + at, end), min(begin + at + size, end))
    ends = list(accumulate(span.size for span in body.spans))
    return lambda at, size: b"".join(_pieces(reader, body.spans, ends, at, size))


def _pieces(reader: Reader, spans: tuple[Span, ...], ends: Sequence[int], at: int, size: int) -> Iterator[bytes]:
    first = bisect_right(ends, at)
    skip = at - (ends[first - 1] if first else 0)
    for index in range(first, len(spans)):
        span = spans[index]
        take = min(size, span.size - skip)
        piece = b"".join(reader.pieces(span.at + skip, span.at + skip + take, stop_at_gap=True))
        yield piece
        size -= take
        skip = 0
        if len(piece) < take or size <= 0:
            return
