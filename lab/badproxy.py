"""A proxy that does one thing wrong on purpose: `python -m lab.badproxy OPTIONS.json`, in the proxy's namespace.

Strategy: a thread per client connection reads whole messages and forwards them with the head it got (a forward request
gets its target made relative, nothing else changes). The `fault` says what goes wrong:

- `none`: one upstream connection for each client connection, the healthy twin;
- `close-after-200`: FIN to the client right after the response that ends a handshake;
- `reset-after-200`: the same with RST;
- `swap`: once two clients have finished their handshakes, each is served on the other's upstream connection;
- `close-upstream`: the upstream connection is closed after each exchange that is not part of a handshake;
- `strip-challenge`: WWW-Authenticate does not reach the client;
- `truncate`: the first sealed or SOAP response larger than `after_bytes` is cut there and the connection reset.

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
    lock: threading.Lock = field(default_factory=threading.Lock)
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
    return head + message.raw_body


def _ends_handshake(request: Message, response: Message) -> bool:
    scheme = (request.header("Authorization") or "Basic").split(" ")[0].lower()
    return scheme != "basic" and response.status not in (401, 407)


def _reset(link: socket.socket) -> None:
    """Close with RST instead of FIN."""
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _returned(shared: Shared, response: Message) -> bytes:
    if shared.fault != "strip-challenge":
        return response.raw_head + response.raw_body
    lines = response.raw_head.split(b"\r\n")
    kept = [line for line in lines if not line.lower().startswith(b"www-authenticate:")]
    return b"\r\n".join(kept) + response.raw_body


def _swapped(shared: Shared, client: str, upstream: Upstream) -> Upstream:
    """The other client's upstream connection when both have finished their handshakes, else one's own."""
    with shared.lock:
        others = [value for name, value in shared.finished.items() if name != client]
        ready = client in shared.finished and others
    return others[0] if ready else upstream


def _log(shared: Shared, row: dict[str, Any]) -> None:
    with shared.lock, shared.log.open("a") as file:
        file.write(json.dumps(row) + "\n")


def _serve(shared: Shared, link: socket.socket, client: str) -> None:
    stream = link.makefile("rb")
    own: Upstream | None = None
    try:
        while (request := read_message(stream)) is not None:
            own = own or _connect(shared, request)
            used = _swapped(shared, client, own) if shared.fault == "swap" else own
            with used.lock:
                used.link.sendall(_forwarded(shared, request))
                response = read_message(used.stream, answer_to=request.start.split(" ")[0])
            if response is None:
                return
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
            if ended and shared.fault in ("close-after-200", "reset-after-200"):
                if shared.fault == "reset-after-200":
                    _reset(link)
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
    shared = Shared(options["fault"], forward, options.get("after_bytes", 1000), Path(options["log"]))
    listener = socket.create_server(("10.10.1.1", 3128 if forward else 5985), backlog=64)
    while True:
        link, (host, port) = listener.accept()
        threading.Thread(target=_connection, args=(shared, link, f"{host}:{port}"), daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
