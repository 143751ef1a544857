"""A response to WinRM comes out of a cache.

Detects
    A 2xx response to a request for /wsman, or with a SOAP or encrypted body, whose ``Age`` is more than 0, or whose ``X-Cache``, ``X-Cache-Status``,
    ``CF-Cache-Status`` or ``Cache-Status`` says that it was a hit.
Impact
    WinRM's responses belong to one request and to one client. A cached one shows another client's results, or results of another time.
False positives
    The fields with MISS or BYPASS in them only say that a cache is in the way; they are not counted. A cache that leaves none of these fields is missed by
    this rule: an encrypted body that it serves a second time does not verify, which enc.signature-invalid tells when there is a key.
Requires
    The client's side of the proxy.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "The destination server might allow the unauthenticated client
    access to data."
    RFC 9111 sections 2 and 5.1; RFC 9110 section 9.3.3.
"""

from analyzer.records.candidates import answered_with
from analyzer.records.http import Exchange, Response
from analyzer.records.sealing import Protection
from analyzer.rules.asking import answered_at
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, header, identity, message, name, packets_of, request, response, succeeded
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_FIELDS = ("x-cache", "x-cache-status", "cf-cache-status", "cache-status")
_BODIES = (Protection.SEALED, Protection.CLEAR, Protection.TLS)


class Cached(Fact, frozen=True):
    """An exchange and the field that says so."""

    exchange: Exchange
    said: str


def see(evidence: Evidence) -> Signs[Cached]:
    for exchange in answered_with(evidence, "age", *_FIELDS):
        answer = response(exchange)
        said = _hit(answer) if answer is not None and succeeded(exchange) and _is_wsman(evidence, exchange) else None
        if said is not None:
            yield Sign(Cached(exchange, said), (exchange.id,), packets_of([exchange]), user=identity(evidence, exchange.connection))


def _is_wsman(evidence: Evidence, exchange: Exchange) -> bool:
    asked = request(exchange)
    found = message(evidence, response(exchange))
    return found is not None and found.protection in _BODIES and asked is not None and asked.method != "CONNECT"


def _hit(answer: Response) -> str | None:
    age = (header(answer, "age") or "").strip()
    if age.isascii() and age.isdigit() and int(age) > 0:
        return f"Age: {age}"
    for field in _FIELDS:
        value = (header(answer, field) or "").strip()
        if "hit" in value.lower().replace(";", " ").replace(",", " ").split():
            return f"{field}: {value}"
    return None


def why(tell: Tell[Cached]) -> str:
    first = tell.facts[0]
    return (
        f"{counted(tell.count, 'response')} to {name(tell.connection)} came out of a cache. The first is that of {first.exchange.id} "
        f"({answered_at(tell, first.exchange)}), with the field {first.said}. A WinRM response belongs to one request and one client."
    )


OPINION = Opinion(
    title="A WinRM response comes out of a cache",
    severity=Severity.CRITICAL,
    confidence=0.8,
    owner=Owner.PROXY,
    reference="RFC 9111 section 2",
    advice=Advice("Forbid caching of WinRM", Topic.CACHE, "Purge what the cache holds."),
    see=see,
    why=why,
)
