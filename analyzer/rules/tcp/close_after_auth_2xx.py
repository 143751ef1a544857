"""The connection is closed right after the response that ends the logon.

Detects
    The first status other than 401 or 407 that ends an NTLM, Kerberos or CredSSP handshake, followed within a second
    by a FIN of the proxy (or of the server, where there is no proxy). Nothing else was answered in between, and the
    client had more to say: it sends on, or comes back within 30 seconds.
Impact
    The handshake authenticates the connection, and its last round trip does not carry the client's request. Closing it now throws the logon away: the next
    request arrives on a new connection and is answered 401, and so on.
False positives
    A client that only tests its logon closes by itself, which is not counted. A session that ends with this exchange is not counted either, unless the same
    client opens another one within 30 seconds.
Requires
    The side on which it happens.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "If the WinRM server returns a response to the client that
    is not a 401 response, the proxy should not close the connection." "HTTP-based proxy servers might end the
    connection-based authentication affinity and close the TCP/IP connection after receiving the 200-level response
    from the WinRM server. The final round-trip from client to server does not include the original request packet. If
    the proxy server closes the connection, the server will attempt to re-authenticate the client and the client
    request might never be sent to the server."
"""

from analyzer.records.transport import End
from analyzer.rules import microsoft
from analyzer.rules.products import Advice, Topic
from analyzer.rules.tcp._endings import Ended, ended_signs, owner_of, story, title
from analyzer.rules.telling import Evidence, Opinion, Severity, Signs


def see(evidence: Evidence) -> Signs[Ended]:
    """One sign for each logon that was lost."""
    return ended_signs(evidence, End.FIN)


OPINION = Opinion(
    title=lambda tell: title(tell, "closes the connection"),
    name="Connection is closed right after logon",
    severity=Severity.HIGH,
    confidence=0.95,
    owner=owner_of,
    reference=microsoft.CLOSES_AFTER_200,
    advice=Advice(
        "Let the proxy keep connections open after the logon",
        Topic.KEEP,
        "Or take it out of the HTTP layer: HTTPS through CONNECT, or TCP mode.",
        past=True,
    ),
    see=see,
    why=lambda tell: story(tell, "closed"),
    explains=("tcp.request-cut", "auth.reauth-per-request", "auth.context-lost", "http.keepalive-stripped", "http.encrypted-body-refused"),
    habit=("tcp.request-cut",),
    leads_to=("tcp.request-lost-after-auth",),
    fails=("keeps_open_after_success",),
)
