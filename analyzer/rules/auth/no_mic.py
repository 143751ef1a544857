"""An NTLM authenticate message without a MIC although the challenge asks for one.

Detects
    A challenge with a time stamp (MsvAvTimestamp), which makes the message integrity code (MIC) mandatory, answered
    by an NTLMv2 response without the flag that says that a MIC is there. High when the client calls itself Windows'
    own, which always sends one; low for other clients.
Impact
    The MIC protects the three messages. Without it anyone in between can clear flags such as signing, and relay the
    logon (CVE-2019-1040).
False positives
    Many clients that are not Windows' never send a MIC (curl, Go's masterzen/winrm, older rubyntlm): that is a
    weakness, not an attack. Tools that pose as the Windows client by its User-Agent count as high too.
Requires
    Challenge and answer on one connection.
References
    MS-NLMP 3.1.5.1.2 and 2.2.2.1.
"""

from analyzer.records.auth import Audience, Conversation, Mechanism, NtlmToken, Step
from analyzer.rules.asking import program, server_words, spoken, where
from analyzer.rules.reading import counted, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, place_and

_WINDOWS = "microsoft winrm client"


class Answer(Fact, frozen=True):
    """A conversation whose authenticate message has no MIC, and the program that sent it."""

    conversation: Conversation
    program: str

    @property
    def windows(self) -> bool:
        """It calls itself Windows' own client."""
        return self.program.lower().startswith(_WINDOWS)


def see(evidence: Evidence) -> Signs[Answer]:
    """One sign for each logon, at servers and at proxies."""
    for audience in Audience:
        for found in spoken(evidence, Mechanism.NTLM, audience=audience):
            step = _unprotected(found)
            if step is not None:
                agent = program(evidence, evidence.exchanges[step.exchange])[1] or "a program without a name"
                yield Sign(Answer(found, agent), (step.exchange,), step.packets[:1], user=who(found))


def _unprotected(conversation: Conversation) -> Step | None:
    """The authenticate message that should hold a MIC and does not."""
    asked = False
    for step in conversation.steps:
        token = None if step.token is None else step.token.ntlm
        if not isinstance(token, NtlmToken):
            continue
        if token.server_time is not None:
            asked = token.server_time
        if asked and token.version == "ntlmv2" and token.mic is False and step.packets:
            return step
    return None


def why(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    windows = " Windows' own client always sends one: the message was changed on the way, or another program uses its name."
    return (
        f"{counted(tell.count, 'NTLM authenticate message')} of {first.program} at {tell.connection.client.host} to "
        f"{server_words(tell.connection)} {'has' if tell.count == 1 else 'have'} no message integrity code (MIC). The challenge had a time stamp, "
        f"which asks for one. The first is {where(tell)}.{windows if first.windows else ''}"
    )


OPINION = Opinion(
    title=lambda tell: f"NTLM logons from {tell.connection.client.host} have no message integrity code",
    name="NTLM without message integrity code",
    severity=lambda tell: Severity.HIGH if tell.first.fact.windows else Severity.LOW,
    worst=Severity.HIGH,
    confidence=lambda tell: 0.7 if tell.first.fact.windows else 0.9,
    owner=Owner.CLIENT,
    reference="MS-NLMP 3.1.5.1.2",
    advice=(
        "Find out which program this is. Use one that sends a MIC (Windows, pypsrp, pywinrm with pyspnego). Require extended "
        "protection on the server (CbtHardeningLevel Strict with HTTPS), or use Kerberos."
    ),
    attack=lambda tell: ("T1557",) if tell.first.fact.windows else (),
    see=see,
    why=why,
    each=place_and(lambda answer: answer.program),
)
