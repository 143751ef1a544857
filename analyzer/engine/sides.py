"""Where an exchange belongs, on whichever side of a proxy it was read: the client's own end, the real server's, and who was logged on."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import NamedTuple

from analyzer.psrp.parts import Place
from analyzer.records.auth import Audience, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.halves import account, begins_at
from analyzer.records.http import Exchange

_SERVER, _ACCEPTED = Audience.SERVER, Outcome.ACCEPTED


class Sides(NamedTuple):
    """Of connections whose other sides have one end: the connection on the client's side, and that on the server's, the farthest along a chain of proxies."""

    client: Mapping[str, str]
    server: Mapping[str, str]


def sides_of(evidence: Evidence) -> Sides:
    """The ends of all connections that a proxy joins."""
    near: dict[str, dict[str, None]] = defaultdict(dict)
    far: dict[str, dict[str, None]] = defaultdict(dict)
    for hop in evidence.hops:
        near[hop.far_connection].setdefault(hop.near_connection)
        far[hop.near_connection].setdefault(hop.far_connection)

    def ends(onward: Mapping[str, Mapping[str, None]], *, client: bool) -> dict[str, str]:
        found = {}
        for start in onward:
            at, seen = start, {start}
            while at in onward:
                hosts = {one.client.host if client else one.server.host for one in (evidence.connections[name] for name in onward[at])}
                following = next(iter(onward[at]))
                if len(hosts) > 1 or following in seen:
                    break
                seen.add(following)
                at = following
            found[start] = at
        return found

    return Sides(ends(near, client=True), ends(far, client=False))


def placing(evidence: Evidence, clients: Mapping[str, str]) -> Callable[[str], Place]:
    """Where exchanges belong, by their ids; those that were added for what is lost, where the ones before them do. Of those that no proxy is known to have
    forwarded, all of a connection between the beginnings of two logons belong to one place, which is told once."""
    sides, hops = sides_of(evidence), bool(evidence.hops)
    starts: dict[str, list[int]] = {}
    known: dict[tuple[str, int, int], Place] = {}

    def place(identity: str) -> Place:
        exchange = evidence.exchanges.get(identity) or evidence.exchanges[identity.rstrip("+")]
        if hops and (exchange.id in evidence.far or exchange.id in evidence.near):
            return place_of(evidence, exchange, clients, sides)
        begins = starts.get(exchange.connection)
        if begins is None:
            begins = starts[exchange.connection] = [begins_at(evidence, one) for one in evidence.conversations_of.get(exchange.connection, ())]
        key = exchange.connection, exchange.capture, bisect_right(begins, exchange.position) if begins else 0
        found = known.get(key)
        if found is None:
            found = known[key] = place_of(evidence, exchange, clients, sides)
        return found

    return place


def place_of(evidence: Evidence, exchange: Exchange, clients: Mapping[str, str], sides: Sides) -> Place:
    """The client's own end and the real server's, whichever side was read, also where the other side of this exchange is not in the capture."""
    near, far = evidence.far.get(exchange.id), evidence.near.get(exchange.id)
    here = exchange.connection
    client = here if near is None else near.near_connection
    server = here if far is None else far.far_connection
    first, last = evidence.connections[sides.client.get(client, client)], evidence.connections[sides.server.get(server, server)]
    asked = exchange.id if first.id == here else near.near if near is not None and first.id == client else None
    user = _user(evidence, first.id, clients, asked)
    if not user and first.id != here:
        user = _user(evidence, here, clients, exchange.id)
    anonymous = near is None and far is None and user is None and _is_anonymous(evidence, exchange)
    return Place(here, first.client.host, last.server.host, user, exchange.capture, anonymous)


def _is_anonymous(evidence: Evidence, exchange: Exchange) -> bool:
    """Nobody had begun to log on by then, on a connection in clear whose beginning is in the capture."""
    made = evidence.connections[exchange.connection]
    if made.protocol != "http" or -1 in made.bases or not made.to_server.begins or made.tunnel_of is not None:
        return False
    return all(begins_at(evidence, one) > exchange.position for one in evidence.conversations_of.get(made.id, ()))


def _user(evidence: Evidence, connection: str, clients: Mapping[str, str], asked: str | None) -> str | None:
    """Who was logged on to the connection when the exchange ``asked`` was sent on it (None: on another one); a logon that began later was nobody's then."""
    for conversation in reversed(evidence.conversations_of.get(connection, ())):
        if conversation.audience is not _SERVER or (asked is not None and begins_at(evidence, conversation) > evidence.exchanges[asked].position):
            continue
        if clients and conversation.id in clients and conversation.outcome is not Outcome.REFUSED:
            return clients[conversation.id]
        name = account(conversation.client) if conversation.outcome is _ACCEPTED else None
        if name is not None:
            return name
    return None
