"""A client of CIM classes, as a management tool is one: `raw-cim` does what `asks` lists, one after the other on one connection, encrypted unless `clear`.

An item of `asks` is (operation, class, what it needs): a WQL query for "Enumerate" (all pages are pulled), selectors for "Get" and "Delete",
[selectors, values] for "Put", values for "Create", [method, selectors, arguments] for "Invoke".
"""

import re
import time
import uuid
from typing import Any
from xml.sax.saxutils import escape

from lab.cim import ENUMERATION, WMI
from lab.framing import opened, sealed
from lab.rawclient import SOAP_TYPE, Link, Step, authenticated
from lab.soap import NS

TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
WQL = "http://schemas.microsoft.com/wbem/wsman/1/WQL"
PROTOCOL = "application/HTTP-SPNEGO-session-encrypted"


def _envelope(options: dict[str, Any], action: str, resource: str, body: str, selectors: dict[str, str] | None = None) -> bytes:
    spaces = " ".join(f'xmlns:{key}="{NS[key]}"' for key in ("s", "a", "w"))
    chosen = "".join(f'<w:Selector Name="{name}">{escape(value)}</w:Selector>' for name, value in (selectors or {}).items())
    return (
        f'<s:Envelope {spaces}><s:Header><a:To>{options["url"]}</a:To><w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>'
        f'<a:ReplyTo><a:Address s:mustUnderstand="true">{NS["a"]}/role/anonymous</a:Address></a:ReplyTo><a:Action s:mustUnderstand="true">{action}</a:Action>'
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID><w:OperationTimeout>PT60S</w:OperationTimeout>"
        f"{f'<w:SelectorSet>{chosen}</w:SelectorSet>' if chosen else ''}</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _instance(name: str, resource: str, values: dict[str, str]) -> str:
    inside = "".join(f"<p:{key}>{escape(value)}</p:{key}>" for key, value in values.items())
    return f'<p:{name} xmlns:p="{resource}">{inside}</p:{name}>'


def cim(options: dict[str, Any]) -> list[Step]:
    """Every operation of `asks`."""
    link = Link(options)
    context, steps = authenticated(link, options)

    def say(what: str, document: bytes) -> str:
        kind, body = (SOAP_TYPE, document) if options.get("clear") else sealed(context, document, PROTOCOL)
        reply = link.ask(link.request(body, content_type=kind))
        steps.append({"what": what, "result": reply.status if reply else None})
        time.sleep(options.get("pause_s", 0.1))
        if reply is None or not reply.body:
            return ""
        return (reply.body if options.get("clear") else opened(context, reply.body, credssp=False)).decode()

    for operation, name, needs in options["asks"]:
        resource = f"{WMI}{options.get('namespace', 'root/cimv2')}/{name}"
        if operation == "Enumerate":
            everything = f"{WMI}root/cimv2/*"
            filtered = f'<w:Filter Dialect="{WQL}">{escape(needs)}</w:Filter>'
            body = f'<n:Enumerate xmlns:n="{ENUMERATION}"><w:OptimizeEnumeration/><w:MaxElements>3</w:MaxElements>{filtered}</n:Enumerate>'
            told = say(f"Enumerate {needs}", _envelope(options, f"{ENUMERATION}/Enumerate", everything, body))
            while (context_id := re.search(r"EnumerationContext>(uuid:[0-9A-F-]+)<", told)) is not None:
                inside = f"<n:EnumerationContext>{context_id[1]}</n:EnumerationContext><n:MaxElements>3</n:MaxElements>"
                body = f'<n:Pull xmlns:n="{ENUMERATION}">{inside}</n:Pull>'
                told = say("Pull", _envelope(options, f"{ENUMERATION}/Pull", everything, body))
        elif operation == "Invoke":
            method, selectors, arguments = needs
            say(f"{name}.{method}", _envelope(options, f"{resource}/{method}", resource, _instance(f"{method}_INPUT", resource, arguments), selectors))
        else:
            selectors, values = needs if operation == "Put" else ({}, needs) if operation == "Create" else (needs, {})
            body = _instance(name, resource, values) if values else ""
            say(f"{operation} {name} {selectors}", _envelope(options, f"{TRANSFER}/{operation}", resource, body, selectors))
    link.close()
    return steps
