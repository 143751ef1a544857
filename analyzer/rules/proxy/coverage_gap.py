"""Requests of a proxied path are known on one leg only.

What it sees
    On a client's connection that has a known way further on, answered requests without a counterpart on the upstream leg; or on an upstream connection that
    carries a known client's requests, others whose client's request is not known. Responses that a proxy makes itself (407 and 5xx) are not counted.
Why it matters
    What the proxy did with these requests cannot be checked: the findings and the scorecard rest on the others.
When it is wrong
    It is about the evidence: packets that were not captured, requests too alike to tell apart (issue proxy.ambiguous), or clients of another capture point.
Needs
    Both legs.
Reference
    RFC 9110 section 3.7.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.reading import counted, finding, name, packet, packets_of, request, status

RULE = "proxy.coverage-gap"
TITLE = "Requests of a proxied path are known on one leg only"
SEVERITY = Severity.INFO
REFERENCE = "RFC 9110 section 3.7"
ADVICE = "Capture both legs at once without loss (a larger buffer: tcpdump -B, dumpcap -B; both interfaces of the proxy), for as long as the client works."
_PROXY_DEMAND = 407
_SHOWN = 16


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each proxy host."""
    groups: dict[str, list[Exchange]] = defaultdict(list)
    fars: dict[str, dict[str, None]] = defaultdict(dict)
    for hop in evidence.hops:
        fars[hop.near_connection][hop.far_connection] = None
    for route in evidence.routes:
        if route.client_connection in fars and route.client_connection in evidence.winrm:
            groups[route.proxy_host] += _alone(evidence, route.client_connection, fars[route.client_connection])
    for proxy, group in groups.items():
        if group:
            yield _finding(evidence, proxy, group)


def _alone(evidence: Evidence, connection: str, fars: Iterable[str]) -> Iterator[Exchange]:
    for exchange in evidence.exchanges_of.get(connection, ()):
        if exchange.id not in evidence.near and _went_on(exchange):
            yield exchange
    for far in fars:
        for exchange in evidence.exchanges_of.get(far, ()):
            if exchange.id not in evidence.far and _went_on(exchange):
                yield exchange


def _went_on(exchange: Exchange) -> bool:
    """The request is known, and its response is one that a proxy does not make itself."""
    asked, code = request(exchange), status(exchange)
    return asked is not None and bool(asked.packets) and code is not None and code != _PROXY_DEMAND and code < 500


def _finding(evidence: Evidence, proxy: str, group: list[Exchange]) -> Finding:
    distinct = list({exchange.id: exchange for exchange in group}.values())
    packets = packets_of(distinct[:_SHOWN])
    first = distinct[0]
    why = (
        f"{counted(len(distinct), 'exchange')} of the proxy {proxy} {'is' if len(distinct) == 1 else 'are'} known on one leg only: the first is {first.id} on "
        f"{name(evidence.connections[first.connection])}, {packet(evidence, packets[0])}, status {status(first)}. "
        f"{counted(len(evidence.hops), 'exchange')} of this evidence {'is' if len(evidence.hops) == 1 else 'are'} known on both."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in distinct],
        exchanges=[exchange.id for exchange in distinct[:_SHOWN]],
        packets=packets,
    )
