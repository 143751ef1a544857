"""An event of Windows in XML, as event forwarding carries it (the schema http://schemas.microsoft.com/win/2004/08/events/event).

Event / System          provider, number, level, time, record number, process, log, computer, user
Event / EventData       values, most of them by name
Event / UserData        one element of the provider's own, with its values
Event / RenderingInfo   the texts that a person reads, where the source made them
"""

from typing import TypeAlias

from msgspec.json import encode

from analyzer.formats.holes import has_holes, shown
from analyzer.formats.instants import instant
from analyzer.records.forwarding import LoggedEvent
from analyzer.wsman.tree import EMPTY, Node, tree

Json: TypeAlias = "str | dict[str, Json] | list[Json]"

_DIGITS = 18
_DEPTH = 64
"""No tree is deeper (`analyzer.wsman.tree`), which says so."""
_NAMED = "xml_name"
"""The name under which Winlogbeat has that of the element in UserData."""


def event_in(text: str) -> LoggedEvent | None:
    """The event that a text is; one with what of it could be read where it is damaged; None where there is nothing of an event in it."""
    read = tree(text)
    root = read.root.child("Event")
    return None if root is None else event_of(root, whole=read.whole and not has_holes(text))


def event_of(root: Node, *, whole: bool) -> LoggedEvent:
    """The event whose element this is."""
    system, rendered = root.at("System"), root.at("RenderingInfo")
    provider, execution, correlation = system.at("Provider").inside, system.at("Execution").inside, system.at("Correlation").inside
    time = instant(system.at("TimeCreated").inside.get("SystemTime", ""))
    return LoggedEvent(
        computer=_text(system.at("Computer")),
        channel=_text(system.at("Channel")),
        event_id=_number(system.at("EventID").text),
        version=_number(system.at("Version").text),
        level=_number(system.at("Level").text),
        task=_number(system.at("Task").text),
        opcode=_number(system.at("Opcode").text),
        keywords=_text(system.at("Keywords")),
        provider=_shown(provider.get("Name")) or _shown(provider.get("EventSourceName")),
        provider_guid=_shown(provider.get("Guid")),
        record=_number(system.at("EventRecordID").text),
        time_ns=None if time is None else time[0],
        user_sid=_shown(system.at("Security").inside.get("UserID")),
        process_id=_number(execution.get("ProcessID", "")),
        thread_id=_number(execution.get("ThreadID", "")),
        activity_id=_shown(correlation.get("ActivityID")),
        data=encode(_data(root)).decode(),
        message=_text(rendered.at("Message")),
        level_word=_text(rendered.at("Level")),
        task_word=_text(rendered.at("Task")),
        culture=_shown(rendered.inside.get("Culture")),
        whole=whole and system is not EMPTY,
    )


def indication_of(node: Node) -> LoggedEvent:
    """An event that is no record of a log: an instance of a CIM class, whose values are all that is known of it."""
    found: dict[str, Json] = {_NAMED: node.name}
    for one in node.children:
        _add(found, one.name, _value(one, _DEPTH))
    return LoggedEvent(provider=node.name, data=encode(found).decode())


def _data(root: Node) -> dict[str, Json]:
    """The values of EventData, else of UserData."""
    found: dict[str, Json] = {}
    unnamed = 0
    for one in root.at("EventData").children:
        name = one.inside.get("Name")
        if not name and one.name == "Data":
            unnamed += 1
            name = f"param{unnamed}"
        _add(found, name or one.name, _value(one, _DEPTH))
    own = root.at("UserData")
    for one in own.children[:1]:
        found[_NAMED] = one.name
        for inner in one.children:
            _add(found, inner.name, _value(inner, _DEPTH))
        if one.text:
            _add(found, "Data", _shown(one.text) or "")
    return found


def _add(found: dict[str, Json], name: str, value: Json) -> None:
    """A name that comes again has a list."""
    if name not in found:
        found[name] = value
        return
    known = found[name]
    if isinstance(known, list):
        known.append(value)
    else:
        found[name] = [known, value]


def _value(node: Node, depth: int) -> Json:
    if not node.children or not depth:
        return _shown("".join(node.texts)) or ""
    found: dict[str, Json] = {}
    for one in node.children:
        _add(found, one.inside.get("Name") or one.name, _value(one, depth - 1))
    return found


def _shown(text: str | None) -> str | None:
    """A text with words where bytes are missing."""
    return shown(text)[0] if text and has_holes(text) else text or None


def _text(node: Node) -> str | None:
    return _shown(node.text)


def _number(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= _DIGITS else None
