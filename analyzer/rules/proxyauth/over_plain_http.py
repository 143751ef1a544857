"""The client authenticates to the proxy over plain HTTP, for a request that is forwarded over plain HTTP.

Detects
    A 407, or a Proxy-Authorization header, on a connection without TLS, for a request with an absolute http:// target
    to a WinRM endpoint.
Impact
    If the proxy requires authentication, WinRM clients and servers must use HTTPS: here both sets of credentials pass
    in the same clear stream. With Basic the proxy's password is readable.
False positives
    Never about the fact.
Requires
    The client's side of the proxy.
References
    Proxy Servers and WinRM, HTTPS-Based Proxy Connections: "If the proxy server requires authentication, the WinRM
    clients and servers must use HTTPS. Authentication to the proxy server is independent from the authentication to
    the destination server."
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "More than one set of credentials is needed to connect to
    the destination server and to the proxy server."
"""

from analyzer.records.candidates import asked_targets, at_places
from analyzer.records.http import Exchange
from analyzer.rules import microsoft
from analyzer.rules.asking import server_words, times, where
from analyzer.rules.proxyauth._credentials import gives, is_basic, readable, shown, sign
from analyzer.rules.reading import request, status
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell, place

_PROXY_DEMAND = 407


def see(evidence: Evidence) -> Signs[Exchange]:
    """One sign for each request that is asked for, or has, credentials for a proxy that got any."""
    signs = [sign(evidence, exchange) for exchange in _whole_targets(evidence) if _is_asked_for(evidence, exchange)]
    given = {place(evidence, one) for one in signs if gives(one.fact)}
    return (one for one in signs if place(evidence, one) in given)


def _whole_targets(evidence: Evidence) -> tuple[Exchange, ...]:
    return at_places(evidence, [places for target, places in asked_targets(evidence).items() if target.lower().startswith("http://")])


def _is_asked_for(evidence: Evidence, exchange: Exchange) -> bool:
    asked = request(exchange)
    if asked is None or asked.method == "CONNECT" or not asked.target.lower().startswith("http://"):
        return False
    return evidence.connections[exchange.connection].protocol != "tls" and (status(exchange) == _PROXY_DEMAND or gives(exchange))


def why(tell: Tell[Exchange]) -> str:
    demanded = sum(status(exchange) == _PROXY_DEMAND for exchange in tell.facts)
    given = sum(gives(exchange) for exchange in tell.facts)
    asked = request(tell.first.fact)
    return (
        f"The proxy {server_words(tell.connection)} asked for authentication {times(demanded) if demanded else 'at no time in the capture'}. "
        f"{tell.connection.client.host} gave credentials ({shown(tell)}) {times(given)} without TLS, for "
        f"{asked.target if asked else 'a WinRM endpoint'}. The first is {where(tell)}.{readable(tell)}"
    )


OPINION = Opinion(
    title=lambda tell: f"Logon to proxy {server_words(tell.connection)} runs over plain HTTP",
    name="Proxy authentication over plain HTTP",
    severity=lambda tell: Severity.CRITICAL if is_basic(tell) else Severity.HIGH,
    worst=Severity.CRITICAL,
    confidence=1.0,
    owner=Owner.CLIENT,
    reference=microsoft.PROXY_LOGON_NEEDS_HTTPS,
    advice="Use HTTPS to the server (port 5986, so that the proxy is asked with CONNECT). Or let the proxy pass WinRM without authentication.",
    see=see,
    why=why,
    fails=("proxy_auth_over_https",),
)
