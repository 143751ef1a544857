"""What joining the two legs of proxies costs: ``python -m benchmarks.correlation`` prints seconds and microseconds for each exchange at growing sizes.

The records are made here, as the stages before would give them: each client keeps one connection to a proxy, the proxy one to the server, ten exchanges on
each, sealed bodies of their own; one exchange in ten is an anonymous empty POST that only time can join. All clients are busy at the same time.
"""

import hashlib
import sys
import time
from array import array

from analyzer.proxy.hops import hops
from analyzer.records.http import Body, Exchange, Framing, Header, Request, Response, Span
from analyzer.records.transport import Connection, End, Endpoint, Extents, Stream

_PER_CONNECTION = 10
_STEP_NS = 1_000_000


def _stream() -> Stream:
    empty = array("q")
    return Stream(Extents(empty, empty, empty, empty, empty, empty, empty), (), 0)


def _body(salt: str) -> Body:
    if not salt:
        return Body(Framing.LENGTH, 0, 0, (), 0, complete=True, digest=hashlib.sha256(b"").digest(), starts=b"")
    return Body(Framing.LENGTH, 1000, 1000, (Span(200, 1000),), 0, complete=True, digest=hashlib.sha256(salt.encode()).digest(), starts=b"--Encrypted")


def _connection(identity: str, client: Endpoint, server: Endpoint, first_ns: int, last_ns: int) -> Connection:
    return Connection(identity, 0, client, server, first_ns, last_ns, array("q"), _stream(), _stream(), End.OPEN, None, (), "http")


def _exchange(connection: str, position: int, target: str, salt: str, first_ns: int, last_ns: int) -> Exchange:
    identity = f"{connection}.x{position}"
    headers = (Header("Host", "srv01.lab.example:5985", 0), Header("User-Agent", "Microsoft WinRM Client", 0))
    asked = Request(f"{identity}.q", "POST", target, "HTTP/1.1", headers, _body(salt), 0, 1200, first_ns, first_ns, (first_ns,))
    status, answer = (200, f"{salt}s") if salt else (401, "")
    answered = Response(f"{identity}.s", status, "", "HTTP/1.1", (), _body(answer), 0, 1200, last_ns, last_ns, (last_ns,))
    return Exchange(identity, connection, 0, position, asked, answered)


def records(exchanges: int) -> tuple[dict[str, Connection], dict[str, tuple[Exchange, ...]]]:
    """Connections and exchanges of both legs: ``exchanges`` on each leg."""
    connections: dict[str, Connection] = {}
    exchanges_of: dict[str, tuple[Exchange, ...]] = {}
    clients = exchanges // _PER_CONNECTION
    for client in range(clients):
        near, far = f"c{2 * client + 1}", f"c{2 * client + 2}"
        begin = 1_000_000_000_000 + client * 1_000
        last = begin + _PER_CONNECTION * _STEP_NS
        host = f"10.{client >> 16}.{client >> 8 & 255}.{client & 255}"
        connections[near] = _connection(near, Endpoint(host, 50000), Endpoint("10.255.0.1", 3128), begin, last)
        connections[far] = _connection(far, Endpoint("10.255.0.1", 1024 + client % 60000), Endpoint(f"10.254.{client // 60000}.20", 5985), begin, last)
        nears, fars = [], []
        for position in range(1, _PER_CONNECTION + 1):
            at = begin + position * _STEP_NS
            salt = f"{client}.{position}" if position > 1 else ""
            nears.append(_exchange(near, position, "http://srv01.lab.example:5985/wsman", salt, at, at + 800_000))
            fars.append(_exchange(far, position, "/wsman", salt, at + 100_000, at + 700_000))
        exchanges_of[near], exchanges_of[far] = tuple(nears), tuple(fars)
    return connections, exchanges_of


def measure(exchanges: int) -> tuple[float, int, int]:
    """CPU seconds of the join, the hops found, and the hops that are there."""
    connections, exchanges_of = records(exchanges)
    begin = time.process_time()
    joined = hops(connections, exchanges_of, {})
    return time.process_time() - begin, len(joined.hops), exchanges


def main(sizes: list[int]) -> None:
    """Prints one line for each size."""
    print(f"{'exchanges':>10} {'connections':>12} {'hops':>10} {'CPU s':>8} {'us each':>8}")
    for size in sizes:
        seconds, found, _ = measure(size)
        print(f"{2 * size:>10,} {2 * size // _PER_CONNECTION:>12,} {found:>10,} {seconds:>8.2f} {seconds / size / 2 * 1e6:>8.1f}")


if __name__ == "__main__":
    main([int(argument) for argument in sys.argv[1:]] or [500, 5_000, 50_000])
