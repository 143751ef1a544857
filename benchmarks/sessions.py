"""Whole sessions of PowerShell remoting as frames, no two alike: identifiers, sequence numbers, commands, outputs; with NTLM challenges, keys and ciphertext.

Copies of one captured session flatter whatever remembers what it read, and make findings that no network has. Texts are those that WinRM sends (MS-WSMV,
MS-PSRP); clear sessions log on with Basic, sealed ones with NTLM by pyspnego at both ends, so their keys come from the password of `SECRETS`.
"""

import base64
import os
import random
import struct
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

from benchmarks.frames import ACK, FIN, PSH, SYN, Tcp

USER, PASSWORD, DOMAIN = "alice", "Benchmark-1", "LAB"
SECRETS = f'[[password]]\nuser = "{DOMAIN}\\\\{USER}"\nvalue = "{PASSWORD}"\n'
_WSMAN, _SHELL = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd", "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
_POWERSHELL = "http://schemas.microsoft.com/powershell/Microsoft.PowerShell"
_TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
_MSS = 1460
_ANONYMOUS = "http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous"
_NAMESPACES = (
    f'xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="{_WSMAN}" xmlns:rsp="{_SHELL}"'
)
_INIT, _CAPABILITY, _POOL_STATE, _PIPELINE, _OUTPUT, _PIPELINE_STATE = 0x00010004, 0x00010002, 0x00021005, 0x00021006, 0x00041004, 0x00041006
_CAPABILITIES = (("protocolversion", "2.3"), ("PSVersion", "2.0"), ("SerializationVersion", "1.1.0.1"))
_WORDS = ("service", "running", "update", "adapter", "volume", "domain", "policy", "printer", "spooler", "remote", "session", "logon", "event", "driver")
_NO_PIPELINE = uuid.UUID(int=0)


class Sealed:
    """NTLM at both ends of one connection (pyspnego): the tokens of the logon, and what encrypts."""

    def __init__(self, number: int) -> None:
        import spnego
        from spnego import ContextReq, NegotiateOptions

        with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as users:
            users.write(f"{DOMAIN}:{USER}:{PASSWORD}\n")
        asked = ContextReq.confidentiality | ContextReq.integrity | ContextReq.sequence_detect | ContextReq.replay_detect | ContextReq.mutual_auth
        os.environ["NTLM_USER_FILE"] = users.name
        os.environ["NETBIOS_COMPUTER_NAME"] = f"PC{number}"
        try:
            with patch("socket.gethostname", lambda: f"srv{number}"):  # each server has a name of its own, and not that of this machine
                self._client: Any = spnego.client(
                    f"{DOMAIN}\\{USER}", PASSWORD, f"SRV{number}", "HTTP", context_req=asked, protocol="ntlm", options=NegotiateOptions.use_ntlm
                )
                self._server: Any = spnego.server(protocol="ntlm", options=NegotiateOptions.use_ntlm, context_req=asked)
                first = self._client.step()
                second = self._server.step(first)
                third = self._client.step(second)
                self._server.step(third)
        finally:
            Path(users.name).unlink()
            del os.environ["NTLM_USER_FILE"], os.environ["NETBIOS_COMPUTER_NAME"]
        self.tokens = (first, second, third)

    def __call__(self, plain: bytes, from_client: bool) -> bytes:  # noqa: FBT001
        """A body of multipart/encrypted (MS-WSMV 2.2.9.1)."""
        made = (self._client if from_client else self._server).wrap_winrm(plain)
        return (
            b"--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
            b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n"
            b"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n%s%s%s--Encrypted Boundary--\r\n"
            % (len(plain), struct.pack("<I", len(made.header)), made.header, made.data)
        )


def _message(kind: int, pool: uuid.UUID, pipeline: uuid.UUID, text: str) -> bytes:
    """MS-PSRP 2.2.1."""
    to = 2 if kind in (_INIT, _CAPABILITY, _PIPELINE) else 1
    return struct.pack("<II16s16s", to, kind, pool.bytes_le, pipeline.bytes_le) + b"\xef\xbb\xbf" + text.encode()


