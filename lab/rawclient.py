"""Clients that no library is: each writes its requests to a socket itself, to do one thing that libraries do not.

- `pipeline`: the next requests leave before the answer to the first has come (RFC 9112 9.3.2);
- `basic`: clear requests with Basic, byte for byte equal on every host;
- `naive`: takes a challenge only when a line of its own names the scheme, as code does that compares instead of parsing;
- `empty-handshake`: authenticates every connection with empty requests and only then sends its sealed message;
- `probe`: one request on each connection, as a health check does: authenticates, asks, closes; or asks for `Connection: close`;
- `stranger`: requests without credentials, and takes what comes;
- `socks4a`: nothing but a SOCKS 4a request in front of `probe`.
"""

import base64
import random
import socket
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import spnego

from lab.envelopes import ENVELOPE, IDENTIFY, SHELL_URI
from lab.framing import sealed
from lab.wire import Message, read_message

SOAP_TYPE = "application/soap+xml;charset=UTF-8"
LIMIT_S = 15.0

Step = dict[str, Any]


class Link:
    """A connection to the proxy, or to the server when there is none."""

    def __init__(self, options: dict[str, Any]) -> None:
        proxy = urlsplit(options["proxy"]) if options.get("proxy") else None
        place = (proxy.hostname, proxy.port) if proxy else (options["server"], options["port"])
        place = ("proxy.lab.example", 1080) if options.get("socks4a") else place
        self.socket = socket.create_connection(place, timeout=LIMIT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.stream = self.socket.makefile("rb")
        self.target = options["url"] if proxy and not options.get("socks4a") else options.get("path", "/wsman")
        self.host = f"{options['server']}:{options['port']}"
        self.agent = options.get("agent", "Lab raw client")
        if options.get("socks4a"):
            asked = b"\4\1" + options["port"].to_bytes(2, "big") + b"\0\0\0\1" + b"\0" + options["server"].encode() + b"\0"
            self.socket.sendall(asked)
            self.stream.read(8)

    def request(self, body: bytes, content_type: str = SOAP_TYPE, authorization: str | None = None, *, last: bool = False) -> bytes:
        """The bytes of a request; `last` asks for the connection's end."""
        lines = [f"POST {self.target} HTTP/1.1", f"Host: {self.host}", f"User-Agent: {self.agent}", f"Connection: {'close' if last else 'Keep-Alive'}"]
        lines += [f"Authorization: {authorization}"] if authorization else []
        lines += [f"Content-Type: {content_type}", f"Content-Length: {len(body)}", "", ""]
        return "\r\n".join(lines).encode() + body

    def ask(self, data: bytes) -> Message | None:
        """The answer to a request, None when the connection has ended."""
        try:
            self.socket.sendall(data)
            return read_message(self.stream, answer_to="POST")
        except OSError:
            return None

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


def _basic(options: dict[str, Any]) -> str:
    return "Basic " + base64.b64encode(f"{options['username']}:{options['password']}".encode()).decode()


def _create(options: dict[str, Any]) -> bytes:
    return ENVELOPE.format(url=options["url"], message_id=str(uuid.uuid4()).upper(), resource=SHELL_URI).encode()


def _told(what: str, answer: Message | None) -> Step:
    return {"what": what, "result": answer.status} if answer else {"what": what, "error": "the connection ended"}


def pipeline(options: dict[str, Any]) -> list[Step]:
    """Three requests at once, then the three answers."""
    link = Link(options)
    bodies = [IDENTIFY.encode(), _create(options), IDENTIFY.encode()]
    link.socket.sendall(b"".join(link.request(body, authorization=_basic(options)) for body in bodies))
    steps = [_told(f"request {number}", read_message(link.stream, answer_to="POST")) for number in range(1, len(bodies) + 1)]
    link.close()
    return steps


def basic(options: dict[str, Any]) -> list[Step]:
    """The same clear request some times on one connection."""
    link = Link(options)
    steps = []
    for number in range(1, options["times"] + 1):
        steps.append(_told(f"request {number}", link.ask(link.request(IDENTIFY.encode(), authorization=_basic(options)))))
        time.sleep(options.get("pause_s", 0.2))
    link.close()
    return steps


def naive(options: dict[str, Any]) -> list[Step]:
    """Wants a line that says Negotiate and nothing else; gives up without one, `attempts` times."""
    steps: list[Step] = []
    for _ in range(options["attempts"]):
        link = Link(options)
        answer = link.ask(link.request(b""))
        lines = [value for name, value in answer.headers if name.lower() == "www-authenticate"] if answer else []
        if "Negotiate" not in lines:
            steps.append({"what": "authenticate", "error": f"no challenge is 'Negotiate': {lines}"})
        else:
            steps += authenticated(link, options)[1]
        link.close()
        time.sleep(options.get("pause_s", 0.3))
    return steps


def authenticated(link: Link, options: dict[str, Any]) -> tuple[spnego.ContextProxy, list[Step]]:
    """A handshake with empty requests: the context, and what came back."""
    context = spnego.client(options["username"], options["password"], hostname=options["server"], service="http", protocol="ntlm")
    steps: list[Step] = []
    token = context.step()
    while token is not None:
        answer = link.ask(link.request(b"", authorization="Negotiate " + base64.b64encode(token).decode()))
        steps.append(_told("empty request with a token", answer))
        header = answer.header("WWW-Authenticate") if answer else None
        if answer is None or header is None or context.complete:
            break
        token = context.step(base64.b64decode(header.partition(" ")[2]))
    return context, steps


def empty_handshake(options: dict[str, Any]) -> list[Step]:
    """`attempts` times: connect, authenticate with empty requests, send the sealed Create on the same connection."""
    steps: list[Step] = []
    for _ in range(options["attempts"]):
        link = Link(options)
        steps.append(_told("anonymous empty request", link.ask(link.request(b""))))
        context, handshake = authenticated(link, options)
        steps += handshake
        if handshake[-1].get("result") == 200:
            kind, body = sealed(context, _create(options), "application/HTTP-SPNEGO-session-encrypted")
            time.sleep(0.1)
            steps.append(_told("sealed Create", link.ask(link.request(body, content_type=kind))))
        link.close()
        time.sleep(options.get("pause_s", 0.5))
    return steps


def probe(options: dict[str, Any]) -> list[Step]:
    """`times` connections with one request each, after the logon when there is one; `last` asks for `Connection: close`."""
    steps: list[Step] = []
    last = bool(options.get("last"))
    for number in range(1, options["times"] + 1):
        link = Link(options)
        if options.get("auth") == "ntlm":
            context, handshake = authenticated(link, options)
            steps += handshake
            if handshake[-1].get("result") == 200:
                kind, body = sealed(context, _create(options), "application/HTTP-SPNEGO-session-encrypted")
                steps.append(_told(f"sealed Create {number}", link.ask(link.request(body, content_type=kind, last=last))))
        else:
            authorization = _basic(options) if options.get("auth") == "basic" else None
            steps.append(_told(f"Identify {number}", link.ask(link.request(IDENTIFY.encode(), authorization=authorization, last=last))))
        if not last:
            link.close()
        else:
            link.stream.read()
            link.close()
        time.sleep(options.get("pause_s", 0.2))
    return steps


def stranger(options: dict[str, Any]) -> list[Step]:
    """Requests without credentials on one connection."""
    link = Link(options)
    bodies = {"identify": IDENTIFY.encode(), "create": _create(options), "empty": b""}
    steps = []
    for kind in options["requests"]:
        steps.append(_told(kind, link.ask(link.request(bodies[kind]))))
        time.sleep(options.get("pause_s", 0.1))
    link.close()
    return steps


def _der(tag: int, *parts: bytes) -> bytes:
    """A DER value (X.690 8.1) of whatever is inside."""
    body = b"".join(parts)
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8 or 1, "big")
    return bytes([tag]) + (size if len(body) < 128 else bytes([0x80 | len(size)]) + size) + body


