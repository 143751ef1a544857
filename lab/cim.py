"""CIM classes behind the lab's server: Enumerate and Pull with WQL, Get, Put, Create, Delete, methods, and faults (DSP0226 sections 7 to 9, MS-WSMV 3.1.4.1).

The classes are a fixed table; what a client changes stays changed. The journal has each operation as the server carried it out.
"""

import re
import uuid
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from typing import Any
from xml.sax.saxutils import escape

from lab.soap import INVALID_SELECTORS, NS, Request, answer, fault

WMI = "http://schemas.microsoft.com/wbem/wsman/1/wmi/"
ENUMERATION = "http://schemas.xmlsoap.org/ws/2004/09/enumeration"
_WQL = re.compile(r"select\s+\*\s+from\s+(\w+)(?:\s+where\s+(\w+)\s*=\s*'([^']*)')?", re.IGNORECASE)
_SERVICES = ("Dnscache", "EventLog", "LanmanServer", "Spooler", "W32Time", "WinRM", "wuauserv")
_PAGE = 3
"""Instances of one answer."""

Instance = dict[str, str]


def _services() -> list[Instance]:
    own = enumerate(_SERVICES)
    return [{"Name": name, "State": "Stopped" if place % 3 == 2 else "Running", "ProcessId": str(1000 + 4 * place), "StartMode": "Auto"} for place, name in own]


@dataclass(slots=True)
class Classes:
    """The instances by class, and what is left of enumerations by context."""

    instances: dict[str, list[Instance]] = field(
        default_factory=lambda: {
            "Win32_Service": _services(),
            "Win32_Process": [{"Name": "lsass.exe", "ProcessId": "612"}, {"Name": "svchost.exe", "ProcessId": "1160"}],
            "Win32_OperatingSystem": [{"Caption": "Microsoft Windows Server 2022 Standard", "Version": "10.0.20348", "BuildNumber": "20348"}],
        }
    )
    left: dict[str, list[tuple[str, Instance]]] = field(default_factory=dict)
    started: int = 4000


def wanted(request: Request) -> bool:
    """The request is about a class."""
    return request.resource_uri.startswith(WMI)


def handle(classes: Classes, journal: list[dict[str, Any]], request: Request, selectors: dict[str, str]) -> tuple[int, bytes]:
    """HTTP status and document; what was done goes to `journal`."""
    name = request.resource_uri.rpartition("/")[2]
    row: dict[str, Any] = {"event": "operation", "operation": request.word, "class": name, "selectors": selectors}
    if request.word == "Enumerate":
        query = request.body.findtext(f"{{{ENUMERATION}}}Enumerate/w:Filter", "", NS)
        found = _found(classes, name, query)
        journal.append(row | {"query": query or None, "class": found[0][0] if found else name, "instances": len(found[:_PAGE])})
        return 200, _page(classes, request, found, "EnumerateResponse", "w")
    if request.word == "Pull":
        context = request.body.findtext(f"{{{ENUMERATION}}}Pull/{{{ENUMERATION}}}EnumerationContext", "")
        found = classes.left.pop(context.removeprefix("uuid:"), [])
        journal.append(row | {"class": found[0][0] if found else name, "instances": len(found[:_PAGE])})
        return 200, _page(classes, request, found, "PullResponse", "n")
    if request.word in ("Get", "Put", "Delete"):
        return _one(classes, journal, request, row)
    if request.word == "Create" and not request.action.startswith(WMI):
        given = _members(request.body[0])
        classes.instances.setdefault(name, []).append(given)
        journal.append(row | {"arguments": given, "instances": 1})
        return 200, answer(request, f"<x:ResourceCreated><a:Address>{NS['a']}/role/anonymous</a:Address></x:ResourceCreated>")
    return _invoked(classes, journal, request, row)


