"""WinRM runs through a proxy encrypted by WinRM itself, but not by HTTPS.

Detects
    Encrypted messages on a side of a proxied path without TLS.
Impact
    The bodies are safe. The proxy still sees who works where and when, sizes, NTLM responses that can be guessed offline, and Kerberos tickets; and it decides
    which connection a request takes. The page asks for HTTPS.
False positives
    It is allowed when the proxy itself needs no authentication, and often accepted.
Requires
    One side with a sign of the proxy.
References
    Proxy Servers and WinRM, HTTPS-Based Proxy Connections: "For better security and connection-based affinity, HTTPS
    should be used as the transport mechanism."
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "If no proxy server authentication is required, either HTTP
    or HTTPs can be used for transport. However, HTTP-based connections from a WinRM client to a WinRM server through
    a proxy server can be problematic."
"""

from analyzer.records.candidates import asked_in
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.sealing import Protection
from analyzer.rules import microsoft
from analyzer.rules.asking import party_at
from analyzer.rules.reading import counted, listed, name, packets_of, role, upstream
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell


def see(evidence: Evidence) -> Signs[Exchange]:
    """One sign for each encrypted request of a client; the server side is left out where the client's is known."""
    for exchange in asked_in(evidence, Protection.SEALED):
        connection = evidence.connections[exchange.connection]
        of_proxy = role(evidence, connection.id) in (Role.CLIENT_LEG, Role.UPSTREAM_LEG)
        if of_proxy and connection.protocol != "tls" and exchange.id not in evidence.far:
            yield Sign(
                exchange, (exchange.id,), packets_of([exchange]), user=fate.asked_as if (fate := evidence.story.fates.get(exchange.id)) is not None else None
            )


def _proxies(tell: Tell[Exchange]) -> list[str]:
    """The proxies on the way, the client's first; a chain has several."""
    evidence, exchange = tell.evidence, tell.facts[0]
    found: list[str] = []
    step: Exchange | None = exchange
    while step is not None and len(found) <= len(evidence.story.parties):
        party = party_at(evidence, step.connection, server_end=True)
        if party is not None and party.kind.value == "proxy" and party.listens:
            found.append(str(party.listens[0]))
        step = upstream(evidence, step.id)
    return found or [tell.connection.client.host]


def why(tell: Tell[Exchange]) -> str:
    proxies = _proxies(tell)
    return (
        f"{counted(tell.count, 'encrypted request')} of {tell.connection.client.host} went through {'the proxies' if len(proxies) > 1 else 'the proxy'} "
        f"{listed(proxies)} without TLS (HTTPS). The first is {tell.facts[0].id} on {name(tell.connection)}, {tell.packet(tell.first.packets[0])}."
    )


OPINION = Opinion(
    title="WinRM runs through a proxy without HTTPS",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CLIENT,
    reference=microsoft.HTTPS_FOR_AFFINITY,
    advice=(
        "Prefer HTTPS, so that the proxy carries a tunnel and has no part in logons and affinity. "
        "Server: winrm quickconfig -transport:https. Clients: -UseSSL, port 5986."
    ),
    see=see,
    why=why,
)
