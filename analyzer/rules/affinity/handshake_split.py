"""The messages of one logon reach the server on different connections.

Detects
    The answer to a challenge arrives on a connection on which that challenge was never sent. Proof is either both sides of a proxy, or an NTLMv2 response that
    repeats the time stamp of a challenge on another connection. With the server side alone and without time stamps: an NTLM authenticate message as the first
    thing on a connection whose beginning was captured, right after a challenge to the same peer on another one.
Impact
    The server keeps the state of a logon with the connection. It answers 401 and the user sees "access denied" with a correct password.
False positives
    When the capture began in the middle of the second connection; such connections are left out.
Requires
    Both sides of the proxy, or the server side alone. On the client side alone a proxy that splits logons looks like wrong credentials.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "Also, the lack of connection affinity might cause the
    authentication to fail against the server." "Connection-based authentication for Negotiate, Kerberos, and CredSSP
    authentication." "If the connection-based affinity is not maintained, authentication against the destination
    server can fail with an access denied error."
"""

from collections import defaultdict

from analyzer.records.auth import Conversation, Outcome
from analyzer.records.proxy import Role
from analyzer.records.story import Logon, Reason, Result
from analyzer.rules import microsoft
from analyzer.rules.asking import account, is_proxied, server_words, sign, times
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, handshakes, listed, name, packet, request, role, status, upstream
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell

HOW = Advice(
    "Bind each server connection to one client connection for as long as both live",
    Topic.BIND,
    "Or use HTTPS through CONNECT, or a proxy in TCP mode.",
    past=True,
)
KEEP = (
    "Let the client keep its connection from the first message of the logon to the last request. Programs: one session object, keep-alive on, no new "
    "connection after a 401. If a load balancer stands in front, let it hold each client connection on one server."
)
_SOON_NS = 5_000_000_000
_PROVED, _ALONE = 0.95, 0.7


def see(evidence: Evidence) -> Signs[Logon]:
    """Split logons; with the server side alone and without proof, halves that fit."""
    found = [_sign(evidence, logon) for logon in evidence.story.logons if logon.reason is Reason.SPLIT]
    yield from found
    if not found:
        yield from _halves(evidence)


def _sign(evidence: Evidence, logon: Logon) -> Sign[Logon]:
    hops = [evidence.near[identity].confidence for identity in logon.exchanges if identity in evidence.near]
    own = sign(logon)
    return Sign(own.fact, own.exchanges, own.packets, own.connections, own.user, min(hops, default=_PROVED))


def _halves(evidence: Evidence) -> Signs[Logon]:
    """Without the client's side: an answer without its challenge, and a challenge without its answer, one after the other between the same two hosts."""
    pending: dict[tuple[str, str, int], list[Conversation]] = defaultdict(list)
    known = list(handshakes(evidence))
    failed = any(found.outcome is not Outcome.ACCEPTED for found in known)
    for spoken in sorted(known, key=lambda found: found.first_ns) if failed else ():
        connection = evidence.connections[spoken.connection]
        joined = any(identity in evidence.far for identity in spoken.exchanges)
        if joined or role(evidence, connection.id) in (Role.CLIENT_LEG, Role.DIRECT) or not connection.to_server.begins:
            continue
        peers = (connection.client.host, connection.server.host, connection.server.port)
        kinds = [step.token.step for step in spoken.steps if step.token is not None]
        if kinds[:1] == ["authenticate"] and spoken.server_challenge is None and spoken.outcome is not Outcome.ACCEPTED:
            fitting = [one for one in pending[peers] if 0 <= spoken.first_ns - one.last_ns <= _SOON_NS and one.connection != connection.id]
            if fitting:
                yield _pair(evidence, fitting[-1], spoken)
                pending[peers].remove(fitting[-1])
        elif "challenge" in kinds and kinds[-1] == "challenge":
            pending[peers].append(spoken)


def _pair(evidence: Evidence, challenged: Conversation, answered: Conversation) -> Sign[Logon]:
    logon = evidence.story.logon_of[answered.id]
    packets = [step.packets[0] for one in (challenged, answered) for step in one.steps if step.packets]
    exchanges = (*challenged.exchanges, *answered.exchanges)
    return Sign(logon, exchanges, tuple(packets), (challenged.connection, answered.connection), account(logon), _ALONE)


def _through_proxy(tell: Tell[Logon]) -> bool:
    evidence = tell.evidence
    return is_proxied(evidence, tell.connections[0]) or any(role(evidence, one) is Role.UPSTREAM_LEG for one in tell.connections)


def title(tell: Tell[Logon]) -> str:
    connection = tell.connection
    if not _through_proxy(tell):
        return f"Client {connection.client.host} splits each logon over several connections"
    proxy = server_words(connection) if is_proxied(tell.evidence, connection.id) else connection.client.host
    return f"Proxy {proxy} splits logons over several server connections"


def why(tell: Tell[Logon]) -> str:
    first = tell.first
    mechanism, user = first.fact.mechanism.shown, first.user
    refused = sum(logon.outcome is Result.REFUSED for logon in tell.facts)
    outcome = f"It was tried {times(tell.count)} and refused {times(refused)} (401)." if refused else f"It was tried {times(tell.count)}."
    way = [part for identity in first.exchanges if (part := _forwarded(tell.evidence, identity))]
    where = f"The messages were forwarded on different server connections. {' '.join(way)}" if way else _places(tell)
    return (
        f"The {mechanism} handshake{f' of {user}' if user else ''} was split over {counted(len(_carriers(tell)), 'connection')}. {where} "
        f"The server keeps a logon with its connection, so the answer to the challenge means nothing on another one. {outcome}"
    ) + ("" if way or not _through_proxy(tell) else " The client's side of the proxy is not in the capture.")


def _carriers(tell: Tell[Logon]) -> list[str]:
    """The connections that carried the first logon's messages to the server."""
    fars = [far.connection for identity in tell.first.exchanges if (far := upstream(tell.evidence, identity)) is not None]
    return list(dict.fromkeys(fars or tell.first.connections))


def _forwarded(evidence: Evidence, identity: str) -> str | None:
    far = upstream(evidence, identity)
    asked = None if far is None else request(far)
    if far is None or asked is None:
        return None
    where = packet(evidence, asked.packets[0]) if asked.packets else "packet not captured"
    return f"{identity} was forwarded as {far.id} on {name(evidence.connections[far.connection])} ({where}, status {status(far)})."


def _places(tell: Tell[Logon]) -> str:
    first = tell.first
    said = "The answer repeats the time stamp of the challenge on the other connection. " if first.confidence == _PROVED else ""
    return (
        f"The challenge was sent on one connection and answered on another one ({listed(_carriers(tell))}; {tell.packet(first.packets[0])} to "
        f"{tell.packet(first.packets[-1])}). {said}The peer that opened them does not keep its connection."
    )


OPINION = Opinion(
    title=title,
    name="Logon is split over several connections",
    severity=Severity.HIGH,
    confidence=_PROVED,
    owner=lambda tell: Owner.PROXY if _through_proxy(tell) else Owner.CLIENT,
    reference=microsoft.AFFINITY_LOST,
    advice=lambda tell: HOW if _through_proxy(tell) else KEEP,
    see=see,
    why=why,
    explains=(
        "auth.loop",
        "affinity.client-migrates",
        "auth.reauth-per-request",
        "auth.credentials-refused",
        "auth.context-lost",
        "auth.negotiate-via-proxy-without-proxy-support",
    ),
    fails=("connection_authentication", "affinity"),
)
