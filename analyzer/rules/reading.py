"""Questions that several rules ask of the evidence, and the one way to make a finding. Facts only: what to think of them is each rule's own business."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Protocol, TypeAlias, TypeVar

from msgspec import Struct

from analyzer.records import candidates
from analyzer.records.auth import Audience, Conversation, Outcome
from analyzer.records.candidates import asked_clear, is_clear, said_clear
from analyzer.records.evidence import Evidence
from analyzer.records.finding import ProductSetting
from analyzer.records.halves import (
    CONNECTION_BASED,
    account,
    authenticated,
    before,
    begins_at,
    header,
    position,
    request,
    response,
    says_close,
    status,
    wants_a_close,
)
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.ids import key_capture, key_number
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message
from analyzer.records.transport import Closing, Connection, Side
from analyzer.records.wsman import Command, Shell
from analyzer.rules.words import counted, listed, name, of_them, packet, seconds, sentence

__all__ = [
    "CONNECTION_BASED",
    "PROXIED",
    "Ending",
    "Place",
    "Told",
    "after",
    "asked_clear",
    "authenticated",
    "before",
    "begins_at",
    "command_exchanges",
    "completed",
    "connection_of",
    "counted",
    "cut_heads",
    "ended_after",
    "first_packet",
    "forwards_events",
    "grouped",
    "handshakes",
    "has_whole_head",
    "header",
    "identity",
    "is_clear",
    "listed",
    "logged_on",
    "message",
    "name",
    "next_handshake",
    "of_them",
    "owner",
    "packet",
    "packets_of",
    "request",
    "response",
    "role",
    "said_clear",
    "says_close",
    "seconds",
    "sentence",
    "status",
    "succeeded",
    "until_the_next",
    "upstream",
    "wants_a_close",
    "who",
    "winrm_exchanges",
]
PROXIED = (Role.CLIENT_LEG, Role.UPSTREAM_LEG, Role.TUNNEL)
Place = tuple[str, str, int]
"""A client host and an endpoint, as a connection has them: what most rules make one finding of."""
_UNKNOWN = Role.UNKNOWN
"""Asked of every connection by many rules: as a member of its class it takes five times as long to get at."""
_EVENTS = re.compile(r"(?:[a-z]+://[^/]*)?/wsman/(?:subscriptionmanager|subscriptions)(?:[?/]|$)", re.IGNORECASE)
"""The paths of event forwarding: the collector's subscription manager, and one path for each subscription."""
_Item = TypeVar("_Item")


def connection_of(evidence: Evidence, exchange: str) -> Connection:
    """The connection of an exchange id."""
    return evidence.connections[evidence.exchanges[exchange].connection]


def grouped(items: Iterable[_Item], connection: Callable[[_Item], Connection]) -> dict[Place, list[_Item]]:
    """Items by client host and endpoint of their connection, both in order of appearance."""
    groups: dict[Place, list[_Item]] = {}
    for item in items:
        own = connection(item)
        groups.setdefault((own.client.host, own.server.host, own.server.port), []).append(item)
    return groups


def role(evidence: Evidence, connection: str) -> Role:
    """What a connection is in its route."""
    return evidence.roles.get(connection) or _UNKNOWN


def succeeded(exchange: Exchange) -> bool:
    """The response has a 2xx status."""
    return not isinstance(exchange.response, Absent) and 200 <= exchange.response.status < 300


def message(evidence: Evidence, half: Request | Response | None) -> Message | None:
    """What is known of a half's body."""
    return None if half is None else evidence.messages.get(half.id)


def logged_on(evidence: Evidence) -> frozenset[str]:
    """The connections on which a server accepted a logon: `authenticated` has no answer for any other."""
    spoken = evidence.conversations
    return evidence.index.once("logged on", lambda: _logged_on(spoken))


def _logged_on(spoken: Iterable[Conversation]) -> frozenset[str]:
    accepted, server = Outcome.ACCEPTED, Audience.SERVER
    return frozenset([one.connection for one in spoken if one.outcome is accepted and one.audience is server])


def winrm_exchanges(evidence: Evidence, *roles: Role) -> tuple[Exchange, ...]:
    """Exchanges of WinRM connections (of those roles only, when any are given), in order of place."""
    return candidates.with_role(evidence, *roles) if roles else candidates.winrm(evidence)