def _fragment(identity: int, data: bytes) -> bytes:
    """MS-PSRP 2.2.4, of an object that fits into one."""
    return struct.pack(">QQBI", identity, 0, 3, len(data)) + data


def _text(identity: uuid.UUID) -> str:
    return str(identity).upper()


class Session:
    """What both sides of a session say, in order."""

    def __init__(self, number: int, receives: int, lines: int) -> None:
        self.dice = random.Random(number)  # the same session everywhere
        self.receives, self.lines = receives, lines
        self.pool, self.pipeline = self._uuid(), self._uuid()
        self.shell, self.command, self.host = _text(self.pool), _text(self.pipeline), f"srv{number % 5000}.lab.example"

    def _uuid(self) -> uuid.UUID:
        return uuid.UUID(int=self.dice.getrandbits(128), version=4)

    def _said(self, action: str, body: str, answer: str, *, selects: bool = True) -> tuple[str, str]:
        """The request of an operation and its response."""
        asked, answered = _text(self._uuid()), _text(self._uuid())
        selector = f'<w:SelectorSet><w:Selector Name="ShellId">{self.shell}</w:Selector></w:SelectorSet>' if selects else ""
        must = 's:mustUnderstand="true"'
        request = (
            f'<s:Envelope {_NAMESPACES} xmlns:p="http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"><s:Header>'
            f"<a:To>http://{self.host}:5985/wsman</a:To><w:ResourceURI {must}>{_POWERSHELL}</w:ResourceURI>"
            f"<a:ReplyTo><a:Address {must}>{_ANONYMOUS}</a:Address></a:ReplyTo><a:Action {must}>{action}</a:Action>"
            f"<w:MaxEnvelopeSize {must}>512000</w:MaxEnvelopeSize><a:MessageID>uuid:{asked}</a:MessageID>"
            f'<w:Locale xml:lang="en-US" s:mustUnderstand="false"/><p:SessionId s:mustUnderstand="false">uuid:{self.shell}</p:SessionId>'
            f"{selector}<w:OperationTimeout>PT180.000S</w:OperationTimeout></s:Header><s:Body>{body}</s:Body></s:Envelope>"
        )
        response = (
            f'<s:Envelope xml:lang="en-US" {_NAMESPACES} xmlns:x="{_TRANSFER}"><s:Header><a:Action>{action}Response</a:Action>'
            f"<a:MessageID>uuid:{answered}</a:MessageID><a:To>{_ANONYMOUS}</a:To><a:RelatesTo>uuid:{asked}</a:RelatesTo>"
            f"</s:Header><s:Body>{answer}</s:Body></s:Envelope>"
        )
        return request, response

    def _stream(self, kind: int, text: str, place: int, *, of_pipeline: bool = True) -> str:
        named = f' CommandId="{self.command}"' if of_pipeline else ""
        message = _message(kind, self.pool, self.pipeline if of_pipeline else _NO_PIPELINE, text)
        return f'<rsp:Stream Name="stdout"{named}>{base64.b64encode(_fragment(place, message)).decode()}</rsp:Stream>'

    def _line(self) -> str:
        return " ".join(self.dice.choices(_WORDS, k=9)) + f" {self.dice.getrandbits(40):x}"

    def exchanges(self) -> Iterator[tuple[str, str]]:
        """(request, response) of each exchange."""
        yield self._create()
        state = self._stream(_POOL_STATE, '<Obj RefId="0"><MS><I32 N="RunspaceState">2</I32></MS></Obj>', 1, of_pipeline=False)
        want = "<rsp:Receive><rsp:DesiredStream>stdout</rsp:DesiredStream></rsp:Receive>"
        yield self._said(f"{_SHELL}/Receive", want, f"<rsp:ReceiveResponse>{state}</rsp:ReceiveResponse>")
        yield self._run()
        want = f'<rsp:Receive><rsp:DesiredStream CommandId="{self.command}">stdout</rsp:DesiredStream></rsp:Receive>'
        for number in range(self.receives):
            first = 2 + number * self.lines
            streams = [self._stream(_OUTPUT, f"<S>{self._line()}</S>", first + one) for one in range(self.lines)]
            if number == self.receives - 1:
                ended = '<Obj RefId="0"><MS><I32 N="PipelineState">4</I32></MS></Obj>'
                streams.append(self._stream(_PIPELINE_STATE, ended, first + self.lines))
                done = f'State="{_SHELL}/CommandState/Done"'
                streams.append(f'<rsp:CommandState CommandId="{self.command}" {done}><rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState>')
            yield self._said(f"{_SHELL}/Receive", want, f"<rsp:ReceiveResponse>{''.join(streams)}</rsp:ReceiveResponse>")
        yield self._said(f"{_TRANSFER}/Delete", "", "")

    def _create(self) -> tuple[str, str]:
        capability = "".join(f'<Version N="{name}">{value}</Version>' for name, value in _CAPABILITIES)
        opening = _fragment(1, _message(_CAPABILITY, self.pool, _NO_PIPELINE, f'<Obj RefId="0"><MS>{capability}</MS></Obj>'))
        threads = '<Obj RefId="0"><MS><I32 N="MinRunspaces">1</I32><I32 N="MaxRunspaces">1</I32></MS></Obj>'
        opening += _fragment(2, _message(_INIT, self.pool, _NO_PIPELINE, threads))
        body = (
            f'<rsp:Shell ShellId="{self.shell}"><rsp:InputStreams>stdin pr</rsp:InputStreams><rsp:OutputStreams>stdout</rsp:OutputStreams>'
            f'<creationXml xmlns="http://schemas.microsoft.com/powershell">{base64.b64encode(opening).decode()}</creationXml></rsp:Shell>'
        )
        answer = (
            f"<rsp:Shell><rsp:ShellId>{self.shell}</rsp:ShellId><rsp:ResourceUri>{_POWERSHELL}</rsp:ResourceUri>"
            f"<rsp:Owner>{DOMAIN}\\{USER}</rsp:Owner><rsp:ClientIP>192.0.2.7</rsp:ClientIP><rsp:ShellRunTime>P0DT0H0M0S</rsp:ShellRunTime></rsp:Shell>"
        )
        return self._said(f"{_TRANSFER}/Create", body, answer, selects=False)

    def _run(self) -> tuple[str, str]:
        script = f"Get-Content C:\\logs\\{self.dice.getrandbits(48):x}.txt -Tail {self.lines}"
        pipeline = (
            '<Obj RefId="0"><MS><B N="NoInput">true</B><Obj N="PowerShell" RefId="1"><MS><Obj N="Cmds" RefId="2"><LST><Obj RefId="3"><MS>'
            f'<S N="Cmd">{script}</S><B N="IsScript">true</B></MS></Obj></LST></Obj></MS></Obj></MS></Obj>'
        )
        line = base64.b64encode(_fragment(3, _message(_PIPELINE, self.pool, self.pipeline, pipeline))).decode()
        body = f'<rsp:CommandLine CommandId="{self.command}"><rsp:Command/><rsp:Arguments>{line}</rsp:Arguments></rsp:CommandLine>'
        return self._said(f"{_SHELL}/Command", body, f"<rsp:CommandResponse><rsp:CommandId>{self.command}</rsp:CommandId></rsp:CommandResponse>")


