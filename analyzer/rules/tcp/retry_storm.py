"""A client program opens connection after connection and gets nothing done.

Detects
    More than ten new connections within a minute from one client program (address, account, User-Agent) to one endpoint, each with at most three exchanges, on
    which no request was served: a logon was refused, an error came back, or the other side ended the connection unasked.
Impact
    Something makes the client start over and over: failing logons, connections that break, or a program without a limit to its retries. Each try costs a
    handshake, and the server may lock the account.
False positives
    Programs that use one connection for each short task and get it done are not counted, at any rate: nor probes that close by themselves or ask for
    Connection: close. A scanner that tries passwords looks the same. What is inside TLS and was not decrypted is not counted.
Requires
    A direct connection or the client's side of a proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "If the connection is not maintained, every request must be
    re-authenticated, which might affect performance."
    RFC 9112 section 9.4.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet

from analyzer.records.candidates import by_place, connections
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.story import Kind, Result
from analyzer.records.transport import Connection
from analyzer.rules.asking import server_words
from analyzer.rules.reading import counted, identity, listed, name, request, role, status, succeeded, wants_a_close
from analyzer.rules.tcp._endings import agent
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

MOST = Param("most", 10, "connections", "how many such connections within a minute are no storm yet")
FEW = Param("few", 3, "exchanges", "how many exchanges such a connection has at most")
_MINUTE_NS = 60_000_000_000
_ERROR = 400
_DEMANDS = (401, 407)
_Program = tuple[str, str, int, str | None, str | None]


class Tried(Fact, frozen=True):
    """A connection that led nowhere, and whose program's it is."""

    connection: Connection
    program: _Program


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Tried]:
    """One sign for each connection of a storm."""
    refused = {logon.client_connection for logon in evidence.story.logons if logon.outcome is Result.REFUSED}
    carried = {one.tunnel_of: one.id for one in evidence.connections.values() if one.tunnel_of is not None}
    groups: dict[_Program, list[Connection]] = defaultdict(list)
    often: set[str] = set()
    for every in by_place(evidence).values():
        tried = [one.id for one in every if _is_tried(evidence, one)] if len(every) > values["most"] else ()
        often.update(tried if len(tried) > values["most"] else ())
    for connection in connections(evidence) if often else ():
        if connection.id not in often:
            continue
        inner = carried.get(connection.id, connection.id)
        if _leads_nowhere(evidence, connection, inner, refused, values["few"]):
            groups[_program(evidence, connection, inner)].append(connection)
    for program, group in groups.items():
        storm = _storm(sorted(group, key=lambda one: one.first_ns))
        for connection in storm if len(storm) > values["most"] else ():
            exchanges = tuple(one.id for one in evidence.exchanges_of.get(connection.id, ()))
            yield Sign(Tried(connection, program), exchanges, (connection.packets[0],), (connection.id,), program[3])


def _is_tried(evidence: Evidence, connection: Connection) -> bool:
    own = connection.tunnel_of is None and connection.syn is not None and connection.established
    return own and role(evidence, connection.id) in (Role.DIRECT, Role.CLIENT_LEG, Role.TUNNEL)


def _leads_nowhere(evidence: Evidence, connection: Connection, inner: str, refused: AbstractSet[str], few: float) -> bool:
    """Nothing was served on it, and that is not what the client wanted: something failed, or the other side ended it unasked."""
    exchanges = evidence.exchanges_of.get(inner, ())
    if not 1 <= len(exchanges) <= few or any(_is_served(evidence, exchange) for exchange in exchanges):
        return False
    if not {connection.id, inner}.isdisjoint(refused) or any(
        (code := status(one)) is not None and code >= _ERROR and code not in _DEMANDS for one in exchanges
    ):
        return True
    ending = evidence.story.endings.get(connection.id)
    asked = request(exchanges[-1])
    return ending is not None and ending.first_by is not Kind.CLIENT and asked is not None and not wants_a_close(asked)


def _is_served(evidence: Evidence, exchange: Exchange) -> bool:
    """More than the end of a handshake of empty requests."""
    asked = request(exchange)
    if asked is None or not succeeded(exchange):
        return False
    ends = any(spoken.ends == exchange.id for spoken in evidence.conversations_of.get(exchange.connection, ()))
    return bool(asked.body.size) or asked.method == "CONNECT" or not ends


def _program(evidence: Evidence, connection: Connection, inner: str) -> _Program:
    return connection.client.host, connection.server.host, connection.server.port, identity(evidence, inner), agent(evidence, inner)


def _storm(group: Sequence[Connection]) -> Sequence[Connection]:
    """The most connections that began within a minute."""
    best, begin = range(0), 0
    for end, last in enumerate(group):
        while last.first_ns - group[begin].first_ns > _MINUTE_NS:
            begin += 1
        best = max(best, range(begin, end + 1), key=len)
    return [group[place] for place in best]


def why(tell: Tell[Tried]) -> str:
    first, last, program = tell.facts[0].connection, tell.facts[-1].connection, tell.facts[0].program[4]
    codes = [str(code) for sign in tell.signs for one in sign.exchanges if (code := status(tell.evidence.exchanges[one])) is not None]
    return (
        f"{first.client.host}{f' ({program})' if program else ''} opened {counted(tell.count, 'connection')} to {server_words(first)} within "
        f"{(last.first_ns - first.first_ns) / 1e9:.1f} s. Each had at most {tell.value('few'):.0f} exchanges, and no request was served (statuses "
        f"{listed(codes) or 'none'}). The first is {name(first)}, which begins in {tell.packet(tell.first.packets[0])}."
    )


OPINION = Opinion(
    title=lambda tell: f"{tell.connection.client.host} opens connection after connection and gets nothing done",
    name="Client opens connection after connection without success",
    severity=Severity.LOW,
    confidence=0.7,
    owner=Owner.CLIENT,
    reference="RFC 9112 section 9.4",
    advice="See the other findings for what makes it start over; limit the client's retries and let it wait longer between them.",
    see=see,
    why=why,
    each=lambda _, sign: sign.fact.program,
    params=(MOST, FEW),
)
