"""Captures in which one thing is there many times within one parent: what a reader of one of them must not compare all with all."""

import base64
import struct
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.build.talk_http import ABSOLUTE, SOAP, Ask, Content, Reply, offer, post, reply, soap
from tests.build.talk_proxy import PROXY, PROXY_PORT, SERVER, WINRM_PORT, ask_sealed, direct, far_leg, handshake, near_leg, proxied, sealed_reply
from tests.build.talk_tls import hello
from tests.build.talk_tokens import basic, ntlm
from tests.build.talks import Talk, Wire

Files = list[Path]
Made = Callable[[int, Path], Files]
_SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_CREATE = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create"
_CMD, _POWERSHELL = f"{_SHELL}/cmd", "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
_CREATE_PIPELINE, _OUTPUT = 0x00021006, 0x00041004
_SCRIPT = '<Obj><MS><Obj N="PowerShell"><MS><Obj N="Cmds"><LST><Obj><MS><S N="Cmd">Get-It</S></MS></Obj></LST></Obj></MS></Obj></MS></Obj>'
_MANY = 60_000
"""More ports than this one host has not."""


def _identity(kind: int, number: int) -> str:
    return f"{kind:08X}-0000-4000-8000-{number:012X}"


def _envelope(action: str, body: str, *, shell: str = "", uri: str = _CMD, number: int = 0, relates: int | None = None) -> Content:
    selector = f'<w:SelectorSet><w:Selector Name="ShellId">{shell}</w:Selector></w:SelectorSet>' if shell else ""
    to = "" if relates is None else f"<a:RelatesTo>uuid:{_identity(7, relates)}</a:RelatesTo>"
    text = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" '
        'xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" xmlns:rsp="http://schemas.microsoft.com/wbem/wsman/1/windows/shell">'
        f"<s:Header><a:Action>{action}</a:Action><a:MessageID>uuid:{_identity(7, number)}</a:MessageID>{to}<w:ResourceURI>{uri}</w:ResourceURI>{selector}"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    )
    return Content(SOAP, text.encode())


class _Session:
    """WS-Management in clear on one connection."""

    def __init__(self, talk: Talk) -> None:
        self.talk = talk
        self.number = 0

    def ask(self, action: str, body: str, answer: str, *, shell: str = "", uri: str = _CMD, back: str | None = None) -> None:
        self.number += 2
        asked = post(content=_envelope(action, body, shell=shell, uri=uri, number=self.number)).plus(basic())
        answered = _envelope(back or f"{action}Response", answer, uri=uri, number=self.number + 1, relates=self.number)
        self.talk.exchange(asked, reply(200, content=answered))

    def shell(self, shell: str, uri: str = _CMD) -> None:
        self.ask(
            _CREATE,
            "<rsp:Shell><rsp:OutputStreams>stdout</rsp:OutputStreams></rsp:Shell>",
            f"<rsp:Shell><rsp:ShellId>{shell}</rsp:ShellId></rsp:Shell>",
            uri=uri,
        )

    def command(self, shell: str, command: str, text: str = "whoami") -> None:
        line = f'<rsp:CommandLine CommandId="{command}"><rsp:Command>{text}</rsp:Command></rsp:CommandLine>'
        self.ask(f"{_SHELL}/Command", line, f"<rsp:CommandResponse><rsp:CommandId>{command}</rsp:CommandId></rsp:CommandResponse>", shell=shell)

    def poll(self, shell: str, command: str, data: bytes, *, uri: str = _CMD, done: bool = False) -> None:
        want = f'<rsp:Receive><rsp:DesiredStream CommandId="{command}">stdout</rsp:DesiredStream></rsp:Receive>'
        state = f'<rsp:CommandState CommandId="{command}" State="{_SHELL}/CommandState/Done"><rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState>' if done else ""
        stream = f'<rsp:Stream Name="stdout" CommandId="{command}">{base64.b64encode(data).decode()}</rsp:Stream>'
        self.ask(f"{_SHELL}/Receive", want, f"<rsp:ReceiveResponse>{stream}{state}</rsp:ReceiveResponse>", shell=shell, uri=uri)

    def pipeline(self, shell: str, command: str, number: int) -> None:
        asked = base64.b64encode(b"".join(_fragments(_message(_SCRIPT, command, _CREATE_PIPELINE), number))).decode()
        line = f'<rsp:CommandLine CommandId="{command}"><rsp:Command/><rsp:Arguments>{asked}</rsp:Arguments></rsp:CommandLine>'
        answer = f"<rsp:CommandResponse><rsp:CommandId>{command}</rsp:CommandId></rsp:CommandResponse>"
        self.ask(f"{_SHELL}/Command", line, answer, shell=shell, uri=_POWERSHELL)


