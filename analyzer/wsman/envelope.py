"""Header fields of a clear-text SOAP envelope, found by searching, not by building a tree: five fields are wanted of each of a million envelopes.

Prefixes differ between clients (``a:``, ``wsa:``, ``n1:``), so elements are found by local name. A document with a DTD is refused (it has no place in
SOAP, section 5.1 of the SOAP 1.2 specification).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from sys import intern
from typing import TypeAlias

from msgspec.structs import replace

from analyzer.formats.content import Room, unpacked
from analyzer.formats.holes import Holed, has_holes, joined, read_holed, shown, text_of
from analyzer.formats.reader import Fetch, Reader
from analyzer.records.http import Body, Exchange, Request, Response
from analyzer.records.ids import key_capture, key_number
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent, Why
from analyzer.records.sealing import Fault, Message, Protection
from analyzer.records.transport import Connection
from analyzer.settings import Limits
from analyzer.wsman.actions import short_name
from analyzer.wsman.config import SETTERS, settings
from analyzer.wsman.durations import duration_s
from analyzer.wsman.elements import attributes, content, element
from analyzer.wsman.faults import fault as read_fault
from analyzer.wsman.ordinary import Ordinary
from analyzer.wsman.properties import TELLING, reached
from analyzer.wsman.remembered import Described, Own, Shapes, Told
from analyzer.wsman.saying import said_in_clear
from analyzer.wsman.structure import Seen, looked, read_marks
from analyzer.wsman.tree import EMPTY, tree

_SOAP = ("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/")
_NAMESPACES = ("schemas.dmtf.org/wbem/wsman", "schemas.microsoft.com/wbem/wsman")
_ACTION = element("Action")
_RESOURCE = element("ResourceURI")
_MESSAGE_ID = element("MessageID")
_RELATES_TO = element("RelatesTo")
_SESSION_ID = element("SessionId")
_SELECTOR = element("Selector")
_SHELL_ID = element("ShellId")
_COMMAND_ID = re.compile(r"\sCommandId=[\"']([^\"'<>]{1,128})[\"']")
_WITH_COMMAND_ID = tuple((name, element(name, "")) for name in ("CommandLine", "DesiredStream", "Signal", "Stream", "CommandState"))
_COMMAND_ELEMENT = element("CommandId")
_OPERATION_TIMEOUT = element("OperationTimeout")
_FAULT_CODE = element("WSManFault", "")
_FAULT = element("Fault", "")
_IDENTIFY = element("(?P<name>Identify(?:Response)?)", "")
_FIELDS = ("Action", "ResourceURI", "MessageID", "RelatesTo", "SessionId", "ShellId", "CommandId")
_CODE_DIGITS = 12


def described(
    message: Message,
    connection: Connection,
    exchange: Exchange,
    fetch: Fetch,
    limits: Limits,
    room: Room | None = None,
    readers: tuple[Reader, Reader] | None = None,
) -> Described:
    """The message as far as it is clear; sealed ones get ``operation`` absent as sealed. ``readers``: of both directions, the client's first."""
    if message.protection is Protection.SEALED:
        return Described(message if message.operation is not None else replace(message, operation=Absent(Why.SEALED)))
    if message.protection not in (Protection.CLEAR, Protection.TLS):
        return Described(message)
    half = exchange.request if message.from_client else exchange.response
    if isinstance(half, Absent):
        return Described(message)
    near, far = readers or (Reader(connection.to_server, fetch), Reader(connection.to_client, fetch))
    raw = _raw(near if message.from_client else far, half.body, limits.envelope_bytes)
    size = half.body.size
    whole = len(raw.data) == size and not raw.holes and half.body.complete and not half.body.missing and not message.codings
    if not whole or size > limits.envelope_bytes or size > limits.opened_bytes:
        return _read(message, half, exchange, raw, size, limits, room)
    status = None if isinstance(exchange.response, Absent) else exchange.response.status
    place = half.first_ns, half.packets
    return _SHAPES.described(message, raw.data, place, status, limits, lambda data: _read(message, half, exchange, Holed(data), len(data), limits, room))


