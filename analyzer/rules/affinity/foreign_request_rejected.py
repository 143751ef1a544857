"""A request of one client is sent over a connection that another client authenticated, and the server refuses it.

What it sees
    As affinity.shared-authenticated-upstream: a request without credentials on an upstream connection that another client's connection authenticated. But the
    server refuses it: with 401 or 403, or with an error that holds no WinRM message, as for a sealed body that it cannot open.
Why it matters
    Encryption saved the day: the server could not be fooled. The proxy still mixes clients, their requests fail at random, and whoever sends clear text
    would be served with somebody else's rights.
When it is wrong
    The first request of a handshake, which is meant to be refused and is followed by credentials on the same client's connection, is not counted. Neither are a
    proxy's own errors (502 to 504).
Needs
    Both legs.
Reference
    Proxy Servers and WinRM, sentences 155 and 157.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.sealing import Protection
from analyzer.rules.affinity.shared_authenticated_upstream import Foreign, foreign_requests
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import after, counted, finding, first_packet, header, identity, message, name, packet, packets_of, request, response, status, who

RULE = "affinity.foreign-request-rejected"
TITLE = "A request on another client's authenticated connection is refused"
SEVERITY = Severity.MEDIUM
REFERENCE = "Proxy Servers and WinRM, sentence 157"
HOW = Advice(
    "Never share upstream connections that carry NTLM, Kerberos or CredSSP",
    Topic.BIND,
    ". Keep encryption enforced on the server.",
)
ADVICE = HOW.text()
_REFUSALS = (401, 403)
_GATEWAY = (407, 502, 503, 504)
_ERROR = 400


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each upstream connection and foreign client."""
    groups: dict[tuple[str, str, str], list[Foreign]] = defaultdict(list)
    for foreign in foreign_requests(evidence):
        if _refused(evidence, foreign) and not _begins_a_handshake(evidence, foreign):
            groups[foreign.exchange.connection, foreign.client.client.host, foreign.authenticator.id].append(foreign)
    for group in groups.values():
        yield _finding(evidence, group)


def _refused(evidence: Evidence, foreign: Foreign) -> bool:
    code = status(foreign.exchange)
    if code is None or code < _ERROR or code in _GATEWAY:
        return False
    answer = message(evidence, response(foreign.exchange))
    return code in _REFUSALS or answer is None or answer.protection not in (Protection.SEALED, Protection.CLEAR)


def _begins_a_handshake(evidence: Evidence, foreign: Foreign) -> bool:
    """The client goes on with credentials: it had expected to be refused."""
    near = evidence.exchanges[evidence.far[foreign.exchange.id].near]
    return any(header(request(other), "authorization") is not None for other in after(evidence, near)[:1])


def _finding(evidence: Evidence, group: list[Foreign]) -> Finding:
    first = group[0]
    other, owner_name = identity(evidence, first.client.id), who(first.conversation)
    upstream = evidence.connections[first.exchange.connection]
    asked = first_packet(request(first.exchange))
    nears = [evidence.exchanges[evidence.far[foreign.exchange.id].near] for foreign in group]
    why = (
        f"{name(upstream)} was authenticated {f'as {owner_name} ' if owner_name else ''}by {name(first.authenticator)}. "
        f"{counted(len(group), 'request')} without credentials of another client's connection, {name(first.client)}{f' ({other})' if other else ''}, "
        f"went over it and {'was' if len(group) == 1 else 'were'} refused: the first is {first.exchange.id}, {packet(evidence, asked[0]) if asked else ''}, "
        f"status {status(first.exchange)}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=min(evidence.far[foreign.exchange.id].confidence for foreign in group),
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[first.client.id, upstream.id, first.authenticator.id],
        exchanges=[*(near.id for near in nears), *(foreign.exchange.id for foreign in group)],
        packets=packets_of([*nears, *(foreign.exchange for foreign in group)]),
        user=other,
        destination=f"{upstream.server.host}:{upstream.server.port}",
    )
