"""A client opens connection after connection.

What it sees
    More than ten new connections within a minute from one client host to one endpoint, each with at most three exchanges.
Why it matters
    Something makes the client start over and over: failing logons, connections that break, or a program without a limit to its retries. Each try costs a
    handshake, and the server may lock the account.
When it is wrong
    Scanners and programs that need one connection for each short task look the same.
Needs
    A direct connection or the client's leg.
Reference
    RFC 9112 section 9.4; Proxy Servers and WinRM, sentence 148.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.proxy import Role
from analyzer.records.transport import Connection
from analyzer.rules.reading import finding, identity, listed, name, packet, role, status

RULE = "tcp.retry-storm"
TITLE = "A client opens connection after connection"
SEVERITY = Severity.LOW
REFERENCE = "RFC 9112 section 9.4"
ADVICE = "See the other findings for what makes it start over; limit the client's retries and let it wait longer between them."
_MOST = 10
_MINUTE_NS = 60_000_000_000
_FEW = 3


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Connection]] = defaultdict(list)
    for connection in evidence.connections.values():
        own = connection.id in evidence.winrm and connection.tunnel_of is None and connection.syn is not None and connection.established
        short = 1 <= len(evidence.exchanges_of.get(connection.id, ())) <= _FEW
        if own and short and role(evidence, connection.id) in (Role.DIRECT, Role.CLIENT_LEG, Role.TUNNEL):
            groups[connection.client.host, connection.server.host, connection.server.port].append(connection)
    for group in groups.values():
        storm = _storm(sorted(group, key=lambda one: one.first_ns))
        if len(storm) > _MOST:
            yield _finding(evidence, storm)


def _storm(group: list[Connection]) -> list[Connection]:
    """The most connections that began within a minute."""
    best: list[Connection] = []
    begin = 0
    for end, last in enumerate(group):
        while last.first_ns - group[begin].first_ns > _MINUTE_NS:
            begin += 1
        if end - begin + 1 > len(best):
            best = group[begin : end + 1]
    return best


def _finding(evidence: Evidence, storm: list[Connection]) -> Finding:
    first = storm[0]
    exchanges = [exchange for connection in storm for exchange in evidence.exchanges_of.get(connection.id, ())]
    statuses = [str(code) for exchange in exchanges if (code := status(exchange)) is not None]
    why = (
        f"{first.client.host} opened {len(storm)} connections to {first.server.host}:{first.server.port} within "
        f"{(storm[-1].first_ns - first.first_ns) / 1e9:.1f} s, each with at most {_FEW} exchanges (statuses {listed(statuses) or 'none'}): the first is "
        f"{name(first)}, {packet(evidence, first.packets[0])}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.7,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[connection.id for connection in storm],
        exchanges=[exchange.id for exchange in exchanges],
        packets=[connection.packets[0] for connection in storm],
        user=identity(evidence, first.id),
    )