def handshakes(evidence: Evidence, audience: Audience = Audience.SERVER, connection: str | None = None) -> Iterator[Conversation]:
    """Conversations on WinRM connections (or on one connection) that authenticate the connection (NTLM, Kerberos, CredSSP), in order of place."""
    if connection is not None:
        return _handshakes(evidence, audience, evidence.conversations_of.get(connection, ()))
    spoken = evidence.conversations
    return iter(evidence.index.once(("handshakes", audience), lambda: tuple(_handshakes(evidence, audience, spoken))))


def _handshakes(evidence: Evidence, audience: Audience, spoken: Iterable[Conversation]) -> Iterator[Conversation]:
    for found in spoken:
        if found.audience is audience and found.connection in evidence.winrm and found.mechanism in CONNECTION_BASED:
            yield found


def completed(evidence: Evidence, connection: str | None = None) -> Iterator[Conversation]:
    """Handshakes towards the server that ended with a status other than 401; of one connection, when it is given."""
    if connection is not None:
        return _completed(handshakes(evidence, connection=connection))
    return iter(evidence.index.once("completed", lambda: tuple(_completed(handshakes(evidence)))))


def _completed(spoken: Iterable[Conversation]) -> Iterator[Conversation]:
    return (found for found in spoken if found.outcome is Outcome.ACCEPTED and found.ends is not None)


def until_the_next(evidence: Evidence, found: Conversation, first: int, *audiences: Audience) -> tuple[Exchange, ...]:
    """The exchanges of a conversation's connection from position ``first`` on, to where the next conversation (with one of ``audiences``) begins after it."""
    own, exchanges = evidence.conversations_of[found.connection], evidence.exchanges_of[found.connection]
    place = bisect_right(own, first, key=partial(begins_at, evidence))
    while place < len(own) and own[place].audience not in audiences:
        place += 1
    end = bisect_left(exchanges, begins_at(evidence, own[place]), key=position) if place < len(own) else len(exchanges)
    return exchanges[bisect_left(exchanges, first, key=position) : end]


def who(found: Conversation | None) -> str | None:
    r"""``DOMAIN\user``, ``user``, or None when the identity does not travel in clear (Kerberos, CredSSP)."""
    return None if found is None else account(found.client)


def identity(evidence: Evidence, connection: str) -> str | None:
    """Who the client of a connection last said it was, towards the server; None when it never did."""
    for found in reversed(evidence.conversations_of.get(connection, ())):
        if found.audience is Audience.SERVER and (name := account(found.client)):
            return name
    return None


def forwards_events(asked: Request | None) -> bool:
    """The request is one of a source of event forwarding to its collector."""
    return asked is not None and _EVENTS.match(asked.target) is not None


def cut_heads(evidence: Evidence) -> frozenset[tuple[int | None, int | None]]:
    """Capture and packet of every message whose header block is not whole in the capture: a field that it lacks may have been there."""
    return frozenset((issue.capture, issue.packet) for issue in evidence.issues if issue.code == "http.head-cut")


def has_whole_head(half: Request | Response | None, cut: frozenset[tuple[int | None, int | None]]) -> bool:
    """The message is there and its header block whole, as far as ``cut`` (`cut_heads`) knows."""
    return half is not None and not any((key_capture(key), key_number(key)) in cut for key in (half.packets if cut else ()))


def first_packet(half: Request | Response | None) -> tuple[int, ...]:
    """The first packet key of a half, as a tuple of none or one."""
    return () if half is None or not half.packets else half.packets[:1]


def packets_of(exchanges: Iterable[Exchange]) -> tuple[int, ...]:
    """The first packets of the requests and responses of exchanges."""
    found = []
    for exchange in exchanges:
        asked, answer = exchange.request, exchange.response
        if not isinstance(asked, Absent) and asked.packets:
            found.append(asked.packets[0])
        if not isinstance(answer, Absent) and answer.packets:
            found.append(answer.packets[0])
    return tuple(found)


