"""The proxy speaks HTTP/1.0 where the client speaks HTTP/1.1.

Detects
    A request that the client sent as HTTP/1.1 and the proxy forwarded as HTTP/1.0; or a response of the proxy to the client in HTTP/1.0; or Via: 1.0 in a
    request. Plain HTTP/1.0 clients do not count.
Impact
    HTTP/1.0 closes the connection after each response unless told otherwise. A logon that belongs to the connection cannot survive that.
False positives
    An HTTP/1.0 proxy that does keep connections alive (Connection: keep-alive on both sides) works; the fact remains and the page asks for HTTP/1.1.
Requires
    Both sides of the proxy, or one side with a trace of the other.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "Support for HTTP/1.1. HTTP/1.1 is more stringent in
    mapping connection affinity between client and server."
"""

from analyzer.records.candidates import in_version
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules import microsoft
from analyzer.rules.asking import answered_at, asked_at, times
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import header, identity, name, owner, packets_of, request, response, role
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_OLD, _NEW = "HTTP/1.0", "HTTP/1.1"
_SURE = 0.9
_FORWARDED = "The proxy forwarded the client's HTTP/1.1 request as HTTP/1.0"
_ANSWERED = "The proxy answered the client's HTTP/1.1 request in HTTP/1.0"
_VIA = "A request that the proxy received as HTTP/1.1 (Via) was forwarded as HTTP/1.0"


class Downgrade(Fact, frozen=True):
    """What was seen, in words, and where; the client's own exchange where that is known, too."""

    what: str
    exchange: Exchange
    near: Exchange | None = None


def see(evidence: Evidence) -> Signs[Downgrade]:
    """One sign for each exchange on the downgraded side."""
    for exchange in in_version(evidence, _OLD):
        found = _downgrade(evidence, exchange)
        if found is not None:
            members = (exchange,) if found.near is None else (found.near, exchange)
            sure = max(_SURE, evidence.far[exchange.id].confidence if found.near is not None else 0)
            connections = tuple(dict.fromkeys(one.connection for one in members))
            yield Sign(found, tuple(one.id for one in members), packets_of(members), connections, identity(evidence, members[0].connection), sure)


def _downgrade(evidence: Evidence, exchange: Exchange) -> Downgrade | None:
    asked, answer = request(exchange), response(exchange)
    if _OLD not in (asked and asked.version, answer and answer.version):
        return None
    near = owner(evidence, exchange.id)
    before = None if near is None else request(near)
    if before is not None and asked is not None and before.version == _NEW and asked.version == _OLD:
        return Downgrade(_FORWARDED, exchange, near)
    if near is not None or exchange.id in evidence.near or asked is None:
        return None
    if role(evidence, exchange.connection) is Role.CLIENT_LEG and answer is not None and asked.version == _NEW and answer.version == _OLD:
        return Downgrade(_ANSWERED, exchange)
    via = header(asked, "via")
    if via is not None and asked.version == _OLD and any(part.strip().startswith("1.1 ") for part in via.split(",")):
        return Downgrade(_VIA, exchange)
    return None


def each(evidence: Evidence, sign: Sign[Downgrade]) -> tuple[str, str, int]:
    """One finding for each pair of hosts on the downgraded side."""
    own = evidence.connections[sign.fact.exchange.connection]
    return own.client.host, own.server.host, own.server.port


def _proxy(tell: Tell[Downgrade]) -> str:
    first = tell.facts[0]
    if first.near is not None:
        return tell.evidence.connections[first.near.connection].server.host
    own = tell.evidence.connections[first.exchange.connection]
    return own.server.host if first.what == _ANSWERED else own.client.host


def why(tell: Tell[Downgrade]) -> str:
    first = tell.facts[0]
    said = header(request(first.exchange), "connection")
    where = (answered_at if first.what == _ANSWERED else asked_at)(tell, first.exchange)
    near = f"{first.near.id} ({asked_at(tell, first.near)}), forwarded as " if first.near is not None else ""
    return (
        f"{first.what}. This happened {times(tell.count)}. The first is {near}{first.exchange.id} on "
        f"{name(tell.evidence.connections[first.exchange.connection])} ({where}{f', Connection: {said}' if said else ''}). HTTP/1.0 closes the connection "
        "after each response unless told otherwise, and a logon ends with its connection."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {_proxy(tell)} downgrades WinRM to HTTP/1.0",
    name="Proxy downgrades WinRM to HTTP/1.0",
    severity=Severity.HIGH,
    confidence=_SURE,
    owner=Owner.PROXY,
    reference=microsoft.HTTP_1_1,
    advice=Advice("Let the proxy use HTTP/1.1 to the server with persistent connections", Topic.HTTP_1_1),
    see=see,
    why=why,
    each=each,
    fails=("http_1_1",),
)
