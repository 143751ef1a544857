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
    Proxy Servers and WinRM, sentences 136 and 141 to 143.
"""

from analyzer.records.transport import End
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
    """What happened, and how many requests it cost."""
    raced = sum(len(sign.exchanges) - 1 for sign in tell.signs)
    return story(tell, "reset") + (f" {counted(raced, 'request')} of the client went unanswered into the reset." if raced else "")


OPINION = Opinion(
    title=lambda tell: title(tell, "resets the connection"),
    name="Connection is reset right after logon",
    severity=Severity.HIGH,
    confidence=0.95,
    owner=owner_of,
    reference="Proxy Servers and WinRM, sentence 141",
    advice=Advice(
        "Find out which device sends the reset (compare TTL and both sides' captures): a proxy's or firewall's session policy, "
        "source-port preservation on a load balancer, or a backend health action. The connection must stay open after the logon",
        Topic.KEEP,
    ),
    see=see,
    why=why,
    explains=("tcp.request-cut", "auth.reauth-per-request", "auth.context-lost", "http.encrypted-body-refused"),
    habit=("tcp.request-cut",),
    fails=("keeps_open_after_success",),
)