def _message(text: str, pipeline: str, kind: int = _OUTPUT) -> bytes:
    return struct.pack("<II16s16s", 1, kind, uuid.UUID(_identity(3, 1)).bytes_le, uuid.UUID(pipeline).bytes_le) + b"\xef\xbb\xbf" + text.encode()


def _fragments(data: bytes, identity: int, size: int = 40) -> list[bytes]:
    pieces = [data[at : at + size] for at in range(0, len(data), size)]
    return [struct.pack(">QQBI", identity, place, (place == 0) | (place == len(pieces) - 1) << 1, len(piece)) + piece for place, piece in enumerate(pieces)]


def _one(wire: Wire, folder: Path) -> Files:
    return [wire.capture(folder / "capture.pcap")]


def handshakes(count: int, folder: Path) -> Files:
    """NTLM logons on one connection, each with a request in clear after it."""
    wire = Wire()
    talk = direct(wire)
    for number in range(count):
        handshake(talk, ntlm(), content=soap(number=number + 1))
    return _one(wire, folder)


def unsealed(count: int, folder: Path) -> Files:
    """NTLM logons on one connection that do not ask for encryption, each with a request in clear after it."""
    wire = Wire()
    talk = direct(wire)
    shake = ntlm()
    last = bytearray(shake.client[-1])
    last[60] &= ~0x20 & 0xFF  # NTLMSSP_NEGOTIATE_SEAL (MS-NLMP 2.2.2.5)
    shake = shake._replace(client=(*shake.client[:-1], bytes(last)))
    for number in range(count):
        handshake(talk, shake, content=soap(number=number + 1))
        talk.exchange(post(content=soap(number=number + 1_000_000)), reply(200, content=soap("CreateResponse", number + 1)))
    return _one(wire, folder)


def refusals(count: int, folder: Path) -> Files:
    """Logons on one connection that are refused."""
    wire = Wire()
    talk = direct(wire)
    for _ in range(count):
        handshake(talk, ntlm(), last=offer())
    return _one(wire, folder)


def faults(count: int, folder: Path) -> Files:
    """Requests on one connection that are answered with a fault, or by a gateway."""
    wire = Wire()
    talk = direct(wire)
    for number in range(count):
        fault = '<s:Fault><s:Code><s:Value>s:Receiver</s:Value></s:Code><s:Detail><f:WSManFault xmlns:f="f" Code="2150858843"/></s:Detail></s:Fault>'
        asked = post(content=soap(number=number + 1)).plus(basic())
        talk.exchange(asked, reply(500, content=_envelope("http://schemas.dmtf.org/wbem/wsman/1/wsman/fault", fault, relates=number)))
        talk.exchange(post(content=soap(number=number + 1_000_000)).plus(basic()), reply(503, content=Content("text/html", b"<html><title>No</title></html>")))
    return _one(wire, folder)


def basics(count: int, folder: Path) -> Files:
    """Requests on one connection that each carry a password."""
    wire = Wire()
    talk = direct(wire)
    for number in range(count):
        talk.exchange(post(content=soap(number=number + 1)).plus(basic()), reply(200, content=soap("CreateResponse", number + 1)))
    return _one(wire, folder)


def requests(count: int, folder: Path) -> Files:
    """Encrypted requests on one connection."""
    wire = Wire()
    talk = direct(wire)
    handshake(talk, ntlm())
    for number in range(count):
        talk.exchange(ask_sealed(number), sealed_reply(number))
    return _one(wire, folder)


def unanswered(count: int, folder: Path) -> Files:
    """Requests on one connection whose responses were not captured."""
    wire = Wire()
    talk = direct(wire)
    for number in range(count):
        talk.send(post(content=soap(number=number + 1)).plus(basic()))
        talk.answer(reply(200, content=soap("CreateResponse", number + 1)), captured=False)
    return _one(wire, folder)


def commands(count: int, folder: Path) -> Files:
    """Commands in one shell."""
    wire = Wire()
    session = _Session(direct(wire))
    session.shell(shell := _identity(1, 1))
    for number in range(count):
        session.command(shell, _identity(2, number), f"echo {number}")
        session.poll(shell, _identity(2, number), b"x", done=True)
    return _one(wire, folder)


