"""The connection ends in the middle of a handshake, after the challenge and before the client's answer.

Detects
    A 401 or 407 that carries a token of NTLM, Negotiate or CredSSP, followed within 5 seconds by a FIN or RST of the proxy (or of the server, where there is no
    proxy), before the other side had received any of the client's next request.
Impact
    The answer to a challenge is valid on the connection of the challenge only. It can never be given, and each new connection begins with a new challenge: the
    logon cannot succeed at all.
False positives
    A 401 without a token, the first offer, may be followed by a close. A client that closes by itself has stopped trying, and one whose request asked for a
    close (Connection: close, or HTTP/1.0) got what it wanted: neither is counted.
Requires
    The client's side of the proxy, or a direct connection.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "Authentication of a request requires multiple round-trips
    between the client and server. Most negotiation for authentication is complete after the authenticating (WinRM)
    server sends a response to the client that is not a 401 response (Unauthorized). If the WinRM server returns a
    response to the client that is not a 401 response, the proxy should not close the connection."
    RFC 4559 section 6.
"""

from analyzer.records.auth import Audience
from analyzer.records.proxy import Role
from analyzer.rules import microsoft
from analyzer.rules.asking import answered_at, named
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import after, name, request, role, status
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.tcp._endings import Cut, cut_owner, cut_signs, cut_words, happened
from analyzer.rules.telling import Evidence, Opinion, Severity, Signs, Tell


def see(evidence: Evidence) -> Signs[Cut]:
    """One sign for each handshake that was cut."""
    return (sign for sign in cut_signs(evidence, *Audience) if _is_one(evidence, sign.fact))


def _is_one(evidence: Evidence, cut: Cut) -> bool:
    """Not on the server's side of a proxy, not of a CONNECT (which is another rule's), and the client's next request, if any, had not been received."""
    asked = request(cut.exchange)
    if role(evidence, cut.connection.id) is Role.UPSTREAM_LEG or asked is None or asked.method == "CONNECT":
        return False
    closing = cut.ending.closing
    following = [request(other) for other in after(evidence, cut.exchange)]
    return all(sent is not None and not (sent.first_ns <= closing.ts_ns and closing.acked > sent.at) for sent in following)


def why(tell: Tell[Cut]) -> str:
    cut = tell.facts[0]
    return (
        f"The client got the {cut.conversation.mechanism.shown} challenge{named('for', tell.first.user)} in {cut.exchange.id} on {name(tell.connection)} "
        f"(status {status(cut.exchange)}, {answered_at(tell, cut.exchange)}). {cut_words(tell)} The client could not answer on this connection, and no other "
        f"one will do, so the logon cannot succeed.{happened(tell)}"
    )


OPINION = Opinion(
    title=lambda tell: words.titled(
        "", words.ender(tell.evidence, tell.connection, tell.facts[0].ending.closing), " ends the connection in the middle of the logon", "A device"
    ),
    name="Connection ends in the middle of the logon",
    severity=Severity.HIGH,
    confidence=0.95,
    owner=cut_owner,
    reference=microsoft.KEEP_OPEN,
    advice=Advice(
        "Let the proxy keep the connection after a 401 or 407 that carries a token, with HTTP/1.1 on both sides",
        Topic.KEEP,
        "Or use HTTPS through CONNECT.",
        past=True,
    ),
    see=see,
    why=why,
    explains=("auth.loop", "auth.credentials-refused", "auth.reauth-per-request", "http.keepalive-stripped"),
    habit=("affinity.handshake-split", "tcp.request-cut"),
    fails=("connection_authentication",),
)
