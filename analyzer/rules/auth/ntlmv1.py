"""A client answers an NTLM challenge with NTLMv1.

Detects
    An NTLM authenticate message with a response of 24 bytes (NTLMv1, with or without extended session security)
    instead of NTLMv2's longer one.
Impact
    An NTLMv1 response is broken with DES: anyone who records it, a proxy first of all, can have the account's
    password hash within hours and log on with it anywhere.
False positives
    Never about the fact; whether the server accepted it is said.
Requires
    The client's authenticate message.
References
    MS-NLMP 3.3.1.
"""

from collections.abc import Iterator

from analyzer.records.auth import Audience, Conversation, Mechanism, Outcome
from analyzer.rules.asking import server_words, spoken
from analyzer.rules.reading import counted, of_them, sentence, who
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell, place_and


def see(evidence: Evidence) -> Signs[Conversation]:
    """One sign for each logon, at servers and at proxies."""
    for audience in Audience:
        for found in spoken(evidence, Mechanism.NTLM, audience=audience):
            if (found.ntlm_version or "").startswith("ntlmv1"):
                yield Sign(found, found.exchanges, tuple(_answers(found)), user=who(found))


def _answers(conversation: Conversation) -> Iterator[int]:
    """The first packet of each authenticate message."""
    for step in conversation.steps:
        if step.from_client and step.packets and step.token is not None and step.token.step == "authenticate":
            yield step.packets[0]


def why(tell: Tell[Conversation]) -> str:
    first = tell.first
    accepted = sum(found.outcome is Outcome.ACCEPTED for found in tell.facts)
    return (
        f"{first.user or tell.connection.client.host} answered {counted(tell.count, 'challenge')} of {server_words(tell.connection)} with "
        f"{first.fact.ntlm_version}. The first answer is {tell.packet(first.packets[0]) if first.packets else 'not captured'} ({first.exchanges[-1]}). "
        f"{sentence(of_them(accepted, tell.count))} accepted. Anyone who records it can get the account's password hash within hours."
    )


OPINION = Opinion(
    title=lambda tell: f"{tell.first.user or 'A client'} logs on with NTLMv1",
    name="Logon with NTLMv1",
    severity=Severity.HIGH,
    confidence=1.0,
    owner=Owner.CLIENT,
    reference="MS-NLMP 3.3.1",
    advice=(
        'Set "Network security: LAN Manager authentication level" to NTLMv2 only on clients and servers '
        "(LmCompatibilityLevel 5). Change the account's password, and prefer Kerberos."
    ),
    attack=("T1557", "T1040"),
    see=see,
    why=why,
    each=place_and(who),
)