def polls(count: int, folder: Path) -> Files:
    """Answers to the polls of one command."""
    wire = Wire()
    session = _Session(direct(wire))
    session.shell(shell := _identity(1, 1))
    session.command(shell, command := _identity(2, 1))
    for number in range(count):
        session.poll(shell, command, b"line %d\r\n" % number)
    return _one(wire, folder)


def fragments(count: int, folder: Path) -> Files:
    """Fragments of one object, one in each answer."""
    wire = Wire()
    session = _Session(direct(wire))
    session.shell(shell := _identity(1, 1), _POWERSHELL)
    session.pipeline(shell, command := _identity(2, 1), 1)
    for piece in _fragments(_message(f"<S>{'x' * (40 * count)}</S>", command), 2):
        session.poll(shell, command, piece, uri=_POWERSHELL)
    return _one(wire, folder)


def objects(count: int, folder: Path) -> Files:
    """Objects in the output of one pipeline, of which every third lacks a fragment, many in an answer."""
    wire = Wire()
    session = _Session(direct(wire))
    session.shell(shell := _identity(1, 1), _POWERSHELL)
    session.pipeline(shell, command := _identity(2, 1), 1)
    for begin in range(0, count, 20):
        data = []
        for number in range(begin, begin + 20):
            own = _fragments(_message(f"<S>{number} {'x' * 60}</S>", command), number + 2)
            data += own[:1] + own[2:] if number % 3 == 0 else own
        session.poll(shell, command, b"".join(data), uri=_POWERSHELL)
    return _one(wire, folder)


def pipelines(count: int, folder: Path) -> Files:
    """Pipelines in one shell."""
    wire = Wire()
    session = _Session(direct(wire))
    session.shell(shell := _identity(1, 1), _POWERSHELL)
    for number in range(count):
        command = _identity(2, number)
        session.pipeline(shell, command, 2 * number + 1)
        session.poll(shell, command, b"".join(_fragments(_message("<S>out</S>", command), 2 * number + 2)), uri=_POWERSHELL)
    return _one(wire, folder)


def shells(count: int, folder: Path) -> Files:
    """Shells on one connection."""
    wire = Wire()
    session = _Session(direct(wire))
    for number in range(count):
        session.shell(shell := _identity(1, number))
        session.command(shell, _identity(2, number))
    return _one(wire, folder)


def servers(count: int, folder: Path) -> Files:
    """Servers that each have a shell of one and the same id."""
    wire = Wire()
    shell = _identity(1, 1)
    for number in range(count):
        session = _Session(wire.connect("10.10.1.11", 50_000, f"10.30.{number // 250}.{number % 250 + 1}", WINRM_PORT))
        session.shell(shell)
        session.command(shell, _identity(2, number))
        session.poll(shell, _identity(2, number), b"out", done=True)
    return _one(wire, folder)


def same_ids(folder: Path, texts: Sequence[str]) -> Files:
    """One client's shells on several servers, all with one shell id and one command id, each with a command of its own."""
    wire = Wire()
    shell, command = _identity(1, 1), _identity(2, 1)
    for number, text in enumerate(texts, 1):
        session = _Session(wire.connect("10.10.1.11", 50_000, f"10.30.0.{number}", WINRM_PORT))
        session.shell(shell)
        session.command(shell, command, text)
        session.poll(shell, command, b"out", done=True)
    return _one(wire, folder)


def upstreams(count: int, folder: Path) -> Files:
    """Connections to the server of one client's connection, a new one for each request."""
    wire = Wire()
    near = near_leg(wire)
    for number in range(count):
        asked = post(ABSOLUTE, content=soap(number=number + 1)).plus(basic())
        far = far_leg(wire, 1024 + number)
        proxied(near, far, asked, reply(200, content=soap("CreateResponse", number + 1_000_000)))
        far.close_by_server()
    return _one(wire, folder)


def hops(count: int, folder: Path) -> Files:
    """Requests through a proxy, all on one connection of either side."""
    wire = Wire()
    near, far = near_leg(wire), far_leg(wire)
    for number in range(count):
        asked = post(ABSOLUTE, content=soap(number=number + 1)).plus(basic())
        proxied(near, far, asked, reply(200, content=soap("CreateResponse", number + 1_000_000)))
    return _one(wire, folder)


