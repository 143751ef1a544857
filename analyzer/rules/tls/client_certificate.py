"""The server refuses the client's certificate, or that there is none.

Detects
    A server that asked for the client's certificate, and then sent an alert, or ended the connection when it had the
    client's answer; or an alert of the server that is about certificates (certificate_required, bad_certificate,
    unknown_ca and others).
Impact
    Logon by certificate, or a device that wants certificates of its clients, fails before any request.
False positives
    Without an alert the server may have had another reason to end the connection; then the confidence is lower.
Requires
    The handshake. In TLS 1.3 certificates and alerts are encrypted: a key log opens them.
References
    RFC 8446 sections 4.3.2, 4.4.2 and 6.2; Microsoft, "Authentication for Remote Connections".
"""

from analyzer.records.tls import ClientCertificate
from analyzer.rules.reading import name
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell
from analyzer.rules.tls._handshakes import ALERT_SIZE, Fate, Shake, place_and_alert, shakes, sign, where
from analyzer.rules.tls._words import attempts, date, ended, headline

_SURE, _INFERRED = 1.0, 0.7


def see(evidence: Evidence) -> Signs[Shake]:
    for shake in shakes(evidence, Fate.CLIENT_CERTIFICATE):
        alert = shake.alert
        yield sign(shake, None if alert is None else alert.packet, confidence=_INFERRED if alert is None else _SURE)


def is_missing(tell: Tell[Shake]) -> bool:
    """The client has sent no certificate, as far as can be seen."""
    shake = tell.first.fact
    required = shake.alert is not None and shake.alert.name == "certificate_required"
    return required or shake.facts.client_certificate is ClientCertificate.EMPTY


def title(tell: Tell[Shake]) -> str:
    place = where(tell.evidence, tell.first.fact.connection)
    return headline(
        "",
        place,
        " wants a client certificate, none was sent" if is_missing(tell) else " refuses the client's certificate",
    )


def why(tell: Tell[Shake]) -> str:
    shake = tell.first.fact
    alert = shake.alert
    if alert is not None:
        opened = ", decrypted with the key log" if alert.encrypted else ""
        end = f"The server sent the TLS alert {alert.name} ({alert.number}; {tell.packet(alert.packet)}{opened})."
    else:
        hidden = shake.facts.server_encrypted_after[-1:] == (ALERT_SIZE,)
        after = " after a record of the size of an encrypted alert" if hidden else " without an alert"
        end = f"The server {ended(shake.connection)}{after} ({tell.packet(shake.connection.closings[0].packet)})."
    return f"{_dialog(shake)}{end}{_certificate(shake)}{attempts(tell)} [{name(shake.connection)}]"


def _dialog(shake: Shake) -> str:
    said = {
        ClientCertificate.EMPTY: "The server asked for the client's certificate, and the client sent an empty list. ",
        ClientCertificate.SENT: "The server asked for the client's certificate, and the client sent one. ",
        ClientCertificate.ASKED: "The server asked for the client's certificate. ",
    }
    known = said.get(shake.facts.client_certificate or ClientCertificate.NOT_ASKED, "")
    sizes = known and shake.facts.version_name == "TLS 1.3" and shake.facts.leaf is None
    return f"By the sizes of encrypted records, {known[0].lower()}{known[1:]}" if sizes else known


def _certificate(shake: Shake) -> str:
    leaf = shake.facts.client_leaf
    if leaf is None:
        return ""
    ended_before = shake.connection.first_ns // 1_000_000_000 > leaf.not_after_s
    issued = "self-signed" if leaf.self_signed else f"issued by {leaf.issuer}"
    dates = f"{'expired' if ended_before else 'valid until'} {date(leaf.not_after_s)}"
    return f" The client's certificate is that of {leaf.subject}, {issued}, and {dates}."


OPINION = Opinion(
    title=title,
    name="The server refuses the client's certificate",
    severity=Severity.MEDIUM,
    confidence=_SURE,
    owner=Owner.CLIENT,
    reference="RFC 8446 section 4.4.2",
    advice=(
        "Give the client a certificate that the server trusts, or let the server not ask for one. "
        "Client: a certificate for client authentication, with its private key, whose subject alternative name holds "
        "the user (CertificateThumbprint, "
        "cert_pem and cert_key_pem). "
        "Server: its issuer must be in Trusted Root Certification Authorities, and a mapping must exist (winrm "
        "enumerate winrm/config/service/certmapping). "
        "Device: a balancer that asks for certificates needs the issuer of the clients' certificates."
    ),
    see=see,
    why=why,
    each=place_and_alert,
)