def described_at_once(own: Own, half: Request | Response, reader: Reader, status: int | None, limits: Limits) -> Told | None:
    """The same of a body in clear (``own``: what is known of its message; it is not coded), which is whole, and of which the shape is known; else None."""
    body = half.body
    size, spans = body.size, body.spans
    if len(spans) != 1 or not body.complete or body.missing or size > limits.envelope_bytes or size > limits.opened_bytes:
        return None
    begin = spans[0][0]
    data = reader.read(begin, begin + size)
    if len(data) != size:
        return None
    digest = body.digest
    return _SHAPES.at_once(own, None if isinstance(digest, Absent) else digest, data, (half.first_ns, half.packets), status, limits)


_SHAPES = Shapes()
"""Of clear envelopes, most of which come again and again; each process has its own."""


def _read(message: Message, half: Request | Response, exchange: Exchange, raw: Holed, size: int, limits: Limits, room: Room | None) -> Described:
    """What there is (``raw``) of an envelope of ``size`` bytes says."""
    if raw.holes and not message.codings:
        text = text_of(raw, encoding_of(raw.data))
    else:
        plain = unpacked(raw.cut(0, raw.holes[0][0]).data if raw.holes else raw.data, message.codings, limits.opened_bytes, room)
        if isinstance(plain, Absent):
            large = plain.why is Why.OVER_LIMIT and (room is None or not room.full)
            issue = Issue("wsman.limit", f"opened_bytes={limits.opened_bytes}: {plain.detail}", message.id, *_place(half, exchange))
            if not large and plain.why in (Why.MALFORMED, Why.UNSUPPORTED):
                large, issue = True, Issue("wsman.unreadable", plain.detail, message.id, *_place(half, exchange))
            return Described(replace(message, operation=plain, text_digest=None), (issue,) if large else ())
        text = decoded(plain)
    found = looked(text, limits)
    if found.marks.has_dtd:
        return Described(message, (Issue("wsman.rejected-dtd", "a document type declaration", message.id, *_place(half, exchange)),))
    told = [] if found.odd is None else [found.odd]
    unknown = not found.marks.places and (found.plain is None or found.plain.head_end < 0)
    if unknown and not raw.holes and half.body.complete and text.strip() and not _of_another(text):
        told.append(("wsman.unreadable", f"{len(raw.data)} bytes without an element that is known"))
    full = _described(message, text, found, {}, limits)
    if size > limits.envelope_bytes:
        cut = f"envelope_bytes={limits.envelope_bytes}: of {size} bytes of an envelope no more were looked at for its header fields"
        told.append(("wsman.limit", cut))
    if _may_be_over(full, found):
        told += [("wsman.limit", words) for words in over(full, text, found, limits)]
    all_there = len(raw.data) == size <= limits.opened_bytes and not raw.holes and half.body.complete and not half.body.missing and not message.codings
    status = None if isinstance(exchange.response, Absent) else exchange.response.status
    said = said_in_clear(full, text, found, (half.first_ns, half.packets), status) if all_there else None
    return Described(full, tuple([Issue(code, words, message.id, *_place(half, exchange)) for code, words in told]) if told else (), said)


def _place(half: Request | Response, exchange: Exchange) -> tuple[int, int | None]:
    """The capture, and the number of the packet where a message begins."""
    return (key_capture(half.packets[0]), key_number(half.packets[0])) if half.packets else (exchange.capture, None)


def _raw(reader: Reader, body: Body, limit: int) -> Holed:
    """At most ``limit`` bytes of a body, with the holes in it."""
    spans = body.spans
    if len(spans) == 1 and spans[0].size <= limit:
        data = reader.read(spans[0].at, spans[0].at + spans[0].size)
        if len(data) == spans[0].size:
            return Holed(data)
    pieces: list[Holed] = []
    left = limit
    for span in spans:
        pieces.append(read_holed(reader, span.at, span.at + min(span.size, left)))
        left -= span.size
        if left <= 0:
            break
    return pieces[0] if len(pieces) == 1 else joined(pieces)


def over(message: Message, text: str, found: Seen, limits: Limits) -> Iterator[str]:
    """The limits of what a described envelope says that were reached."""
    if found.plain is None or found.plain.long:
        yield from _long(text, found.marks.places if found.plain is None else read_marks(text).places, limits)
    if message.from_client and message.operation in SETTERS:
        yield from settings(str(message.operation), message.resource_uri, text, limits.settings).reached
    if not found.marks.has_dtd:
        yield from reached(message, text)


