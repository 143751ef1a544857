"""Operations on CIM classes and other resources in an envelope: what is asked, of which class, and what came back.

    Enumerate, Pull, Release      DSP0226 section 8 (WS-Enumeration), with a query in WQL as filter
    Get, Put, Create, Delete      DSP0226 section 7 (WS-Transfer)
    Invoke                        any other action below the resource's URI (DSP0226 section 10, MS-WSMV 3.1.4.1.17)

Instances are XML whose elements are the class's properties (DSP0230); they carry no types but where ``xsi:type`` says one, so numbers and truth values are
told by their form: what a number would be written as is that number. Envelopes of shells cost nothing here: they are told by their action.
"""

import re
from functools import lru_cache
from typing import TypeAlias

from msgspec.json import encode
from msgspec.structs import replace

from analyzer.formats.holes import has_holes
from analyzer.records.operations import Cim, CimHalf, Touches
from analyzer.records.sealing import Message
from analyzer.wsman.forwarding import forwards
from analyzer.wsman.tree import EMPTY, Node, tree

Json: TypeAlias = "str | int | float | bool | dict[str, Json] | list[Json] | None"

_NAMES = ("Enumerate", "Pull", "Get", "Put", "Create", "Delete", "Release")
_ANSWERS = {f"{name}Response": name for name in _NAMES}
_SHELLS = ("/windows/shell", "schemas.microsoft.com/powershell")
_WMI, _SCHEMA = "/wbem/wsman/1/wmi/", "/wscim/1/"
"""What stands before the class in a URI: of WMI its namespace first (MS-WSMV 2.2.4.8), of CIM's schema the schema (DSP0230 section 6)."""
_CONFIG = "/wbem/wsman/1/config"
_FROM = re.compile(r"\bfrom\s+([\w.]+)", re.IGNORECASE)
_NAMESPACE = "__cimnamespace"
_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,17})")
_WHOLE = ("byte", "short", "int", "long", "integer", "unsignedByte", "unsignedShort", "unsignedInt", "unsignedLong")
_LONGEST_URI = 2048

_TOUCHES: tuple[tuple[re.Pattern[str], Touches], ...] = (
    (re.compile(r"win32_process|scx_operatingsystem", re.IGNORECASE), Touches.PROCESS),
    (re.compile(r"win32_(?:base|system)?service|win32_systemdriver|cim_service|msft_wmi.*service", re.IGNORECASE), Touches.SERVICE),
    (re.compile(r"(?:msft|ps)_(?:scheduledtask|task\w*+)|win32_scheduledjob", re.IGNORECASE), Touches.TASK),
    (re.compile(r"stdregprov", re.IGNORECASE), Touches.REGISTRY),
    (re.compile(r"__(?:eventfilter|filtertoconsumerbinding|eventconsumer)|\w*eventconsumer", re.IGNORECASE), Touches.EVENT_CONSUMER),
)
_READS = re.compile(r"(?:get|enum|check|interrogate|list|query|test)\w*", re.IGNORECASE)
"""Methods that ask and change nothing."""


def asked(message: Message) -> str | None:
    """The operation's name when the message asks for one on a resource that is no shell; of any other None."""
    if not message.from_client or not message.resource_uri:
        return None
    return _asked(message.resource_uri, message.action or "", message.operation if isinstance(message.operation, str) else None)


@lru_cache(maxsize=1024)
def _asked(uri: str, action: str, known: str | None) -> str | None:
    if any(word in uri.lower() for word in _SHELLS) or forwards(uri):
        return None
    if known in _NAMES:
        return known
    return "Invoke" if _method(uri, action) else None


def _method(uri: str, action: str) -> str | None:
    """The last part of an action that stands below its resource's URI: ``…/Win32_Process/Create`` on ``…/Win32_Process``."""
    below = uri.partition("?")[0].rstrip("/").lower() + "/"
    name = action[len(below) :] if action.lower().startswith(below) else ""
    return name if name and "/" not in name else None


def answers(message: Message) -> str | None:
    """The name of the operation that a response may be the answer of."""
    if message.from_client or not isinstance(message.operation, str):
        return None
    if message.operation in _ANSWERS:
        return _ANSWERS[message.operation]
    return "Invoke" if "/" in message.operation and message.operation.endswith("Response") and not any(word in message.operation for word in _SHELLS) else None


def cim_half(message: Message, text: str, ts_ns: int, packets: tuple[int, ...]) -> CimHalf | None:
    """What an envelope says of an operation; None for envelopes of shells and all others. ``text`` may hold marks where bytes are missing."""
    name = asked(message) if message.from_client else answers(message)
    if name is None:
        return None
    reading = tree(text)
    whole = reading.whole and not has_holes(text)
    envelope = reading.root.child("Envelope") or EMPTY
    header, body = envelope.child("Header") or EMPTY, envelope.child("Body") or EMPTY
    half = CimHalf(message.id, message.exchange, message.from_client, ts_ns, packets, name, message.resource_uri, cut=not whole, limit=reading.limit)
    return _request(half, header, body, message.action or "") if message.from_client else _response(half, body)


