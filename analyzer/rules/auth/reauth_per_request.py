"""A client program logs on again for nearly every request.

Detects
    From one client program (address, account, User-Agent) to one endpoint at least 5 requests with a body that were answered other than 401 or 407, and at
    least 0.8 completed handshakes (NTLM, Kerberos, CredSSP) for each of them. The cost is what the handshakes' extra round trips took.
Impact
    A handshake costs one to six round trips and a domain controller's work. The cause is a connection that does not persist: on the proxy when the client's
    connection lives on while new server connections appear, on the client when it opens a new connection for each request.
False positives
    A client that works so by design (no keep-alive) is low, with the client named as the cause. A probe, which sends the same one request on each connection
    or asks for the close, is healthy at any rate and not told. Requests with Basic need no logon and are not counted.
Requires
    The client's side; both sides to tell the cause.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "Connection persistence. The client TCP/IP connection to
    the proxy should continue to map to the same TCP/IP connection from the proxy to the server. Maintaining this
    connection helps to achieve a higher level of performance. If the connection is not maintained, every request must
    be re-authenticated, which might affect performance."
"""

from collections import defaultdict
from collections.abc import Mapping
from functools import cache, partial

from analyzer.records.auth import Conversation
from analyzer.records.candidates import by_place
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules import microsoft
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import (
    CONNECTION_BASED,
    authenticated,
    completed,
    counted,
    first_packet,
    header,
    identity,
    request,
    response,
    role,
    seconds,
    status,
    upstream,
    wants_a_close,
    winrm_exchanges,
)
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

LEAST = Param("least", 5, "requests", "how many requests with a body it takes")
RATIO = Param("ratio", 0.8, "logons for each request", "how many logons for each request are too many")
_DEMANDS = (401, 407)
Program = tuple[str, str, int, str, str]


class Work(Fact, frozen=True):
    """What one program did: its requests with a body, its completed logons."""

    agent: str
    requests: tuple[Exchange, ...]
    logons: tuple[Conversation, ...]


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Work]:
    """One sign for each program that logs on for nearly every request."""
    program_of = cache(partial(_program, evidence))
    enough = _with_enough(evidence, values["least"])
    logons: dict[Program, list[Conversation]] = defaultdict(list)
    for found in completed(evidence) if enough else ():
        if found.connection in enough and role(evidence, found.connection) is not Role.UPSTREAM_LEG:
            logons[program_of(found.connection)].append(found)
    payloads: dict[Program, list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence) if logons else ():
        if exchange.connection in enough and _is_payload(evidence, exchange):
            payloads[program_of(exchange.connection)].append(exchange)
    for program, exchanges in payloads.items():
        own = logons[program]
        if own and len(exchanges) >= values["least"] and len(own) >= values["ratio"] * len(exchanges):
            work = Work(program[-1], tuple(exchanges), tuple(own))
            if _is_the_proxys(evidence, work) or not _is_one_shot(work):
                yield _sign(evidence, work)


def _with_enough(evidence: Evidence, least: float) -> frozenset[str]:
    """The connections between hosts with so many exchanges: the programs of others cannot have as many requests."""
    of = evidence.exchanges_of
    found: list[str] = []
    for group in by_place(evidence).values():
        if sum([len(of.get(one.id, ())) for one in group]) >= least:
            found += [one.id for one in group]
    return frozenset(found)


def _is_one_shot(work: Work) -> bool:
    """A probe: one request for each connection, and always the same one, or with the close asked for. Such a client is healthy at any rate."""
    asked = [one for exchange in work.requests if (one := request(exchange)) is not None]
    alone = len({exchange.connection for exchange in work.requests}) == len(work.requests)
    return alone and (len({one.body.size for one in asked}) == 1 or all(wants_a_close(one) for one in asked))


def _is_payload(evidence: Evidence, exchange: Exchange) -> bool:
    """A request with a body of the client's side that was looked at, and that rests on a logon of its connection."""
    asked, code = request(exchange), status(exchange)
    if role(evidence, exchange.connection) is Role.UPSTREAM_LEG or asked is None or not asked.body.size or code is None or code in _DEMANDS:
        return False
    logon = authenticated(evidence, exchange)
    return logon is None or logon.mechanism in CONNECTION_BASED


