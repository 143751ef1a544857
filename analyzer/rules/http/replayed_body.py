"""The proxy sends a sealed request twice.

What it sees
    A sealed body of the client's leg that went to the server twice or more, in exchanges of their own, while the client sent it once. TCP retransmissions are
    no exchanges and do not count.
Why it matters
    A sealed message fits one place in the sequence of one connection: the copy cannot be opened, is refused and may end the shell. POST must not be repeated
    by itself, since the first copy may have been carried out.
When it is wrong
    A client that repeats a request itself is not counted; so a client of which the capture lost anything is not judged: it may have been the one. Bodies of one
    length and equal bytes do not occur by chance.
Needs
    Both legs.
Reference
    RFC 9110 section 9.2.2; MS-NLMP 3.4.4; Proxy Servers and WinRM, sentence 146.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.sealing import Protection
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, finding, identity, listed, message, name, packet, packets_of, request, status, winrm_exchanges

RULE = "http.replayed-body"
TITLE = "The proxy sends a sealed request twice"
SEVERITY = Severity.HIGH
REFERENCE = "RFC 9110 section 9.2.2"
HOW = Advice(
    "Turn retries off for WinRM",
    Topic.RETRY,
)
ADVICE = HOW.text()


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client's connection."""
    near, far = _sealed(evidence, Role.CLIENT_LEG), _sealed(evidence, Role.UPSTREAM_LEG)
    copies: dict[str, list[Exchange]] = defaultdict(list)
    holed = _holed(evidence)
    for digest, sent in far.items():
        asked = near.get(digest, [])
        if len(asked) == 1 and len(sent) > 1 and evidence.connections[asked[0].connection].client.host not in holed:
            copies[asked[0].connection] += [asked[0], *sent]
    for connection, exchanges in copies.items():
        yield _finding(evidence, connection, exchanges)


def _holed(evidence: Evidence) -> set[str]:
    """Clients of which requests may be missing."""
    hosts = {found.client.host for found in evidence.connections.values() if found.to_server.gaps}
    return hosts | {evidence.connections[found.connection].client.host for found in evidence.exchanges.values() if request(found) is None}


def _sealed(evidence: Evidence, role: Role) -> dict[bytes, list[Exchange]]:
    """Exchanges by the digest of their sealed request. In a chain of proxies an exchange that went on further is left out."""
    found: dict[bytes, list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence, role):
        asked = request(exchange)
        sealed = message(evidence, asked)
        inner = role is Role.UPSTREAM_LEG and exchange.id in evidence.near
        if asked is not None and sealed is not None and sealed.protection is Protection.SEALED and isinstance(asked.body.digest, bytes) and not inner:
            found[asked.body.digest].append(exchange)
    return found


def _finding(evidence: Evidence, connection: str, exchanges: list[Exchange]) -> Finding:
    near = exchanges[0]
    fars = [exchange for exchange in exchanges if exchange.connection != connection]
    packets = packets_of(exchanges)
    own = packets_of([near])
    statuses = listed(str(code) for exchange in fars if (code := status(exchange)) is not None)
    why = (
        f"{near.id} on {name(evidence.connections[connection])}, {packet(evidence, own[0])}, went to the server {counted(len(fars), 'time')}: as "
        f"{listed(exchange.id for exchange in fars)}, {packet(evidence, packets_of(fars[:1])[0])} first; answered {statuses or 'never'}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[connection, *(exchange.connection for exchange in fars)],
        exchanges=[exchange.id for exchange in exchanges],
        packets=packets,
        user=identity(evidence, connection),
    )