def _found(classes: Classes, name: str, query: str) -> list[tuple[str, Instance]]:
    asked = _WQL.match(query) if query else None
    name = asked[1] if asked else name
    own = next((rows for known, rows in classes.instances.items() if known.lower() == name.lower()), [])
    return [(name, one) for one in own if asked is None or asked[2] is None or one.get(asked[2]) == asked[3]]


def _page(classes: Classes, request: Request, found: list[tuple[str, Instance]], element: str, prefix: str) -> bytes:
    """The first instances, and a context for the others."""
    items = "".join(_xml(name, one) for name, one in found[:_PAGE])
    context = str(uuid.uuid4()).upper()
    end = f"<{prefix}:EndOfSequence/>"
    told = "<n:EnumerationContext/>"
    if found[_PAGE:]:
        classes.left[context] = found[_PAGE:]
        told, end = f"<n:EnumerationContext>uuid:{context}</n:EnumerationContext>", ""
    return answer(request, f'<n:{element} xmlns:n="{ENUMERATION}">{told}<{prefix}:Items>{items}</{prefix}:Items>{end}</n:{element}>')


def _xml(name: str, one: Instance) -> str:
    inside = "".join(f"<p:{key}>{escape(value)}</p:{key}>" for key, value in one.items())
    return f'<p:{name} xmlns:p="{WMI}root/cimv2/{name}">{inside}</p:{name}>'


def _members(element: ET.Element) -> Instance:
    return {one.tag.rpartition("}")[2]: one.text or "" for one in element}


def _one(classes: Classes, journal: list[dict[str, Any]], request: Request, row: dict[str, Any]) -> tuple[int, bytes]:
    """Get, Put or Delete of the instance that the selectors name."""
    own = classes.instances.get(row["class"], [])
    found = next((one for one in own if all(one.get(key) == value for key, value in row["selectors"].items())), None)
    if found is None:
        journal.append(row | {"fault": INVALID_SELECTORS})
        return 500, fault(request, "w:InvalidSelectors", INVALID_SELECTORS, "The WS-Management service cannot process the request: no such instance.")
    if request.word == "Delete":
        own.remove(found)
        journal.append(row)
        return 200, answer(request, "")
    if request.word == "Put":
        given = _members(request.body[0])
        found.update(given)
        row["arguments"] = given
    journal.append(row | {"instances": 1})
    return 200, answer(request, _xml(row["class"], found))


def _invoked(classes: Classes, journal: list[dict[str, Any]], request: Request, row: dict[str, Any]) -> tuple[int, bytes]:
    """A method: the action is the resource with the method's name behind it."""
    given = _members(request.body[0]) if len(request.body) else {}
    back = {"ReturnValue": "0"}
    if row["class"] == "Win32_Process" and request.word == "Create":
        classes.started += 4
        back = {"ProcessId": str(classes.started), "ReturnValue": "0"}
        classes.instances["Win32_Process"].append({"Name": given.get("CommandLine", "").partition(" ")[0], "ProcessId": back["ProcessId"]})
    elif row["class"] == "Win32_Service" and request.word == "Create":
        classes.instances["Win32_Service"].append({"Name": given.get("Name", ""), "State": "Stopped", "StartMode": "Manual"})
    elif row["class"] == "Win32_Service" and not _found(classes, "Win32_Service", f"select * from Win32_Service where Name = '{row['selectors'].get('Name')}'"):
        journal.append(row | {"operation": "Invoke", "method": request.word, "arguments": given, "fault": INVALID_SELECTORS})
        return 500, fault(request, "w:InvalidSelectors", INVALID_SELECTORS, "The WS-Management service cannot process the request: no such instance.")
    journal.append(row | {"operation": "Invoke", "method": request.word, "arguments": given, "returned": back})
    inside = "".join(f"<p:{key}>{value}</p:{key}>" for key, value in back.items())
    return 200, answer(request, f'<p:{request.word}_OUTPUT xmlns:p="{request.resource_uri}">{inside}</p:{request.word}_OUTPUT>')
