"""NTLM encrypts with a short key, or without extended session security.

Detects
    An accepted NTLM handshake whose authenticate message agrees on encryption (sealing) but lacks NEGOTIATE_128 (then the key has 56 or 40 bits) or
    EXTENDED_SESSIONSECURITY (then both directions share one key stream and the signature is a CRC), on a connection without TLS.
Impact
    A 40-bit key is found in minutes, a 56-bit key in a day. Anyone who records the connection, a proxy for example, can read it all.
False positives
    Never about the flags. Where the request bodies are in clear or inside HTTPS the key protects nothing.
Requires
    The authenticate message.
References
    MS-NLMP 3.4.5.3 and 2.2.2.5.
"""

from analyzer.records.auth import Conversation, NtlmToken, Step
from analyzer.rules.asking import named
from analyzer.rules.reading import completed, counted, listed, name, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_SEAL, _ESS, _128, _56 = 0x20, 0x80000, 0x20000000, 0x80000000
_AUTHENTICATE = 3


class Weak(Fact, frozen=True):
    """An authenticate message, and what is weak."""

    step: Step
    what: str


def see(evidence: Evidence) -> Signs[Weak]:
    """One sign for each handshake; the server's side is left out where the client's is known."""
    for logon in completed(evidence):
        weak = _weak(logon)
        if weak is not None and evidence.connections[logon.connection].protocol != "tls" and not any(one in evidence.far for one in logon.exchanges):
            yield Sign(weak, (weak.step.exchange,), weak.step.packets[:1], user=who(logon))


def _weak(logon: Conversation) -> Weak | None:
    for step in reversed(logon.steps):
        token = None if step.token is None else step.token.ntlm
        if isinstance(token, NtlmToken) and token.message == _AUTHENTICATE and step.packets:
            return None if not token.flags & _SEAL or (what := _weakness(token.flags)) is None else Weak(step, what)
    return None


def _weakness(flags: int) -> str | None:
    if not flags & _ESS:
        return "no extended session security"
    if not flags & _128:
        return "a key of 56 bits" if flags & _56 else "a key of 40 bits"
    return None


def why(tell: Tell[Weak]) -> str:
    return (
        f"{counted(tell.count, 'NTLM handshake')}{named('of', tell.first.user)} on {name(tell.connection)} agreed on encryption with "
        f"{listed(weak.what for weak in tell.facts)}. The first is in {tell.packet(tell.first.packets[0])} ({tell.facts[0].step.exchange}). Anyone who records "
        "the connection can break it."
    )


OPINION = Opinion(
    title=lambda tell: f"NTLM encrypts with {tell.facts[0].what}",
    name="NTLM encrypts with a weak key",
    severity=Severity.MEDIUM,
    confidence=1.0,
    owner=Owner.CLIENT,
    reference="MS-NLMP 3.4.5.3",
    advice=(
        'Set "Network security: Minimum session security for NTLM SSP" to require NTLMv2 session security and 128-bit encryption on clients and servers, or '
        "use Kerberos with AES or HTTPS."
    ),
    see=see,
    why=why,
    attack=("T1040",),
)
