"""The connection is closed right after the response that ends the logon.

Detects
    The first status other than 401 or 407 that ends an NTLM, Kerberos or CredSSP handshake, followed within a second by a FIN of the proxy (or of the server,
    where there is no proxy) before anything else was answered, while the client had more to say: it sends on, or comes back within 30 seconds.
Impact
    The handshake authenticates the connection, and its last round trip does not carry the client's request. Closing it now throws the logon away: the next
    request arrives on a new connection and is answered 401, and so on.
False positives
    A client that only tests its logon closes by itself, which is not counted. A session that ends with this exchange is not counted either, unless the same
    client opens another one within 30 seconds.
Requires
    The side on which it happens.
References
    Proxy Servers and WinRM, sentences 136 and 141 to 143.
"""

from analyzer.records.transport import End
from analyzer.rules.products import PAST_THE_PROXY, Advice, Topic
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
    reference="Proxy Servers and WinRM, sentence 141",
    advice=Advice(
        "Let the proxy keep connections open after the logon",
        Topic.KEEP,
        f", or take it out of the HTTP layer with CONNECT or TCP mode and HTTPS, or {PAST_THE_PROXY}.",
    ),
    see=see,
    why=lambda tell: story(tell, "closed"),
    explains=("tcp.request-cut", "auth.reauth-per-request", "auth.context-lost", "http.keepalive-stripped", "http.encrypted-body-refused"),
    habit=("tcp.request-cut",),
    fails=("keeps_open_after_success",),
)
