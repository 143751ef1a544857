"""What the rules on connections that end in, or right after, an authentication share."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Any

from analyzer.records.auth import Audience, Conversation
from analyzer.records.candidates import connections
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.story import Kind
from analyzer.records.transport import Connection, End, Endpoint, Side
from analyzer.rules.asking import answered_at, times
from analyzer.rules.reading import (
    Ending,
    after,
    completed,
    counted,
    ended_after,
    first_packet,
    handshakes,
    header,
    identity,
    listed,
    owner,
    request,
    response,
    role,
    says_close,
    seconds,
    status,
    succeeded,
    wants_a_close,
    who,
)
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.telling import Evidence, Fact, Owner, Sign, Signs, Tell

SOON_NS = 1_000_000_000
AGAIN_NS = 30_000_000_000
CHALLENGED_NS = 5_000_000_000


class Ended(Fact, frozen=True):
    """A logon whose last answer was the last thing that worked on its connection."""

    conversation: Conversation
    exchange: Exchange
    connection: Connection
    ending: Ending
    first_by: Kind
    """Who ended it first, seen over both sides: proxy or server."""
    first_connection: str
    """The connection on which the end came first."""
    back_at_ns: int
    """When the client came back."""
    back: str
    """How it came back: an id of a connection, or ``the same connection``."""


def ended_handshakes(evidence: Evidence) -> tuple[Ended, ...]:
    """Logons that ended with a 2xx and whose connection was then ended within a second, before anything more was answered, while the client went on.

    Nobody cut a client that ended first on its own side, or that asked for the close. Where one side only followed the other, it is told of the side that
    ended first; of the client's side when the server began it.
    """
    return evidence.index.once("ended handshakes", lambda: tuple(_ended_handshakes(evidence)))


def _ended_handshakes(evidence: Evidence) -> Iterator[Ended]:
    starts: Starts | None = None
    closed = {one.id for one in connections(evidence) if one.closings}
    for conversation in completed(evidence) if closed else ():
        if conversation.connection not in closed:
            continue
        exchange = evidence.exchanges[conversation.ends or conversation.exchanges[-1]]
        asked = request(exchange)
        if not succeeded(exchange) or (asked is not None and wants_a_close(asked)):
            continue
        starts = _starts(evidence) if starts is None else starts
        ended = _ended(evidence, starts, conversation, exchange)
        if ended is not None:
            yield ended


def _ended(evidence: Evidence, starts: "Starts", conversation: Conversation, exchange: Exchange) -> Ended | None:
    connection = evidence.connections[conversation.connection]
    upstream_side = role(evidence, connection.id) is Role.UPSTREAM_LEG
    ending = ended_after(evidence, exchange, Side.CLIENT if upstream_side else Side.SERVER)
    fact = evidence.story.endings.get(connection.id)
    if ending is None or fact is None or ending.after_ns > SOON_NS or fact.first_by is Kind.CLIENT:
        return None
    if upstream_side and (fact.followed or _follows_client(evidence, exchange)):
        return None
    near = owner(evidence, exchange.id) if upstream_side else exchange
    if near is None or (asked := request(near)) is None or wants_a_close(asked):
        return None  # whose it was, and whether that client went on, is not in the capture
    back = _came_back(evidence, starts, evidence.connections[near.connection], near, ending)
    return None if back is None else Ended(conversation, exchange, connection, ending, fact.first_by, fact.first_connection, *back)


def _follows_client(evidence: Evidence, exchange: Exchange) -> bool:
    """The proxy ended the client's side of the same exchange too: that is the event, the server side only followed."""
    near = owner(evidence, exchange.id)
    if near is not None and response(near) is None and _lost_an_answer(evidence.connections[near.connection]):
        return True  # how that side ended after the response is not known
    ending = None if near is None else ended_after(evidence, near, Side.SERVER)
    return ending is not None and ending.after_ns <= SOON_NS


def _lost_an_answer(connection: Connection) -> bool:
    """Bytes of the server are not in the capture: there is a hole, or the server counted more of them when it ended the connection."""
    stream = connection.to_client
    return bool(stream.gaps) or any(closing.side is Side.SERVER and closing.stream_at > stream.size for closing in connection.closings)


