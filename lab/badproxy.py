"""A proxy that does one thing wrong on purpose: `python -m lab.badproxy OPTIONS.json`, in the proxy's namespace.

Strategy: a thread per client connection reads whole messages and forwards them with the head it got (a forward request
gets its target made relative, nothing else changes). The `fault` says what goes wrong:

- `none`: one upstream connection for each client connection, the healthy twin;
- `close-after-200`: FIN to the client right after the response that ends a handshake;
- `reset-after-200`: the same with RST;
- `swap`: once two clients have finished their handshakes, each is served on the other's upstream connection;
- `close-upstream`: the upstream connection is closed after each exchange that is not part of a handshake;
- `strip-challenge`: WWW-Authenticate does not reach the client;
- `truncate`: the first sealed or SOAP response larger than `after_bytes` is cut there and the connection reset;
- `merge-challenge`: the lines of WWW-Authenticate reach the client as one;
- `gateway-504`, `gateway-502`: a response that takes longer than `after_s` is given up, the upstream connection reset and
  an error page sent instead;
- `drop-length`: `Content-Length: 0` of an empty request is not sent on;
- `cut-request`: of the first request longer than `after_bytes` the rest is never sent, and the upstream connection is closed;
- `change-type`: the Content-Type of encrypted bodies becomes application/octet-stream;
- `rechunk-responses`, `rechunk-requests`: bodies are sent on chunked, in odd sizes;
- `pairs`: requests wait for another client's, then both go on at once, and so do their responses: nothing on the wire
  tells which is which.

One JSON line per exchange says which upstream connection served it.
"""

import json
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

from lab.network import PROXY_OUTSIDE, SERVER_IP
from lab.wire import Message, read_message

IDLE_LIMIT_S = 60.0
MEETING_LIMIT_S = 10.0
CHUNK_SIZES = (1, 7, 500, 13, 1021, 3)
PAGE = b"<html><head><title>{status}</title></head><body><h1>{status}</h1>The server did not answer in time.</body></html>\r\n"
REASONS = {502: b"502 Bad Gateway", 504: b"504 Gateway Time-out"}


@dataclass(slots=True)
class Upstream:
    link: socket.socket
    stream: BinaryIO
    name: str
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass(slots=True)
class Shared:
    """What all client connections share: options, log, and the meeting point of the swap."""

    fault: str
    forward: bool
    after_bytes: int
    log: Path
    after_s: float
    lock: threading.Lock = field(default_factory=threading.Lock)
    meeting: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=MEETING_LIMIT_S))
    finished: dict[str, Upstream] = field(default_factory=dict)


def _connect(shared: Shared, message: Message) -> Upstream:
    address = (SERVER_IP, 5985)
    if shared.forward:
        parts = urlsplit(message.start.split(" ")[1])
        address = (parts.hostname or SERVER_IP, parts.port or 80)
    link = socket.create_connection(address, timeout=IDLE_LIMIT_S, source_address=(PROXY_OUTSIDE, 0))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    host, port = link.getsockname()
    return Upstream(link, link.makefile("rb"), f"{host}:{port}")


def _drop(upstream: Upstream | None) -> None:
    if upstream is not None:
        upstream.stream.close()
        upstream.link.close()


def _forwarded(shared: Shared, message: Message) -> bytes:
    head = message.raw_head
    if shared.forward:
        method, target, rest = message.start.split(" ", 2)
        path = urlsplit(target).path or "/"
        head = head.replace(message.start.encode("latin-1"), f"{method} {path} {rest}".encode("latin-1"), 1)
    if shared.fault == "drop-length" and not message.body:
        head = head.replace(b"Content-Length: 0\r\n", b"")
    if shared.fault == "change-type" and b"multipart/encrypted" in head:
        lines = [b"Content-Type: application/octet-stream" if line.lower().startswith(b"content-type:") else line for line in head.split(b"\r\n")]
        head = b"\r\n".join(lines)
    if shared.fault == "rechunk-requests" and message.body:
        return _chunked(head, message.body)
    return head + message.raw_body


def _chunked(head: bytes, body: bytes) -> bytes:
    """A message with its body in chunks of odd sizes, the last ones as long as needed."""
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length:")]
    chunks, at, turn = b"", 0, 0
    while at < len(body):
        piece = body[at : at + CHUNK_SIZES[turn % len(CHUNK_SIZES)]]
        chunks += f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
        at, turn = at + len(piece), turn + 1
    return b"\r\n".join([*lines[:-2], b"Transfer-Encoding: chunked", b"", b""]) + chunks + b"0\r\n\r\n"


def _ends_handshake(request: Message, response: Message) -> bool:
    scheme = (request.header("Authorization") or "Basic").split(" ")[0].lower()
    return scheme != "basic" and response.status not in (401, 407)


