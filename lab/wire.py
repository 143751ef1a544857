"""HTTP/1.x messages on a socket, kept as the bytes that were sent.

Strategy: the lab's server and its bad proxy have to see HTTP/1.0, `Expect`, odd framing and connection ends exactly,
so both use this reader instead of a library that repairs things. A message keeps its raw head and raw body.
"""

from collections.abc import Callable
from typing import BinaryIO, NamedTuple

HEAD_LIMIT_BYTES = 128 * 1024


class Message(NamedTuple):
    """One request or response: the start line, the headers in order, the raw bytes and the unframed body."""

    start: str
    headers: tuple[tuple[str, str], ...]
    raw_head: bytes
    raw_body: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """The first value of a header, None when it is not there."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @property
    def version(self) -> str:
        words = self.start.split(" ")
        return words[0] if self.start.startswith("HTTP/") else words[-1]

    @property
    def status(self) -> int:
        return int(self.start.split(" ")[1])

    @property
    def keeps_open(self) -> bool:
        """Whether the connection may carry another message after this one (RFC 9112 9.3)."""
        connection = (self.header("Connection") or self.header("Proxy-Connection") or "").lower()
        return "close" not in connection and (self.version == "HTTP/1.1" or "keep-alive" in connection)


def _head(stream: BinaryIO) -> bytes | None:
    raw = b""
    while not raw.endswith(b"\r\n\r\n"):
        line = stream.readline(HEAD_LIMIT_BYTES)
        if not line or len(raw) > HEAD_LIMIT_BYTES:
            return None
        if raw or line != b"\r\n":
            raw += line
    return raw


def _chunked(stream: BinaryIO) -> tuple[bytes, bytes]:
    raw, body = b"", b""
    while True:
        line = stream.readline()
        raw += line
        size = int(line.split(b";")[0], 16) if line.strip() else 0
        data = stream.read(size)
        raw += data
        body += data
        raw += stream.readline()
        if size == 0:
            return raw, body


def read_message(stream: BinaryIO, *, answer_to: str | None = None, go_on: Callable[[], None] | None = None) -> Message | None:
    """The next message, None at the end of the stream. `answer_to` is the request's method when a response is read;
    `go_on` is called before the body of a request that expects 100 Continue."""
    raw_head = _head(stream)
    if raw_head is None:
        return None
    lines = raw_head.decode("latin-1").split("\r\n")
    headers = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:] if line))
    message = Message(lines[0], headers, raw_head, b"", b"")
    length = message.header("Content-Length")
    bodyless = answer_to is not None and (message.status in (204, 304) or message.status < 200 or (answer_to == "CONNECT" and message.status == 200))
    if bodyless:
        return message
    if go_on is not None and (message.header("Expect") or "").lower() == "100-continue":
        go_on()
    if (message.header("Transfer-Encoding") or "").lower() == "chunked":
        raw_body, body = _chunked(stream)
        return message._replace(raw_body=raw_body, body=body)
    if length is not None:
        body = stream.read(int(length))
        return message._replace(raw_body=body, body=body)
    if answer_to is not None:
        body = stream.read()
        return message._replace(raw_body=body, body=body)
    return message