Starts = dict[tuple[str, Endpoint], list[tuple[int, str]]]


def _starts(evidence: Evidence) -> Starts:
    """When each client host began connections to each endpoint, sorted."""
    starts: Starts = {}
    for connection in evidence.connections.values():
        if connection.tunnel_of is None:
            starts.setdefault((connection.client.host, connection.server), []).append((connection.first_ns, connection.id))
    for found in starts.values():
        found.sort()
    return starts


def _came_back(evidence: Evidence, starts: Starts, connection: Connection, exchange: Exchange, ending: Ending) -> tuple[int, str] | None:
    """Any sign, within 30 seconds, that the client was not done: a request on the dying connection, or a new connection of the same program to the same
    place."""
    for later in after(evidence, exchange):
        asked = request(later)
        if asked is not None:
            return asked.first_ns, "the same connection"
    begun = starts.get((connection.client.host, connection.server), [])
    since = max(connection.first_ns + 1, answer_ns(exchange) or 0, ending.closing.ts_ns - SOON_NS)
    for place in range(bisect_left(begun, (since, "")), len(begun)):
        begin_ns, other = begun[place]
        if begin_ns > ending.closing.ts_ns + AGAIN_NS:
            return None
        if is_the_same_program(evidence, connection.id, other):
            return begin_ns, other
    return None


def is_the_same_program(evidence: Evidence, one: str, other: str) -> bool:
    """Nothing tells two programs of one host apart: not the account, not the User-Agent. Jump hosts and address translation put many behind one address."""
    for told in (identity, agent):
        a, b = told(evidence, one), told(evidence, other)
        if a is not None and b is not None and a.casefold() != b.casefold():
            return False
    return True


def agent(evidence: Evidence, connection: str) -> str | None:
    """The User-Agent of the first request of a connection."""
    first = next(iter(evidence.exchanges_of.get(connection, ())), None)
    return None if first is None else header(request(first), "user-agent")


def answer_ns(exchange: Exchange) -> int | None:
    """When the response began."""
    answer = response(exchange)
    return None if answer is None else answer.first_ns


def ended_signs(evidence: Evidence, kind: End) -> Signs[Ended]:
    """Ended logons whose connection ended by a FIN (or a RST)."""
    for ended in ended_handshakes(evidence):
        if ended.ending.closing.kind is kind:
            yield Sign(ended, (ended.exchange.id,), proof(ended.exchange, ended.ending), user=who(ended.conversation))


def title(tell: Tell[Ended], word: str) -> str:
    """Who does it."""
    first = tell.facts[0]
    return words.titled("", words.ender(tell.evidence, first.connection, first.ending.closing), f" {word} right after logon", "A device")


def owner_of(tell: Tell[Ended]) -> Owner:
    """Who ended it first."""
    first = tell.facts[0]
    if words.reset_by_a_device(first.ending.closing) or first.first_by is Kind.DEVICE:
        return Owner.NETWORK
    return Owner.SERVER if first.first_by is Kind.SERVER else Owner.PROXY


def story(tell: Tell[Ended], word: str) -> str:
    """Who logged on, who ended the connection and when, what the client did next, and how often it happened."""
    ended = tell.facts[0]
    evidence, closing, answer = tell.evidence, ended.ending.closing, response(ended.exchange)
    announced = "as the response had announced with Connection: close" if says_close(answer) else "without announcing it"
    text = (
        f"{tell.first.user or 'The client'} logged on with {ended.conversation.mechanism.shown} on {ended.connection.id} "
        f"(status {status(ended.exchange)}, {answered_at(tell, ended.exchange)}). "
        f"{words.ender(evidence, ended.connection, closing)} {word} the connection {seconds(ended.ending.after_ns)} later, {announced} "
        f"({words.closed(closing)}, {tell.packet(closing.packet)})."
    )
    if ended.first_by is Kind.SERVER and ended.first_connection != ended.connection.id:
        text += f" It followed the server, which had ended {ended.first_connection} before."
    if ended.back_at_ns <= closing.ts_ns:
        text += " The client's next request was already on its way and got no answer."
    else:
        text += f" The client came back on {ended.back} {seconds(ended.back_at_ns - closing.ts_ns)} later."
    return f"{text} A logon belongs to its connection and was lost with it.{happened(tell)}{cost(evidence, tell.facts)}"


