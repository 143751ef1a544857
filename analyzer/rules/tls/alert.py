"""One side ends TLS with an alert.

Detects
    A fatal alert, or a warning with which the handshake stopped, in clear or opened by a key log; alerts about
    certificates have rules of their own.
Impact
    The alert is the reason in TLS's own words: no common version, no common cipher suite, an unknown server name.
    Clients show a number at best.
False positives
    Never about the alert. Implementations choose them freely: handshake_failure and internal_error stand for many
    causes.
Requires
    The handshake. In TLS 1.3 most alerts are encrypted: a key log opens them.
References
    RFC 8446 section 6.2; RFC 5246 section 7.2.2; IANA's registry of TLS alerts.
"""

from analyzer.records.tls import Alert
from analyzer.rules.reading import name
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell
from analyzer.rules.tls._alerts import MEANINGS, OTHER, Meaning
from analyzer.rules.tls._handshakes import Fate, Shake, place_and_alert, shakes, sign, where
from analyzer.rules.tls._words import attempts, headline, offer

_OF_SERVER = (
    "protocol_version",
    "handshake_failure",
    "insufficient_security",
    "unrecognized_name",
    "no_application_protocol",
    "inappropriate_fallback",
)


def see(evidence: Evidence) -> Signs[Shake]:
    return (sign(shake, shake.alert.packet) for shake in shakes(evidence, Fate.ALERT) if shake.alert is not None)


def alert_of(tell: Tell[Shake]) -> Alert:
    """The alert of the first connection."""
    return next(shake.alert for shake in tell.facts if shake.alert is not None)


def meaning(tell: Tell[Shake]) -> Meaning:
    """What it stands for."""
    return MEANINGS.get(alert_of(tell).name or "", OTHER)


def title(tell: Tell[Shake]) -> str:
    alert, place = alert_of(tell), where(tell.evidence, tell.first.fact.connection)
    before, after = ("Client ends TLS to ", "") if alert.from_client else ("", " refuses TLS")
    return headline(before, place, f"{after}: {alert.name}")


def why(tell: Tell[Shake]) -> str:
    shake, alert = tell.first.fact, alert_of(tell)
    who = "client" if alert.from_client else "server"
    opened = ", decrypted with the key log" if alert.encrypted else ""
    asked = f" The client asked for the name {shake.facts.server_name}." if shake.facts.server_name else " The client named no server (no SNI)."
    chosen = f" The server had chosen {shake.facts.version_name} and {shake.facts.cipher_name}." if shake.facts.version_name else offer(shake.facts)
    return (
        f"The {who} sent the TLS alert {alert.name} ({alert.number}; {tell.packet(alert.packet)}{opened}). "
        f"It means: {meaning(tell).means}.{chosen}{asked if alert.name == 'unrecognized_name' else ''}{attempts(tell)} "
        f"[{name(shake.connection)}]"
    )


def advice(tell: Tell[Shake]) -> str:
    return meaning(tell).remedy


def owner(tell: Tell[Shake]) -> Owner:
    return Owner.SERVER if alert_of(tell).name in _OF_SERVER or not alert_of(tell).from_client else Owner.CLIENT


OPINION = Opinion(
    title=title,
    name="TLS is ended by an alert",
    severity=Severity.MEDIUM,
    confidence=1.0,
    owner=owner,
    reference="RFC 8446 section 6.2",
    advice=advice,
    see=see,
    why=why,
    each=place_and_alert,
)