def _post(body: bytes, kind: str, host: str, authorization: str = "") -> bytes:
    given = f"Authorization: {authorization}\r\n" if authorization else ""
    return (
        f"POST /wsman HTTP/1.1\r\nConnection: Keep-Alive\r\nContent-Type: {kind}\r\n{given}User-Agent: Microsoft WinRM Client\r\n"
        f"Content-Length: {len(body)}\r\nHost: {host}:5985\r\n\r\n"
    ).encode() + body


def _reply(body: bytes, kind: str, status: str = "200", fields: str = "") -> bytes:
    typed = f"Content-Type: {kind}\r\n" if body else ""
    return (
        f"HTTP/1.1 {status}\r\n{typed}{fields}Server: Microsoft-HTTPAPI/2.0\r\nDate: Tue, 14 Nov 2023 22:13:20 GMT\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _said(tcp: Tcp, way: int, data: bytes) -> Iterator[bytes]:
    """Segments, of which every second one is acknowledged by itself."""
    for place, at in enumerate(range(0, len(data), _MSS)):
        yield tcp.frame(way, ACK | (PSH if at + _MSS >= len(data) else 0), data[at : at + _MSS])
        if place & 1:
            yield tcp.frame(1 - way, ACK)


def clear(number: int, receives: int = 22, lines: int = 4, tcp: Tcp | None = None) -> Iterator[bytes]:
    """The frames of a session in clear text with Basic authentication, ``receives`` + 4 exchanges."""
    yield from _connection(tcp or Tcp(number, 5985), Session(number, receives, lines), None)


def sealed(number: int, receives: int = 22, lines: int = 12) -> Iterator[bytes]:
    """The frames of a session that NTLM encrypts, ``receives`` + 6 exchanges."""
    yield from _connection(Tcp(number, 5985), Session(number, receives, lines), Sealed(number))


def _connection(tcp: Tcp, session: Session, seal: Sealed | None) -> Iterator[bytes]:
    yield tcp.frame(0, SYN)
    yield tcp.frame(1, SYN | ACK)
    yield tcp.frame(0, ACK)
    soap = "application/soap+xml;charset=UTF-8"
    wrapped = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
    password = f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"
    if seal is not None:
        first, second, third = (base64.b64encode(token).decode() for token in seal.tokens)
        yield from _said(tcp, 0, _post(b"", soap, session.host, f"Negotiate {first}"))
        yield from _said(tcp, 1, _reply(b"", soap, "401", f"WWW-Authenticate: Negotiate {second}\r\n"))
        yield from _said(tcp, 0, _post(b"", soap, session.host, f"Negotiate {third}"))
        yield from _said(tcp, 1, _reply(b"", soap, "200", "WWW-Authenticate: Negotiate\r\n"))
    for asked, answered in session.exchanges():
        for way, text in ((0, asked), (1, answered)):
            body = text.encode() if seal is None else seal(text.encode(), way == 0)
            kind = soap if seal is None else wrapped
            yield from _said(tcp, way, _post(body, kind, session.host, password if seal is None else "") if way == 0 else _reply(body, kind))
    yield tcp.frame(0, ACK | FIN)
    yield tcp.frame(1, ACK | FIN)


def short(number: int, clients: int = 250) -> Iterator[bytes]:
    """One connection with one request: identify, answered or refused."""
    tcp = Tcp(number % clients, 5985, number)
    body = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd">'
        "<s:Header/><s:Body><wsmid:Identify/></s:Body></s:Envelope>"
    )
    yield tcp.frame(0, SYN)
    yield tcp.frame(1, SYN | ACK)
    yield from _said(tcp, 0, _post(body.encode(), "application/soap+xml;charset=UTF-8", f"srv{number % 5000}.lab.example"))
    yield from _said(tcp, 1, _reply(b"", "", "401", 'WWW-Authenticate: Negotiate\r\nWWW-Authenticate: Basic realm="WSMAN"\r\n'))
    yield tcp.frame(0, ACK | FIN)
    yield tcp.frame(1, ACK | FIN)


def giant(receives: int, lines: int = 4) -> Iterator[bytes]:
    """One connection and one session, however many polls."""
    yield from clear(7, receives, lines)
