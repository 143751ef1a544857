"""The server no longer knows an authenticated connection.

Detects
    An encrypted request without new credentials, on a connection on which a logon had completed, is answered 401 less
    than 15 seconds after the last sign of life of that connection. With both sides of the proxy: it went over the
    same server connection as the logon.
Impact
    The connection was not lost and not idle, yet the server asks for authentication again: its state is gone. The
    client's commands fail at random.
False positives
    A restart of the service, or of the server. Where the proxy sent the request over another server connection the
    cause is affinity.client-migrates, which is not counted; with the client's side of the proxy alone that cannot be
    told, and the confidence is lower.
Requires
    A direct connection, or both sides of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "If the connection-based affinity is not maintained,
    authentication against the destination server can fail with an access denied error." "The client TCP/IP connection
    to the proxy should continue to map to the same TCP/IP connection from the proxy to the server."
"""

from collections.abc import Mapping

from analyzer.records.auth import Conversation
from analyzer.records.candidates import asked_in
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.sealing import Protection
from analyzer.rules import microsoft
from analyzer.rules.asking import server_words
from analyzer.rules.reading import (
    authenticated,
    before,
    counted,
    first_packet,
    header,
    message,
    name,
    packets_of,
    request,
    response,
    role,
    seconds,
    status,
    upstream,
    who,
)
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

IDLE = Param("idle", 15, "seconds", "a connection that was silent for longer may have been forgotten for that")
_DEMAND = 401
_SURE, _UNSURE = 0.8, 0.5


class Lost(Fact, frozen=True):
    """The request, what had authenticated it, how long the connection had been silent, and what it was forwarded as."""

    exchange: Exchange
    conversation: Conversation
    idle_ns: int
    far: Exchange | None


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Lost]:
    for exchange in asked_in(evidence, Protection.SEALED):
        lost = None if status(exchange) != _DEMAND or exchange.id in evidence.far else _lost(evidence, exchange, values["idle"] * 1e9)
        if lost is not None:
            exchanges = (exchange.id,) if lost.far is None else (exchange.id, lost.far.id)
            yield Sign(lost, exchanges, packets_of([exchange]), user=who(lost.conversation))


def _lost(evidence: Evidence, exchange: Exchange, idle_ns: float) -> Lost | None:
    asked = request(exchange)
    found = message(evidence, asked)
    if asked is None or found is None or found.protection is not Protection.SEALED or header(asked, "authorization") is not None:
        return None
    conversation = authenticated(evidence, exchange)
    previous = before(evidence, exchange)
    last = None if previous is None else response(previous)
    if conversation is None or last is None or asked.first_ns - last.last_ns >= idle_ns:
        return None
    homes = {far.connection for identity in conversation.exchanges if (far := upstream(evidence, identity)) is not None}
    here = upstream(evidence, exchange.id)
    if homes and (here is None or {here.connection} != homes):
        return None
    return Lost(exchange, conversation, asked.first_ns - last.last_ns, here)


def _blind(tell: Tell[Lost]) -> bool:
    first = tell.first.fact.exchange
    return role(tell.evidence, first.connection) is Role.CLIENT_LEG and first.id not in tell.evidence.near


def why(tell: Tell[Lost]) -> str:
    first, evidence = tell.first.fact, tell.evidence
    spoken = first.conversation
    done = first_packet(response(evidence.exchanges[spoken.ends or spoken.exchanges[-1]]))
    key = first_packet(response(first.exchange))
    user = f" of {tell.first.user}" if tell.first.user else ""
    text = (
        f"The {spoken.mechanism.shown} logon{user} on {name(tell.connection)} was complete ({tell.packet(done[0]) if done else 'not captured'}). "
        f"{counted(tell.count, 'encrypted request')} later got 401. The first came {seconds(first.idle_ns)} after the last response "
        f"({first.exchange.id}, {tell.packet(key[0]) if key else 'not captured'})."
    )
    blind = " The server side is not in the capture: a proxy that moved the client to another connection looks the same."
    return text + (blind if _blind(tell) else "")


OPINION = Opinion(
    title=lambda tell: f"Logon is forgotten on an open connection to {server_words(tell.connection)}",
    name="Logon is forgotten on an open connection",
    severity=lambda tell: Severity.MEDIUM if _blind(tell) else Severity.HIGH,
    worst=Severity.HIGH,
    confidence=lambda tell: _UNSURE if _blind(tell) else _SURE,
    owner=lambda tell: Owner.PROXY if _blind(tell) else Owner.SERVER,
    reference=microsoft.AFFINITY_LOST,
    advice=(
        "Look for restarts of the service WinRM at that time. Look for a device between proxy and server that spreads the "
        "requests of one connection over several servers."
    ),
    see=see,
    why=why,
    params=(IDLE,),
)
