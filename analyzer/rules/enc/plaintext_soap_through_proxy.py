"""Clear-text WinRM goes through a proxy.

What it sees
    A SOAP envelope (content type application/soap+xml, or an envelope as the body's first bytes) on a leg of a proxied path that is not TLS. WS-Management's
    Identify, which is anonymous by design, does not count.
Why it matters
    The proxy, and everybody on the path, can read and change every command and every result. Microsoft's page allows this under no circumstances. The
    client's own setting decides: with Negotiate or Kerberos over HTTP, WinRM seals messages unless "AllowUnencrypted" is set on both sides.
When it is wrong
    Never about the fact: the envelope lies readable in the packets named. Whether the path is a proxy is told from joined exchanges, absolute request
    targets, or Via and X-Forwarded-For fields.
Needs
    Any one leg.
Reference
    Proxy Servers and WinRM, sentences 151 to 154; MS-WSMV 2.2.9.1.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.enc._clear import clear_exchanges, legs, operations
from analyzer.rules.reading import PROXIED, counted, finding, identity, is_clear, message, name, owner, packet, packets_of, request, role

RULE = "enc.plaintext-soap-through-proxy"
TITLE = "Clear-text WinRM through a proxy"
SEVERITY = Severity.CRITICAL
REFERENCE = "Proxy Servers and WinRM, sentence 152"
ADVICE = (
    "Set AllowUnencrypted to false on the server (winrm set winrm/config/service '@{AllowUnencrypted=\"false\"}') and on the client; let the client seal its "
    "messages (pywinrm: message_encryption='always'; pypsrp: encryption='always'), or use HTTPS on port 5986 with CONNECT through the proxy."
)


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client of each proxy (or, where its leg is missing, each proxy of a server)."""
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in clear_exchanges(evidence, PROXIED):
        groups[_client(evidence, exchange)].append(exchange)
    for exchanges in groups.values():
        yield _finding(evidence, exchanges)


def _client(evidence: Evidence, exchange: Exchange) -> tuple[str, str, int]:
    """The client's leg of the exchange: client host, proxy endpoint."""
    while role(evidence, exchange.connection) is Role.UPSTREAM_LEG and (before := owner(evidence, exchange.id)) is not None:
        exchange = before
    connection = evidence.connections[exchange.connection]
    return connection.client.host, connection.server.host, connection.server.port


def _finding(evidence: Evidence, exchanges: list[Exchange]) -> Finding:
    requests = [exchange for exchange in exchanges if is_clear(message(evidence, request(exchange)))]
    first = next((exchange for exchange in exchanges if role(evidence, exchange.connection) is not Role.UPSTREAM_LEG), exchanges[0])
    near_first = sorted(exchanges, key=lambda exchange: role(evidence, exchange.connection) is Role.UPSTREAM_LEG)
    connections = tuple(dict.fromkeys(exchange.connection for exchange in near_first))
    own = [identity(evidence, connection) for connection in connections if role(evidence, connection) is not Role.UPSTREAM_LEG or len(connections) == 1]
    user = next((found for found in own if found), None)
    packets = packets_of(exchanges)
    why = (
        f"{counted(len(exchanges), 'exchange')} on {counted(len(connections), 'connection')} {_carry(len(exchanges))} readable SOAP {legs(evidence, exchanges)}"
        f"{': ' + operations(evidence, requests) if requests else ' (in responses only)'}. "
        f"The first is {first.id} on {name(evidence.connections[first.connection])}, {packet(evidence, packets_of([first])[0])}."
        + (f" The client authenticated as {user}." if user else "")
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=1.0,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=connections,
        exchanges=[exchange.id for exchange in exchanges],
        packets=packets,
        user=user,
    )


def _carry(number: int) -> str:
    return "carries" if number == 1 else "carry"
