"""A switch in software: `python -m lab.softswitch OPTIONS.json`, in its own namespace.

Strategy: raw sockets on two ports, p0 towards the client and p1 towards its router. `vlan` puts a trunk of two more ports
t0 and t1 between them, on which frames carry that tag. `loss`, `duplicate` and `late` are the shares of frames that are
dropped, sent twice, or held back for a moment so that later ones pass them; the generator is seeded. The kernel of the lab
machine has neither netem nor VLAN interfaces, and none are needed.
"""

import heapq
import json
import random
import select
import socket
import sys
import time
from pathlib import Path

ETHERTYPES = 0x0003
OUTGOING = 4
LATE_S = 0.012
TPID = b"\x81\x00"


def _port(name: str) -> socket.socket:
    port = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETHERTYPES))
    port.bind((name, 0))
    return port


def _sent(port: socket.socket, frame: bytes) -> None:
    try:
        port.send(frame)
    except OSError as error:
        print(repr(error), flush=True)


def main(options_path: str) -> None:
    """Forward frames until killed."""
    options = json.loads(Path(options_path).read_text())
    tag = TPID + int(options["vlan"]).to_bytes(2, "big") if options.get("vlan") else b""
    names = ("p0", "p1", "t0", "t1") if tag else ("p0", "p1")
    ports = {name: _port(name) for name in names}
    # With a trunk: p0 -> t0 (tagged) ~ t1 -> p1 (untagged) and back. The kernel takes the tag off before a socket sees it.
    ways = {"p0": "t0", "t1": "p1", "p1": "t1", "t0": "p0"} if tag else {"p0": "p1", "p1": "p0"}
    choice = random.Random(options.get("seed", 1))
    late: list[tuple[float, int, str, bytes]] = []
    count = 0
    print("ready", flush=True)
    while True:
        pause = max(0.0, late[0][0] - time.monotonic()) if late else None
        ready, _, _ = select.select(list(ports.values()), [], [], pause)
        while late and late[0][0] <= time.monotonic():
            _, _, name, frame = heapq.heappop(late)
            _sent(ports[name], frame)
        for name, port in ports.items():
            if port not in ready:
                continue
            frame, (_, _, kind, *_) = port.recvfrom(65535)
            if kind == OUTGOING:
                continue
            out = ways[name]
            if tag and out.startswith("t"):
                frame = frame[:12] + tag + frame[12:]
            count += 1
            if choice.random() < options.get("loss", 0.0):
                continue
            if choice.random() < options.get("late", 0.0):
                heapq.heappush(late, (time.monotonic() + LATE_S, count, out, frame))
                continue
            _sent(ports[out], frame)
            if choice.random() < options.get("duplicate", 0.0):
                _sent(ports[out], frame)


if __name__ == "__main__":
    main(sys.argv[1])
