"""The TLS that a client begins through the proxy is not the TLS that reaches the server.

What it sees
    TLS inside a CONNECT tunnel, and a TLS connection of another host to the port that CONNECT named, begun while the tunnel was open, whose bytes differ from
    those in the tunnel from the ClientHello on, though the client's writes have the same sizes in the same order, each a moment later. Two ends of one TLS
    connection would carry equal bytes.
Why it matters
    The proxy ends TLS and begins another one. It reads and can change everything: credentials, commands, results. Extended protection (channel binding) fails,
    since the client sees the proxy's certificate.
When it is wrong
    Inspection that the organization has decided on looks the same. Equal sizes and order are inference: hence the confidence.
Needs
    Both legs in one capture, from their beginnings, without a TLS key log.
Reference
    RFC 8446 section 4.1.2; RFC 5929 section 4; Proxy Servers and WinRM, sentences 118 and 154.
"""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.transport import Connection
from analyzer.rules.reading import counted, finding, name, packet, packets_of, request

RULE = "proxy.tls-intercepted"
TITLE = "The proxy opens the client's TLS"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 154"
ADVICE = (
    "Exempt WinRM servers from TLS inspection (squid: ssl_bump splice; mitmproxy: --ignore-hosts; the bypass list of a commercial gateway), compare the "
    "certificate that the client gets with the server's, and set CbtHardeningLevel to Strict on the server so that such a logon fails."
)
_LEAST = 4
_SMALL = 64
_TOLERANCE = 40
_DELAY_NS = 5_000_000_000


class Burst(NamedTuple):
    """What a client wrote before the next bytes of the server: when it began, how much it is, and its first packet."""

    ts_ns: int
    size: int
    packet: int


class Pair(NamedTuple):
    """The TLS in the tunnel, the TLS to the server, and the bursts that agree, the later ones of both."""

    near: Connection
    far: Connection
    bursts: list[tuple[Burst, Burst]]


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each tunnel that fits exactly one connection."""
    joined = {identity for route in evidence.routes for identity in (route.client_connection, *route.upstream_connections)}
    open_tls = [found for found in evidence.connections.values() if found.protocol == "tls" and found.id not in joined and _is_whole(found)]
    for near in open_tls:
        port = None if near.tunnel_of is None else _port(evidence, near.tunnel_of)
        if port is None or near.id not in evidence.winrm:
            continue
        fits = [pair for far in open_tls if far.server.port == port and (pair := _pair(near, far)) is not None]
        if len(fits) == 1:
            yield _finding(evidence, fits[0])


def _is_whole(connection: Connection) -> bool:
    stream = connection.to_server
    return not connection.tls_opened and connection.twin_of is None and stream.begins and not stream.gaps and not connection.to_client.gaps


def _connect(evidence: Evidence, tunnel: str) -> Exchange | None:
    found = [exchange for exchange in evidence.exchanges_of.get(tunnel, ()) if (asked := request(exchange)) is not None and asked.method == "CONNECT"]
    return found[-1] if found else None


def _port(evidence: Evidence, tunnel: str) -> int | None:
    exchange = _connect(evidence, tunnel)
    asked = None if exchange is None else request(exchange)
    port = "" if asked is None else asked.target.rpartition(":")[2]
    return int(port) if port.isascii() and port.isdigit() else None


def _pair(near: Connection, far: Connection) -> Pair | None:
    apart = near.capture == far.capture and far.tunnel_of is None and far.client.host != near.client.host and far.server != near.server
    if not apart or not near.first_ns - _DELAY_NS <= far.first_ns <= near.last_ns:
        return None
    agreeing = []
    for one, other in zip(reversed(_bursts(near)), reversed(_bursts(far)), strict=False):
        if abs(one.size - other.size) > _TOLERANCE or not 0 <= other.ts_ns - one.ts_ns <= _DELAY_NS:
            break
        agreeing.append((one, other))
    agreeing.reverse()
    telling = [one.size for one, _ in agreeing if one.size >= _SMALL]
    return Pair(near, far, agreeing) if len(telling) >= _LEAST and len(set(telling)) > 1 else None


def _bursts(connection: Connection) -> list[Burst]:
    """The client's writes, each up to the server's next bytes."""
    ours, theirs = connection.to_server.extents, connection.to_client.extents
    pieces = [(ours.ts_ns[place], 0, ours.size[place], ours.packet[place]) for place in range(len(ours.ts_ns))]
    pieces += [(ts_ns, 1, 0, 0) for ts_ns in theirs.ts_ns]
    bursts: list[Burst] = []
    answered = True
    for ts_ns, direction, size, key in sorted(pieces):
        if direction:
            answered = True
        elif answered:
            bursts.append(Burst(ts_ns, size, key))
            answered = False
        else:
            bursts[-1] = bursts[-1]._replace(size=bursts[-1].size + size)
    return bursts


def _finding(evidence: Evidence, pair: Pair) -> Finding:
    near, far = pair.near, pair.far
    exchange = None if near.tunnel_of is None else _connect(evidence, near.tunnel_of)
    hello, other_hello = near.to_server.extents.packet[0], far.to_server.extents.packet[0]
    why = (
        f"The TLS of {name(near)} begins with {packet(evidence, hello)}, that of {name(far)} with {packet(evidence, other_hello)}, and the bytes differ; yet the "
        f"last {counted(len(pair.bursts), 'write')} of the client have the same sizes on both, in the same order, each within "
        f"{max(other.ts_ns - one.ts_ns for one, other in pair.bursts) / 1e6:.1f} ms. The streams hold {near.to_server.size:,} and {far.to_server.size:,} bytes."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[near.id, far.id, *(() if near.tunnel_of is None else (near.tunnel_of,))],
        exchanges=() if exchange is None else (exchange.id,),
        packets=[*(() if exchange is None else packets_of([exchange])), hello, other_hello, *(burst.packet for both in pair.bursts for burst in both)],
        attack=("T1557",),
        destination=f"{far.server.host}:{far.server.port}",
    )
