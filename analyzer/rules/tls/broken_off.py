"""A TLS handshake that stops half-way, without an alert that can be read.

Detects
    A handshake that the server had answered and that was ended, or went on no further for three seconds, before it was
    complete; or that the server ended right after the client's last message. Where an alert can be read, or the rest
    tells that it was about a certificate, another rule says it.
Impact
    HTTPS never comes up. In TLS 1.3 the reason is usually there, in an encrypted alert, which only a key log opens.
False positives
    Health checks of balancers end handshakes half-way by design; the client's address tells.
Requires
    The handshake without losses.
References
    RFC 8446 sections 2 and 6.
"""

from analyzer.records.tls import Reached
from analyzer.records.transport import End
from analyzer.rules.reading import name
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell
from analyzer.rules.tls._handshakes import ALERT_SIZE, Fate, Shake, shakes, sign, where
from analyzer.rules.tls._words import attempts, certificate, ended, headline

_AFTER = {
    Reached.CLIENT_HELLO: "the server's first answer",
    Reached.SERVER_HELLO: "the ServerHello",
    Reached.CERTIFICATE: "the server's certificate",
    Reached.CLIENT_FINISHED: "the client's last message of the handshake",
    Reached.COMPLETED: "the handshake",
    Reached.APPLICATION_DATA: "the client's first data",
}


def see(evidence: Evidence) -> Signs[Shake]:
    return (sign(shake, shake.connection.packets[-1]) for shake in shakes(evidence, Fate.BROKEN_OFF))


def severity(tell: Tell[Shake]) -> Severity:
    """A client that gets through on other connections, and ends this one itself, may only have looked (a health
    check)."""
    return Severity.LOW if tell.first.fact.up and tell.first.fact.by_client else Severity.MEDIUM


def title(tell: Tell[Shake]) -> str:
    shake = tell.first.fact
    how = "stalls" if shake.connection.end is End.OPEN else "is ended by the client" if shake.by_client else "is ended by the server"
    return headline("TLS handshake with ", where(tell.evidence, shake.connection), f" {how}")


def why(tell: Tell[Shake]) -> str:
    shake = tell.first.fact
    connection = shake.connection
    after = _AFTER[shake.facts.reached]
    if connection.end is End.OPEN:
        said = f"The TLS handshake did not go on after {after} ({tell.packet(connection.packets[-1])})."
    else:
        who = "client" if shake.by_client else "server"
        said = f"The {who} {ended(connection)} after {after} ({tell.packet(connection.closings[0].packet)})."
    return f"{said}{_hidden(shake)}{_usual(shake)}{certificate(tell)}{attempts(tell)} [{name(connection)}]"


def _usual(shake: Shake) -> str:
    """What a client does at this place most often."""
    hidden = shake.facts.version_name == "TLS 1.3" and shake.facts.reached is Reached.SERVER_HELLO
    at_certificate = shake.by_client and hidden
    return " A client that refuses the server's certificate ends it here." if at_certificate else ""


def _hidden(shake: Shake) -> str:
    """An encrypted alert shows itself by its size."""
    facts = shake.facts
    sizes = facts.client_encrypted if shake.by_client else facts.server_encrypted_after
    if facts.version_name == "TLS 1.3" and sizes and sizes[-1] == ALERT_SIZE:
        size = f" Its last record has {ALERT_SIZE} bytes, the size of an encrypted alert."
        return f"{size} Which one cannot be told without a key log."
    if any(alert.number is None for alert in facts.alerts):
        return " An encrypted alert came before; which one cannot be told without a key log."
    return " No alert can be read."


def owner(tell: Tell[Shake]) -> Owner:
    shake = tell.first.fact
    return Owner.NETWORK if shake.connection.end is End.OPEN else Owner.CLIENT if shake.by_client else Owner.SERVER


OPINION = Opinion(
    title=title,
    name="A TLS handshake is broken off",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.8,
    owner=owner,
    reference="RFC 8446 section 6",
    advice=(
        "Ask the side that ended the handshake for its reason. "
        "Windows: System log, source Schannel (36870, 36871, 36874, 36882, 36884, 36887, 36888). "
        "Python clients: the exception names the alert (certificate verify failed, handshake failure). "
        "Stalled handshakes: compare the MTU of the way; the server's certificate often needs several packets. "
        "Record next: a TLS key log of the client (SSLKEYLOGFILE), given with --keylog."
    ),
    see=see,
    why=why,
)
