"""An NTLM message is changed on its way through a proxy.

What it sees
    A handshake on both legs of a proxy with the same server challenge, of which one NTLM message has other bytes on the one leg than on the other.
Why it matters
    Whoever can change these messages can turn off signing and sealing, and impersonate the client. Whether the server notices depends on the message
    integrity code (MIC), which some clients do not send.
When it is wrong
    Never about the fact: the tokens are compared after decoding, so that line breaks and white space do not count.
Needs
    Both legs.
Reference
    MS-NLMP 3.1.5.1.2 and 2.2.2.5.
"""

from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Conversation, Mechanism, NtlmToken, Step
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.reading import counted, finding, handshakes, name, packet, upstream, who

RULE = "auth.token-altered"
TITLE = "The proxy changes NTLM messages"
SEVERITY = Severity.CRITICAL
REFERENCE = "MS-NLMP 3.1.5.1.2"
ADVICE = (
    "Treat the proxy as hostile until its software and its configuration are known. Require signing, sealing and extended protection on the server, or use "
    "Kerberos."
)
_NAMES = {1: "negotiate", 2: "challenge", 3: "authenticate"}
_FLAGS = {0x10: "SIGN", 0x20: "SEAL", 0x8000: "ALWAYS_SIGN", 0x80000: "EXTENDED_SESSIONSECURITY", 0x40000000: "KEY_EXCH", 0x20000000: "128"}


class Change(Struct, frozen=True, gc=False):
    """The same message on the client's leg and on the upstream leg."""

    near: Step
    far: Step


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each handshake."""
    spoken = [found for found in handshakes(evidence) if found.mechanism is Mechanism.NTLM and found.server_challenge is not None]
    places = {identity: place for place, found in enumerate(spoken) for identity in found.exchanges}
    for near in spoken:
        fars = dict.fromkeys(places.get(far.id) for identity in near.exchanges if (far := upstream(evidence, identity)) is not None)
        for other in (spoken[place] for place in fars if place is not None):
            changes = list(_changes(near, other)) if other.server_challenge == near.server_challenge else []
            if changes:
                yield _finding(evidence, near, other, changes)


def _changes(near: Conversation, far: Conversation) -> Iterator[Change]:
    there = _by_message(far)
    for number, step in _by_message(near).items():
        other = there.get(number)
        if other is not None and step.token is not None and other.token is not None and step.token.digest != other.token.digest:
            yield Change(step, other)


def _by_message(conversation: Conversation) -> dict[int, Step]:
    """The steps of one handshake by NTLM message number."""
    return {token.message: step for step in conversation.steps if (token := _ntlm(step)) is not None}


def _ntlm(step: Step) -> NtlmToken | None:
    token = None if step.token is None else step.token.ntlm
    return token if isinstance(token, NtlmToken) else None


def _difference(change: Change) -> str:
    near, far = _ntlm(change.near), _ntlm(change.far)
    if near is None or far is None:
        return ""
    words = []
    for bit, flag in _FLAGS.items():
        if (near.flags ^ far.flags) & bit:
            sender, receiver = (near, far) if change.near.from_client else (far, near)
            words.append(f"{flag} {'set' if receiver.flags & bit and not sender.flags & bit else 'cleared'}")
    if near.mic != far.mic:
        words.append("MIC removed" if near.mic else "MIC added")
    return ", ".join(words) or "other fields"


def _finding(evidence: Evidence, near: Conversation, far: Conversation, changes: list[Change]) -> Finding:
    first = changes[0]
    number = token.message if (token := _ntlm(first.near)) is not None else 0
    user = who(near)
    why = (
        f"{counted(len(changes), 'message')} of the NTLM handshake{f' of {user}' if user else ''} differ between "
        f"{name(evidence.connections[near.connection])} and "
        f"{name(evidence.connections[far.connection])}, though both have the server challenge {(near.server_challenge or b'').hex()}: the "
        f"{_NAMES.get(number, '')} "
        f"message in {packet(evidence, first.near.packets[0])} and {packet(evidence, first.far.packets[0])} ({_difference(first)})."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.95,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[near.connection, far.connection],
        exchanges=[identity for change in changes for identity in (change.near.exchange, change.far.exchange)],
        packets=[key for change in changes for step in (change.near, change.far) for key in step.packets[:1]],
        user=user,
        attack=("T1557",),
    )
