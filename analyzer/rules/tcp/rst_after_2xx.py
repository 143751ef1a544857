"""The connection is reset right after the response that ends the logon.

Detects
    The first status other than 401 or 407 that ends an NTLM, Kerberos or CredSSP handshake, followed within a second by a RST of the proxy (or of the server,
    where there is no proxy), possibly in a race with the client's next request, while the client had more to say.
Impact
    The client sees "connection reset by peer" at its first real request. The logon belongs to the connection and is lost with it.
False positives
    A reset that the client itself sends, or one after a FIN, is not counted. A session that ends with this exchange is not counted, unless the same client
    opens another connection within 30 seconds.
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
from analyzer.rules.reading import after, counted
from analyzer.rules.tcp._endings import Ended, ended_signs, owner_of, story, title
from analyzer.rules.telling import Evidence, Opinion, Severity, Sign, Signs, Tell


def see(evidence: Evidence) -> Signs[Ended]:
    """One sign for each logon that was lost, with the requests that the reset left without an answer."""
    for sign in ended_signs(evidence, End.RESET):
        raced = tuple(other.id for other in after(evidence, sign.fact.exchange))
        yield Sign(sign.fact, (*sign.exchanges, *raced), sign.packets, user=sign.user)


def why(tell: Tell[Ended]) -> str:
    raced = sum(len(sign.exchanges) - 1 for sign in tell.signs)
    return story(tell, "reset") + (f" {counted(raced, 'request')} of the client went unanswered into the reset." if raced else "")


OPINION = Opinion(
    title=lambda tell: title(tell, "resets the connection"),
    name="Connection is reset right after logon",
    severity=Severity.HIGH,
    confidence=0.95,
    owner=owner_of,
    reference=microsoft.CLOSES_AFTER_200,
    advice=Advice(
        "Find out which device sends the reset, and let it keep the connection open after the logon",
        Topic.KEEP,
        "Compare TTL and the captures of both sides. Usual causes: a session policy of a proxy or firewall, source-port preservation on a load balancer, a "
        "health check of the server.",
    ),
    see=see,
    why=why,
    explains=("tcp.request-cut", "auth.reauth-per-request", "auth.context-lost", "http.encrypted-body-refused"),
    habit=("tcp.request-cut",),
    leads_to=("tcp.request-lost-after-auth",),
    fails=("keeps_open_after_success",),
)
