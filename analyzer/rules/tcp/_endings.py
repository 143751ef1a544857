"""What the rules on connections that end in, or right after, an authentication share."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.auth import Audience, Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.transport import Connection, End, Endpoint, Side
from analyzer.rules.reading import (
    Ending,
    after,
    completed,
    counted,
    ended_after,
    first_packet,
    grouped,
    handshakes,
    owner,
    packet,
    request,
    response,
    role,
    says_close,
    seconds,
    wants_a_close,
)

SOON_NS = 1_000_000_000
AGAIN_NS = 30_000_000_000
CHALLENGED_NS = 5_000_000_000


class Ended(Struct, frozen=True, gc=False):
    """A handshake whose last answer was the last thing that worked on its connection."""

    conversation: Conversation
    exchange: Exchange
    connection: Connection
    ending: Ending
    back_at_ns: int
    """When the client came back."""
    back: str
    """How it came back: an id of a connection, or ``the same connection``."""


def ended_handshakes(evidence: Evidence) -> Iterator[Ended]:
    """Completed handshakes whose connection the other side of the client ended within a second, before answering anything more, while the client went on.

    On the upstream leg the proxy is the client and it is the proxy's FIN or RST that counts; elsewhere it is the server side's.
    """
    starts = _starts(evidence)
    for conversation in completed(evidence):
        exchange = evidence.exchanges[conversation.ends or conversation.exchanges[-1]]
        connection = evidence.connections[conversation.connection]
        side = Side.CLIENT if role(evidence, connection.id) is Role.UPSTREAM_LEG else Side.SERVER
        ending = ended_after(evidence, exchange, side)
        if ending is None or ending.after_ns > SOON_NS:
            continue
        if role(evidence, connection.id) is Role.UPSTREAM_LEG and _follows_client(evidence, exchange):
            continue
        back = _came_back(evidence, starts, connection, exchange, ending)
        if back is not None:
            yield Ended(conversation, exchange, connection, ending, *back)


def _follows_client(evidence: Evidence, exchange: Exchange) -> bool:
    """The proxy ended the client's leg of the same exchange too: that is the event, the upstream leg only followed."""
    near = owner(evidence, exchange.id)
    if near is not None and response(near) is None and _lost_an_answer(evidence.connections[near.connection]):
        return True  # how that leg ended after the response is not known
    ending = None if near is None else ended_after(evidence, near, Side.SERVER)
    return ending is not None and ending.after_ns <= SOON_NS


def _lost_an_answer(connection: Connection) -> bool:
    """Bytes of the server are not in the capture: there is a hole, or the server counted more of them when it ended the connection."""
    stream = connection.to_client
    return bool(stream.gaps) or any(closing.side is Side.SERVER and closing.stream_at > stream.size for closing in connection.closings)


def _starts(evidence: Evidence) -> dict[tuple[str, Endpoint], list[tuple[int, str]]]:
    """When each client host began connections to each endpoint, sorted."""
    starts: dict[tuple[str, Endpoint], list[tuple[int, str]]] = {}
    for connection in evidence.connections.values():
        if connection.tunnel_of is None:
            starts.setdefault((connection.client.host, connection.server), []).append((connection.first_ns, connection.id))
    for found in starts.values():
        found.sort()
    return starts


def _came_back(
    evidence: Evidence, starts: dict[tuple[str, Endpoint], list[tuple[int, str]]], connection: Connection, exchange: Exchange, ending: Ending
) -> tuple[int, str] | None:
    """Any sign, within 30 seconds, that the client was not done: a request on the dying connection, or a new connection to the same place."""
    for other in after(evidence, exchange):
        asked = request(other)
        if asked is not None:
            return asked.first_ns, "the same connection"
    begun = starts.get((connection.client.host, connection.server), [])
    since = max(connection.first_ns + 1, answer_ns(exchange) or 0, ending.closing.ts_ns - SOON_NS)
    place = bisect_left(begun, (since, ""))
    if place < len(begun) and begun[place][0] <= ending.closing.ts_ns + AGAIN_NS:
        return begun[place]
    return None


def answer_ns(exchange: Exchange) -> int | None:
    """When the response began."""
    answer = response(exchange)
    return None if answer is None else answer.first_ns


def closer(evidence: Evidence, ended: Ended) -> str:
    """Who ended the connection, for a sentence. The TTL of a reset that fits no other packet of its sender tells of a device."""
    if ended.ending.closing.fits is False:
        return "a device on the path"
    if role(evidence, ended.connection.id) is Role.UPSTREAM_LEG:
        return f"the proxy {ended.connection.client.host}"
    if role(evidence, ended.connection.id) is Role.CLIENT_LEG:
        return f"the proxy {ended.connection.server.host}:{ended.connection.server.port}"
    return f"the server {ended.connection.server.host}:{ended.connection.server.port}"


def story(evidence: Evidence, ended: Ended, word: str) -> str:
    """What happened, in facts."""
    answer = response(ended.exchange)
    status_packet = packet(evidence, answer.packets[0]) if answer and answer.packets else "its response"
    status = answer.status if answer else 0
    text = (
        f"On {ended.connection.id} the {ended.conversation.mechanism.value} handshake of {ended.exchange.id} ended with status {status} ({status_packet}); "
        f"{seconds(ended.ending.after_ns)} later {closer(evidence, ended)} {word} the connection ({packet(evidence, ended.ending.closing.packet)})"
    )
    text += ", as the response had announced with Connection: close" if says_close(response(ended.exchange)) else ", unannounced"
    early = ended.back_at_ns <= ended.ending.closing.ts_ns
    if early:
        return f"{text}. The client's next request was already on its way and got no answer: the authenticated connection that it needed was gone."
    gap = seconds(ended.back_at_ns - ended.ending.closing.ts_ns)
    return f"{text}. The client went on {gap} later on {ended.back}: the authenticated connection that it needed was gone."


def ended_by(evidence: Evidence, kind: End) -> Iterator[list[Ended]]:
    """Ended handshakes whose connection ended by a FIN (or a RST), those of each client host and endpoint together."""
    found = (ended for ended in ended_handshakes(evidence) if ended.ending.closing.kind is kind)
    yield from grouped(found, lambda ended: ended.connection).values()


def again(group: Sequence[object]) -> str:
    """How often more it happened, for the end of a paragraph."""
    return f" The same happened {counted(len(group), 'time')} in this capture." if len(group) > 1 else ""


def proof(exchange: Exchange, ending: Ending) -> tuple[int, ...]:
    """The packets to look at: the request, its response, and what ended the connection."""
    return (*first_packet(request(exchange)), *first_packet(response(exchange)), ending.closing.packet)


class Cut(Struct, frozen=True, gc=False):
    """A handshake, the exchange whose challenge was its last word, and how the connection ended."""

    conversation: Conversation
    exchange: Exchange
    ending: Ending


def cut_handshakes(evidence: Evidence, *audiences: Audience) -> Iterator[Cut]:
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
                yield Cut(conversation, exchange, ending)