def _may_be_over(message: Message, found: Seen) -> bool:
    """`over` may tell of something: most envelopes are short, and of kinds that it has nothing to say of."""
    return found.plain is None or found.plain.long or message.operation in _LIMITED or not isinstance(message.operation, str)


_LIMITED = frozenset((*SETTERS, *TELLING))


def _long(text: str, places: Mapping[str, list[int]], limits: Limits) -> Iterator[str]:
    """The limits of single elements that were reached."""
    for name in _FIELDS if len(text) > limits.field_characters else ():
        long = [at for at in places.get(name, ()) if text.find("<", at + 1) - text.find(">", at) > limits.field_characters]
        if long:
            yield f"field_characters={limits.field_characters}: an element {name} is longer, and was passed over"
    selectors = (at for name in ("Selector", "ShellId") for at in places.get(name, ()))
    if any(text.find("<", at + 1) - text.find(">", at) > limits.selector_characters + 1 for at in selectors):
        yield f"selector_characters={limits.selector_characters}: a selector is longer, and was not read"


def described_text(message: Message, text: str, found: Seen, limits: Limits, **known: object) -> Message:
    """The message with what the envelope ``text`` says (nothing when it has a DTD), and with the fields that are known already."""
    return replace(message, **known) if found.marks.has_dtd else _described(message, text, found, known, limits)


def decoded(raw: bytes) -> str:
    """Text of an XML document in UTF-8 or UTF-16 (by byte order mark or by its first characters); bytes that fit neither are replaced."""
    if raw[:1] == b"<" and raw[1:2] != b"\x00":
        return raw.decode("utf-8", "replace")
    return raw.decode(encoding_of(raw), "replace")


def encoding_of(raw: bytes) -> str:
    """UTF-8 or UTF-16, by the byte order mark or the first characters of an XML document."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    if raw[:4] == b"<\x00?\x00" or raw[1:2] == b"\x00":
        return "utf-16-le"
    if raw[:1] == b"\x00" and raw[1:2] != b"\x00":
        return "utf-16-be"
    return "utf-8-sig"


def _first(pattern: re.Pattern[str], text: str, places: Iterable[int], most: int) -> str | None:
    """The text of the first element that has one; None where it lacks bytes."""
    for at in places:
        match = pattern.match(text, at)
        value = "" if match is None else content(match[2]).strip()
        if value and len(value) <= most:
            return None if has_holes(value) else value
    return None


def _selected(text: str, places: Iterable[int], most: int) -> str | None:
    """The selector ShellId (MS-WSMV 2.2.4.41)."""
    for at in places:
        match = _SELECTOR.match(text, at)
        if match is not None and attributes(match[1]).get("Name") == "ShellId":
            value = content(match[2]).strip()
            if value and len(value) <= most:
                return None if has_holes(value) else value
    return None


def _fault_code(text: str, places: Iterable[int]) -> str | None:
    for at in places:
        match = _FAULT_CODE.match(text, at)
        code = "" if match is None else attributes(match[1]).get("Code", "")
        if code.isdecimal() and len(code) <= _CODE_DIGITS:
            return code
    return None


_timeout = lru_cache(maxsize=256)(duration_s)
"""Of a text that is no longer than a field may be."""


def _command_id(text: str, places: Mapping[str, list[int]], most: int) -> str | None:
    """The attribute CommandId of the first element that has it; of a text that lacks bytes, wherever it stands."""
    for name, pattern in _WITH_COMMAND_ID:
        for at in places.get(name, ())[:1]:
            match = pattern.match(text, at)
            value = "" if match is None else attributes(match[1]).get("CommandId", "")
            if value and len(value) <= most and not has_holes(value):
                return value
    if not has_holes(text):
        return None
    return next((match[1] for match in _COMMAND_ID.finditer(text) if not has_holes(match[1])), None)


_Fields: TypeAlias = tuple[str | None, str | None, str | None, str | None, str | None, str | None, str | None, str | None, str | None, str | None, int | None]
"""What an envelope says of itself: Action, ResourceURI, MessageID, RelatesTo, SessionId, ShellId, CommandId, the code of a WSManFault, OperationTimeout,
the name of an Identify, and where its Fault begins. A tuple, as a name for each would take longer than to read it."""


def _by_places(text: str, places: Mapping[str, list[int]], limits: Limits) -> _Fields:
    def first(pattern: re.Pattern[str], name: str) -> str | None:
        return _first(pattern, text, places[name], limits.field_characters) if name in places else None

    asked = (_IDENTIFY.match(text, at) for at in sorted((*places.get("Identify", ()), *places.get("IdentifyResponse", ()))))
    return (
        _action(text, places, limits),
        first(_RESOURCE, "ResourceURI"),
        first(_MESSAGE_ID, "MessageID"),
        first(_RELATES_TO, "RelatesTo"),
        first(_SESSION_ID, "SessionId"),
        _selected(text, places.get("Selector", ()), limits.selector_characters) or first(_SHELL_ID, "ShellId"),
        _command_id(text, places, limits.selector_characters) or first(_COMMAND_ELEMENT, "CommandId"),
        _fault_code(text, places.get("WSManFault", ())),
        first(_OPERATION_TIMEOUT, "OperationTimeout"),
        next((match["name"] for match in asked if match is not None), None),
        next((at for at in places.get("Fault", ()) if _FAULT.match(text, at)), None),
    )


def _in_one_pass(plain: Ordinary) -> _Fields:
    action, resource_uri, message_id, relates_to, session_id, timeout, shell_id, command_id = plain.texts
    return (
        action,
        resource_uri,
        message_id,
        relates_to,
        session_id,
        plain.selected or shell_id,
        plain.named or command_id,
        plain.fault_code,
        timeout,
        plain.identify,
        None if plain.fault_at < 0 else plain.fault_at,
    )


def _of_another(text: str) -> bool:
    """A whole envelope of SOAP in which nothing is WS-Management's: one of the many services besides it."""
    found = tree(text)
    top = found.root.children[0] if found.root.children else EMPTY
    return found.whole and top.name == "Envelope" and top.space in _SOAP and top.child("Body") is not None