def segments(count: int, folder: Path) -> Files:
    """Small segments of one body."""
    wire = Wire(mss=20)
    direct(wire).exchange(post(content=soap(size=20 * count)).plus(basic()), reply(200))
    return _one(wire, folder)


def _said(count: int, order: Callable[[list[int]], list[int]], size: int = 100) -> Wire:
    """One body whose segments come in another order, or not all."""
    wire = Wire()
    talk = direct(wire)
    data = post(content=soap(size=size * count)).plus(basic()).wire()
    begin = talk.client.sequence
    for place in order(list(range(0, len(data), size))):
        talk.client.sequence = begin + place
        talk.send(data[place : place + size])
    talk.client.sequence = begin + len(data)
    talk.server.received = talk.client.sequence
    talk.answer(reply(200, content=soap("CreateResponse")))
    return wire


def disorder(count: int, folder: Path) -> Files:
    """Segments of one body, the last first."""
    return _one(_said(count, lambda places: [*places[:5], *reversed(places[5:])]), folder)


def gaps(count: int, folder: Path) -> Files:
    """Holes in one body."""
    return _one(_said(count, lambda places: [*places[:5], *places[5::2]]), folder)


def again(count: int, folder: Path) -> Files:
    """Retransmissions of the segments of one body, all of them at its end."""
    return _one(_said(count, lambda places: places + places), folder)


def snapped(count: int, folder: Path) -> Files:
    """Segments of one body that the snap length cut."""
    wire = Wire(mss=100)
    talk = direct(wire)
    talk.exchange(post(content=soap(number=1)).plus(basic()), reply(200))
    talk.exchange(post(content=soap(size=100 * count)).plus(basic()), reply(200))
    return [wire.capture(folder / "capture.pcap", snap=54 + 60)]


def other_bytes(count: int, folder: Path) -> Files:
    """Copies of segments with other bytes."""
    wire = Wire()
    talk = direct(wire)
    data = post(content=soap(size=100 * count)).plus(basic()).wire()
    begin = talk.client.sequence
    for place in range(0, len(data), 100):
        for turn in range(2):
            talk.client.sequence = begin + place
            talk.send(data[place : place + 100] if not turn else bytes(len(data[place : place + 100])))
    talk.answer(reply(200))
    return _one(wire, folder)


def _chunked(count: int) -> Reply:
    body = b"".join(b"8\r\n" + b"<x>abc</" + b"\r\n" for _ in range(count)) + b"0\r\n\r\n"
    return Reply(200, (("Server", "Microsoft-HTTPAPI/2.0"), ("Content-Type", SOAP), ("Transfer-Encoding", "chunked")), body)


def chunks(count: int, folder: Path) -> Files:
    """Chunks of one body."""
    wire = Wire()
    direct(wire).exchange(post(content=soap()).plus(basic()), _chunked(count))
    return _one(wire, folder)


def header_lines(count: int, folder: Path) -> Files:
    """Header fields of the requests of one connection, as many as a message may have."""
    wire = Wire()
    talk = direct(wire)
    for begin in range(0, count, 900):
        fields = [(f"X-Field-{number}", "value") for number in range(begin, min(begin + 900, count))]
        talk.exchange(post(content=soap(number=begin + 1)).plus(basic(), *fields), reply(200))
    return _one(wire, folder)


def interims(count: int, folder: Path) -> Files:
    """Interim responses to one request."""
    wire = Wire()
    talk = direct(wire)
    talk.send(post(content=soap()).plus(basic()))
    for _ in range(count):
        talk.answer(b"HTTP/1.1 100 Continue\r\n\r\n")
    talk.answer(reply(200))
    return _one(wire, folder)


def clients(count: int, folder: Path) -> Files:
    """Clients of one server."""
    wire = Wire()
    for number in range(count):
        talk = wire.connect(f"10.10.{number // 250 + 2}.{number % 250 + 1}", 50_000, SERVER, WINRM_PORT)
        handshake(talk, ntlm())
        talk.exchange(ask_sealed(number), sealed_reply(number))
        talk.close_by_client()
    return _one(wire, folder)


def connections(count: int, folder: Path) -> Files:
    """Connections of one client to one server, refused each."""
    wire = Wire()
    for number in range(count):
        handshake(talk := direct(wire, port=1024 + number), ntlm(), last=offer())
        talk.reset_by_server()
    return _one(wire, folder)


