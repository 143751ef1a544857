"""The proxy logs on to the server with credentials of its own.

Detects
    A request without credentials, or with Basic credentials of one user, that the proxy forwarded with other credentials.
Impact
    The server sees the gateway's account, for every client. Only the gateway knows who did what, and everyone it lets through has the rights of its account.
False positives
    Gateways for privileged access do it by design, and log who it was.
Requires
    Both sides of the proxy.
References
    Proxy Servers and WinRM, HTTPS-Based Proxy Connections: "Authentication to the proxy server is independent from
    the authentication to the destination server."
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "If the TCP/IP connections are not strongly mapped between both
    the WinRM client and the proxy server and between the proxy server and the destination server, an unauthorized
    client could connect to the destination server by using the same authenticated connection from the proxy server to
    the destination server."
"""

from typing import NamedTuple

from analyzer.records.auth import Audience
from analyzer.records.http import Exchange
from analyzer.records.proxy import Hop
from analyzer.rules import microsoft
from analyzer.rules.asking import asked_at
from analyzer.rules.reading import counted, header, listed, name, packets_of, request, who
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell


class Own(NamedTuple):
    """An exchange on both sides that has other credentials behind the proxy."""

    near: Exchange
    far: Exchange


def see(evidence: Evidence) -> Signs[Own]:
    """One sign for each request that was given other credentials."""
    for hop in evidence.hops:
        own = Own(evidence.exchanges[hop.near], evidence.exchanges[hop.far])
        if hop.near_connection in evidence.winrm and _is_own(own):
            yield Sign(own, (hop.near, hop.far), packets_of(own), (hop.far_connection, hop.near_connection), _user(evidence, hop), hop.confidence)


def _is_own(own: Own) -> bool:
    before, behind = header(request(own.near), "authorization"), header(request(own.far), "authorization")
    if request(own.near) is None or behind is None or before == behind:
        return False
    return before is None or (before.lower().startswith("basic ") and before.split() != behind.split())


def _user(evidence: Evidence, hop: Hop) -> str | None:
    spoken = evidence.conversations_of.get(hop.far_connection, ())
    return who(next((one for one in spoken if one.audience is Audience.SERVER and hop.far in one.exchanges), None))


def why(tell: Tell[Own]) -> str:
    first = tell.facts[0]
    clients = listed(tell.evidence.connections[own.near.connection].client.host for own in tell.facts)
    return (
        f"The proxy {tell.connection.client.host} forwarded {counted(tell.count, 'request')} of {clients} with credentials that the client had not sent"
        f"{f' ({listed(tell.users)})' if tell.users else ''}. The first is {first.near.id} ({asked_at(tell, first.near)}), forwarded as {first.far.id} on "
        f"{name(tell.connection)} ({asked_at(tell, first.far)}). The server sees the proxy's account only."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {tell.connection.client.host} logs on with an account of its own",
    name="Proxy logs on with an account of its own",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.PROXY,
    reference=microsoft.LOGONS_ARE_INDEPENDENT,
    advice=(
        "If the gateway is meant to do this, restrict who may use it, keep its log, and give its account no more rights than needed. If not, remove the "
        "credentials from its configuration (nginx, Apache: a set Authorization header; haproxy: http-request set-header Authorization)."
    ),
    see=see,
    why=why,
)
