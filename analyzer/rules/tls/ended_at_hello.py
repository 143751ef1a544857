"""The server ends the connection as soon as the client asks for TLS.

Detects
    A ClientHello to a WinRM port, whole in the capture, and no byte of the server before its FIN or RST.
Impact
    HTTPS never comes up, so there is no logon and no command. Clients report a reset or closed connection and no
    reason, since none was sent.
False positives
    The packets do not tell whether the server or a device on the way ended it, nor why; the causes named are the usual
    ones.
Requires
    The beginning of the connection, in both directions.
References
    RFC 8446 section 4.1.2; Microsoft, "Configure WinRM for HTTPS".
"""

from analyzer.records.transport import End
from analyzer.rules.reading import name
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell
from analyzer.rules.tls._handshakes import Fate, Shake, shakes, sign, where
from analyzer.rules.tls._words import attempts, headline, offer


def see(evidence: Evidence) -> Signs[Shake]:
    return (sign(shake) for shake in shakes(evidence, Fate.ENDED_AT_HELLO))


def title(tell: Tell[Shake]) -> str:
    first = tell.first.fact.connection
    return headline(
        "TLS to ",
        where(tell.evidence, first),
        f" is {'reset' if first.end is End.RESET else 'closed'} at the ClientHello",
    )


def why(tell: Tell[Shake]) -> str:
    shake = tell.first.fact
    hello, closing = shake.facts.hello_packets[0], shake.connection.closings[0].packet
    named = f" for {shake.facts.wanted_name}" if shake.facts.wanted_name else ""
    answer = "reset (RST)" if shake.connection.end is End.RESET else "closed (FIN)"
    return (
        f"The client sent a ClientHello{named} ({tell.packet(hello)}). "
        f"From the server's address the connection was {answer} without an answer ({tell.packet(closing)})."
        f"{attempts(tell)}{offer(shake.facts)} TLS never came up, so nothing was asked or logged on. "
        "No alert says why. Usually the server has no usable certificate, or no version or cipher in common, or a "
        "device filters TLS. "
        f"[{name(shake.connection)}]"
    )


OPINION = Opinion(
    title=title,
    name="The server ends TLS at the ClientHello",
    severity=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.SERVER,
    reference='RFC 8446 section 4.1.2; Microsoft, "Configure WinRM for HTTPS"',
    advice=(
        "Check the HTTPS listener on the server, then the devices on the way. "
        "Listener: winrm enumerate winrm/config/listener shows its CertificateThumbprint. "
        "Certificate: it must be in LocalMachine\\My with its private key, for server authentication. "
        "Binding of the port: netsh http show sslcert. "
        "Versions: compare those that the client offered with the server's Schannel settings; System events 36870, "
        "36871 and 36874 (Schannel) name the cause. "
        "Network: capture on the server; if the reset is not in that capture, a firewall sent it."
    ),
    see=see,
    why=why,
)
