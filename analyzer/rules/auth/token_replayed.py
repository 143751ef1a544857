"""The same authentication token is used on two connections.

Detects
    An NTLM authenticate message or a Kerberos AP-REQ with equal bytes on two connections to the same server, both
    answered, which are neither two sides of one exchange nor one exchange that the proxy sent twice.
Impact
    A token is made for one handshake. Anyone who sends it again has recorded it: a replay. Kerberos servers keep a
    cache to refuse it; NTLM's challenge should.
False positives
    A client that repeats a request after its connection broke; where the first use was not answered it is not
    counted. On the server side of a proxy alone a request that the proxy sent twice looks the same, so nothing is
    said there.
Requires
    Both connections on the same side.
References
    RFC 4120 section 10; MS-NLMP 3.3.2.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Audience, Mechanism, Step
from analyzer.records.proxy import Role
from analyzer.records.transport import Connection
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import identity, name, owner, packets_of, response, role, status
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, alone

_PROVE = (Mechanism.NTLM, Mechanism.KERBEROS)


class Use(Fact, frozen=True):
    """One use of a token: the connection and the step."""

    connection: Connection
    step: Step


class Twice(Fact, frozen=True):
    """The first use of a token, and the next one."""

    one: Use
    other: Use


def see(evidence: Evidence) -> Signs[Twice]:
    proofs = list(_proofs(evidence))
    often = Counter([digest for _, _, digest in proofs])
    uses: dict[tuple[bytes, str, int], list[Use]] = defaultdict(list)
    for carrier, step, digest in proofs if len(often) < len(proofs) else ():
        connection = evidence.connections[carrier]
        if often[digest] > 1 and connection.twin_of is None and status(evidence.exchanges[step.exchange]) is not None:
            uses[digest, connection.server.host, connection.server.port].append(Use(connection, step))
    for one, *others in uses.values():
        other = next((use for use in others if use.connection.id != one.connection.id and _are_two(evidence, one, use)), None)
        if other is not None:
            exchanges = [evidence.exchanges[use.step.exchange] for use in (one, other)]
            user = identity(evidence, one.connection.id)
            yield Sign(Twice(one, other), tuple(found.id for found in exchanges), packets_of(exchanges), (one.connection.id, other.connection.id), user)


def _proofs(evidence: Evidence) -> Iterator[tuple[str, Step, bytes]]:
    """The tokens that prove who a client of WinRM is, each with its connection and its digest."""
    server, wanted = Audience.SERVER, evidence.winrm
    for conversation in evidence.conversations:
        if conversation.audience is server and conversation.connection in wanted:
            for step in conversation.steps:
                token = step.token
                if token is not None and step.from_client and step.packets and token.step == "authenticate" and token.mechanism in _PROVE:
                    yield conversation.connection, step, token.digest


def _are_two(evidence: Evidence, one: Use, other: Use) -> bool:
    """Neither two sides of one exchange, nor one request of a client that a proxy sent twice or may have sent twice."""
    a, b = one.step.exchange, other.step.exchange
    answer = response(evidence.exchanges[a])
    if answer is None or other.step.ts_ns <= answer.first_ns:
        return False  # under way at once: something on the path sent it on
    sources = [found.id for identity in (a, b) if (found := owner(evidence, identity)) is not None]
    if not sources:
        return _is_answered_before(evidence, one, other) and not all(role(evidence, use.connection.id) is Role.UPSTREAM_LEG for use in (one, other))
    return len(set(sources)) > 1 and a not in sources and b not in sources


def _is_answered_before(evidence: Evidence, one: Use, other: Use) -> bool:
    """The first use was answered before the second one began; a proxy that is not known as one forwards a request while its client waits."""
    answer = response(evidence.exchanges[one.step.exchange])
    return answer is not None and answer.first_ns <= other.step.ts_ns


def why(tell: Tell[Twice]) -> str:
    one, other = tell.first.fact.one, tell.first.fact.other
    first, second = (tell.evidence.exchanges[use.step.exchange] for use in (one, other))
    kerberos = one.step.token is not None and one.step.token.mechanism is Mechanism.KERBEROS
    return (
        f"The same {'Kerberos ticket' if kerberos else 'NTLM authenticate message'} was used on {name(one.connection)} "
        f"({tell.packet(one.step.packets[0])}, {first.id}), answered {status(first)}. It was used again "
        f"{(other.step.ts_ns - one.step.ts_ns) / 1e9:.1f} s later on {name(other.connection)} "
        f"({tell.packet(other.step.packets[0])}, {second.id}), answered {status(second)}."
    )


OPINION = Opinion(
    title=lambda tell: f"A logon token of {tell.first.user or 'a client'} is used on two connections",
    name="A logon token is used on two connections",
    severity=Severity.HIGH,
    confidence=0.8,
    owner=Owner.NETWORK,
    reference="RFC 4120 section 10",
    advice=Advice(
        "Find out who opened the second connection, and do not let the proxy repeat requests",
        Topic.RETRY,
        "Keep the Kerberos replay cache on, and require HTTPS with channel binding (CbtHardeningLevel Strict).",
    ),
    attack=("T1550",),
    see=see,
    why=why,
    each=alone,
)
