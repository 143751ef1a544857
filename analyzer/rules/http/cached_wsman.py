"""A response to WinRM comes out of a cache.

What it sees
    A 2xx response to a request for /wsman, or with a SOAP or sealed body, whose ``Age`` is more than 0, or whose ``X-Cache``, ``X-Cache-Status``,
    ``CF-Cache-Status`` or ``Cache-Status`` says that it was a hit.
Why it matters
    WinRM's responses belong to one request and to one client. A cached one shows somebody else's results, or results of another time, to whoever asks.
When it is wrong
    The fields with MISS or BYPASS in them only say that a cache is in the way; they are not counted. A cache that leaves none of these fields is
    not seen by this rule: a sealed body that it serves a second time does not verify, which enc.signature-invalid tells when there is a key.
Needs
    The client's leg.
Reference
    RFC 9111 sections 2 and 5.1; RFC 9110 section 9.3.3; Proxy Servers and WinRM, sentence 156.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Response
from analyzer.records.sealing import Protection
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, finding, first_packet, header, identity, message, name, packet, packets_of, request, response, winrm_exchanges

RULE = "http.cached-wsman"
TITLE = "A WinRM response comes out of a cache"
SEVERITY = Severity.CRITICAL
REFERENCE = "RFC 9111 section 2"
HOW = Advice(
    "Forbid caching of WinRM",
    Topic.CACHE,
    ", and purge what the cache holds.",
)
ADVICE = HOW.text()
_FIELDS = ("x-cache", "x-cache-status", "cf-cache-status", "cache-status")
_BODIES = (Protection.SEALED, Protection.CLEAR, Protection.TLS)


class Cached(Struct, frozen=True, gc=False):
    """An exchange and the field that says so."""

    exchange: Exchange
    sign: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Cached]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        answer = response(exchange)
        sign = None if answer is None or not 200 <= answer.status < 300 or not _is_wsman(evidence, exchange) else _sign(answer)
        if sign is not None:
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(Cached(exchange, sign))
    for group in groups.values():
        yield _finding(evidence, group)


def _is_wsman(evidence: Evidence, exchange: Exchange) -> bool:
    asked = request(exchange)
    found = message(evidence, response(exchange))
    return found is not None and found.protection in _BODIES and asked is not None and asked.method != "CONNECT"


def _sign(answer: Response) -> str | None:
    age = (header(answer, "age") or "").strip()
    if age.isascii() and age.isdigit() and int(age) > 0:
        return f"Age: {age}"
    for name_ in _FIELDS:
        value = (header(answer, name_) or "").strip()
        words = value.lower().replace(";", " ").replace(",", " ").split()
        if "hit" in words:
            return f"{name_}: {value}"
    return None


def _finding(evidence: Evidence, group: list[Cached]) -> Finding:
    first = group[0]
    members = [cached.exchange for cached in group]
    key = first_packet(response(first.exchange))
    why = (
        f"{counted(len(group), 'response')} to {name(evidence.connections[first.exchange.connection])} came out of a cache: the first is that of "
        f"{first.exchange.id}, {packet(evidence, key[0]) if key else ''}, with {first.sign}."
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
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
        user=identity(evidence, first.exchange.connection),
    )
