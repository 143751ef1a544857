"""The TLS that a client begins through the proxy is not the TLS that reaches the server.

Detects
    TLS inside a CONNECT tunnel and the proxy's own TLS connection to the place that CONNECT named, with different
    random bytes in their ClientHello. One of three signs tells that they belong together. Equal exchanges are inside,
    where a key log decrypts both. Or the client's writes have the same sizes in the same order, each a moment later.
    Or the client's ClientHello is found nowhere behind the proxy, while the proxy itself began TLS with this place
    within five seconds after the CONNECT. The two ends of one TLS connection have the same ClientHello.
Impact
    The proxy ends TLS and begins another one. It reads and can change everything: credentials, commands, results.
    Extended protection (channel binding) fails, since the client sees the proxy's certificate.
False positives
    Inspection that the organization has decided on looks the same. Without a key log, sizes, order and times are
    inference: hence the confidence. Where any connection of the proxy to this place has no readable ClientHello, or
    another client sent the one that is there, nothing is said.
Requires
    Both sides of the proxy, with both ClientHellos.
References
    Proxy Servers and WinRM, HTTPS-Based Proxy Connections: "For better security and connection-based affinity, HTTPS
    should be used as the transport mechanism."
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "It is possible that a malicious proxy server could examine
    every request/response pair, including credentials."
    RFC 8446 section 4.1.2; RFC 5929 section 4.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from analyzer.records.http import Exchange
from analyzer.records.transport import Connection, Endpoint, TlsFacts
from analyzer.rules import microsoft
from analyzer.rules.asking import server_words
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, identity, packets_of, request
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, alone

_LEAST = 4
_SMALL = 64
_TOLERANCE = 40
_DELAY_NS = 5_000_000_000
_SURE, _INFERRED = 1.0, 0.8
_Opened = Mapping[tuple[str, int], Sequence[Connection]]


class Burst(NamedTuple):
    """What a client wrote before the next bytes of the server: when it began, how much it is, and its first packet."""

    ts_ns: int
    size: int
    packet: int


class _Behind(NamedTuple):
    """What is known of the proxies' other sides: what each host opened, which hosts sent each ClientHello, and from where each proxy asks servers."""

    opened: _Opened
    hellos: Mapping[bytes, frozenset[str]]
    hosts: Mapping[Endpoint, AbstractSet[str]]


class Ended(Fact, frozen=True):
    """A client's TLS, the proxy's own TLS, and what ties them: exchanges that a key log shows on both, or equal writes; neither where the ClientHello does."""

    near: Connection
    far: Connection
    joined: tuple[str, ...] = ()
    alike: tuple[tuple[Burst, Burst], ...] = ()


def see(evidence: Evidence) -> Signs[Ended]:
    ways: dict[str, list[str]] = defaultdict(list)
    for route in evidence.routes:
        ways[route.client_connection] += route.upstream_connections
    joined: dict[tuple[str, str], list[str]] = defaultdict(list)
    for hop in evidence.hops:
        if hop.confidence > _INFERRED:
            joined[hop.near_connection, hop.far_connection].append(hop.near)
    tunneled = [near for near in evidence.connections.values() if near.tunnel_of is not None and near.id in evidence.winrm]
    behind = _Behind(_opened(evidence), _hellos(evidence), _hosts(evidence)) if tunneled else _Behind({}, {}, {})
    for near in tunneled:
        fars = [evidence.connections[other] for other in ways.get(near.id, ())]
        ended = _by_route(near, fars, joined) or _by_hello(evidence, near, behind)
        if ended is not None:
            yield _sign(evidence, ended)


def _sign(evidence: Evidence, ended: Ended) -> Sign[Ended]:
    near, far = ended.near, ended.far
    asked = _connect(evidence, near.tunnel_of)
    starts = [found.to_server.extents.packet[0] for found in (near, far)]
    packets = (*packets_of(asked), *starts, *(burst.packet for both in ended.alike for burst in both))
    exchanges = tuple(exchange.id for exchange in asked) or ended.joined[:1]
    connections = (near.id, far.id, *(() if near.tunnel_of is None else (near.tunnel_of,)))
    return Sign(ended, exchanges, packets, connections, identity(evidence, near.id), _SURE if ended.joined else _INFERRED)


def _by_route(near: Connection, fars: Sequence[Connection], joined: Mapping[tuple[str, str], list[str]]) -> Ended | None:
    """The first connection of its route with another ClientHello, where exchanges or writes show that it carries the same."""
    far = next((one for one in fars if _differ(near.tls, one.tls)), None)
    if far is None:
        return None
    shared = tuple(joined.get((near.id, far.id), ()))
    alike = () if near.tls_opened or far.tls_opened else tuple(_alike(near, far))
    return Ended(near, far, shared, alike) if shared or alike else None


def _opened(evidence: Evidence) -> _Opened:
    """What each host opened to each port, in order of time."""
    found: dict[tuple[str, int], list[Connection]] = defaultdict(list)
    for one in sorted(evidence.connections.values(), key=lambda connection: connection.first_ns):
        if one.tunnel_of is None:
            found[one.client.host, one.server.port].append(one)
    return found