def after(evidence: Evidence, exchange: Exchange) -> tuple[Exchange, ...]:
    """The exchanges that follow on the same connection."""
    own = evidence.exchanges_of[exchange.connection]
    return own[bisect_right(own, exchange.position, key=position) :]


Shells: TypeAlias = Mapping[tuple[str, str], tuple[Shell, ...]]
"""Shells by server and id."""


def shells_by_place(evidence: Evidence) -> Shells:
    """The shells of each server by id: who makes a shell may choose its id, so that two servers have shells of one id."""
    return evidence.index.once("shells by place", lambda: _shells_by_place(evidence.shells))


def _shells_by_place(shells: Iterable[Shell]) -> Shells:
    found: dict[tuple[str, str], list[Shell]] = {}
    for shell in shells:
        found.setdefault((shell.server, shell.id), []).append(shell)
    return {place: tuple(own) for place, own in found.items()}


def shell_of(shells: Shells, command: Command) -> Shell | None:
    """The shell that a command ran in."""
    known = shells.get((command.server, command.shell), ())
    return next((one for one in known if one.kind == command.kind), next(iter(known), None))


def command_exchanges(evidence: Evidence, command: Command, shell: Shell) -> tuple[str, ...]:
    """The exchange whose request carried a command, as a tuple of none or one."""
    wanted = set(command.packets)
    for connection in shell.connections if wanted else ():
        for exchange in evidence.exchanges_of.get(connection, ()):
            asked = request(exchange)
            if asked is not None and wanted <= set(asked.packets):
                return (exchange.id,)
    return ()


def next_handshake(evidence: Evidence, exchange: Exchange) -> Conversation | None:
    """The first handshake towards the server that begins after this exchange on its connection."""
    own = evidence.conversations_of.get(exchange.connection, ())
    first = bisect_right(own, exchange.position, key=partial(begins_at, evidence))
    later = (own[place] for place in range(first, len(own)))
    return next((found for found in later if found.audience is Audience.SERVER and found.mechanism in CONNECTION_BASED), None)


def upstream(evidence: Evidence, exchange: str) -> Exchange | None:
    """The exchange on the upstream leg that this one of the client's leg went on as."""
    hop = evidence.near.get(exchange)
    return None if hop is None else evidence.exchanges[hop.far]


def owner(evidence: Evidence, exchange: str) -> Exchange | None:
    """The exchange on the client's leg that this one of the upstream leg came from."""
    hop = evidence.far.get(exchange)
    return None if hop is None else evidence.exchanges[hop.near]


class Told(Protocol):
    """Advice that depends on what was seen (`analyzer.rules.products.Advice`)."""

    def about(self, evidence: Evidence, connections: Iterable[str]) -> str:
        """The advice for a finding about these connections."""

    def settings(self, evidence: Evidence, connections: Iterable[str]) -> tuple[ProductSetting, ...]:
        """The advice for each product, the one that was seen on these connections first."""


class Ending(Struct, frozen=True, gc=False):
    """The first thing that ended a connection after an exchange, with nothing answered in between, and how long after the response it came."""

    closing: Closing
    after_ns: int


def ended_after(evidence: Evidence, exchange: Exchange, side: Side) -> Ending | None:
    """The FIN or RST of ``side`` that followed this exchange's response as the next thing said on the connection; None when something else came first."""
    answer = response(exchange)
    connection = evidence.connections[exchange.connection]
    if answer is None:
        return None
    for closing in connection.closings:
        if closing.ts_ns < answer.first_ns:
            continue
        if closing.side is not side:
            return None
        answered = any((reply := response(other)) is not None and reply.first_ns <= closing.ts_ns for other in after(evidence, exchange))
        if answered or _more_was_said(connection, answer, closing):
            return None
        return Ending(closing, max(closing.ts_ns - answer.last_ns, 0))
    return None


def _more_was_said(connection: Connection, answer: Response, closing: Closing) -> bool:
    """The server's stream went on behind ``answer`` although it was not captured: by a hole, or by what the two ends counted when one of them closed."""
    if any(gap.stream_at + gap.size > answer.end_at for gap in connection.to_client.gaps):
        return True
    counted_bytes = closing.acked if closing.side is Side.CLIENT else closing.stream_at
    return counted_bytes > answer.end_at
