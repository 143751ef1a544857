"""The proxy forbids WinRM.

Detects
    403 to a CONNECT or to a request with an absolute target for a WinRM endpoint, on the client's side, that was not forwarded to the server (or was forwarded
    and answered otherwise).
Impact
    The client reports "access denied" or "bad HTTP response", and neither the server nor the account is the reason: a rule of the proxy is. Often the client
    was not meant to use the proxy at all and took it from its environment (http_proxy).
False positives
    A 403 that a server sends through a proxy when only the client's side was captured. Where it looks like a Windows server's, the finding says so.
Requires
    The client's side of the proxy.
References
    Proxy Servers and WinRM, Configuring a Proxy Server for WinRM 1.1 and Earlier: "By default, WinHTTP is not
    configured to use a proxy server."
    RFC 9110 section 15.5.4.
"""

from analyzer.records.candidates import with_status
from analyzer.records.http import Exchange
from analyzer.rules.asking import answered_at, product_at, server_words
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, identity, listed, name, packets_of, request, status, upstream
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell

_FORBIDDEN = 403
_OWN, _PERHAPS = 0.9, 0.5


def see(evidence: Evidence) -> Signs[Exchange]:
    """One sign for each request that was forbidden."""
    for exchange in with_status(evidence, _FORBIDDEN):
        if _asks_proxy(exchange) and not _is_the_servers(evidence, exchange):
            yield Sign(exchange, (exchange.id,), packets_of([exchange]), user=identity(evidence, exchange.connection))


def _asks_proxy(exchange: Exchange) -> bool:
    asked = request(exchange)
    return asked is not None and (asked.method == "CONNECT" or "://" in asked.target.split("?", maxsplit=1)[0])


def _is_the_servers(evidence: Evidence, exchange: Exchange) -> bool:
    far = upstream(evidence, exchange.id)
    return far is not None and status(far) == _FORBIDDEN


def _product(tell: Tell[Exchange]) -> str | None:
    return product_at(tell.evidence, tell.facts[0].id)


def _is_own(tell: Tell[Exchange]) -> bool:
    """It does not look like a Windows server's answer that the proxy only passed on."""
    return "httpapi" not in (_product(tell) or "").lower()


def why(tell: Tell[Exchange]) -> str:
    first, product = tell.facts[0], _product(tell)
    targets = listed(f"{asked.method} {asked.target}" for exchange in tell.facts if (asked := request(exchange)) is not None)
    text = (
        f"The proxy {server_words(tell.connection)}{f' ({product})' if product else ''} answered {counted(tell.count, 'request')} of "
        f"{tell.connection.client.host} with 403 ({targets}). The first is {first.id} on {name(tell.connection)} ({answered_at(tell, first)})."
    )
    if _is_own(tell):
        return f"{text} No answer of the server with 403 is in the capture."
    return f"{text} The answer looks like a Windows server's, which the proxy may have passed on; the server side would tell."


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} forbids WinRM{'' if _is_own(tell) else ', or the server behind it'}",
    name="Proxy forbids WinRM",
    severity=Severity.MEDIUM,
    confidence=lambda tell: _OWN if _is_own(tell) else _PERHAPS,
    owner=Owner.PROXY,
    reference="RFC 9110 section 15.5.4",
    advice=Advice("Allow the destination and its port on the proxy", Topic.ALLOW, past=True),
    see=see,
    why=why,
)
