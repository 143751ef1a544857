"""Requests through a proxy are known on one side only.

Detects
    On a client's connection that has a known way to a server, answered requests without a counterpart on the server
    side; or on a server connection that carries a known client's requests, others whose client's request is not
    known. Responses that a proxy makes itself (407 and 5xx) are not counted.
Impact
    What the proxy did with these requests cannot be checked: the findings and the scorecard rest on the others.
False positives
    It is about the evidence: packets that were not captured, requests too alike to tell apart (issue
    proxy.ambiguous), or clients of another capture point.
Requires
    Both sides of the proxy.
References
    RFC 9110 section 3.7.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.http import Exchange
from analyzer.rules.asking import where
from analyzer.rules.reading import counted, packets_of, request, status
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_PROXY_DEMAND = 407
_SHOWN = 16


class Alone(Fact, frozen=True):
    """An exchange that is known on one side only, and its proxy."""

    exchange: Exchange
    proxy: str


def see(evidence: Evidence) -> Signs[Alone]:
    """One sign for each exchange; the first few of a proxy give the packets."""
    fars: dict[str, dict[str, None]] = defaultdict(dict)
    for hop in evidence.hops:
        fars[hop.near_connection][hop.far_connection] = None
    seen: dict[str, dict[str, None]] = defaultdict(dict)
    for route in evidence.routes:
        if route.client_connection not in fars or route.client_connection not in evidence.winrm:
            continue
        told = seen[route.proxy_host]
        for exchange in _alone(evidence, route.client_connection, fars[route.client_connection]):
            if exchange.id not in told:
                told[exchange.id] = None
                few = len(told) <= _SHOWN
                fact = Alone(exchange, route.proxy_host)
                yield Sign(fact, (exchange.id,) if few else (), packets_of([exchange]) if few else (), (exchange.connection,))


def _alone(evidence: Evidence, connection: str, fars: dict[str, None]) -> Iterator[Exchange]:
    for exchange in evidence.exchanges_of.get(connection, ()):
        if exchange.id not in evidence.near and _has_two_sides(exchange):
            yield exchange
    for far in fars:
        for exchange in evidence.exchanges_of.get(far, ()):
            if exchange.id not in evidence.far and _has_two_sides(exchange):
                yield exchange


def _has_two_sides(exchange: Exchange) -> bool:
    """The request is known, and its response is one that a proxy does not make itself."""
    asked, code = request(exchange), status(exchange)
    return asked is not None and bool(asked.packets) and code is not None and code != _PROXY_DEMAND and code < 500


def why(tell: Tell[Alone]) -> str:
    fact, hops = tell.first.fact, len(tell.evidence.hops)
    return (
        f"{counted(tell.count, 'exchange')} of the proxy {fact.proxy} {'is' if tell.count == 1 else 'are'} known on one side only. The first is {where(tell)}, "
        f"status {status(fact.exchange)}. {counted(hops, 'exchange')} of this evidence {'is' if hops == 1 else 'are'} known on both. "
        "What the proxy did with the others cannot be checked."
    )


OPINION = Opinion(
    title=lambda tell: f"Requests through proxy {tell.first.fact.proxy} are known on one side only",
    name="Requests through a proxy are known on one side only",
    severity=Severity.INFO,
    confidence=0.9,
    owner=Owner.CAPTURE,
    reference="RFC 9110 section 3.7",
    advice=(
        "Capture both sides of the proxy at once without loss (a larger buffer: tcpdump -B, dumpcap -B; both interfaces of the proxy), for as long as the "
        "client works."
    ),
    see=see,
    why=why,
    each=lambda _, sign: sign.fact.proxy,
)
