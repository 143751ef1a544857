"""Clear-text WinRM goes through a proxy.

Detects
    A SOAP envelope (content type application/soap+xml, or an envelope as the body's first bytes) on one side of a proxy, without TLS. WS-Management's
    Identify, which is anonymous by design, does not count.
Impact
    The proxy, and anyone on the path, can read and change every command and every result. Microsoft's page allows this under no circumstances. The client's
    own setting decides: with Negotiate or Kerberos over HTTP, WinRM encrypts messages unless "AllowUnencrypted" is set on both sides.
False positives
    Never about the fact: the envelope lies readable in the packets named. Whether the path is a proxy is told from joined exchanges, absolute request
    targets, or the fields that proxies add.
Requires
    Any one side of the proxy.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "If a WinRM server supports HTTP and is accessed through a
    proxy, the WinRM server must enforce encryption and not allow unencrypted network traffic. Under no circumstances
    should unencrypted HTTP requests be sent through proxy servers. When data must pass through a proxy server before
    being sent to the destination server, the following security issues are very important: It is possible that a
    malicious proxy server could examine every request/response pair, including credentials."
    MS-WSMV 2.2.9.1.
"""

from collections.abc import Hashable
from typing import Any

from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules import microsoft
from analyzer.rules.asking import claims_proxy
from analyzer.rules.enc._clear import ENCRYPT, Run, clear_exchanges, exchanges_of, sides, told
from analyzer.rules.reading import PROXIED, owner, packets_of, role
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell, once


def see(evidence: Evidence) -> Signs[Run]:
    """One sign for each exchange, the client's side first."""
    roles, upstream = evidence.roles, Role.UPSTREAM_LEG
    found = sorted(clear_exchanges(evidence, *PROXIED), key=lambda one: roles.get(one[0].connection) is upstream)
    return (Sign(Run((exchange,)), (exchange.id,), packets_of([exchange]), user=user) for exchange, user in found)


def client(evidence: Evidence, sign: Sign[Any]) -> Hashable:
    """One finding for each client of each proxy (or, where its side is missing, each proxy of a server)."""
    exchange: Exchange = sign.fact.exchanges[0]
    while evidence.far and role(evidence, exchange.connection) is Role.UPSTREAM_LEG and (before := owner(evidence, exchange.id)) is not None:
        exchange = before
    own = evidence.connections[exchange.connection]
    return own.client.host, own.server.host, own.server.port


def why(tell: Tell[Run]) -> str:
    text = told(tell, f" {sides(tell.evidence, exchanges_of(tell))}")
    return f"{text} That a proxy sent them is told by a field such as Via alone, which any sender can write." if _is_claimed(tell) else text


@once
def _is_claimed(tell: Tell[Run]) -> bool:
    return claims_proxy(tell.evidence, tell.connections)


OPINION = Opinion(
    title=lambda tell: "WinRM messages that name a proxy are not encrypted" if _is_claimed(tell) else "WinRM messages go through a proxy unencrypted",
    name="WinRM messages go through a proxy unencrypted",
    severity=Severity.CRITICAL,
    confidence=lambda tell: 0.9 if _is_claimed(tell) else 1.0,
    owner=Owner.SERVER,
    reference=microsoft.NEVER_UNENCRYPTED,
    advice=f"{ENCRYPT} Through the proxy: with CONNECT.",
    see=see,
    why=why,
    each=client,
    explains=("enc.plaintext-soap-direct",),
    fails=("encryption_enforced",),
)
