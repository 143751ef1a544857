"""The proxy speaks HTTP/1.0 where the client speaks HTTP/1.1.

What it sees
    A request that the client sent as HTTP/1.1 and the proxy sent on as HTTP/1.0; or a response of the proxy to the client in HTTP/1.0; or Via: 1.0 in a
    request. Plain HTTP/1.0 clients do not count.
Why it matters
    HTTP/1.0 closes the connection after each response unless told otherwise. Authentication that belongs to the connection cannot survive that.
When it is wrong
    An HTTP/1.0 proxy that does keep connections alive (Connection: keep-alive on both sides) works; the fact remains and the page asks for HTTP/1.1.
Needs
    Both legs, or one leg with a trace of the other.
Reference
    Proxy Servers and WinRM, sentences 131 and 132.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, finding, header, identity, name, packet, packets_of, request, response, role, winrm_exchanges

RULE = "http.1.0-downgrade"
TITLE = "The proxy downgrades to HTTP/1.0"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 131"
HOW = Advice(
    "Let the proxy use HTTP/1.1 towards the server with persistent connections",
    Topic.HTTP_1_1,
)
ADVICE = HOW.text()
_OLD = "HTTP/1.0"
_NEW = "HTTP/1.1"


class Downgrade(Struct, frozen=True, gc=False):
    """What was seen, in words, and the exchanges that show it (the client's leg first)."""

    what: str
    exchanges: tuple[Exchange, ...]


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each pair of hosts on the downgraded leg."""
    groups: dict[tuple[str, str, int], list[Downgrade]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        seen = _downgrade(evidence, exchange)
        if seen is not None:
            connection = evidence.connections[seen.exchanges[-1].connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(seen)
    for group in groups.values():
        yield _finding(evidence, group)


def _downgrade(evidence: Evidence, exchange: Exchange) -> Downgrade | None:
    hop = evidence.far.get(exchange.id)
    asked, answer = request(exchange), response(exchange)
    if hop is not None:
        near = evidence.exchanges[hop.near]
        before = request(near)
        if before is not None and asked is not None and before.version == _NEW and asked.version == _OLD:
            return Downgrade("the client's HTTP/1.1 request was sent on as HTTP/1.0", (near, exchange))
    if exchange.id in evidence.near or hop is not None:
        return None
    if role(evidence, exchange.connection) is Role.CLIENT_LEG and asked is not None and answer is not None and asked.version == _NEW and answer.version == _OLD:
        return Downgrade("the proxy answered the client's HTTP/1.1 request in HTTP/1.0", (exchange,))
    via = header(asked, "via")
    if via is not None and asked is not None and asked.version == _OLD and any(part.strip().startswith("1.1 ") for part in via.split(",")):
        return Downgrade("a request that the proxy received as HTTP/1.1 (Via) was sent on as HTTP/1.0", (exchange,))
    return None


def _finding(evidence: Evidence, group: list[Downgrade]) -> Finding:
    first = group[0]
    members = [exchange for seen in group for exchange in seen.exchanges]
    last = first.exchanges[-1]
    packets = packets_of(first.exchanges)
    asked = request(last)
    why = (
        f"{counted(len(group), 'time')} {first.what}; the first is {' and '.join(exchange.id for exchange in first.exchanges)} on "
        f"{name(evidence.connections[last.connection])}, {packet(evidence, packets[-1 if len(packets) == 1 else 0]) if packets else ''}"
        f"{', Connection: ' + connection if (connection := header(asked, 'connection')) else ''}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=max([0.9, *(evidence.far[exchange.id].confidence for exchange in members if exchange.id in evidence.far)]),
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=list(dict.fromkeys(exchange.connection for exchange in members)),
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
        user=identity(evidence, members[0].connection),
    )
