"""The TLS inside CredSSP ends at the proxy.

What it sees
    A CredSSP handshake on both legs, exchange by exchange in the same order on one connection of each, in which every TLS token of the client has other bytes
    on the upstream leg than on the client's leg. A ClientHello holds random bytes of its own: two of them are two TLS connections, with two certificates.
Why it matters
    Whoever ends the inner TLS stands where the server should, and gets what CredSSP sends inside: the logon and, if the binding is not checked, the password.
When it is wrong
    Tokens that differ cannot join the two legs; they are joined by the order and the times of several exchanges then, hence the confidence.
Needs
    Both legs of the whole handshake.
Reference
    MS-CSSP 3.1.5 (pubKeyAuth) and 5.1; Proxy Servers and WinRM, sentence 154.
"""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.records.auth import Audience, Conversation, Mechanism, Step
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.reading import counted, finding, name, packet, who

RULE = "auth.credssp-cert-differs"
TITLE = "The TLS inside CredSSP ends at the proxy"
SEVERITY = Severity.CRITICAL
REFERENCE = "MS-CSSP 3.1.5"
ADVICE = (
    "Treat the proxy as hostile until its software and its configuration are known, change the passwords of the users named here, and turn CredSSP off "
    "(Disable-WSManCredSSP) or use it with HTTPS end to end and TSRequest version 5 or newer (CVE-2018-0886)."
)
_LEAST = 2


class Pair(NamedTuple):
    """The same step on the client's leg and on the upstream leg."""

    near: Step
    far: Step


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each handshake."""
    for conversation in evidence.conversations:
        own = conversation.mechanism is Mechanism.CREDSSP and conversation.audience is Audience.SERVER and conversation.connection in evidence.winrm
        pairs = _pairs(evidence, conversation) if own else []
        differ = all(pair.near.token is not None and pair.far.token is not None and pair.near.token.digest != pair.far.token.digest for pair in pairs)
        if len(pairs) >= _LEAST and differ and len({evidence.exchanges[pair.far.exchange].connection for pair in pairs}) == 1:
            yield _finding(evidence, conversation, pairs)


def _tokens(conversation: Conversation) -> dict[str, Step]:
    """The client's TLS tokens by exchange."""
    return {step.exchange: step for step in conversation.steps if step.from_client and step.packets and step.token is not None and step.token.tls is not None}


def _pairs(evidence: Evidence, near: Conversation) -> list[Pair]:
    """All steps of the client with their counterparts; none when any has none."""
    pairs = []
    for identity, step in _tokens(near).items():
        hop = evidence.near.get(identity)
        behind = () if hop is None else evidence.conversations_of.get(hop.far_connection, ())
        far = next((found for one in behind if hop is not None and (found := _tokens(one).get(hop.far)) is not None), None)
        if far is None:
            return []
        pairs.append(Pair(step, far))
    return pairs


def _finding(evidence: Evidence, conversation: Conversation, pairs: list[Pair]) -> Finding:
    first = pairs[0]
    far = evidence.exchanges[first.far.exchange].connection
    why = (
        f"{counted(len(pairs), 'CredSSP token')} of the client differ between {name(evidence.connections[conversation.connection])} and "
        f"{name(evidence.connections[far])}: the first ones are in {first.near.exchange}, {packet(evidence, first.near.packets[0])}, and {first.far.exchange}, "
        f"{packet(evidence, first.far.packets[0])}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=min(0.9, *(evidence.near[pair.near.exchange].confidence for pair in pairs)),
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[conversation.connection, far],
        exchanges=[identity for pair in pairs for identity in (pair.near.exchange, pair.far.exchange)],
        packets=[key for pair in pairs for step in pair for key in step.packets[:1]],
        user=who(conversation),
        attack=("T1557",),
    )
