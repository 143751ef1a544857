"""What the three rules on connections that end after authentication share."""

from bisect import bisect_left
from collections.abc import Iterator
from typing import NamedTuple

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.transport import Connection, Endpoint, Side
from analyzer.rules.reading import Ending, after, completed, ended_after, header, owner, packet, request, response, role, seconds

SOON_NS = 1_000_000_000
AGAIN_NS = 30_000_000_000


class Ended(NamedTuple):
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
    ending = None if near is None else ended_after(evidence, near, Side.SERVER)
    return ending is not None and ending.after_ns <= SOON_NS


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


def announced(exchange: Exchange) -> bool:
    """True when the response said that the connection would be closed (RFC 9112 section 9.6)."""
    return "close" in (header(response(exchange), "connection") or header(response(exchange), "proxy-connection") or "").lower()


def closer(evidence: Evidence, ended: Ended) -> str:
    """Who ended the connection, for a sentence."""
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
    text += ", as the response had announced with Connection: close" if announced(ended.exchange) else ", unannounced"
    early = ended.back_at_ns <= ended.ending.closing.ts_ns
    if early:
        return f"{text}. The client's next request was already on its way and got no answer: the authenticated connection that it needed was gone."
    gap = seconds(ended.back_at_ns - ended.ending.closing.ts_ns)
    return f"{text}. The client went on {gap} later on {ended.back}: the authenticated connection that it needed was gone."
