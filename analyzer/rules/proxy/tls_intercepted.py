"""The TLS that a client begins through the proxy is not the TLS that reaches the server.

What it sees
    TLS inside a CONNECT tunnel and the proxy's own TLS connection to the place that CONNECT named, with different random bytes in their ClientHello; and a
    sign that the one carries on what the other says: equal exchanges inside, where a key log opens both, or writes of the client of the same sizes in the same
    order, each a moment later. The two ends of one TLS connection have the same ClientHello.
Why it matters
    The proxy ends TLS and begins another one. It reads and can change everything: credentials, commands, results. Extended protection (channel binding) fails,
    since the client sees the proxy's certificate.
When it is wrong
    Inspection that the organization has decided on looks the same. Without a key log, sizes and order are inference: hence the confidence.
Needs
    Both legs, with both ClientHellos.
Reference
    RFC 8446 section 4.1.2; RFC 5929 section 4; Proxy Servers and WinRM, sentences 118 and 154.
"""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.transport import Connection, TlsFacts
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, finding, identity, name, packet, packets_of, request

RULE = "proxy.tls-intercepted"
TITLE = "The proxy opens the client's TLS"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 154"
HOW = Advice(
    "Exempt WinRM servers from TLS inspection",
    Topic.TLS,
    ", compare the certificate that the client gets with the server's, and set CbtHardeningLevel to Strict on the server so that such a logon fails.",
)
ADVICE = HOW.text()
_LEAST = 4
_SMALL = 64
_TOLERANCE = 40
_DELAY_NS = 5_000_000_000
_SURE, _INFERRED = 1.0, 0.8


class Burst(NamedTuple):
    """What a client wrote before the next bytes of the server: when it began, how much it is, and its first packet."""

    ts_ns: int
    size: int
    packet: int


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each tunnel."""
    for route in evidence.routes:
        near = evidence.connections[route.client_connection]
        if near.tunnel_of is None or near.id not in evidence.winrm:
            continue
        for far in (evidence.connections[other] for other in route.upstream_connections):
            if _differ(near.tls, far.tls):
                joined = [hop.near for hop in evidence.hops if (hop.near_connection, hop.far_connection) == (near.id, far.id) and hop.confidence > _INFERRED]
                alike = [] if near.tls_opened or far.tls_opened else _alike(near, far)
                if joined or alike:
                    yield _finding(evidence, near, far, joined, alike)
                break


def _differ(one: TlsFacts | None, other: TlsFacts | None) -> bool:
    return one is not None and other is not None and None not in (one.client_random, other.client_random) and one.client_random != other.client_random


def _alike(near: Connection, far: Connection) -> list[tuple[Burst, Burst]]:
    """The client's last writes, as far back as they agree on both connections; none when they are too few or all of one size."""
    agreeing = []
    for one, other in zip(reversed(_bursts(near)), reversed(_bursts(far)), strict=False):
        if abs(one.size - other.size) > _TOLERANCE or not 0 <= other.ts_ns - one.ts_ns <= _DELAY_NS:
            break
        agreeing.append((one, other))
    agreeing.reverse()
    telling = [one.size for one, _ in agreeing if one.size >= _SMALL]
    return agreeing if len(telling) >= _LEAST and len(set(telling)) > 1 else []


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


def _connect(evidence: Evidence, tunnel: str | None) -> list[Exchange]:
    """The CONNECT that opened a tunnel."""
    found = [exchange for exchange in evidence.exchanges_of.get(tunnel or "", ()) if (asked := request(exchange)) is not None and asked.method == "CONNECT"]
    return found[-1:]


def _finding(evidence: Evidence, near: Connection, far: Connection, joined: list[str], alike: list[tuple[Burst, Burst]]) -> Finding:
    opened = _connect(evidence, near.tunnel_of)
    starts = [found.to_server.extents.packet[0] for found in (near, far)]
    proof = (
        f"{counted(len(joined), 'exchange')} inside, opened with the key log, went on over the other connection"
        if joined
        else f"the last {counted(len(alike), 'write')} of the client have the same sizes on both in the same order, each within "
        f"{max(other.ts_ns - one.ts_ns for one, other in alike) / 1e6:.0f} ms"
    )
    why = (
        f"The client's TLS in the tunnel, {name(near)} from {packet(evidence, starts[0])} on, has another ClientHello than the proxy's own TLS to the server, "
        f"{name(far)} from {packet(evidence, starts[1])} on; yet {proof}."
    )
    shown = [found.tls.certificates[0].hex()[:16] for found in (near, far) if found.tls is not None and found.tls.certificates]
    why += f" The certificates differ as well: {shown[0]}… to the client, {shown[1]}… to the proxy." if len(set(shown)) > 1 else ""
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=_SURE if joined else _INFERRED,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[near.id, far.id, *(() if near.tunnel_of is None else (near.tunnel_of,))],
        exchanges=[exchange.id for exchange in opened] or joined[:1],
        packets=[*packets_of(opened), *starts, *(burst.packet for both in alike for burst in both)],
        attack=("T1557",),
        user=identity(evidence, near.id),
        destination=f"{far.server.host}:{far.server.port}",
    )
