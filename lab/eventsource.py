"""A source of event forwarding, as a Windows host with the policy SubscriptionManager is one (MS-WSMV 3.1.4.1.30).

`raw-source`: asks its collector for subscriptions, then sends what `steps` says on another connection, to the address that the first subscription
names: "heartbeat", "end", or {"log", "records", "ids", "sldc"}. A batch without an acknowledgement is sent again on a new connection. Bodies are UTF-16
and encrypted (unless `clear`), with SLDC where a step says so, as Windows writes them.
"""

import base64
import re
import ssl
import time
import uuid
from datetime import UTC, datetime
from typing import Any

import spnego

from lab import sldc
from lab.collector import EVENTING, MANAGER, WSMAN
from lab.framing import opened, sealed
from lab.rawclient import Link, Step
from lab.soap import NS
from lab.wire import Message

MANAGER_PATH = "/wsman/SubscriptionManager/WEC"
AGENT = "Microsoft WinRM Client"
CERTIFICATE = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
MOST_TRIES = 3
KINDS: dict[int, tuple[str, dict[str, str]]] = {
    4624: ("Microsoft-Windows-Security-Auditing", {"TargetUserName": "alice", "TargetDomainName": "LAB", "LogonType": "3", "IpAddress": "10.10.1.11"}),
    4688: (
        "Microsoft-Windows-Security-Auditing",
        {
            "SubjectUserName": "alice",
            "SubjectDomainName": "LAB",
            "NewProcessId": "0x1a2c",
            "NewProcessName": "C:\\Windows\\System32\\ipconfig.exe",
            "ProcessId": "0x4d8",
            "CommandLine": "ipconfig /all",
            "ParentProcessName": "C:\\Windows\\System32\\cmd.exe",
        },
    ),
    4689: ("Microsoft-Windows-Security-Auditing", {"SubjectUserName": "alice", "ProcessId": "0x1a2c", "ProcessName": "C:\\Windows\\System32\\ipconfig.exe"}),
    4104: ("Microsoft-Windows-PowerShell", {"MessageNumber": "1", "MessageTotal": "1", "ScriptBlockText": "Get-Service | Where-Object Status -eq Running"}),
    7036: ("Service Control Manager", {"param1": "Windows Update", "param2": "running"}),
}
"""What an event of each number holds."""


class Source:
    """A connection of a source to its collector, authenticated and with its context."""

    def __init__(self, options: dict[str, Any], path: str) -> None:
        self.link = Link(options | {"path": path, "agent": AGENT, "url": options["url"].partition("/wsman")[0] + path})
        self.path, self.steps, self.clear = path, list[Step](), bool(options.get("clear"))
        self.certified = bool(options.get("certificate"))
        if self.certified:
            trusting = ssl.create_default_context()
            trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
            trusting.load_cert_chain(options["certificate"], options["certificate_key"])
            self.link.socket = trusting.wrap_socket(self.link.socket, server_hostname=options["server"])
            self.link.stream = self.link.socket.makefile("rb")
            return
        kerberos = bool(options.get("ccache"))
        user, password = (None, None) if kerberos else (options["username"], options["password"])
        protocol = "kerberos" if kerberos else "ntlm"
        self.context = spnego.client(user, password, hostname=options["server"], service="HTTP", protocol=protocol)
        self.scheme = "Kerberos" if kerberos else "Negotiate"
        token = self.context.step()
        while token is not None:
            reply = self.link.ask(self.link.request(b"", authorization=f"{self.scheme} {base64.b64encode(token).decode()}"))
            self.steps.append({"what": f"logon for {path}", "result": reply.status if reply else None})
            header = reply.header("WWW-Authenticate") if reply else None
            if header is None or not header.startswith(f"{self.scheme} "):
                break
            token = self.context.step(base64.b64decode(header.partition(" ")[2]))

    def say(self, text: str, *, compressed: bool = False) -> tuple[Message | None, str]:
        """Send an envelope; the answer and its text."""
        plain = b"\xff\xfe" + text.encode("utf-16-le")
        if self.clear or self.certified:
            body = sldc.packed(plain) if compressed else plain
            data = self.link.request(body, content_type="application/soap+xml;charset=UTF-16", authorization=CERTIFICATE if self.certified else None)
            if compressed:
                data = data.replace(b"Content-Type: ", b"Content-Encoding: SLDC\r\nContent-Type: ", 1)
            reply = self.link.ask(data)
            return reply, reply.body.decode() if reply is not None else ""
        word = "Kerberos" if self.scheme == "Kerberos" else "SPNEGO"
        kind, body = sealed(self.context, sldc.packed(plain) if compressed else plain, f"application/HTTP-{word}-session-encrypted")
        data = self.link.request(body.replace(b"charset=UTF-8;Length", b"charset=UTF-16;Length"), content_type=kind)
        if compressed:
            data = data.replace(b"Content-Type: multipart", b"Content-Encoding: SLDC\r\nContent-Type: multipart", 1)
        reply = self.link.ask(data)
        if reply is None or not reply.body:
            return reply, ""
        return reply, opened(self.context, reply.body, credssp=False).decode()