def uses(count: int, folder: Path) -> Files:
    """Connections on one pair of ports, one after the other."""
    wire = Wire()
    for number in range(count):
        talk = Talk(wire, ("10.10.1.11", 50_000), (SERVER, WINRM_PORT))
        talk.client.sequence, talk.server.sequence = 1_000_003 * number + 1, 1_000_033 * number + 7
        talk.open(captured=True)
        talk.exchange(post(content=soap(number=number + 1)).plus(basic()), reply(200))
        talk.close_by_client()
    return _one(wire, folder)


def tunnels(count: int, folder: Path) -> Files:
    """CONNECT tunnels of one client through one proxy, with TLS inside and behind."""
    wire = Wire()
    for number in range(count):
        near = wire.connect("10.10.1.11", 1024 + number, PROXY, PROXY_PORT)
        near.exchange(Ask("CONNECT", "srv01:5986", (("Host", "srv01:5986"),)), Reply(200, ()))
        far = wire.connect("10.20.2.1", 1024 + number, SERVER, 5986)
        first = hello(f"srv{number:04d}.lab.example")
        near.send(first)
        far.send(first)
        far.close_by_server()
        near.close_by_server()
    return _one(wire, folder)


def resets(count: int, folder: Path) -> Files:
    """Resets on one connection, which goes on."""
    wire = Wire()
    talk = direct(wire)
    for number in range(count):
        talk.exchange(post(content=soap(number=number + 1)).plus(basic()), reply(200))
        talk.reset_by_server()
    return _one(wire, folder)


def errors(count: int, folder: Path) -> Files:
    """ICMP errors about one connection."""
    wire = Wire()
    talk = direct(wire)
    for number in range(count):
        talk.exchange(post(content=soap(number=number + 1)).plus(basic()), reply(200))
        wire.icmp("10.10.1.254", 3, 1)
    return _one(wire, folder)


def windows(count: int, folder: Path) -> Files:
    """Times in which one side let the other wait, and pauses, of one connection."""
    wire = Wire()
    talk = direct(wire)
    for number in range(count):
        talk.exchange(post(content=soap(number=number + 1)).plus(basic()), reply(200))
        talk.acked_by_server(window=0)
        talk.acked_by_server(after=15)
    return _one(wire, folder)


def files(count: int, folder: Path) -> Files:
    """Files of one capture, with one connection through all of them."""
    wire = Wire()
    talk = direct(wire)
    for number in range(count):
        talk.exchange(post(content=soap(number=number + 1)).plus(basic()), reply(200, content=soap("CreateResponse", number + 1)))
    return [wire.capture(folder / f"ring_{number:06d}.pcap", first=2 * number + (4 if number else 1), last=2 * number + 5) for number in range(count)]


def views(count: int, folder: Path) -> Files:
    """Requests of one connection that two capture points saw."""
    wire = Wire()
    talk = direct(wire)
    handshake(talk, ntlm())
    for number in range(count):
        talk.exchange(ask_sealed(number), sealed_reply(number))
    return [wire.capture(folder / "client.pcap"), wire.capture(folder / "server.pcap", ahead=3)]


THINGS: dict[str, tuple[int, Made]] = {
    "handshakes": (150, handshakes),
    "unsealed": (100, unsealed),
    "refusals": (120, refusals),
    "faults": (150, faults),
    "basics": (400, basics),
    "requests": (400, requests),
    "unanswered": (500, unanswered),
    "commands": (150, commands),
    "polls": (300, polls),
    "fragments": (300, fragments),
    "objects": (3000, objects),
    "pipelines": (150, pipelines),
    "shells": (150, shells),
    "servers": (100, servers),
    "upstreams": (120, upstreams),
    "hops": (200, hops),
    "segments": (4000, segments),
    "disorder": (4000, disorder),
    "gaps": (4000, gaps),
    "again": (3000, again),
    "snapped": (3000, snapped),
    "other bytes": (2000, other_bytes),
    "chunks": (10_000, chunks),
    "header lines": (3600, header_lines),
    "interims": (1500, interims),
    "clients": (80, clients),
    "connections": (100, connections),
    "uses": (200, uses),
    "tunnels": (80, tunnels),
    "resets": (300, resets),
    "errors": (300, errors),
    "windows": (300, windows),
    "files": (100, files),
    "views": (150, views),
}
"""What is there many times, how often, and how it is made."""
