"""A SOCKS 4a server, since no packaged one takes names: `python -m lab.socks4a`, in the proxy's namespace.

It reads one request (version 4, command 1, port, address 0.0.0.x, user, name), connects and copies bytes; one JSON line per
connection says which upstream connection served it.
"""

import json
import socket
import threading

from lab.network import PROXY_INSIDE, PROXY_OUTSIDE

LIMIT_S = 60.0


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def _serve(link: socket.socket, peer: tuple[str, int]) -> None:
    link.settimeout(LIMIT_S)
    stream = link.makefile("rb", buffering=0)
    head = stream.read(8)
    words = b""
    while words.count(b"\0") < 2:
        words += stream.read(1)
    name = words.split(b"\0")[1].decode()
    place = name, int.from_bytes(head[2:4], "big")
    far = socket.create_connection(place, timeout=LIMIT_S, source_address=(PROXY_OUTSIDE, 0))
    host, port = far.getsockname()
    print(json.dumps({"client": f"{peer[0]}:{peer[1]}", "upstream": f"{host}:{port}"}), flush=True)
    link.sendall(b"\0\x5a" + head[2:8])
    threading.Thread(target=_copy, args=(far, link), daemon=True).start()
    _copy(link, far)


def main() -> None:
    """Serve until killed."""
    listener = socket.create_server((PROXY_INSIDE, 1080), backlog=16)
    while True:
        link, peer = listener.accept()
        threading.Thread(target=_serve, args=(link, peer), daemon=True).start()


if __name__ == "__main__":
    main()
