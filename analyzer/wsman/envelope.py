"""Header fields of a clear-text SOAP envelope, found by searching, not by building a tree: five fields are wanted of each of a million envelopes.

Prefixes differ between clients (``a:``, ``wsa:``, ``n1:``), so elements are found by local name. A document with a DTD is refused (it has no place in
SOAP, section 5.1 of the SOAP 1.2 specification).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from sys import intern

from msgspec.structs import replace

from analyzer.formats.content import codings, unpacked
from analyzer.formats.forms import chosen
from analyzer.formats.reader import Fetch, Reader
from analyzer.records.http import Exchange
from analyzer.records.ids import key_capture, key_number
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent, Why
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Connection
from analyzer.settings import Limits
from analyzer.wsman import marks
from analyzer.wsman.actions import short_name
from analyzer.wsman.config import settings
from analyzer.wsman.faults import fault as read_fault
from analyzer.wsman.marks import Marks

read_marks: Callable[[str], Marks] = chosen(marks).read_marks
"""`analyzer.wsman.marks.read_marks`, compiled where it was built."""


def _content(most: int) -> str:
    """A text of so many characters without the white space around it, up to the next tag; found from its end backwards, as a lazy match would try each one."""
    return rf"\s*([^<>\s](?:[^<>]{{0,{most - 2}}}[^<>\s])?|\s)\s*</"


def _element(name: str) -> re.Pattern[str]:
    return re.compile(rf"<(?:[A-Za-z_][\w.-]*:)?{name}(?:\s[^<>]*)?>{_content(2048)}")


_NAMESPACES = ("schemas.dmtf.org/wbem/wsman", "schemas.microsoft.com/wbem/wsman")
_ACTION = _element("Action")
_RESOURCE = _element("ResourceURI")
_MESSAGE_ID = _element("MessageID")
_RELATES_TO = _element("RelatesTo")
_SESSION_ID = _element("SessionId")
_SHELL_SELECTOR = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?Selector\s[^<>]*Name=[\"']ShellId[\"'][^<>]*>" + _content(128))
_SHELL_ID = _element("ShellId")
_COMMAND_ID = re.compile(r"\sCommandId=[\"']([^\"'<>]{1,128})[\"']")
_COMMAND_ELEMENT = _element("CommandId")
_OPERATION_TIMEOUT = _element("OperationTimeout")
_DURATION = re.compile(r"P(?:(\d{1,6})D)?(?:T(?:(\d{1,6})H)?(?:(\d{1,6})M)?(?:(\d{1,9}(?:\.\d{1,9})?)S)?)?")
"""Of XML Schema, part 2, section 3.2.6, without years and months, whose length varies."""
_FAULT_CODE = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?WSManFault\s[^<>]*?Code=[\"'](\d{1,12})[\"']")
_FAULT = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?Fault[\s>]")
_IDENTIFY = re.compile(r"<(?:[A-Za-z_][\w.-]*:)?(Identify(?:Response)?)[\s/>]")


def described(message: Message, connection: Connection, exchange: Exchange, fetch: Fetch, limits: Limits) -> tuple[Message, tuple[Issue, ...]]:
    """The message with what its envelope says, when it is clear; sealed ones get ``operation`` absent as sealed."""
    if message.protection is Protection.SEALED:
        return (message if message.operation is not None else replace(message, operation=Absent(Why.SEALED))), ()
    if message.protection not in (Protection.CLEAR, Protection.TLS):
        return message, ()
    half = exchange.request if message.from_client else exchange.response
    if isinstance(half, Absent):
        return message, ()
    reader = Reader(connection.to_server if message.from_client else connection.to_client, fetch)
    raw: list[bytes] = []
    left = limits.envelope_bytes
    for span in half.body.spans:
        raw += reader.pieces(span.at, span.at + min(span.size, left))
        left -= span.size
        if left <= 0:
            break
    plain = unpacked(b"".join(raw), codings(half.headers), limits.opened_bytes)
    if isinstance(plain, Absent):
        return replace(message, operation=plain), ()
    text = decoded(plain)
    found = read_marks(text)
    if found.has_dtd:
        place = (key_capture(half.packets[0]), key_number(half.packets[0])) if half.packets else (exchange.capture, None)
        return message, (Issue("wsman.rejected-dtd", "a document type declaration", message.id, *place),)
    return _described(message, text, found, {}, limits), ()


def described_text(message: Message, text: str, found: Marks, limits: Limits, **known: object) -> Message:
    """The message with what the envelope ``text`` says (nothing when it has a DTD), and with the fields that are known already."""
    return replace(message, **known) if found.has_dtd else _described(message, text, found, known, limits)


def decoded(raw: bytes) -> str:
    """Text of an XML document in UTF-8 or UTF-16 (by byte order mark or by its first characters); bytes that fit neither are replaced."""
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return raw.decode("utf-16", "replace")
    if raw[:4] == b"<\x00?\x00" or raw[1:2] == b"\x00":
        return raw.decode("utf-16-le", "replace")
    if raw[:1] == b"\x00" and raw[1:2] != b"\x00":
        return raw.decode("utf-16-be", "replace")
    return raw.decode("utf-8-sig", "replace")


def _first(pattern: re.Pattern[str], text: str, places: Iterable[int]) -> str | None:
    """The group of the pattern's first match."""
    for at in places:
        match = pattern.match(text, at)
        if match is not None:
            return match[1]
    return None


def duration_s(text: str | None) -> float | None:
    """The seconds of a duration like ``PT60.000S`` or ``P0DT0H1M0S``; None for what is none."""
    match = _DURATION.fullmatch(text) if text and len(text) > 1 else None
    if match is None or not any(match.groups()):
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds


def _attribute(text: str) -> str | None:
    at = text.find("CommandId=")
    while at >= 0:
        match = _COMMAND_ID.match(text, at - 1) if at else None
        if match is not None:
            return match[1]
        at = text.find("CommandId=", at + 1)
    return None


def _described(message: Message, text: str, found: Marks, known: Mapping[str, object], limits: Limits) -> Message:
    places = found.places

    def first(pattern: re.Pattern[str], name: str) -> str | None:
        return _first(pattern, text, places[name]) if name in places else None

    action = intern(first(_ACTION, "Action") or "") or None
    identify = _first(_IDENTIFY, text, sorted((*places.get("Identify", ()), *places.get("IdentifyResponse", ()))))
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
        shell_id=first(_SHELL_SELECTOR, "Selector") or first(_SHELL_ID, "ShellId"),
        command_id=_attribute(text) or first(_COMMAND_ELEMENT, "CommandId"),
        fault_code=first(_FAULT_CODE, "WSManFault"),
        fault=None if fault_at is None or message.from_client else read_fault(text, fault_at, limits.fault_text_characters),
        operation_timeout_s=duration_s(first(_OPERATION_TIMEOUT, "OperationTimeout")) if message.from_client else None,
        operation=operation,
        wsman=any(name in text for name in _NAMESPACES),
        settings=settings(operation, resource_uri, text) if message.from_client else (),
    )
