"""What facts and opinions ask of an exchange: its request, its response, a field of one, who its connection is logged on as."""

from bisect import bisect_left, bisect_right
from functools import lru_cache, partial

from analyzer.records.auth import Audience, Conversation, Identity, Mechanism, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.quality import Absent

CONNECTION_BASED = tuple(mechanism for mechanism in Mechanism if mechanism.lasting)
"""Mechanisms that authenticate a connection, not a request (RFC 4559 section 6)."""
_ACCEPTED, _SERVER = Outcome.ACCEPTED, Audience.SERVER
"""Asked of every exchange: as members of their classes they take five times as long to get at."""
_FEW = 8
"""So many are looked through one after the other."""


def request(exchange: Exchange) -> Request | None:
    """The request, or None when it is not in the capture."""
    return None if isinstance(exchange.request, Absent) else exchange.request


def response(exchange: Exchange) -> Response | None:
    """The response, or None when it is not in the capture."""
    return None if isinstance(exchange.response, Absent) else exchange.response


def status(exchange: Exchange) -> int | None:
    """The status of the final response."""
    return None if isinstance(exchange.response, Absent) else exchange.response.status


def header(half: Request | Response | None, name: str) -> str | None:
    """The first field of that name (lower case); None when there is none."""
    if half is not None:
        size = len(name)
        for one in half.headers:
            if len(one.name) == size and one.name.lower() == name:
                return one.value
    return None


def header_values(half: Request | Response | None, name: str) -> tuple[str, ...]:
    """The values of all fields of that name (lower case)."""
    size = len(name)
    return () if half is None else tuple([one.value for one in half.headers if len(one.name) == size and one.name.lower() == name])


def host_name(host: str) -> str:
    """The value of a Host field without its port."""
    return host.rpartition(":")[0] if ":" in host and not host.endswith("]") else host


def says_close(half: Request | Response | None) -> bool:
    """It says that the connection ends after this exchange (RFC 9112 section 9.6; Proxy-Connection is what clients of proxies wrote before)."""
    return "close" in (header(half, "connection") or header(half, "proxy-connection") or "").lower()


def wants_a_close(asked: Request | None) -> bool:
    """What a request says of the connection after its response, by its version too (RFC 9112 section 9.3)."""
    if asked is None:
        return False
    kept = "keep-alive" in (header(asked, "connection") or header(asked, "proxy-connection") or "").lower()
    return says_close(asked) or (asked.version == "HTTP/1.0" and not kept)


def packets_of(exchange: Exchange) -> tuple[int, ...]:
    """The first packets of its request and of its response."""
    asked, answer = exchange.request, exchange.response
    if not isinstance(asked, Absent) and not isinstance(answer, Absent) and asked.packets and answer.packets:  # as nearly always
        return asked.packets[0], answer.packets[0]
    return tuple([half.packets[0] for half in (asked, answer) if not isinstance(half, Absent) and half.packets])


def account(client: Identity) -> str | None:
    r"""``DOMAIN\user``, ``user``, or None when no name is known."""
    if not client.user:
        return None
    return _account(client.domain, client.user) if client.domain else client.user


@lru_cache(maxsize=4096)
def _account(domain: str, user: str) -> str:
    """One text for all logons of an account."""
    return f"{domain}\\{user}"


def begins_at(evidence: Evidence, spoken: Conversation) -> int:
    """The position of a conversation's first exchange; the conversations of a connection are in this order."""
    return evidence.exchanges[spoken.exchanges[0]].position


def authenticated(evidence: Evidence, exchange: Exchange) -> Conversation | None:
    """The conversation that this exchange's request was authenticated by: one that was accepted before or with it, not followed by a newer attempt."""
    own = evidence.conversations_of.get(exchange.connection)
    if not own:
        return None
    if len(own) == 1:  # as most connections have
        last = own[0]
        if last.outcome is not _ACCEPTED or last.audience is not _SERVER or begins_at(evidence, last) > exchange.position:
            return None
    else:
        place = bisect_right(own, exchange.position, key=partial(begins_at, evidence))
        while place and own[place - 1].audience is not _SERVER:
            place -= 1
        if not place or own[place - 1].outcome is not _ACCEPTED:
            return None
        last = own[place - 1]
    return last if last.mechanism in CONNECTION_BASED or takes_part(evidence, last, exchange) else None


def takes_part(evidence: Evidence, spoken: Conversation, exchange: Exchange) -> bool:
    """The exchange is one of the conversation's; of Basic there may be as many as the connection has requests."""
    if len(spoken.exchanges) <= _FEW:
        return exchange.id in spoken.exchanges
    return exchange.id in evidence.index.once(("takes part", spoken.id), lambda: frozenset(spoken.exchanges))


def before(evidence: Evidence, exchange: Exchange) -> Exchange | None:
    """The exchange that comes before on the same connection."""
    own = evidence.exchanges_of[exchange.connection]
    place = bisect_left(own, exchange.position, key=position)
    return own[place - 1] if place else None


def position(exchange: Exchange) -> int:
    """Its place on its connection, from 1."""
    return exchange.position


def forwarded(evidence: Evidence, exchange: str) -> tuple[str, ...]:
    """The exchanges that a client's exchange went on as, along the way."""
    found: list[str] = []
    hop = evidence.near.get(exchange)
    while hop is not None and hop.far not in found:
        found.append(hop.far)
        hop = evidence.near.get(hop.far)
    return tuple(found)
