"""The TLS inside CredSSP ends at the proxy.

Detects
    A CredSSP handshake on both sides of a proxy, exchange by exchange in the same order on one connection of each, in
    which every TLS token of the client has other bytes on the server side than on the client's side. A ClientHello
    holds random bytes of its own: two of them are two TLS connections, with two certificates.
Impact
    The one who ends the inner TLS stands where the server should, and gets what CredSSP sends inside: the logon and,
    if the binding is not checked, the password.
False positives
    Tokens that differ cannot join the two sides; they are joined by the order and the times of several exchanges
    then, hence the confidence. Where a token of either side is found on a third connection, the two sides are not one
    handshake, and nothing is said.
Requires
    Both sides of the whole handshake.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "It is possible that a malicious proxy server could examine
    every request/response pair, including credentials."
    MS-CSSP 3.1.5 (pubKeyAuth) and 5.1.
"""

from collections import defaultdict
from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from analyzer.records.auth import Audience, Conversation, Mechanism, Step
from analyzer.rules.asking import is_mixed, server_words
from analyzer.rules.reading import counted, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, alone

_LEAST = 2
_MOST = 0.9


class Pair(Fact, frozen=True):
    """The same step on the client's side and on the server side."""

    near: Step
    far: Step


def see(evidence: Evidence) -> Signs[tuple[Pair, ...]]:
    seen = _seen(evidence)
    for spoken in evidence.conversations:
        own = spoken.mechanism is Mechanism.CREDSSP and spoken.audience is Audience.SERVER and spoken.connection in evidence.winrm
        pairs = _pairs(evidence, spoken) if own and not is_mixed(evidence, spoken) else ()
        fars = {evidence.exchanges[pair.far.exchange].connection for pair in pairs}
        if len(pairs) >= _LEAST and len(fars) == 1 and all(_differ(pair, seen) for pair in pairs):
            exchanges = tuple(identity for pair in pairs for identity in (pair.near.exchange, pair.far.exchange))
            packets = tuple(key for pair in pairs for step in (pair.near, pair.far) for key in step.packets[:1])
            sure = min(_MOST, *(evidence.near[pair.near.exchange].confidence for pair in pairs))
            yield Sign(pairs, exchanges, packets, (spoken.connection, fars.pop()), who(spoken), sure)


def _seen(evidence: Evidence) -> dict[bytes, set[str]]:
    """The client's TLS tokens, and the connections that show them."""
    found: dict[bytes, set[str]] = defaultdict(set)
    for spoken in evidence.conversations:
        if spoken.mechanism is Mechanism.CREDSSP:
            for step in _tokens(spoken).values():
                if step.token is not None:
                    found[step.token.digest].add(spoken.connection)
    return found


def _differ(pair: Pair, seen: Mapping[bytes, AbstractSet[str]]) -> bool:
    """Other bytes on both sides, and neither of them on any third connection."""
    near, far = pair.near.token, pair.far.token
    return near is not None and far is not None and near.digest != far.digest and len(seen[near.digest]) == len(seen[far.digest]) == 1


def _tokens(conversation: Conversation) -> dict[str, Step]:
    """The client's TLS tokens by exchange."""
    return {step.exchange: step for step in conversation.steps if step.from_client and step.packets and step.token is not None and step.token.tls is not None}


def _pairs(evidence: Evidence, near: Conversation) -> tuple[Pair, ...]:
    """All steps of the client with their counterparts; none when any has none."""
    pairs = []
    for identity, step in _tokens(near).items():
        hop = evidence.near.get(identity)
        behind = () if hop is None else evidence.conversations_of.get(hop.far_connection, ())
        far = next((found for one in behind if hop is not None and (found := _tokens(one).get(hop.far)) is not None), None)
        if far is None:
            return ()
        pairs.append(Pair(step, far))
    return tuple(pairs)


def why(tell: Tell[tuple[Pair, ...]]) -> str:
    pairs = tell.first.fact
    first = pairs[0]
    far = tell.evidence.connections[tell.connections[1]]
    return (
        f"{counted(len(pairs), 'CredSSP token')} of the client differ between the two sides of the proxy {server_words(tell.connection)}. The first is "
        f"{tell.packet(first.near.packets[0])} from {tell.connection.client.host}, and {tell.packet(first.far.packets[0])} to {server_words(far)}. "
        f"So the client's inner TLS ends at the proxy, which can read the credentials ({first.near.exchange}, {first.far.exchange})."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} ends the TLS inside CredSSP",
    name="Proxy ends the TLS inside CredSSP",
    severity=Severity.CRITICAL,
    confidence=_MOST,
    owner=Owner.PROXY,
    reference="MS-CSSP 3.1.5",
    advice=(
        "Treat the proxy as hostile until its software and its configuration are known. Change the passwords of the users "
        "named here. Turn CredSSP off (Disable-WSManCredSSP), or use it with HTTPS end to end and TSRequest version 5 or "
        "newer (CVE-2018-0886)."
    ),
    attack=("T1557",),
    see=see,
    why=why,
    each=alone,
)
