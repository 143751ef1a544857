"""The same authentication token is used on two connections.

What it sees
    An NTLM authenticate message or a Kerberos AP-REQ with equal bytes on two connections to the same server, both answered, which are neither two legs of one
    exchange nor one exchange that the proxy sent twice.
Why it matters
    A token is made for one handshake. Whoever sends it again has recorded it: a replay. Kerberos servers keep a cache to refuse it; NTLM's challenge should.
When it is wrong
    A client that repeats a request after its connection broke; where the first use was not answered it is not counted.
Needs
    Both connections on the same leg.
Reference
    RFC 4120 section 10; MS-NLMP 3.3.2.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Audience, Mechanism, Step
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.transport import Connection
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import finding, identity, name, owner, packet, packets_of, status

RULE = "auth.token-replayed"
TITLE = "An authentication token is used twice"
SEVERITY = Severity.HIGH
REFERENCE = "RFC 4120 section 10"
HOW = Advice(
    "Find out who opened the second connection. Keep the Kerberos replay cache on, require HTTPS with channel binding "
    "(CbtHardeningLevel Strict), and do not let the proxy repeat requests",
    Topic.RETRY,
)
ADVICE = HOW.text()


class Use(Struct, frozen=True, gc=False):
    """A token's journey: the connection and the step."""

    connection: Connection
    step: Step


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each token."""
    uses: dict[tuple[bytes, str, int], list[Use]] = defaultdict(list)
    for conversation in evidence.conversations:
        connection = evidence.connections[conversation.connection]
        if connection.id not in evidence.winrm or conversation.audience is not Audience.SERVER or connection.twin_of is not None:
            continue
        for step in conversation.steps:
            if _is_proof(step) and step.token is not None and status(evidence.exchanges[step.exchange]) is not None:
                uses[step.token.digest, connection.server.host, connection.server.port].append(Use(connection, step))
    for group in uses.values():
        others = [use for use in group if use.connection.id != group[0].connection.id and not _same_exchange(evidence, group[0], use)]
        if others:
            yield _finding(evidence, group[0], others[0])


def _is_proof(step: Step) -> bool:
    token = step.token
    own = token is not None and step.from_client and bool(step.packets)
    return own and token is not None and token.step == "authenticate" and token.mechanism in (Mechanism.NTLM, Mechanism.KERBEROS)


def _same_exchange(evidence: Evidence, one: Use, other: Use) -> bool:
    """Legs of one exchange, or one request of a client that the proxy sent twice."""
    a, b = one.step.exchange, other.step.exchange
    sources = [found.id for identity in (a, b) if (found := owner(evidence, identity)) is not None]
    known = len(sources) == 2 and sources[0] == sources[1]
    return known or a in sources or b in sources or len(sources) == 1


def _finding(evidence: Evidence, one: Use, other: Use) -> Finding:
    exchanges = [evidence.exchanges[use.step.exchange] for use in (one, other)]
    mechanism = "Kerberos ticket" if one.step.token is not None and one.step.token.mechanism is Mechanism.KERBEROS else "NTLM authenticate message"
    why = (
        f"The same {mechanism} travels on {name(one.connection)} ({one.step.exchange}, {packet(evidence, one.step.packets[0])}, answered "
        f"{status(exchanges[0])}) and again on {name(other.connection)} ({other.step.exchange}, {packet(evidence, other.step.packets[0])}, answered "
        f"{status(exchanges[1])}), {(other.step.ts_ns - one.step.ts_ns) / 1e9:.1f} s later."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[one.connection.id, other.connection.id],
        exchanges=[exchange.id for exchange in exchanges],
        packets=packets_of(exchanges),
        user=identity(evidence, one.connection.id),
        attack=("T1550",),
    )
