"""The proxy ends the connection in the middle of its own authentication for a CONNECT.

Detects
    CONNECT answered 407 with a token of NTLM, Negotiate or Kerberos, and the proxy's FIN or RST within 5 seconds, before it had received the client's answer.
Impact
    The answer to a challenge is valid on the connection of the challenge only. With these schemes the tunnel can never be opened; Basic would work, since it
    needs no second round.
False positives
    A 407 without a token, the first offer, may be followed by a close. A client that closes by itself, or that asked for a close (Connection: close,
    or HTTP/1.0 without keep-alive), is not counted.
Requires
    The client's side of the proxy.
References
    Proxy Servers and WinRM, HTTPS-Based Proxy Connections: "If the proxy server requires authentication, the WinRM
    clients and servers must use HTTPS. Authentication to the proxy server is independent from the authentication to
    the destination server."
    RFC 4559 section 6; RFC 9110 section 15.5.8.
"""

from analyzer.records.auth import Audience
from analyzer.rules.asking import answered_at, server_words
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import after, name, request, status
from analyzer.rules.tcp._endings import Cut, cut_owner, cut_signs, cut_words, happened
from analyzer.rules.telling import Evidence, Opinion, Severity, Signs, Tell

_DEMAND = 407


def see(evidence: Evidence) -> Signs[Cut]:
    """One sign for each handshake that was cut."""
    return (sign for sign in cut_signs(evidence, Audience.PROXY) if _is_one(evidence, sign.fact))


def _is_one(evidence: Evidence, cut: Cut) -> bool:
    """Of a CONNECT, and no later request of the client had been received."""
    asked = request(cut.exchange)
    if asked is None or asked.method != "CONNECT" or status(cut.exchange) != _DEMAND:
        return False
    return not any((sent := request(other)) is None or cut.ending.closing.acked > sent.at for other in after(evidence, cut.exchange))


def why(tell: Tell[Cut]) -> str:
    cut = tell.facts[0]
    asked = request(cut.exchange)
    return (
        f"The proxy answered CONNECT {asked.target if asked is not None else ''} with an {cut.conversation.mechanism.shown} challenge "
        f"({cut.exchange.id} on {name(tell.connection)}, {answered_at(tell, cut.exchange)}). {cut_words(tell)} "
        f"The client could not answer, so the tunnel cannot be opened.{happened(tell)}"
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} closes in the middle of its own logon",
    name="Proxy closes in the middle of its own logon",
    severity=Severity.HIGH,
    confidence=0.9,
    owner=cut_owner,
    reference="RFC 4559 section 6",
    advice=Advice(
        "Let the proxy keep the connection after a 407 that carries a token",
        Topic.KEEP,
        "In squid: auth_param ntlm keep_alive on. Or log on to it with Kerberos in one round trip, or with Basic inside TLS.",
    ),
    see=see,
    why=why,
)