def _described(message: Message, text: str, found: Seen, known: Mapping[str, object], limits: Limits) -> Message:
    fields = _by_places(text, found.marks.places, limits) if found.plain is None else _in_one_pass(found.plain)
    named, about, message_id, relates_to, session_id, shell_id, command_id, fault_code, timeout, identify, fault_at = fields
    action, resource_uri, asks = _same(named), _same(about), message.from_client
    operation = "Fault" if fault_at is not None and not asks else short_name(action) if action else identify
    return replace(
        message,
        **known,
        action=action,
        resource_uri=resource_uri,
        message_id=_same(message_id),
        relates_to=_same(relates_to),
        session_id=_same(session_id),
        shell_id=_same(shell_id),
        command_id=_same(command_id),
        fault_code=fault_code,
        fault=None if fault_at is None or asks else _shown(read_fault(text, fault_at, limits.fault_text_characters)),
        operation_timeout_s=_timeout(timeout) if asks and timeout else None,
        operation=operation,
        wsman=_NAMESPACES[0] in text or _NAMESPACES[1] in text,
        settings=_settings(operation, resource_uri, text, limits) if asks and operation in SETTERS else (),
    )


def _same(text: str | None) -> str | None:
    """The one object for all that have this text: an answer names the MessageID of its request, and everything in a shell the shell."""
    return intern(text) if text else None


def _action(text: str, places: Mapping[str, list[int]], limits: Limits) -> str | None:
    """The action; of several that differ the one that runs a command, where there is one to run."""
    known = places.get("Action", ())
    if len(known) > 1 and "CommandLine" in places:
        runs = next((one for at in known if (one := _first(_ACTION, text, (at,), limits.field_characters)) and short_name(one) == "Command"), None)
        if runs is not None:
            return runs
    return _first(_ACTION, text, known, limits.field_characters)


def _settings(operation: str | None, resource_uri: str | None, text: str, limits: Limits) -> tuple[tuple[str, str], ...]:
    return tuple(one for one in settings(operation, resource_uri, text, limits.settings).found if not any(map(has_holes, one)))


def _shown(found: Fault) -> Fault:
    """The fault with its texts as a person reads them."""
    texts = {name: shown(value)[0] for name in found.__struct_fields__ if isinstance(value := getattr(found, name), str) and has_holes(value)}
    return replace(found, **texts) if texts else found
