"""The certificate of a server is out of its dates, or not for the name that clients use, although they go on.

Detects
    WinRM over TLS that came up and carried data, with a server certificate that was expired or not yet valid at the
    time of the capture, or that is not valid for the name that the client asked for.
Impact
    Such clients do not check the certificate, or pin it: anyone who stands between could show one of his own. Clients that
    check it are refused their connection.
False positives
    Clients that pin a certificate do not need its dates or names. A clock of the capture that is wrong by months makes
    certificates look expired.
Requires
    The certificate: TLS up to 1.2, or a key log.
References
    RFC 5280 section 4.1.2.5; RFC 9525 section 6.
"""

from analyzer.rules.reading import counted, name
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell, endpoint
from analyzer.rules.tls._handshakes import Fate, Shake, shakes, sign, where
from analyzer.rules.tls._words import certificate, date, headline, is_early, is_expired


def see(evidence: Evidence) -> Signs[Shake]:
    for shake in shakes(evidence, Fate.CAME_UP):
        if is_expired(shake) or is_early(shake) or shake.facts.name_matches is False:
            yield sign(shake, shake.facts.leaf_packet)


def severity(tell: Tell[Shake]) -> Severity:
    return Severity.LOW if is_expired(tell.first.fact) or is_early(tell.first.fact) else Severity.INFO


def title(tell: Tell[Shake]) -> str:
    shake = tell.first.fact
    place, leaf = where(tell.evidence, shake.connection), shake.facts.leaf
    if leaf is not None and is_expired(shake):
        return headline("Certificate of ", place, f" expired on {date(leaf.not_after_s)}")
    if leaf is not None and is_early(shake):
        return headline("Certificate of ", place, f" is not valid before {date(leaf.not_before_s)}")
    return headline("Certificate of ", place, f" is not for {shake.facts.wanted_name}"[:40])


def why(tell: Tell[Shake]) -> str:
    shake = tell.first.fact
    hello = shake.facts.hello_packets[0] if shake.facts.hello_packets else shake.connection.packets[0]
    clients = counted(len({one.connection.client.host for one in tell.facts}), "client")
    return (
        f"TLS came up on {counted(tell.count, 'connection')} of {clients}, the first at {tell.packet(hello)}."
        f"{certificate(tell)} The client went on all the same, so it does not check that, or trusts this certificate "
        f"itself. [{name(shake.connection)}]"
    )


OPINION = Opinion(
    title=title,
    name="A server's certificate is expired, or for another name",
    severity=severity,
    worst=Severity.LOW,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="RFC 5280 section 4.1.2.5",
    advice=(
        "Renew the certificate with the names that clients use, then let the clients check it. "
        "Listener: put the new thumbprint in (winrm set winrm/config/Listener?Address=*+Transport=HTTPS). "
        "Clients: no -SkipCACheck and -SkipCNCheck, and server_cert_validation validate (pywinrm, pypsrp, Ansible)."
    ),
    see=see,
    why=why,
    each=endpoint,
)