def _hellos(evidence: Evidence) -> dict[bytes, frozenset[str]]:
    """Each ClientHello's random bytes, and the hosts that sent it."""
    found: dict[bytes, set[str]] = defaultdict(set)
    for one in evidence.connections.values():
        if one.tls is not None and one.tls.client_random is not None:
            found[one.tls.client_random].add(one.client.host)
    return {random: frozenset(hosts) for random, hosts in found.items()}


def _hosts(evidence: Evidence) -> dict[Endpoint, set[str]]:
    """The addresses that each proxy asks servers from, as far as equal bytes on both sides prove it: equal exchanges, or one ClientHello."""
    found: dict[Endpoint, set[str]] = defaultdict(set)
    for hop in evidence.hops:
        if hop.confidence > _INFERRED:
            found[evidence.connections[hop.near_connection].server].add(evidence.connections[hop.far_connection].client.host)
    copied: dict[bytes | None, set[str]] = defaultdict(set)
    for one in evidence.connections.values():
        if one.tls is not None and one.tunnel_of is None:
            copied[one.tls.client_random].add(one.client.host)
    for near in evidence.connections.values():
        if near.tunnel_of is not None and near.tls is not None and near.tls.client_random is not None:
            found[near.server] |= copied.get(near.tls.client_random, set()) - {near.client.host}
    return found


def _by_hello(evidence: Evidence, near: Connection, behind: _Behind) -> Ended | None:
    """The proxy's own TLS to the place that CONNECT named, where the client's ClientHello is nowhere behind the proxy and all that could be it is readable."""
    random = None if near.tls is None else near.tls.client_random
    asked = next((half for exchange in _connect(evidence, near.tunnel_of) if (half := request(exchange)) is not None), None)
    if near.tls is None or near.tunnel_of is None or random is None or asked is None or behind.hellos[random] != {near.client.host}:
        return None
    host, _, port = asked.target.rpartition(":")
    own = {near.server.host, *behind.hosts.get(near.server, ())} - {near.client.host}
    fars = [far for one in own for far in _soon(behind.opened.get((one, int(port) if port.isdigit() else 0), ()), asked.first_ns)]
    names = {host.strip("[]").lower(), (near.tls.server_name or host).lower()}
    fitting = [far for far in fars if far.server.host in names or (far.tls is not None and (far.tls.server_name or "").lower() in names)]
    unknown = any(far.tls is None or far.tls.client_random is None for far in fars)
    mine = [far for far in fitting if far.tls is not None and far.tls.client_random is not None and behind.hellos[far.tls.client_random] <= own]
    return Ended(near, mine[0]) if mine and not unknown else None


def _soon(opened: Sequence[Connection], asked_ns: int) -> Iterator[Connection]:
    place = bisect_left(opened, asked_ns, key=lambda connection: connection.first_ns)
    while place < len(opened) and opened[place].first_ns <= asked_ns + _DELAY_NS:
        yield opened[place]
        place += 1


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


def _proof(ended: Ended) -> str:
    if ended.joined:
        return f"{counted(len(ended.joined), 'exchange')} inside, decrypted with the key log, went over both connections."
    if ended.alike:
        longest_ns = max(other.ts_ns - one.ts_ns for one, other in ended.alike)
        return (
            f"The last {counted(len(ended.alike), 'write')} of the client have the same sizes on both in the same order, each within {longest_ns / 1e6:.0f} ms."
        )
    return "The client's ClientHello appears nowhere behind the proxy."


def why(tell: Tell[Ended]) -> str:
    near, far = tell.first.fact.near, tell.first.fact.far
    starts = [tell.packet(found.to_server.extents.packet[0]) for found in (near, far)]
    shown = [found.tls.certificates[0].hex()[:16] for found in (near, far) if found.tls is not None and found.tls.certificates]
    certificates = f" The client got the certificate {shown[0]}…, the proxy {shown[1]}…." if len(set(shown)) > 1 else ""
    return (
        f"{near.client.host} began TLS in the tunnel through the proxy {server_words(near)} ({starts[0]}). The proxy began TLS of its own with the server "
        f"{server_words(far)}, with another ClientHello ({starts[1]}). {_proof(tell.first.fact)}{certificates} So the proxy can read and change everything in "
        f"it ({near.id}, {far.id})."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} decrypts the client's TLS",
    name="Proxy decrypts the client's TLS",
    severity=Severity.HIGH,
    confidence=_INFERRED,
    owner=Owner.PROXY,
    reference=microsoft.PROXY_SEES_ALL,
    advice=Advice(
        "Exempt WinRM servers from TLS inspection",
        Topic.TLS,
        "Compare the certificate that the client gets with the server's. With CbtHardeningLevel Strict on the server such a logon fails.",
    ),
    attack=("T1557",),
    destination=lambda tell: server_words(tell.first.fact.far),
    see=see,
    why=why,
    each=alone,
)