def cost(evidence: Evidence, group: Sequence[Ended]) -> str:
    """What it costs the clients: logons for requests, and the time and bytes of the logons' extra round trips."""
    ends = {ended.exchange.id for ended in group}
    clients = {(ended.connection.client.host, ended.connection.server) for ended in group}
    own = [one for one in evidence.connections.values() if (one.client.host, one.server) in clients]
    spoken = [found for one in own for found in completed(evidence, one.id)]
    served = [exchange for one in own for exchange in evidence.exchanges_of.get(one.id, ()) if _is_served(exchange)]
    if len(spoken) < _SEVERAL or not served or not ends:
        return ""
    trips = [evidence.exchanges[identity] for found in spoken for identity in found.exchanges if identity != found.ends]
    ns = sum(answer.last_ns - asked.first_ns for one in trips if (asked := request(one)) is not None and (answer := response(one)) is not None)
    size = sum(half.end_at - half.at for one in trips for half in (request(one), response(one)) if half is not None)
    return (
        f" In all the client went through {counted(len(spoken), 'handshake')} for {counted(len(served), 'request')}. "
        f"The extra round trips took {seconds(ns)} and {size:,} bytes."
    )


_SEVERAL = 2


def _is_served(exchange: Exchange) -> bool:
    asked = request(exchange)
    return asked is not None and succeeded(exchange) and asked.method != "CONNECT"


def happened(tell: Tell[Any]) -> str:
    """How often, for the end of a paragraph."""
    return f" This happened {times(tell.count)} ({listed(tell.connections)})." if tell.count > 1 else ""


def proof(exchange: Exchange, ending: Ending) -> tuple[int, ...]:
    """The packets to look at: the request, its response, and what ended the connection."""
    return (*first_packet(request(exchange)), *first_packet(response(exchange)), ending.closing.packet)


class Cut(Fact, frozen=True):
    """A handshake, the exchange whose challenge was its last word, and how the connection ended."""

    conversation: Conversation
    exchange: Exchange
    connection: Connection
    ending: Ending


def cut_signs(evidence: Evidence, *audiences: Audience) -> Signs[Cut]:
    """Handshakes whose last word is a challenge, after which the server's side ended the connection within five seconds, unasked."""
    for audience in audiences:
        for conversation in handshakes(evidence, audience):
            last = next((step for step in reversed(conversation.steps) if not step.from_client), None)
            if last is None or last.token is None or last.token.step != "challenge":
                continue
            exchange = evidence.exchanges[last.exchange]
            asked = request(exchange)
            ending = None if asked is None or wants_a_close(asked) else ended_after(evidence, exchange, Side.SERVER)
            if ending is not None and ending.after_ns <= CHALLENGED_NS:
                cut = Cut(conversation, exchange, evidence.connections[conversation.connection], ending)
                yield Sign(cut, (exchange.id,), proof(exchange, ending), user=who(conversation))


def cut_words(tell: Tell[Cut]) -> str:
    """Who ended the connection after the challenge, and how."""
    cut = tell.facts[0]
    closing = cut.ending.closing
    announced = "as announced with Connection: close" if says_close(response(cut.exchange)) else "without announcing it"
    return (
        f"{words.ender(tell.evidence, cut.connection, closing)} {'reset' if closing.kind is End.RESET else 'closed'} the connection "
        f"{seconds(cut.ending.after_ns)} later, {announced} ({words.closed(closing)}, {tell.packet(closing.packet)})."
    )


def cut_owner(tell: Tell[Cut]) -> Owner:
    """Who ended it."""
    cut = tell.facts[0]
    return Owner.NETWORK if words.reset_by_a_device(cut.ending.closing) else Owner(words.owner_word(tell.evidence, cut.connection))
