"""A challenge of the wrong kind: 407 without Proxy-Authenticate, or 401 with Proxy-Authenticate only.

Detects
    On a WinRM connection a 407 whose header block has no Proxy-Authenticate field, or a 401 that has
    Proxy-Authenticate but no WWW-Authenticate.
Impact
    The client cannot know where to authenticate, or how: it gives up, or sends the server's credentials to the proxy.
    Authentication to the proxy is another matter than authentication to the server, with fields of its own.
False positives
    A header block that was not wholly captured could have held the field; such responses are not counted. A 401 that
    the proxy made in the server's name is not told by its Server field: reverse proxies write their own into every
    response.
Requires
    The response with the whole header block.
References
    Proxy Servers and WinRM, HTTPS-Based Proxy Connections: "Authentication to the proxy server is independent from
    the authentication to the destination server."
    RFC 9110 sections 11.6.1, 11.7.1 and 15.5.8.
"""

from analyzer.records.candidates import with_status
from analyzer.records.http import Exchange
from analyzer.records.transport import Gap
from analyzer.rules.asking import is_proxied, server_words
from analyzer.rules.reading import counted, header, identity, packets_of, response
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, place_and

_UNAUTHORIZED, _PROXY_DEMAND = 401, 407


class Wrong(Fact, frozen=True):
    """A response, and what is wrong with it in words."""

    exchange: Exchange
    what: str


def see(evidence: Evidence) -> Signs[Wrong]:
    """One sign for each response; the server side is left out where the client's is known."""
    for exchange in with_status(evidence, _UNAUTHORIZED, _PROXY_DEMAND):
        wrong = None if exchange.id in evidence.far else _wrong(evidence, exchange)
        if wrong is not None:
            yield Sign(wrong, (exchange.id,), packets_of([exchange]), user=identity(evidence, exchange.connection))


def _wrong(evidence: Evidence, exchange: Exchange) -> Wrong | None:
    answer = response(exchange)
    right = "proxy-authenticate" if answer is not None and answer.status == _PROXY_DEMAND else "www-authenticate"
    if answer is None or exchange.quality or header(answer, right) is not None:
        return None
    if any(gap.stream_at < answer.end_at and gap.stream_at + gap.size > answer.at for gap in _gaps(evidence, exchange)):
        return None
    for_server, for_proxy = header(answer, "www-authenticate"), header(answer, "proxy-authenticate")
    if answer.status == _PROXY_DEMAND and for_proxy is None:
        return Wrong(exchange, "407 without Proxy-Authenticate" + (" but with WWW-Authenticate" if for_server is not None else ""))
    if answer.status == _UNAUTHORIZED and for_server is None and for_proxy is not None:
        return Wrong(exchange, "401 with Proxy-Authenticate instead of WWW-Authenticate")
    return None


def _gaps(evidence: Evidence, exchange: Exchange) -> tuple[Gap, ...]:
    return evidence.connections[exchange.connection].to_client.gaps


def why(tell: Tell[Wrong]) -> str:
    first = tell.first.fact
    answer = response(first.exchange)
    product = header(answer, "server") or header(answer, "via")
    key = answer.packets[0] if answer is not None and answer.packets else tell.first.packets[-1]
    return (
        f"{server_words(tell.connection)} answered {tell.connection.client.host} with {first.what}, "
        f"in {counted(tell.count, 'response')}. The first is {tell.packet(key)} ({first.exchange.id})"
        f"{f', made by {product}' if product else ''}. The client cannot know where to authenticate, or how."
    )


OPINION = Opinion(
    title=lambda tell: f"{server_words(tell.connection)} mixes up proxy and server authentication",
    name="A challenge mixes up proxy and server authentication",
    severity=Severity.MEDIUM,
    confidence=0.9,
    owner=lambda tell: Owner.PROXY if is_proxied(tell.evidence, tell.connections[0]) else Owner.SERVER,
    reference="RFC 9110 section 11.7.1",
    advice=(
        "Correct the device that makes this response (see its Server and Via fields): 407 needs Proxy-Authenticate, 401 "
        "needs WWW-Authenticate. In a reverse proxy use 401, in a forward proxy 407. Error pages that replace the proxy's "
        "own responses must keep the fields."
    ),
    see=see,
    why=why,
    each=place_and(lambda wrong: wrong.what),
)
