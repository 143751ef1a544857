"""WinRM requests and responses for transcripts: what clients and servers say, with sensible headers unless the test says otherwise."""

import hashlib
import struct
from typing import NamedTuple, Self

WSMAN = "/wsman"
ABSOLUTE = "http://srv01.lab.example:5985/wsman"
SOAP = "application/soap+xml;charset=UTF-8"
SEALED = 'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"'
_ACTIONS = {
    "Create": "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create",
    "Command": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Command",
    "Receive": "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/Receive",
}
_REASONS = {200: "OK", 401: "Unauthorized", 403: "Forbidden", 407: "Proxy Authentication Required", 500: "Internal Server Error", 503: "Service Unavailable"}

Field = tuple[str, str]


class Ask(NamedTuple):
    """A request."""

    method: str
    target: str
    fields: tuple[Field, ...]
    body: bytes = b""
    version: str = "HTTP/1.1"

    def wire(self) -> bytes:
        return _message(f"{self.method} {self.target} {self.version}", self.fields, self.body)

    def plus(self, *fields: Field) -> Self:
        """The same request with more fields."""
        return self._replace(fields=(*self.fields, *fields))

    def without(self, *names: str) -> Self:
        """The same request without these fields."""
        return self._replace(fields=tuple(field for field in self.fields if field[0] not in names))


class Reply(NamedTuple):
    """A response."""

    status: int
    fields: tuple[Field, ...]
    body: bytes = b""
    version: str = "HTTP/1.1"

    def wire(self) -> bytes:
        return _message(f"{self.version} {self.status} {_REASONS.get(self.status, 'Status')}", self.fields, self.body)

    def plus(self, *fields: Field) -> Self:
        """The same response with more fields."""
        return self._replace(fields=(*self.fields, *fields))

    def without(self, *names: str) -> Self:
        """The same response without these fields."""
        return self._replace(fields=tuple(field for field in self.fields if field[0] not in names))


class Content(NamedTuple):
    """A body and its media type."""

    media: str
    body: bytes


IDENTIFY = Content(
    SOAP,
    b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd">'
    b"<s:Header/><s:Body><wsmid:Identify/></s:Body></s:Envelope>",
)
"""WS-Management's anonymous question for the product (DSP0226 section 11)."""


def post(target: str = WSMAN, *fields: Field, content: Content | None = None) -> Ask:
    """A POST as WinRM clients send it; empty without ``content``, as in a handshake."""
    own = (("Host", "srv01.lab.example:5985"), ("User-Agent", "Microsoft WinRM Client"), ("Connection", "Keep-Alive"), *fields)
    return Ask("POST", target, (*own, *_described(content)), b"" if content is None else content.body)


def reply(status: int, *fields: Field, content: Content | None = None) -> Reply:
    """A response of a WinRM server."""
    return Reply(status, (("Server", "Microsoft-HTTPAPI/2.0"), *fields, *_described(content)), b"" if content is None else content.body)


def offer(*schemes: str) -> Reply:
    """The 401 that asks for authentication."""
    return reply(401, *(("WWW-Authenticate", scheme) for scheme in schemes or ("Negotiate",)))


def _described(content: Content | None) -> tuple[Field, ...]:
    return (("Content-Length", "0"),) if content is None else (("Content-Type", content.media), ("Content-Length", str(len(content.body))))


def soap(action: str = "Create", number: int = 1, *, size: int = 0) -> Content:
    """A readable envelope; ``number`` makes its MessageID, ``size`` pads it to at least so many bytes."""
    text = (
        '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing">'
        f"<s:Header><a:Action>{_ACTIONS.get(action, action)}</a:Action><a:MessageID>uuid:{number:08X}-0000-4000-8000-000000000000</a:MessageID></s:Header>"
        f"<s:Body>{'x' * max(size - 330, 0)}</s:Body></s:Envelope>"
    )
    return Content(SOAP, text.encode())


def sealed(number: int = 1, *, size: int = 600, by: str = "client") -> Content:
    """A body sealed by NTLM (MS-WSMV 2.2.9.1): ``size`` bytes that nobody can read, made of the sequence ``number`` and who sent it."""
    cipher = hashlib.shake_256(f"{by} {number}".encode()).digest(size + 8)
    token = struct.pack("<I", 1) + cipher[:8] + struct.pack("<I", number)
    head = (
        "--Encrypted Boundary\r\n"
        "\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
        f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={size}\r\n"
        "--Encrypted Boundary\r\n"
        "\tContent-Type: application/octet-stream\r\n"
    )
    return Content(SEALED, head.encode() + struct.pack("<I", len(token)) + token + cipher[8:] + b"--Encrypted Boundary--\r\n")


def html(text: str = "<html><title>Error</title></html>") -> Content:
    """A page as proxies and web servers make them."""
    return Content("text/html", text.encode())


def _message(start: str, fields: tuple[Field, ...], body: bytes) -> bytes:
    return "".join((start, "\r\n", *(f"{name}: {value}\r\n" for name, value in fields), "\r\n")).encode("latin-1") + body
