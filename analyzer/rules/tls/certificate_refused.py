"""The client refuses the server's certificate.

Detects
    An alert of the client that is about certificates (bad_certificate, unsupported_certificate, certificate_revoked,
    certificate_expired, certificate_unknown, unknown_ca), in clear or opened by a key log; or, up to TLS 1.2, a client
    that closes right after the server's certificate without a word.
Impact
    The client ends the connection before it sends anything. The reason lies in the certificate or in what the client
    trusts, and the certificate is readable up to TLS 1.2.
False positives
    Never about an alert. Without one the client may have had other reasons: then the confidence is lower, and the
    severity too unless the certificate shows a reason.
Requires
    The handshake. In TLS 1.3 certificates are encrypted, and often alerts: a key log opens them.
References
    RFC 8446 section 6.2; RFC 5280 section 4.1.2.5; RFC 9525 section 6.
"""

from analyzer.rules.reading import name
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell
from analyzer.rules.tls._handshakes import Fate, Shake, place_and_alert, shakes, sign, where
from analyzer.rules.tls._words import attempts, certificate, ended, has_flaw, headline, is_early, is_expired

_MEANS = {
    "bad_certificate": "the certificate, or a signature in its chain, is not right",
    "unsupported_certificate": "the certificate is of a kind that the client does not take",
    "certificate_revoked": "its issuer has revoked the certificate",
    "certificate_expired": "the certificate is out of its dates, by the client's clock",
    "certificate_unknown": "something about the certificate does not suit the client",
    "unknown_ca": "no authority that the client trusts has signed the chain",
}
_SURE, _INFERRED = 1.0, 0.6


def see(evidence: Evidence) -> Signs[Shake]:
    for shake in shakes(evidence, Fate.CERTIFICATE_REFUSED):
        alert = shake.alert
        yield sign(
            shake,
            shake.facts.leaf_packet,
            None if alert is None else alert.packet,
            confidence=_INFERRED if alert is None else _SURE,
        )


def severity(tell: Tell[Shake]) -> Severity:
    told = any(shake.alert is not None for shake in tell.facts)
    seen = has_flaw(tell.first.fact) and not tell.first.fact.up
    return Severity.MEDIUM if told or seen else Severity.LOW


def title(tell: Tell[Shake]) -> str:
    alert = tell.first.fact.alert
    if alert is None:
        return headline("Client closes TLS at the certificate of ", where(tell.evidence, tell.first.fact.connection), "")
    return headline("Client refuses the certificate of ", where(tell.evidence, tell.first.fact.connection), f": {alert.name}")


def why(tell: Tell[Shake]) -> str:
    shake = tell.first.fact
    alert = shake.alert
    if alert is None:
        closing = tell.packet(shake.connection.closings[0].packet)
        said = f"The client {ended(shake.connection)} right after the server's certificate, without an alert ({closing})."
    else:
        opened = ", decrypted with the key log" if alert.encrypted else ""
        means = _MEANS.get(alert.name or "", "it does not accept the certificate")
        said = (
            f"The client answered the server's certificate with the TLS alert {alert.name} ({alert.number}; "
            f"{tell.packet(alert.packet)}{opened}). "
            f"It means: {means}."
        )
    return f"{said}{certificate(tell)}{attempts(tell)} No request was sent. [{name(shake.connection)}]"


def owner(tell: Tell[Shake]) -> Owner:
    shake = tell.first.fact
    return Owner.SERVER if is_expired(shake) or is_early(shake) or shake.facts.name_matches is False else Owner.CLIENT


def advice(tell: Tell[Shake]) -> str:
    shake = tell.first.fact
    leaf = shake.facts.leaf
    said = ["Give the listener a certificate that the client accepts, or let the client trust this one."]
    if is_expired(shake) or is_early(shake):
        said.append("Dates: renew the certificate, and put the new thumbprint into the listener (winrm set winrm/config/Listener).")
    if shake.facts.name_matches is False:
        said.append("Name: connect by a name that the certificate has, or issue one with this name as subject alternative name.")
    if leaf is None or leaf.self_signed:
        said.append("Trust: import the certificate, or better one of your own authority, into Trusted Root Certification Authorities of the client.")
    else:
        said.append("Trust: import the root of the issuer at the client, and send the intermediate certificates from the server.")
    said.append("Clients that do not read the Windows store: pywinrm ca_trust_path, pypsrp cert_validation, Ansible ansible_winrm_ca_trust_path.")
    return " ".join(said)


OPINION = Opinion(
    title=title,
    name="The client refuses the server's certificate",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=_SURE,
    owner=owner,
    reference="RFC 8446 section 6.2",
    advice=advice,
    see=see,
    why=why,
    each=place_and_alert,
)
