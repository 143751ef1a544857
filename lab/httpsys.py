"""What the HTTP layer of Windows (HTTP.sys) answers before anybody looks at a logon, and other conduct of the lab's server.

A scenario's `Server.conduct` chooses: a key that is absent changes nothing. The pages are those of HTTP.sys in form: a title, the
reason in a heading, one sentence.

- `header_limit_bytes`, `body_limit_bytes`: 400 Request Too Long, 413;
- `pages`: 404 to every path but /wsman;
- `wants_length`: 411 to a POST with neither a length nor chunks;
- `hosts`: names that a listener is registered for; 400 Invalid Hostname for others;
- `stopped_after`: the service is stopped after so many requests: 503 from then on; `stopped_for` requests;
- `no_ntlm`: NTLM tokens are answered by the plain challenges;
- `proxy_header`: each connection begins with a PROXY header (version 1 or 2), as configured in front;
- `refuses_proxy_header`: no PROXY header is expected: 400 to what begins with one;
- `reset_hello`: connections to the TLS port are reset at the ClientHello;
- `stalls`: action words that are never answered;
- `shells_per_user`, `shell_idle_s`, `denied`, `honours_envelope`: see lab.shells.
"""

import re
import struct
from typing import Any, BinaryIO, NamedTuple

from lab.wire import Message

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
"""The first bytes of a PROXY header of version 2 (haproxy's proxy-protocol.txt 2.2)."""


class Page(NamedTuple):
    """A refusal of the HTTP layer."""

    status: int
    reason: str
    heading: str
    sentence: str

    @property
    def body(self) -> bytes:
        """The page itself."""
        return (
            '<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 4.01//EN""http://www.w3.org/TR/html4/strict.dtd">\r\n'
            f'<HTML><HEAD><TITLE>{self.reason}</TITLE>\r\n<META HTTP-EQUIV="Content-Type" Content="text/html; charset=us-ascii"></HEAD>\r\n'
            f"<BODY><h2>{self.heading}</h2>\r\n<hr><p>HTTP Error {self.status}. {self.sentence}</p>\r\n</BODY></HTML>\r\n"
        ).encode()

    @property
    def message(self) -> bytes:
        """The whole response; the connection ends after it."""
        head = f"HTTP/1.1 {self.status} {self.reason}\r\nContent-Type: text/html; charset=us-ascii\r\nServer: Microsoft-HTTPAPI/2.0\r\n"
        return head.encode() + f"Connection: close\r\nContent-Length: {len(self.body)}\r\n\r\n".encode() + self.body


NOT_FOUND = Page(404, "Not Found", "Not Found", "The requested resource is not found.")
TOO_LONG = Page(400, "Bad Request", "Bad Request - Request Too Long", "The size of the request headers is too long.")
INVALID_HOSTNAME = Page(400, "Bad Request", "Bad Request - Invalid Hostname", "The request hostname is invalid.")
INVALID_VERB = Page(400, "Bad Request", "Bad Request - Invalid Verb", "The request verb is invalid.")
LENGTH_REQUIRED = Page(411, "Length Required", "Length Required", "The request must be chunked or have a content length.")
TOO_LARGE = Page(413, "Request Entity Too Large", "Request Entity Too Large", "The request entity is too large.")
UNAVAILABLE = Page(503, "Service Unavailable", "Service Unavailable", "The service is unavailable.")


def refused(conduct: dict[str, Any], message: Message, served: int) -> Page | None:
    """The page that answers a request nobody else looks at; `served` requests came before it."""
    stopped = conduct.get("stopped_after")
    if stopped is not None and 0 <= served - stopped < conduct.get("stopped_for", 1 << 30):
        return UNAVAILABLE
    if len(message.raw_head) > conduct.get("header_limit_bytes", len(message.raw_head)):
        return TOO_LONG
    host = (message.header("Host") or "").rpartition(":")[0] or message.header("Host")
    if "hosts" in conduct and host not in conduct["hosts"]:
        return INVALID_HOSTNAME
    framed = message.header("Content-Length") or message.header("Transfer-Encoding")
    if conduct.get("wants_length") and message.start.startswith("POST ") and not framed:
        return LENGTH_REQUIRED
    if len(message.body) > conduct.get("body_limit_bytes", len(message.body)):
        return TOO_LARGE
    if conduct.get("pages") and not re.match(r"/wsman(/|\?|$)", message.start.split(" ")[1], re.IGNORECASE):
        return NOT_FOUND
    return None


def proxy_header(stream: BinaryIO) -> str:
    """Reads a PROXY header; the client that it names as "host:port", or its word when it names none."""
    first = stream.read(12)
    if first == SIGNATURE:
        family, size = struct.unpack(">xBH", stream.read(4))
        addresses = stream.read(size)
        if family != 0x11:
            return "LOCAL"
        host = ".".join(map(str, addresses[:4]))
        return f"{host}:{struct.unpack_from('>H', addresses, 8)[0]}"
    words = (first + stream.readline(96)).decode("latin-1").split()
    return f"{words[2]}:{words[4]}" if len(words) == 6 else " ".join(words)
