"""An NTLM message is changed on its way through a proxy.

Detects
    A handshake on both sides of a proxy with the same server challenge, of which one NTLM message has other bytes on
    the one side than on the other, in the same exchange.
Impact
    Anyone who can change these messages can turn off signing and encryption, and impersonate the client. Whether the
    server notices depends on the message integrity code (MIC), which some clients do not send.
False positives
    Handshakes between whose messages other exchanges lie are not counted: it cannot be told whose they are. The
    tokens are compared after decoding, so that line breaks and white space do not count. A proxy that only takes NTLM
    out of its SPNEGO wrapping, or puts it in, is not counted, nor are messages of different exchanges, such as a
    client's second try, or header blocks that are not whole in the capture.
Requires
    Both sides of the proxy.
References
    MS-NLMP 3.1.5.1.2 and 2.2.2.5.
"""

from collections.abc import Iterator

from analyzer.records.auth import Conversation, Mechanism, NtlmToken, Step
from analyzer.rules.asking import is_mixed, server_words
from analyzer.rules.reading import counted, cut_heads, handshakes, has_whole_head, request, response, upstream, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, alone

_NAMES = {1: "negotiate", 2: "challenge", 3: "authenticate"}
_FLAGS = {0x10: "SIGN", 0x20: "SEAL", 0x8000: "ALWAYS_SIGN", 0x80000: "EXTENDED_SESSIONSECURITY", 0x40000000: "KEY_EXCH", 0x20000000: "128"}
_Cut = frozenset[tuple[int | None, int | None]]
_Changes = tuple["Change", ...]


class Change(Fact, frozen=True):
    """The same message on the client's side and on the server side."""

    near: Step
    far: Step


def see(evidence: Evidence) -> Signs[_Changes]:
    cut = cut_heads(evidence)
    spoken = [found for found in handshakes(evidence) if found.mechanism is Mechanism.NTLM and found.server_challenge is not None]
    places = {identity: place for place, found in enumerate(spoken) for identity in found.exchanges}
    for near in spoken:
        fars = dict.fromkeys(places.get(far.id) for identity in near.exchanges if (far := upstream(evidence, identity)) is not None)
        for other in (spoken[place] for place in fars if place is not None):
            one = other.server_challenge == near.server_challenge and not is_mixed(evidence, near) and not is_mixed(evidence, other)
            changes = tuple(_changes(evidence, near, other, cut)) if one else ()
            if changes:
                exchanges = tuple(identity for change in changes for identity in (change.near.exchange, change.far.exchange))
                packets = tuple(key for change in changes for step in (change.near, change.far) for key in step.packets[:1])
                yield Sign(changes, exchanges, packets, (near.connection, other.connection), who(near))


def _changes(evidence: Evidence, near: Conversation, far: Conversation, cut: _Cut) -> Iterator[Change]:
    there = {(step.exchange, token.message): step for step in far.steps if (token := _ntlm(step)) is not None}
    for step in near.steps:
        token, beyond = _ntlm(step), upstream(evidence, step.exchange)
        other = None if token is None or beyond is None else there.get((beyond.id, token.message))
        whole = other is not None and all(_is_whole(evidence, one, cut) for one in (step, other))
        if other is not None and whole and _are_two(step, other):
            yield Change(step, other)


def _is_whole(evidence: Evidence, step: Step, cut: _Cut) -> bool:
    exchange = evidence.exchanges[step.exchange]
    return bool(step.packets) and has_whole_head(request(exchange) if step.from_client else response(exchange), cut)


def _are_two(one: Step, other: Step) -> bool:
    """Other bytes, and not only another wrapping of the same message."""
    a, b = one.token, other.token
    if a is None or b is None or a.digest == b.digest:
        return False
    rewrapped = (a.spnego is None) is not (b.spnego is None) or a.spnego != b.spnego
    return not (rewrapped and a.ntlm == b.ntlm)


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


def why(tell: Tell[_Changes]) -> str:
    changes, evidence = tell.first.fact, tell.evidence
    first = changes[0]
    token = _ntlm(first.near)
    message = _NAMES.get(0 if token is None else token.message, "NTLM")
    user = f" of {tell.first.user}" if tell.first.user else ""
    return (
        f"The proxy {server_words(tell.connection)} changed {counted(len(changes), 'message')} of the NTLM logon{user}. The {message} message is "
        f"{tell.packet(first.near.packets[0])} on the client's side and {tell.packet(first.far.packets[0])} on the server side "
        f"({_difference(first)}). Both sides have the same server challenge, so it is one logon "
        f"({tell.connection.id}, {evidence.connections[tell.connections[1]].id})."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} changes NTLM messages",
    name="Proxy changes NTLM messages",
    severity=Severity.CRITICAL,
    confidence=0.95,
    owner=Owner.PROXY,
    reference="MS-NLMP 3.1.5.1.2",
    advice=(
        "Treat the proxy as hostile until its software and its configuration are known. Require signing, encryption and "
        "extended protection on the server, or use Kerberos."
    ),
    attack=("T1557",),
    see=see,
    why=why,
    each=alone,
)
