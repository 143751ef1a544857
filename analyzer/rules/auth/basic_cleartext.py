"""A password travels in clear text: Basic authentication without TLS.

Detects
    An Authorization header with the scheme Basic on a WinRM connection that is not TLS. The password is never shown.
Impact
    Basic is base64, not encryption: everyone on the path, a proxy first of all, has the user's password.
False positives
    Never about the fact.
Requires
    The request.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "It is possible that a malicious proxy server could examine
    every request/response pair, including credentials."
    RFC 7617 section 4; MS-WSMV 2.2.4.34.
"""

from analyzer.records.auth import Audience, Conversation, Mechanism
from analyzer.rules.asking import claims_proxy, is_at_proxy, server_words
from analyzer.rules.reading import counted, first_packet, request, status, who
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell, place_and


def see(evidence: Evidence) -> Signs[Conversation]:
    """One sign for each conversation, on every side that shows it."""
    for found in evidence.conversations:
        basic = found.mechanism is Mechanism.BASIC and found.audience is Audience.SERVER and found.connection in evidence.winrm
        if basic and not found.over_tls and evidence.connections[found.connection].protocol != "tls":
            packets = tuple(key for identity in found.exchanges for key in first_packet(request(evidence.exchanges[identity])))
            yield Sign(found, found.exchanges, packets, user=who(found))


def why(tell: Tell[Conversation]) -> str:
    evidence, first = tell.evidence, tell.first
    carriers = [identity for one in tell.facts for identity in one.exchanges if request(evidence.exchanges[identity]) is not None]
    shown = carriers[0] if carriers else first.exchanges[0]
    at = tell.packet(first.packets[0]) if first.packets else "not in the capture"
    through = ""
    if claims_proxy(evidence, tell.connections[:1]):
        through = " By a field such as Via, which any sender can write, a proxy sent it, and could read it, too."
    elif is_at_proxy(evidence, tell.connections[0]):
        through = " The connection belongs to a proxy, which could read it, too."
    return (
        f"{tell.connection.client.host} sent user name and password of {first.user or 'a user'} to {server_words(tell.connection)} "
        f"with Basic and without TLS, in {counted(len(carriers), 'request')}. The first is {at}, answered "
        f"{status(evidence.exchanges[shown]) or 'by nothing in the capture'} ({shown}).{through}"
    )


OPINION = Opinion(
    title=lambda tell: f"Password of {tell.first.user or 'a user'} is sent in clear text",
    name="Password in clear text (Basic without TLS)",
    severity=Severity.CRITICAL,
    confidence=1.0,
    owner=Owner.CLIENT,
    reference="RFC 7617 section 4",
    advice=(
        "Change the password: it must be taken as known. Turn Basic off "
        "(winrm set winrm/config/service/auth '@{Basic=\"false\"}') or allow it over HTTPS only. "
        "Let clients use Negotiate or Kerberos."
    ),
    attack=("T1040",),
    see=see,
    why=why,
    each=place_and(who),
)
