"""Plain HTTP inside a CONNECT tunnel.

Detects
    A CONNECT through a proxy that was answered 2xx, and WinRM over HTTP without TLS in what follows.
Impact
    A tunnel keeps the client's connection and the server's together, so authentication works; but it protects
    nothing: the proxy and everyone on the path read what is not encrypted, first of all Basic credentials and
    clear-text SOAP.
False positives
    Encrypted messages stay encrypted in a tunnel; then only the authentication and the sizes are readable.
Requires
    The client's side of the proxy.
References
    Proxy Servers and WinRM, HTTPS-Based Proxy Connections: "For better security and connection-based affinity, HTTPS
    should be used as the transport mechanism."
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "Under no circumstances should unencrypted HTTP requests be
    sent through proxy servers."
"""

from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.records.transport import Connection
from analyzer.rules import microsoft
from analyzer.rules.asking import server_words
from analyzer.rules.reading import counted, identity, message, packets_of, request, response
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell


class Inside(Fact, frozen=True):
    """A connection in a tunnel, and the CONNECT that made this."""

    connection: Connection
    connect: Exchange


def see(evidence: Evidence) -> Signs[Inside]:
    """One sign for each connection in a tunnel."""
    for connection in evidence.connections.values():
        plain = connection.tunnel_of is not None and connection.protocol == "http" and connection.id in evidence.winrm
        inside = evidence.exchanges_of.get(connection.id, ())
        if plain and connection.tunnel_of is not None and inside:
            connect = evidence.exchanges_of[connection.tunnel_of][-1]
            exchanges = (connect.id, *(exchange.id for exchange in inside))
            connections = (connection.tunnel_of, connection.id)
            yield Sign(Inside(connection, connect), exchanges, packets_of([connect, *inside]), connections, identity(evidence, connection.id))


def _inside(tell: Tell[Inside]) -> list[Exchange]:
    return [exchange for fact in tell.facts for exchange in tell.evidence.exchanges_of[fact.connection.id]]


def why(tell: Tell[Inside]) -> str:
    first, inside = tell.first.fact, _inside(tell)
    found = [message(tell.evidence, half) for exchange in inside for half in (request(exchange), response(exchange))]
    clear = sum(one is not None and one.protection is Protection.CLEAR for one in found)
    encrypted = sum(one is not None and one.protection is Protection.SEALED for one in found)
    asked = request(first.connect)
    packets = packets_of(inside)
    return (
        f"{tell.connection.client.host} asked the proxy {server_words(tell.connection)} for a tunnel to {asked.target if asked else 'a server'}. "
        f"{counted(len(inside), 'HTTP exchange')} without TLS went through it: {counted(clear, 'message')} readable, {encrypted} encrypted. "
        f"The first is {tell.packet(packets[0]) if packets else 'not captured'} ({inside[0].id})."
    )


OPINION = Opinion(
    title=lambda tell: f"Tunnel through proxy {server_words(tell.connection)} carries HTTP without TLS",
    name="Plain HTTP inside a CONNECT tunnel",
    severity=Severity.HIGH,
    confidence=1.0,
    owner=Owner.CLIENT,
    reference=microsoft.HTTPS_FOR_AFFINITY,
    advice="Use HTTPS through the tunnel: port 5986 with a certificate on the server.",
    see=see,
    why=why,
    fails=("encryption_enforced",),
)