def _reset(link: socket.socket) -> None:
    """Close with RST instead of FIN."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _returned(shared: Shared, response: Message) -> bytes:
    if shared.fault == "rechunk-responses" and response.body:
        return _chunked(response.raw_head, response.body)
    if shared.fault not in ("strip-challenge", "merge-challenge"):
        return response.raw_head + response.raw_body
    lines = response.raw_head.split(b"\r\n")
    if shared.fault == "merge-challenge":
        values = [line.partition(b":")[2].strip() for line in lines if line.lower().startswith(b"www-authenticate:")]
        rest = [line for line in lines if not line.lower().startswith(b"www-authenticate:")]
        merged = [b"WWW-Authenticate: " + b", ".join(values)] if values else []
        return b"\r\n".join([*rest[:1], *merged, *rest[1:]]) + response.raw_body
    kept = [line for line in lines if not line.lower().startswith(b"www-authenticate:")]
    return b"\r\n".join(kept) + response.raw_body


def _swapped(shared: Shared, client: str, upstream: Upstream) -> Upstream:
    """The other client's upstream connection when both have finished their handshakes, else one's own."""
    with shared.lock:
        others = [value for name, value in shared.finished.items() if name != client]
        ready = client in shared.finished and others
    return others[0] if ready else upstream


def _answer(shared: Shared, used: Upstream, request: Message) -> Message | None:
    """The response, or None when the upstream connection ended, or answered too late for a gateway fault."""
    gateway = shared.fault.startswith("gateway")
    used.link.settimeout(shared.after_s if gateway else IDLE_LIMIT_S)
    try:
        return read_message(used.stream, answer_to=request.start.split(" ")[0])
    except TimeoutError:
        if not gateway:
            raise
        _reset(used.link)
        _drop(used)
        return None


def _asked(shared: Shared, used: Upstream, request: Message) -> Message | None:
    """The response to a request that is sent on, or to the part of it that a cut leaves: then none."""
    if shared.fault != "cut-request" or len(request.raw_body) <= shared.after_bytes:
        used.link.sendall(_forwarded(shared, request))
        return _answer(shared, used, request)
    head = len(_forwarded(shared, request)) - len(request.raw_body)
    used.link.sendall(_forwarded(shared, request)[: head + shared.after_bytes])
    time.sleep(0.3)
    return None


def _gateway_error(shared: Shared) -> bytes:
    return _error_page(REASONS[int(shared.fault[-3:])])


def _error_page(status: bytes) -> bytes:
    page = PAGE.replace(b"{status}", status)
    head = [b"HTTP/1.1 " + status, b"Content-Type: text/html", b"Connection: close", f"Content-Length: {len(page)}".encode()]
    return b"\r\n".join([*head, b"", b""]) + page


def _give_up(shared: Shared, link: socket.socket, client: str, used: Upstream) -> None:
    """Answer with an error of the proxy's own when that is the fault."""
    if shared.fault == "cut-request":
        _log(shared, {"client": client, "upstream": used.name, "status": 502, "time": time.time()})
        link.sendall(_error_page(b"502 Bad Gateway"))
    if shared.fault.startswith("gateway"):
        _log(shared, {"client": client, "upstream": used.name, "status": int(shared.fault[-3:]), "time": time.time()})
        link.sendall(_gateway_error(shared))


def _log(shared: Shared, row: dict[str, Any]) -> None:
    with shared.lock, shared.log.open("a") as file:
        file.write(json.dumps(row) + "\n")


def _serve(shared: Shared, link: socket.socket, client: str) -> None:
    stream = link.makefile("rb")
    own: Upstream | None = None
    try:
        while (request := read_message(stream)) is not None:
            if shared.fault == "pairs":
                shared.meeting.wait()
            own = own or _connect(shared, request)
            used = _swapped(shared, client, own) if shared.fault == "swap" else own
            with used.lock:
                response = _asked(shared, used, request)
            if response is None:
                _give_up(shared, link, client, used)
                return
            if shared.fault == "pairs":
                shared.meeting.wait()
            row = {"client": client, "upstream": used.name, "status": response.status, "time": time.time()}
            _log(shared, row)
            ended = _ends_handshake(request, response)
            if shared.fault == "truncate" and len(response.raw_body) > shared.after_bytes:
                link.sendall(response.raw_head + response.raw_body[: shared.after_bytes])
                time.sleep(0.05)
                _reset(link)
                return
            link.sendall(_returned(shared, response))
            if ended and shared.fault == "swap":
                with shared.lock:
                    shared.finished[client] = own
            if ended and shared.fault == "reset-after-200":
                _reset(link)
            if ended and shared.fault in ("close-after-200", "reset-after-200"):
                return
            if response.status not in (401, 407) and shared.fault == "close-upstream":
                _drop(own)
                own = None
            if not (request.keeps_open and response.keeps_open):
                return
    finally:
        stream.close()
        link.close()
        if shared.fault != "swap":
            _drop(own)


def _connection(shared: Shared, link: socket.socket, client: str) -> None:
    link.settimeout(IDLE_LIMIT_S)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        _serve(shared, link, client)
    except (OSError, ValueError) as error:
        print(f"{client}: {error!r}", flush=True)


def main(options_path: str) -> None:
    """Serve until killed."""
    options = json.loads(Path(options_path).read_text())
    forward = options.get("forward", True)
    shared = Shared(options["fault"], forward, options.get("after_bytes", 1000), Path(options["log"]), options.get("after_s", 3.0))
    listener = socket.create_server(("10.10.1.1", 3128 if forward else 5985), backlog=64)
    while True:
        link, (host, port) = listener.accept()
        threading.Thread(target=_connection, args=(shared, link, f"{host}:{port}"), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
