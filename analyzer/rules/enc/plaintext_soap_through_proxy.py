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

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.transport import Connection
from analyzer.rules.enc._clear import clear_exchanges, legs, story
from analyzer.rules.reading import PROXIED, finding, grouped, identity, owner, packets_of, role

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
    for exchanges in grouped(clear_exchanges(evidence, PROXIED), lambda exchange: _client(evidence, exchange)).values():
        yield _finding(evidence, exchanges)


def _client(evidence: Evidence, exchange: Exchange) -> Connection:
    """The client's leg of the exchange."""
    while role(evidence, exchange.connection) is Role.UPSTREAM_LEG and (before := owner(evidence, exchange.id)) is not None:
        exchange = before
    return evidence.connections[exchange.connection]


def _finding(evidence: Evidence, exchanges: list[Exchange]) -> Finding:
    first = next((exchange for exchange in exchanges if role(evidence, exchange.connection) is not Role.UPSTREAM_LEG), exchanges[0])
    near_first = sorted(exchanges, key=lambda exchange: role(evidence, exchange.connection) is Role.UPSTREAM_LEG)
    connections = tuple(dict.fromkeys(exchange.connection for exchange in near_first))
    own = [identity(evidence, connection) for connection in connections if role(evidence, connection) is not Role.UPSTREAM_LEG or len(connections) == 1]
    user = next((found for found in own if found), None)
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=1.0,
        title=TITLE,
        why=story(evidence, exchanges, first, connections, user, f" {legs(evidence, exchanges)}"),
        advice=ADVICE,
        reference=REFERENCE,
        connections=connections,
        exchanges=[exchange.id for exchange in exchanges],
        packets=packets_of(exchanges),
        user=user,
    )