def _program(evidence: Evidence, connection: str) -> Program:
    """Jump hosts, Ansible controllers and address translation put many programs behind one address."""
    own = evidence.connections[connection]
    agents = (header(request(exchange), "user-agent") for exchange in evidence.exchanges_of.get(connection, ()))
    return own.client.host, own.server.host, own.server.port, (identity(evidence, connection) or "").casefold(), next((one for one in agents if one), "")


def _sign(evidence: Evidence, work: Work) -> Sign[Work]:
    exchanges = (*(identity for logon in work.logons for identity in logon.exchanges), *(exchange.id for exchange in work.requests))
    packets = [key for logon in work.logons for key in first_packet(request(evidence.exchanges[logon.exchanges[0]]))]
    connections = tuple(dict.fromkeys((*(exchange.connection for exchange in work.requests), *(logon.connection for logon in work.logons))))
    return Sign(work, tuple(dict.fromkeys(exchanges)), tuple(packets), connections, identity(evidence, work.logons[0].connection))


def _is_the_proxys(evidence: Evidence, work: Work) -> bool:
    """The client kept its connections, and the proxy used more of its own."""
    connections = {exchange.connection for exchange in work.requests}
    fars = {far.connection for exchange in work.requests if (far := upstream(evidence, exchange.id)) is not None}
    return len(fars) > len(connections)


def _cause(tell: Tell[Work]) -> str:
    work = tell.facts[0]
    connections = {exchange.connection for exchange in work.requests}
    if _is_the_proxys(tell.evidence, work):
        fars = {far.connection for exchange in work.requests if (far := upstream(tell.evidence, exchange.id)) is not None}
        return f"The client kept {counted(len(connections), 'connection')}, the proxy used {counted(len(fars), 'server connection')} and keeps none."
    if len(connections) >= len(work.requests) * 0.8:
        return f"The client opened {counted(len(connections), 'connection')}, one for nearly each request."
    return f"The requests came over {counted(len(connections), 'connection')} of the client."


def why(tell: Tell[Work]) -> str:
    work = tell.facts[0]
    spent = [_cost(tell.evidence, logon) for logon in work.logons]
    ns, size = sum(one for one, _ in spent), sum(one for _, one in spent)
    program = f"{work.agent} on {tell.connection.client.host}" if work.agent else tell.connection.client.host
    return (
        f"{program}{f' logged on as {tell.first.user}' if tell.first.user else ''} went through {counted(len(work.logons), 'handshake')} for "
        f"{counted(len(work.requests), 'request')}. {_cause(tell)} The extra round trips took {seconds(ns)} ({seconds(ns // len(work.requests))} for each "
        f"request) and {size:,} bytes. The first begins with {tell.packet(tell.first.packets[0]) if tell.first.packets else 'a packet that was not captured'}."
    )


def _cost(evidence: Evidence, logon: Conversation) -> tuple[int, int]:
    """Nanoseconds and bytes of the round trips that carried no payload of their own."""
    ns = size = 0
    for one in logon.exchanges:
        exchange = evidence.exchanges[one]
        asked, answer = request(exchange), response(exchange)
        if asked is None or answer is None or (one == logon.ends and asked.body.size):
            continue
        ns += answer.last_ns - asked.first_ns
        size += asked.end_at - asked.at + answer.end_at - answer.at
    return ns, size


OPINION = Opinion(
    title="A client logs on again for every request",
    severity=lambda tell: Severity.MEDIUM if _is_the_proxys(tell.evidence, tell.facts[0]) else Severity.LOW,
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=lambda tell: Owner.PROXY if _is_the_proxys(tell.evidence, tell.facts[0]) else Owner.CLIENT,
    reference=microsoft.EVERY_REQUEST_AGAIN,
    advice=Advice(
        "Keep the connections open: on the proxy, bind the server connection to the client's",
        Topic.BIND,
        "On the client, use one session object with keep-alive on.",
    ),
    see=see,
    why=why,
    each=lambda _, sign: id(sign),
    fails=("connection_persistence",),
    params=(LEAST, RATIO),
)
