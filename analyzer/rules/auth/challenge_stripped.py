"""The proxy takes authentication headers away.

What it sees
    A 401 that offers NTLM, Negotiate, Kerberos or CredSSP (or carries a token) on the upstream leg, while the same 401 on the client's leg offers none of them;
    or a request that carries a token on the client's leg and no credentials at all on the upstream leg. A 401 that lost only some of its offers counts as low.
Why it matters
    Without the challenge the client cannot authenticate, and without its token the server cannot know it: access is denied whatever the password. Proxies that
    know that they cannot keep connections together take the headers away on purpose.
When it is wrong
    A gateway that authenticates clients itself replaces credentials by its own; a request that carries other credentials upstream is not counted. Messages
    whose header block is not whole in the capture are left out.
Needs
    Both legs.
Reference
    Proxy Servers and WinRM, sentences 125 and 133; RFC 4559 section 6.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Response
from analyzer.records.proxy import Hop
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, cut_heads, finding, has_whole_head, header, identity, listed, name, packet, packets_of, request, response

RULE = "auth.challenge-stripped"
TITLE = "The proxy takes authentication headers away"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 125"
HOW = Advice(
    "Let the proxy pass authentication that belongs to the connection",
    Topic.BIND,
    ", or take the proxy out of the HTTP layer with CONNECT and HTTPS.",
)
ADVICE = HOW.text()
_SCHEMES = ("negotiate", "ntlm", "kerberos", "credssp")
_DEMAND = 401


class Loss(Struct, frozen=True, gc=False):
    """An exchange on both legs, what it lost and on which leg that is missing, and whether nothing was left."""

    near: Exchange
    far: Exchange
    hop: Hop
    what: str
    leg: str
    all: bool


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Loss]] = defaultdict(list)
    cut = cut_heads(evidence)
    for hop in evidence.hops:
        if hop.near_connection in evidence.winrm and (loss := _loss(evidence, hop, cut)) is not None:
            connection = evidence.connections[hop.near_connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(loss)
    for group in groups.values():
        yield _finding(evidence, group)


def _loss(evidence: Evidence, hop: Hop, cut: frozenset[tuple[int | None, int | None]]) -> Loss | None:
    near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
    sent, went = header(request(near), "authorization"), header(request(far), "authorization")
    if has_whole_head(request(far), cut) and sent is not None and went is None and sent.split(" ")[0].lower() in _SCHEMES:
        return Loss(near, far, hop, f"the client's {sent.split(' ')[0]} token", "the upstream leg", all=True)
    before, after = response(far), response(near)
    if before is None or after is None or before.status != _DEMAND or after.status != _DEMAND or not has_whole_head(after, cut):
        return None
    given, left = _offers(before), _offers(after)
    lost = [offer for offer in given if offer not in left]
    if not lost:
        return None
    return Loss(near, far, hop, f"the challenge {listed(lost)}", "the client's leg", all=not left)


def _offers(answer: Response) -> list[str]:
    """The schemes offered, in order, ``with a token`` where one goes on; header lines may hold several challenges."""
    offers = []
    for field in answer.headers:
        if field.name.lower() == "www-authenticate":
            for challenge in field.value.split(","):
                scheme, _, token = challenge.strip().partition(" ")
                if scheme.lower() in _SCHEMES:
                    offers.append(f"{scheme} with a token" if token.strip() else scheme)
    return offers


def _finding(evidence: Evidence, group: list[Loss]) -> Finding:
    whole = [loss for loss in group if loss.all]
    first = (whole or group)[0]
    members = [exchange for loss in group for exchange in (loss.near, loss.far)]
    near_packets, far_packets = packets_of([first.near]), packets_of([first.far])
    why = (
        f"{counted(len(group), 'exchange')} of {name(evidence.connections[first.near.connection])} lost authentication headers at the proxy. "
        f"The first is {first.near.id} ({packet(evidence, near_packets[0]) if near_packets else ''}), on the upstream leg {first.far.id} on "
        f"{name(evidence.connections[first.far.connection])} ({packet(evidence, far_packets[-1]) if far_packets else ''}): "
        f"{first.what} is missing on {first.leg}{'' if first.all else ', others were left'}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY if whole else Severity.LOW,
        confidence=max(loss.hop.confidence for loss in whole or group),
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
        user=identity(evidence, first.near.connection),
    )