def _long_ticket(host: str, size: int, number: int) -> bytes:
    """An initial SPNEGO token (RFC 4178 4.2) with a Kerberos request (RFC 4120 5.5.1) whose ticket nobody will ever open; the ticket is
    always the same, the authenticator is that of a `number`."""

    def encrypted(count: int, seed: int) -> bytes:
        return _der(0x30, _der(0xA0, _der(2, b"\x12")), _der(0xA2, _der(4, random.Random(seed).randbytes(count))))

    names = [_der(0x1B, word.encode()) for word in ("HTTP", host)]
    service = _der(0x30, _der(0xA0, _der(2, b"\2")), _der(0xA1, _der(0x30, *names)))
    ticket = _der(0x61, _der(0x30, _der(0xA0, _der(2, b"\5")), _der(0xA1, _der(0x1B, b"LAB.EXAMPLE")), _der(0xA2, service), _der(0xA3, encrypted(size, 4711))))
    head = _der(0xA0, _der(2, b"\5")), _der(0xA1, _der(2, b"\x0e")), _der(0xA2, _der(3, b"\0\x20\0\0\0"))
    request = _der(0x6E, _der(0x30, *head, _der(0xA3, ticket), _der(0xA4, encrypted(300, number))))
    kerberos = _der(6, bytes.fromhex("2a864886f712010202"))
    wrapped = _der(0x60, kerberos, b"\1\0", request)
    first = _der(0xA0, _der(0x30, _der(0xA0, _der(0x30, kerberos)), _der(0xA2, _der(4, wrapped))))
    return _der(0x60, _der(6, bytes.fromhex("2b0601050502")), first)


def long_header(options: dict[str, Any]) -> list[Step]:
    """A logon with a token as long as the ticket of somebody in too many groups."""
    steps: list[Step] = []
    for number in range(options["times"]):
        link = Link(options)
        steps.append(_told("empty request", link.ask(link.request(b""))))
        token = base64.b64encode(_long_ticket(options["server"], options["bytes"], number)).decode()
        steps.append(_told("empty request with a long token", link.ask(link.request(b"", authorization=f"Negotiate {token}"))))
        link.close()
        time.sleep(0.2)
    return steps


def without_length(options: dict[str, Any]) -> list[Step]:
    """An empty POST that says nothing of its length."""
    steps: list[Step] = []
    for _ in range(options["times"]):
        link = Link(options)
        data = link.request(b"").replace(b"Content-Length: 0\r\n", b"")
        steps.append(_told("POST without a length", link.ask(data)))
        link.close()
        time.sleep(0.2)
    return steps


ACTIONS: dict[str, Callable[[dict[str, Any]], list[Step]]] = {
    "raw-pipeline": pipeline,
    "raw-basic": basic,
    "raw-naive": naive,
    "raw-empty-handshake": empty_handshake,
    "raw-probe": probe,
    "raw-stranger": stranger,
    "raw-long-header": long_header,
    "raw-without-length": without_length,
}