def _request(half: CimHalf, header: Node, body: Node, action: str) -> CimHalf:
    selected = header.child("SelectorSet") or EMPTY
    pairs = tuple((one.inside.get("Name", ""), one.text or _text_of(_value(one))) for one in selected.children if one.name == "Selector")
    half = replace(half, selectors=pairs)
    first = body.children[0] if body.children else None
    if half.name == "Invoke":
        return replace(half, method=_method(half.resource_uri or "", action), arguments=None if first is None else _text_of(_members(first)))
    if first is None:
        return half
    if half.name == "Enumerate":
        asked_for = first.child("Filter")
        return replace(half, query=None if asked_for is None else asked_for.text or _text_of(_value(asked_for)))
    if half.name in ("Pull", "Release"):
        context = first.child("EnumerationContext")
        return replace(half, context=None if context is None else context.text)
    return replace(half, arguments=_text_of(_instance(first)))


def _response(half: CimHalf, body: Node) -> CimHalf:
    first = body.children[0] if body.children else None
    if first is None:
        return half
    if half.name == "Invoke":
        return replace(half, returned=_text_of(_members(first)))
    if half.name in ("Enumerate", "Pull"):
        items, context = first.child("Items"), first.child("EnumerationContext")
        found = tuple(_text_of(_instance(one)) for one in (items.children if items is not None else ()))
        ended = first.child("EndOfSequence") is not None
        return replace(half, instances=found, context=None if context is None else context.text or None, end=ended)
    return replace(half, instances=tuple(_text_of(_instance(one)) for one in body.children))


def _instance(node: Node) -> dict[str, Json]:
    """An instance, with its class as WMI's own property of that name."""
    return {"__CLASS": node.name, **_members(node)}


def _members(node: Node) -> dict[str, Json]:
    """An element's children by name; one that comes again is a list."""
    found: dict[str, Json] = {}
    seen: dict[str, int] = {}
    for one in node.children:
        value = _value(one)
        seen[one.name] = seen.get(one.name, 0) + 1
        if seen[one.name] == 1:
            found[one.name] = value
        elif seen[one.name] == 2:
            found[one.name] = [found[one.name], value]
        else:
            known = found[one.name]
            if isinstance(known, list):
                known.append(value)
    return found


def _value(node: Node) -> Json:
    if node.inside.get(_NIL) in ("true", "1"):
        return None
    named = node.inside.get("Name")
    if node.children:
        return _members(node) if named is None else {"Name": named, **_members(node)}
    return {"Name": named, "Value": node.text} if named is not None and node.name != "Filter" else _typed(node.text, node.inside.get(_TYPE))


def _typed(text: str, said: str | None) -> Json:
    """A value by the type that the element says, else by its form."""
    kind = (said or "").rpartition(":")[2]
    if kind == "string":
        return text
    if text in ("true", "false") and kind in ("", "boolean"):
        return text == "true"
    if _INTEGER.fullmatch(text) and text != "-0" and (not kind or kind in _WHOLE):
        return int(text)
    return text


def _text_of(value: Json) -> str:
    return encode(value).decode()


def class_of(uri: str | None, selectors: tuple[tuple[str, str], ...], query: str | None) -> Cim:
    """The class and its namespace: of the URI, of a selector, of a query for a class where the URI names all (``*``)."""
    placed, name = _named(uri or "")
    said = next((value for key, value in selectors if key.lower() == _NAMESPACE), None)
    namespace = said or placed
    if name == "*" and query:
        wanted = _FROM.search(query[:_LONGEST_URI])
        name = wanted[1] if wanted else name
    return Cim(namespace, name)


def _named(uri: str) -> tuple[str | None, str | None]:
    """Namespace and class out of a URI, each None where it names none."""
    text = uri[:_LONGEST_URI].partition("?")[0]
    lower = text.lower()
    for before in (_WMI, _SCHEMA):
        if before in lower:
            namespace, slash, name = text[lower.index(before) + len(before) :].rpartition("/")
            if name and "#" not in name and "#" not in namespace and (slash or before is _SCHEMA):
                return (namespace if before is _WMI else None), name
    return None, None


def touches(uri: str | None, cim: Cim) -> Touches | None:
    """What an operation on this class is about."""
    if _CONFIG in (uri or "").lower():
        return Touches.CONFIGURATION
    return next((kind for pattern, kind in _TOUCHES if cim.name and pattern.fullmatch(cim.name)), None)


def changes(name: str, method: str | None) -> bool:
    """The operation asks for a change."""
    return name in ("Put", "Create", "Delete") or (name == "Invoke" and not _READS.fullmatch(method or ""))
