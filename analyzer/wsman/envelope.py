"""Header fields of a clear-text SOAP envelope, found by searching, not by building a tree: five fields are wanted of each of a million envelopes.

Prefixes differ between clients (``a:``, ``wsa:``, ``n1:``), so elements are found by local name. A document with a DTD is refused (it has no place in
SOAP, section 5.1 of the SOAP 1.2 specification).
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from sys import intern

from msgspec.structs import replace

from analyzer.formats.content import Room, codings, unpacked
from analyzer.formats.holes import Holed, has_holes, joined, read_holed, shown, text_of
from analyzer.formats.reader import Fetch, Reader
from analyzer.records.http import Exchange
from analyzer.records.ids import key_capture, key_number
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent, Why
from analyzer.records.sealing import Fault, Message, Protection
from analyzer.records.transport import Connection
from analyzer.settings import Limits
from analyzer.wsman.actions import short_name
from analyzer.wsman.config import settings
from analyzer.wsman.elements import attributes, content, element
from analyzer.wsman.faults import fault as read_fault
from analyzer.wsman.marks import Marks
from analyzer.wsman.properties import reached
from analyzer.wsman.structure import seen

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
_DURATION = re.compile(r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?")
"""Of XML Schema, part 2, section 3.2.6, without years and months, whose length varies."""
_FAULT_CODE = element("WSManFault", "")
_FAULT = element("Fault", "")
_IDENTIFY = element("(?P<name>Identify(?:Response)?)", "")
_FIELDS = ("Action", "ResourceURI", "MessageID", "RelatesTo", "SessionId", "ShellId", "CommandId")
_CODE_DIGITS = 12


def described(
    message: Message, connection: Connection, exchange: Exchange, fetch: Fetch, limits: Limits, room: Room | None = None
) -> tuple[Message, tuple[Issue, ...]]:
    """The message with what its envelope says, when it is clear; sealed ones get ``operation`` absent as sealed."""
    if message.protection is Protection.SEALED:
        return (message if message.operation is not None else replace(message, operation=Absent(Why.SEALED))), ()
    if message.protection not in (Protection.CLEAR, Protection.TLS):
        return message, ()
    half = exchange.request if message.from_client else exchange.response
    if isinstance(half, Absent):
        return message, ()
    reader = Reader(connection.to_server if message.from_client else connection.to_client, fetch)
    pieces: list[Holed] = []
    left = limits.envelope_bytes
    for span in half.body.spans:
        pieces.append(read_holed(reader, span.at, span.at + min(span.size, left)))
        left -= span.size
        if left <= 0:
            break
    raw = pieces[0] if len(pieces) == 1 else joined(pieces)
    applied = codings(half.headers)
    if raw.holes and not applied:
        text = text_of(raw, encoding_of(raw.data))
    else:
        plain = unpacked(raw.cut(0, raw.holes[0][0]).data if raw.holes else raw.data, applied, limits.opened_bytes, room)
        if isinstance(plain, Absent):
            key = half.packets[0] if half.packets else None
            place = (exchange.capture, None) if key is None else (key_capture(key), key_number(key))
            large = plain.why is Why.OVER_LIMIT and (room is None or not room.full)
            if large:
                return replace(message, operation=plain), (Issue("wsman.limit", f"opened_bytes={limits.opened_bytes}: {plain.detail}", message.id, *place),)
            unread = plain.why in (Why.MALFORMED, Why.UNSUPPORTED)
            return replace(message, operation=plain), (Issue("wsman.unreadable", plain.detail, message.id, *place),) if unread else ()
        text = decoded(plain)
    found, odd = seen(text)
    place = (key_capture(half.packets[0]), key_number(half.packets[0])) if half.packets else (exchange.capture, None)
    if found.has_dtd:
        return message, (Issue("wsman.rejected-dtd", "a document type declaration", message.id, *place),)
    told = [] if odd is None else [Issue(odd[0], odd[1], message.id, *place)]
    if not found.places and not raw.holes and half.body.complete and text.strip():
        told.append(Issue("wsman.unreadable", f"{len(raw.data)} bytes without an element that is known", message.id, *place))
    full = _described(message, text, found, {}, limits)
    size = sum(span.size for span in half.body.spans)
    if size > limits.envelope_bytes:
        cut = f"envelope_bytes={limits.envelope_bytes}: of {size} bytes of an envelope no more were looked at for its header fields"
        told.append(Issue("wsman.limit", cut, message.id, *place))
    return full, (*told, *(Issue("wsman.limit", words, message.id, *place) for words in over(full, text, found, limits)))


def over(message: Message, text: str, found: Marks, limits: Limits) -> Iterator[str]:
    """The limits of what a described envelope says that were reached."""
    for name in _FIELDS if len(text) > limits.field_characters else ():
        long = [at for at in found.places.get(name, ()) if text.find("<", at + 1) - text.find(">", at) > limits.field_characters]
        if long:
            yield f"field_characters={limits.field_characters}: an element {name} is longer, and was passed over"
    selectors = (at for name in ("Selector", "ShellId") for at in found.places.get(name, ()))
    if any(text.find("<", at + 1) - text.find(">", at) > limits.selector_characters + 1 for at in selectors):
        yield f"selector_characters={limits.selector_characters}: a selector is longer, and was not read"
    if message.from_client and isinstance(message.operation, str):
        yield from settings(message.operation, message.resource_uri, text, limits.settings).reached
    if not found.has_dtd:
        yield from reached(message, text)


def described_text(message: Message, text: str, found: Marks, limits: Limits, **known: object) -> Message:
    """The message with what the envelope ``text`` says (nothing when it has a DTD), and with the fields that are known already."""
    return replace(message, **known) if found.has_dtd else _described(message, text, found, known, limits)


def decoded(raw: bytes) -> str:
    """Text of an XML document in UTF-8 or UTF-16 (by byte order mark or by its first characters); bytes that fit neither are replaced."""
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


def duration_s(text: str | None) -> float | None:
    """The seconds of a duration like ``PT60.000S`` or ``P0DT0H1M0S``; None for what is none."""
    match = _DURATION.fullmatch(text) if text and len(text) > 1 else None
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


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


def _described(message: Message, text: str, found: Marks, known: Mapping[str, object], limits: Limits) -> Message:
    places = found.places

    def first(pattern: re.Pattern[str], name: str) -> str | None:
        return _first(pattern, text, places[name], limits.field_characters) if name in places else None

    action = intern(_action(text, places, limits) or "") or None
    asked = (_IDENTIFY.match(text, at) for at in sorted((*places.get("Identify", ()), *places.get("IdentifyResponse", ()))))
    identify = next((match["name"] for match in asked if match is not None), None)
    fault_at = next((at for at in places.get("Fault", ()) if _FAULT.match(text, at)), None)
    operation = "Fault" if fault_at is not None and not message.from_client else short_name(action) if action else identify
    resource_uri = intern(first(_RESOURCE, "ResourceURI") or "") or None
    return replace(
        message,
        **known,
        action=action,
        resource_uri=resource_uri,
        message_id=first(_MESSAGE_ID, "MessageID"),
        relates_to=first(_RELATES_TO, "RelatesTo"),
        session_id=first(_SESSION_ID, "SessionId"),
        shell_id=_selected(text, places.get("Selector", ()), limits.selector_characters) or first(_SHELL_ID, "ShellId"),
        command_id=_command_id(text, places, limits.selector_characters) or first(_COMMAND_ELEMENT, "CommandId"),
        fault_code=_fault_code(text, places.get("WSManFault", ())),
        fault=None if fault_at is None or message.from_client else _shown(read_fault(text, fault_at, limits.fault_text_characters)),
        operation_timeout_s=duration_s(first(_OPERATION_TIMEOUT, "OperationTimeout")) if message.from_client else None,
        operation=operation,
        wsman=any(name in text for name in _NAMESPACES),
        settings=_settings(operation, resource_uri, text, limits) if message.from_client else (),
    )


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
