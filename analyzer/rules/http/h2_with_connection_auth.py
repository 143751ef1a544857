"""HTTP/2 was chosen where WinRM authenticates the connection.

Detects
    A TLS connection of WinRM (to its port, in a tunnel to it, or one side of a proxy) on which the server chose ``h2`` by ALPN; or requests of WinRM in
    HTTP/2, in clear (h2c) or inside of TLS that was decrypted, with the error that sends the client back to HTTP/1.1. The confidence is higher when
    NTLM, Kerberos or CredSSP was seen to the same server, from the same client or on the other side of the proxy.
Impact
    NTLM and Negotiate authenticate a TCP connection, and HTTP/2 carries many clients' requests at the same time on one. Windows therefore does not offer them
    over HTTP/2 and asks for HTTP/1.1 again; what cannot fall back does not get past 401.
False positives
    With certificates or Basic nothing is bound to the connection, and HTTP/2 works where the server speaks it.
Requires
    The server's hello; with TLS 1.3 a key log that holds the server's handshake secret. For requests a key log, or clear text.
References
    RFC 4559 section 6; RFC 9113 sections 3.2 and 7 (HTTP_1_1_REQUIRED); Microsoft, HTTP/2 on IIS.
"""

from analyzer.records.candidates import in_version
from analyzer.records.transport import Connection
from analyzer.rules.asking import is_proxied, server_words
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, handshakes, name, request, response
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell

_CHOSEN, _VERSION, _BACK = "h2", "HTTP/2", "HTTP_1_1_REQUIRED"
_SEEN, _EXPECTED = 0.9, 0.6


def see(evidence: Evidence) -> Signs[Connection]:
    spoken = {one.connection for one in in_version(evidence, _VERSION) if (asked := request(one)) is not None and asked.version == _VERSION}
    for connection in evidence.connections.values():
        chosen = connection.id in spoken or (connection.tls is not None and connection.tls.application_protocol == _CHOSEN)
        if chosen and connection.id in evidence.winrm and connection.packets:
            yield Sign(connection, (), (connection.packets[0],), (connection.id,))


def _sent_back(tell: Tell[Connection]) -> str:
    """What the answers show: streams that were ended so that the client comes again with HTTP/1.1, and refusals."""
    own = [one for identity in tell.connections for one in tell.evidence.exchanges_of.get(identity, ()) if (half := request(one)) and half.version == _VERSION]
    back = [one for one in own if one.stream_error == _BACK]
    refused = [answer for one in own if (answer := response(one)) is not None and answer.status in (401, 407)]
    if back:
        return f" The server ended {counted(len(back), 'stream')} with {_BACK}: the client has to come again with HTTP/1.1."
    if refused:
        return f" {counted(len(refused), 'request')} in HTTP/2 {'was' if len(refused) == 1 else 'were'} answered {refused[0].status}."
    return ""


def _mechanism(tell: Tell[Connection]) -> str | None:
    """The mechanism of a handshake that shares the client, the server or a route with these connections."""
    evidence, own = tell.evidence, set(tell.connections)
    clients, servers = ({getattr(one, end).host for one in tell.facts} for end in ("client", "server"))
    routes = [(route.client_connection, *route.upstream_connections) for route in evidence.routes]
    sides = {identity for route in routes if not own.isdisjoint(route) for identity in route}
    for spoken in handshakes(evidence):
        connection = evidence.connections[spoken.connection]
        if connection.id in sides or connection.client.host in clients or connection.server.host in servers:
            return spoken.mechanism.shown
    return None


def why(tell: Tell[Connection]) -> str:
    mechanism = _mechanism(tell)
    kind = "TLS connection" if all(one.tls is not None for one in tell.facts) else "connection"
    logons = f"Clients here log on with {mechanism}, which HTTP/2 cannot carry." if mechanism else "NTLM and Negotiate cannot be used with it."
    return (
        f"The server chose HTTP/2 on {counted(tell.count, kind)} from {tell.connection.client.host} to {server_words(tell.connection)}. The first "
        f"is {name(tell.connection)}, which begins in {tell.packet(tell.first.packets[0])}. {logons}{_sent_back(tell)}"
    )


OPINION = Opinion(
    title=lambda tell: f"{server_words(tell.connection)} chose HTTP/2, which cannot carry NTLM or Negotiate",
    name="HTTP/2 where WinRM authenticates connections",
    severity=Severity.MEDIUM,
    confidence=lambda tell: _SEEN if _mechanism(tell) else _EXPECTED,
    owner=lambda tell: Owner.PROXY if is_proxied(tell.evidence, tell.connection.id) else Owner.SERVER,
    reference="RFC 4559 section 6; RFC 9113 section 7",
    advice=Advice("Leave HTTP/1.1 as the only protocol for WinRM on both sides of the proxy", Topic.ALPN, "Or relay port 5986 as TCP."),
    see=see,
    why=why,
)
