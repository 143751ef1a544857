"""The client completes the TLS handshake and ends the connection without a request.

Detects
    A complete handshake, no application data, and a client that ended the connection first.
Impact
    Clients may check the certificate only when the handshake is complete: a wrong name, an unknown issuer or an expired
    certificate then looks like this. So do health checks and port scanners.
False positives
    The packets do not tell why the client ended it; what the certificate shows is named, and decides the severity.
Requires
    The handshake without losses. In TLS 1.3 it is told by the sizes of encrypted records.
References
    RFC 5246 section 7.3; RFC 8446 section 2.
"""

from analyzer.rules.reading import name
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell
from analyzer.rules.tls._handshakes import Fate, Shake, shakes, sign, where
from analyzer.rules.tls._words import attempts, certificate, ended, has_flaw, headline

_REPEATED = 2


def see(evidence: Evidence) -> Signs[Shake]:
    return (sign(shake, shake.facts.leaf_packet) for shake in shakes(evidence, Fate.UNUSED))


def severity(tell: Tell[Shake]) -> Severity:
    """A client that gets through otherwise only looked; one that never does, at a certificate with a flaw, most likely
    refuses it."""
    if tell.first.fact.up:
        return Severity.INFO
    if has_flaw(tell.first.fact):
        return Severity.MEDIUM
    return Severity.LOW if tell.count >= _REPEATED else Severity.INFO


def title(tell: Tell[Shake]) -> str:
    return headline("Client leaves ", where(tell.evidence, tell.first.fact.connection), " after TLS, before any request")


def why(tell: Tell[Shake]) -> str:
    shake = tell.first.fact
    closing = tell.packet(shake.connection.closings[0].packet)
    likely = " Clients that refuse a certificate after the handshake do this." if has_flaw(shake) else " Why the client did so cannot be told from the packets."
    return (
        f"The TLS handshake completed, then the client {ended(shake.connection)} without a request ({closing})."
        f"{certificate(tell)}{likely}{attempts(tell)} [{name(shake.connection)}]"
    )


OPINION = Opinion(
    title=title,
    name="The client ends TLS without a request",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.7,
    owner=Owner.CLIENT,
    reference="RFC 5246 section 7.3",
    advice=(
        "Look at the client's error message; it names what it refuses. "
        "Windows: 12175 or 0x80072f8f is a certificate that is refused; winrm reports the name, the issuer or the "
        "date. "
        "Certificate: its name, its dates and its issuer must suit the client. "
        "Health checks and scanners do the same; then nothing needs to change."
    ),
    see=see,
    why=why,
)
