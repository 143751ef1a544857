"""The server answers clear-text WinRM requests of an authenticated client.

What it sees
    A request with a readable SOAP envelope on a connection that is not TLS, authenticated (by a handshake on that connection, or by credentials in the
    request), answered with a 2xx status. It is looked at on the leg nearest to the server.
Why it matters
    A server that can be reached through a proxy must enforce encryption: it is the only thing that keeps a stranger's request on somebody else's connection
    from being served.
When it is wrong
    A proxy that answers by itself, without asking the server, when only the client's leg was captured.
Needs
    Request and response of one exchange.
Reference
    Proxy Servers and WinRM, sentences 151, 156 and 157.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.enc._clear import operations
from analyzer.rules.reading import (
    authenticated,
    counted,
    finding,
    grouped,
    is_clear,
    message,
    name,
    packet,
    packets_of,
    request,
    status,
    succeeded,
    who,
    winrm_exchanges,
)

RULE = "enc.server-allows-unencrypted"
TITLE = "The server serves clear-text requests"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 151"
ADVICE = "Set AllowUnencrypted to false on the server: winrm set winrm/config/service '@{AllowUnencrypted=\"false\"}'."


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each server and peer."""
    served = (exchange for exchange in winrm_exchanges(evidence) if exchange.id not in evidence.near and _served(evidence, exchange))
    for exchanges in grouped(served, lambda exchange: evidence.connections[exchange.connection]).values():
        yield _finding(evidence, exchanges)


def _served(evidence: Evidence, exchange: Exchange) -> bool:
    if not succeeded(exchange) or not is_clear(message(evidence, request(exchange))):
        return False
    return evidence.connections[exchange.connection].protocol != "tls" and authenticated(evidence, exchange) is not None


def _finding(evidence: Evidence, exchanges: list[Exchange]) -> Finding:
    connections = tuple(dict.fromkeys(exchange.connection for exchange in exchanges))
    conversation = authenticated(evidence, exchanges[0])
    user = who(conversation)
    packets = packets_of(exchanges)
    mechanism = conversation.mechanism.value if conversation else "unknown"
    server = evidence.connections[connections[0]].server
    why = (
        f"{server.host}:{server.port} answered {counted(len(exchanges), 'clear-text request')} with a 2xx status after {mechanism} authentication"
        f"{f' of {user}' if user else ''}: {operations(evidence, exchanges)}. The first is {exchanges[0].id} on {name(evidence.connections[connections[0]])}, "
        f"{packet(evidence, packets[0])}, status {status(exchanges[0])}."
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
