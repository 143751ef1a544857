"""A request of one client is served on a connection that another client logged on.

Detects
    On a server connection a handshake completes whose exchanges belong to the connection of client A. Later a request without credentials goes over the same
    server connection, and it belongs to the connection of client B: another address, or another account. B makes no handshake in between, and the answer is
    neither 401 nor 407. With the server's side alone: the proxy names another client for such a request (X-Forwarded-For, Forwarded), or it comes from
    another program (User-Agent).
Impact
    NTLM, Kerberos and CredSSP authenticate the connection. The server cannot tell the clients apart and serves B with A's rights.
False positives
    The same client that reconnects (same address, and not visibly another user) is reported as low. When the two sides of the proxy are paired by time instead
    of by tokens or bodies, the severity is at most high. A gateway that logs on with an account of its own is another matter.
Requires
    Both sides of the proxy for certainty. On the server's side alone the fields are the proxy's word, and a client can write them, too; several addresses in
    one field say nothing.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "If the proxy does not strongly link a client to a server
    and maintain the TCP/IP connection, unauthenticated clients might gain access to data."
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "If the TCP/IP connections are not strongly mapped between both
    the WinRM client and the proxy server and between the proxy server and the destination server, an unauthorized
    client could connect to the destination server by using the same authenticated connection from the proxy server to
    the destination server. The destination server might allow the unauthenticated client access to data."
    RFC 4559 section 6.
"""

from collections.abc import Iterator
from typing import Any

from analyzer.records.auth import Conversation
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.records.transport import Connection
from analyzer.rules import microsoft
from analyzer.rules.affinity import _second_client
from analyzer.rules.affinity._second_client import Second
from analyzer.rules.asking import asked_at, client_behind, joined, named, server_words
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import authenticated, completed, counted, header, identity, message, name, owner, packets_of, request, status, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_REFUSED = (401, 407)
_EXACT = 0.95


class Foreign(Fact, frozen=True):
    """A request on a server connection, the client's exchange and connection, and by whom the server connection was logged on."""

    exchange: Exchange
    near: Exchange
    client: Connection
    logon: Conversation
    first: Connection


def foreign_requests(evidence: Evidence) -> Iterator[Foreign]:
    """Requests without credentials whose client's connection is not the one that logged on the server connection, in order of place."""
    logons = completed(evidence) if evidence.far else ()
    servers = {logon.connection for logon in logons if any(one in evidence.far for one in logon.exchanges)}
    for connection in sorted(servers, key=lambda one: (evidence.connections[one].first_ns, one)):
        for exchange in evidence.exchanges_of[connection]:
            logon, near = authenticated(evidence, exchange), owner(evidence, exchange.id)
            if logon is None or near is None or exchange.id in logon.exchanges or header(request(exchange), "authorization") is not None:
                continue
            first = client_behind(evidence, logon)
            if first is not None and first != near.connection:
                yield Foreign(exchange, near, evidence.connections[near.connection], logon, evidence.connections[first])


def signed(evidence: Evidence, foreign: Foreign) -> Sign[Foreign]:
    """A foreign request as a sign, with the token that logged on the connection."""
    token = next((step.packets[:1] for step in reversed(foreign.logon.steps) if step.from_client and step.packets), ())
    connections = (foreign.client.id, foreign.exchange.connection, foreign.first.id)
    packets = (*token, *packets_of([foreign.near, foreign.exchange]))
    return Sign(foreign, (foreign.near.id, foreign.exchange.id), packets, connections, user=identity(evidence, foreign.client.id))


def each(evidence: Evidence, sign: Sign[Any]) -> tuple[str, str, str]:
    """One finding for each server connection and foreign client."""
    if isinstance(sign.fact, Second):
        return _second_client.each(evidence, sign)
    return sign.fact.exchange.connection, sign.fact.client.client.host, sign.fact.first.id


def server(tell: Tell[Any]) -> str:
    """The server that served it."""
    return server_words(tell.evidence.connections[tell.facts[0].exchange.connection])


def sure(tell: Tell[Any]) -> float:
    if isinstance(tell.facts[0], Second):
        return _second_client.sure(tell)
    return joined(tell.evidence, *(foreign.exchange.id for foreign in tell.facts))


def whose(tell: Tell[Foreign]) -> str:
    """Who logged on the server connection, and which other client's requests came over it: the beginning of a reason."""
    first = tell.facts[0]
    return (
        f"{name(first.first)} logged on server connection {first.exchange.connection}{named('as', who(first.logon))} ({tell.packet(tell.first.packets[0])}). "
        f"The proxy then sent {counted(tell.count, 'request')} without credentials from another connection over it: {name(first.client)}"
        f"{f' of {tell.first.user}' if tell.first.user else ''}."
    )


def see(evidence: Evidence) -> Signs[Any]:
    """One sign for each request that was served, told by both sides, or by what the proxy says on the server's side alone."""
    yield from _second_client.see(evidence)
    for foreign in foreign_requests(evidence):
        code = status(foreign.exchange)
        if code is not None and code not in _REFUSED and code < 500 and not _is_encrypted(evidence, foreign.exchange):
            yield signed(evidence, foreign)


def _is_encrypted(evidence: Evidence, exchange: Exchange) -> bool:
    """An encrypted body that the server answered with success was encrypted for this connection's logon: it is the client's own."""
    found = message(evidence, request(exchange))
    return found is not None and found.protection is Protection.SEALED


def _same(tell: Tell[Foreign]) -> bool:
    """The same address, and not visibly another user."""
    first, user = tell.facts[0], tell.first.user
    account = who(first.logon)
    return first.client.client.host == first.first.client.host and (user is None or account is None or user == account)


def severity(tell: Tell[Any]) -> Severity:
    if isinstance(tell.facts[0], Second):
        return Severity.HIGH if tell.facts[0].by_address else Severity.MEDIUM
    if _same(tell):
        return Severity.LOW
    return Severity.CRITICAL if sure(tell) >= _EXACT else Severity.HIGH


def title(tell: Tell[Any]) -> str:
    if isinstance(tell.facts[0], Second):
        return _second_client.title(tell)
    account = who(tell.facts[0].logon)
    if _same(tell):
        return f"Proxy reuses the logon of {account or 'a client'} for a new client connection"
    return f"Another client is served with the rights of {account}" if account else "A client is served on another client's logon"


def why(tell: Tell[Any]) -> str:
    if isinstance(tell.facts[0], Second):
        return _second_client.why(tell)
    first = tell.facts[0]
    served = f"{whose(tell)} The first is {first.exchange.id} ({asked_at(tell, first.exchange)}), answered with status {status(first.exchange)}."
    if _same(tell):
        return f"{served} Both connections come from the same address and show no different user, so it may be one client that reconnected."
    return f"{served} The server cannot tell the clients apart and served them with the rights of the first one."


OPINION = Opinion(
    title=title,
    name="A client is served on a connection that another one logged on",
    severity=severity,
    worst=Severity.CRITICAL,
    confidence=sure,
    owner=Owner.PROXY,
    reference=microsoft.ANOTHER_CLIENT,
    advice=Advice(
        "Never share server connections that carry NTLM, Kerberos or CredSSP",
        Topic.BIND,
        "Enforce encryption on the server (AllowUnencrypted=false). Or use HTTPS through CONNECT.",
        past=True,
    ),
    see=see,
    why=why,
    each=each,
    destination=server,
    explains=("affinity.client-migrates", "http.encrypted-body-refused"),
    fails=("affinity", "no_foreign_request"),
)
