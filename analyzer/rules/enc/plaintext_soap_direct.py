"""Clear-text WinRM goes straight to the server.

What it sees
    A SOAP envelope on a connection that is neither TLS nor part of a proxied path. WS-Management's Identify, which is anonymous by design, does not count.
Why it matters
    Everybody on the path can read and change every command and every result. It only works when the service allows unencrypted traffic.
When it is wrong
    Never about the fact. On a loopback interface (a client on the server itself, a port forward) nobody else is on the path.
Needs
    The connection.
Reference
    MS-WSMV 3.2.4.1.22.1 and 2.2.9.1.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.enc._clear import clear_exchanges, story
from analyzer.rules.reading import finding, grouped, identity, packets_of

RULE = "enc.plaintext-soap-direct"
TITLE = "Clear-text WinRM"
SEVERITY = Severity.HIGH
REFERENCE = "MS-WSMV 3.2.4.1.22.1"
ADVICE = (
    "Set AllowUnencrypted to false on the server (winrm set winrm/config/service '@{AllowUnencrypted=\"false\"}') and use a client that seals its messages, "
    "or HTTPS on port 5986."
)


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and server."""
    found = clear_exchanges(evidence, (Role.DIRECT, Role.UNKNOWN))
    for exchanges in grouped(found, lambda exchange: evidence.connections[exchange.connection]).values():
        yield _finding(evidence, exchanges)


def _finding(evidence: Evidence, exchanges: list[Exchange]) -> Finding:
    connections = tuple(dict.fromkeys(exchange.connection for exchange in exchanges))
    user = next((found for found in (identity(evidence, connection) for connection in connections) if found), None)
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=1.0,
        title=TITLE,
        why=story(evidence, exchanges, exchanges[0], connections, user),
        advice=ADVICE,
        reference=REFERENCE,
        connections=connections,
        exchanges=[exchange.id for exchange in exchanges],
        packets=packets_of(exchanges),
        user=user,
    )
