"""Events of Windows, and what operations on CIM classes ask for, as the events that Sigma rules are written for.

An event keeps its own fields. Events of the log Security have those of Sysmon besides, where both tell the same: rules of categories are written with Sysmon's
names. An operation is shown as the events that the server would log of it, as far as the traffic has their fields.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

from msgspec import DecodeError
from msgspec.json import decode

from analyzer.records.forwarding import LoggedEvent
from analyzer.records.operations import CimOperation, Touches
from analyzer.sigma.conditions import Event
from analyzer.sigma.events import image_of

_AS_SYSMON: Mapping[int, Mapping[str, str]] = {
    4688: {"newprocessname": "image", "parentprocessname": "parentimage", "processid": "parentprocessid", "newprocessid": "processid"},
    4657: {"objectname": "targetobject", "newvalue": "details"},
    5156: {"application": "image", "sourceaddress": "sourceip", "destaddress": "destinationip", "destport": "destinationport"},
}
"""Of events of Security: their field to Sysmon's."""
_HIVES = {2147483648: "HKCR", 2147483649: "HKCU", 2147483650: "HKLM", 2147483651: "HKU", 2147483653: "HKCC"}
_COMMAND, _ARGUMENTS = re.compile(r"<Command>([^<]++)</Command>"), re.compile(r"<Arguments>([^<]++)</Arguments>")
_SETS = re.compile(r"set\w{1,20}value", re.IGNORECASE)
_SYSTEM = "C:\\Windows\\System32\\"
_DEPTH = 64
"""No event that was forwarded has deeper values (`analyzer.wsman.tree`)."""


Json: TypeAlias = "str | int | float | bool | dict[str, Json] | list[Json] | None"


class Logged(NamedTuple):
    """An event of a log (its name in lower case) with its fields."""

    channel: str
    number: int
    fields: Event


def logged(event: LoggedEvent) -> Logged | None:
    """An event as rules see it, its texts whole; None where its log or number is not known."""
    if event.channel is None or event.event_id is None:
        return None
    fields = _fields(event.data)
    own = {
        "eventid": str(event.event_id),
        "channel": event.channel,
        "computer": event.computer,
        "provider_name": event.provider,
        "level": None if event.level is None else str(event.level),
        "message": event.message,
    }
    for name, value in own.items():
        if value:
            fields.setdefault(name, (value,))
    channel = event.channel.lower()
    if channel == "security":
        _sysmon(event.event_id, fields)
    return Logged(channel, event.event_id, fields)


def _sysmon(number: int, fields: dict[str, tuple[str, ...]]) -> None:
    renamed = {name: fields[own] for own, name in _AS_SYSMON.get(number, {}).items() if own in fields}
    fields.update(renamed)
    user, domain = fields.get("subjectusername", ("",))[0], fields.get("subjectdomainname", ("",))[0]
    if number == 4688 and user and "user" not in fields:
        fields["user"] = (f"{domain}\\{user}" if domain else user,)
    if number == 4688 and "image" in fields:
        fields.setdefault("originalfilename", (fields["image"][0].rpartition("\\")[2],))


def _fields(data: str) -> dict[str, tuple[str, ...]]:
    """The values of an event by name in lower case; those of inner elements by their own names."""
    found: dict[str, list[str]] = {}
    with suppress(DecodeError):
        _gather(decode(data), "", found, _DEPTH)
    return {name: tuple(values) for name, values in found.items()}


def _gather(value: Json, name: str, found: dict[str, list[str]], depth: int) -> None:
    if isinstance(value, dict):
        for key, inner in value.items() if depth else ():
            _gather(inner, key, found, depth - 1)
    elif isinstance(value, list):
        for inner in value if depth else ():
            _gather(inner, name, found, depth - 1)
    else:
        found.setdefault(name.lower(), []).append(str(value))


def asked(one: CimOperation) -> tuple[Logged, ...]:
    """What an operation asks for as events: a service that is made, a value of the registry that is set, a task that is registered. Nothing where the server
    refused, or the method says that it failed."""
    if not one.changes or (one.status is not None and one.status >= 300) or one.fault_code is not None or one.return_value not in (None, 0):
        return ()
    makes = {Touches.SERVICE: _service, Touches.REGISTRY: _registry, Touches.TASK: _task}.get(one.touches) if one.touches is not None else None
    try:
        given = decode(one.arguments) if one.arguments else {}
    except DecodeError:  # a mask has been over it
        return ()
    return tuple(makes(one, given if isinstance(given, dict) else {})) if makes is not None else ()


def _text(given: Mapping[str, Any], *names: str) -> str:
    return next((str(given[name]) for name in names if isinstance(given.get(name), str | int)), "")


def _made(channel: str, number: int, server: str, user: str | None, fields: Mapping[str, str]) -> Logged:
    own = {"eventid": str(number), "channel": channel, "computer": server, "user": user or "", "subjectusername": (user or "").rpartition("\\")[2], **fields}
    return Logged(channel.lower(), number, {name.lower(): (value,) for name, value in own.items() if value})


def _process(one: CimOperation, line: str, parent: str) -> Iterator[Logged]:
    """The program of a service or task as the process that starts of it."""
    if line.strip():
        image = image_of(line)
        fields = {"CommandLine": line, "Image": image, "NewProcessName": image, "OriginalFileName": image.rpartition("\\")[2], "ParentImage": parent}
        yield _made("Security", 4688, one.server, None, fields)


def _service(one: CimOperation, given: Mapping[str, Any]) -> Iterable[Logged]:
    path = _text(given, "PathName")
    if not path or (one.method or "").lower() not in ("create", "change", ""):
        return
    name = _text(given, "Name", "DisplayName") or dict(one.selectors).get("Name", "")
    if (one.method or "").lower() == "create":
        fields = {"Provider_Name": "Service Control Manager", "ServiceName": name, "ImagePath": path, "AccountName": _text(given, "StartName") or "LocalSystem"}
        yield _made("System", 7045, one.server, None, fields)
        yield _made("Security", 4697, one.server, one.user, {"ServiceName": name, "ServiceFileName": path, "ServiceAccount": _text(given, "StartName")})
    yield from _process(one, path, f"{_SYSTEM}services.exe")


def _registry(one: CimOperation, given: Mapping[str, Any]) -> Iterable[Logged]:
    if not _SETS.fullmatch(one.method or ""):
        return
    hive = given.get("hDefKey", 2147483650)
    key = f"{_HIVES.get(hive if isinstance(hive, int) else 0, 'HKLM')}\\{_text(given, 'sSubKeyName')}\\{_text(given, 'sValueName') or '(Default)'}"
    number = given.get("uValue")
    details = f"DWORD (0x{number:08x})" if isinstance(number, int) else _text(given, "sValue")
    yield _made("Microsoft-Windows-Sysmon/Operational", 13, one.server, one.user, {"EventType": "SetValue", "TargetObject": key, "Details": details})


def _task(one: CimOperation, given: Mapping[str, Any]) -> Iterable[Logged]:
    xml, line = _text(given, "Xml", "XML"), _text(given, "Command")
    name = f"{_text(given, 'TaskPath').rstrip(chr(92))}\\{_text(given, 'TaskName')}" if given.get("TaskName") else ""
    if xml:
        yield _made("Security", 4698, one.server, one.user, {"TaskName": name, "TaskContent": xml})
        command, arguments = _COMMAND.search(xml), _ARGUMENTS.search(xml)
        line = " ".join(found[1].strip() for found in (command, arguments) if found is not None)
    yield from _process(one, line, f"{_SYSTEM}svchost.exe")