def _envelope(action: str, to: str, body: str, header: str = "", resource: str = "") -> str:
    spaces = " ".join(f'xmlns:{key}="{value}"' for key, value in {**{key: NS[key] for key in ("s", "a", "w", "p")}, "e": EVENTING}.items())
    uri = f'<w:ResourceURI s:mustUnderstand="true">{resource}</w:ResourceURI>' if resource else ""
    return (
        f'<s:Envelope {spaces}><s:Header><a:To>{to}</a:To>{uri}<m:MachineID xmlns:m="http://schemas.microsoft.com/wbem/wsman/1/machineid" '
        f's:mustUnderstand="false">wks01.lab.example</m:MachineID><a:ReplyTo><a:Address s:mustUnderstand="true">{NS["a"]}/role/anonymous</a:Address>'
        f'</a:ReplyTo><a:Action s:mustUnderstand="true">{action}</a:Action><w:MaxEnvelopeSize s:mustUnderstand="true">512000</w:MaxEnvelopeSize>'
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID><w:OperationTimeout>PT60.000S</w:OperationTimeout>{header}</s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )


def event(log: str, record: int, number: int) -> str:
    """An event as Windows renders it."""
    provider, values = KINDS[number]
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "0Z"
    data = "".join(f"<Data Name='{name}'>{value}</Data>" for name, value in values.items())
    return (
        f"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='{provider}'/><EventID>{number}</EventID>"
        f"<Version>0</Version><Level>{0 if log == 'Security' else 4}</Level><Task>0</Task><Opcode>0</Opcode><Keywords>0x8020000000000000</Keywords>"
        f"<TimeCreated SystemTime='{now}'/><EventRecordID>{record}</EventRecordID><Correlation/><Execution ProcessID='4' ThreadID='288'/>"
        f"<Channel>{log}</Channel><Computer>wks01.lab.example</Computer><Security/></System><EventData>{data}</EventData>"
        f"<RenderingInfo Culture='en-US'><Message>Event {number} of {provider}.</Message><Level>Information</Level></RenderingInfo></Event>"
    )


def source(options: dict[str, Any]) -> list[Step]:
    """Ask for subscriptions, then deliver."""
    first = Source(options, MANAGER_PATH)
    body = '<n:Enumerate xmlns:n="http://schemas.xmlsoap.org/ws/2004/09/enumeration"><w:OptimizeEnumeration/><w:MaxElements>32000</w:MaxElements></n:Enumerate>'
    to = f"http://{options['server']}:{options['port']}{MANAGER_PATH}"
    reply, text = first.say(_envelope("http://schemas.xmlsoap.org/ws/2004/09/enumeration/Enumerate", to, body, resource=MANAGER))
    steps = [*first.steps, {"what": "subscriptions", "result": reply.status if reply else None}]
    first.link.close()
    found = re.search(r"/wsman/subscriptions/([0-9A-F-]{36})/1", text)
    if found is None:
        return [*steps, {"what": "subscriptions", "error": "none"}]
    path, version = found[0], found[1]
    link = Source(options, path)
    steps += link.steps
    for step in options["steps"]:
        time.sleep(options.get("pause_s", 0.1))
        events = [event(step["log"], *pair) for pair in zip(step["records"], step["ids"], strict=True)] if isinstance(step, dict) else []
        for _ in range(MOST_TRIES):
            reply, answer = _delivered(link, step, events, path, version)
            done = reply is not None and "/wsman/Ack<" in answer
            steps.append({"what": _words(step), "result": "acknowledged" if done else "no acknowledgement"})
            if done:
                break
            link.link.close()
            time.sleep(0.3)
            link = Source(options, path)
            steps += link.steps
    link.link.close()
    return steps


def _words(step: dict[str, Any] | str) -> str:
    return step if isinstance(step, str) else f"{len(step['records'])} events of {step['log']}{' in SLDC' if step.get('sldc') else ''}"


def _delivered(link: Source, step: dict[str, Any] | str, events: list[str], path: str, version: str) -> tuple[Message | None, str]:
    to = f"http://srv01.lab.example:5985{path}"
    header = f"<e:Identifier>{version}</e:Identifier>"
    if isinstance(step, dict):
        mark = f'<Bookmark Channel="{step["log"]}" RecordId="{step["records"][-1]}" IsCurrent="true"/>'
        header += f"<w:Bookmark><BookmarkList>{mark}</BookmarkList></w:Bookmark>"
    header += "<w:AckRequested/>"
    if step == "end":
        body = f"<e:SubscriptionEnd><e:Status>{EVENTING}/SourceCancelling</e:Status></e:SubscriptionEnd>"
        return link.say(_envelope(f"{EVENTING}/SubscriptionEnd", to, body, header))
    items = "".join(f'<w:Event Action="{WSMAN}/Event"><![CDATA[{one}]]></w:Event>' for one in events)
    action = f"{WSMAN}/{'Heartbeat' if step == 'heartbeat' else 'Events'}"
    return link.say(_envelope(action, to, f"<w:Events>{items}</w:Events>", header), compressed=isinstance(step, dict) and bool(step.get("sldc")))
