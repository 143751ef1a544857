"""Questions that several rules ask of the evidence, and the one way to make a finding. Facts only: what to think of them is each rule's own business."""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Protocol, TypeVar

from msgspec import Struct

from analyzer.records.auth import Audience, Conversation, Mechanism, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, ProductSetting, Severity
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.ids import key_capture, key_number
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Closing, Connection, Side
from analyzer.records.wsman import Command, Shell

CONNECTION_BASED = (Mechanism.NTLM, Mechanism.KERBEROS, Mechanism.CREDSSP)
"""Mechanisms that authenticate a connection, not a request (RFC 4559 section 6)."""
PROXIED = (Role.CLIENT_LEG, Role.UPSTREAM_LEG, Role.TUNNEL)
Place = tuple[str, str, int]
"""A client host and an endpoint, as a connection has them: what most rules make one finding of."""
_PACKETS = 64
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
    return evidence.roles.get(connection, Role.UNKNOWN)


def request(exchange: Exchange) -> Request | None:
    """The request, or None when it is not in the capture."""
    return None if isinstance(exchange.request, Absent) else exchange.request


def response(exchange: Exchange) -> Response | None:
    """The response, or None when it is not in the capture."""
    return None if isinstance(exchange.response, Absent) else exchange.response


def status(exchange: Exchange) -> int | None:
    """The status of the final response."""
    return None if isinstance(exchange.response, Absent) else exchange.response.status


def succeeded(exchange: Exchange) -> bool:
    """The response has a 2xx status."""
    return not isinstance(exchange.response, Absent) and 200 <= exchange.response.status < 300


def header(half: Request | Response | None, name: str) -> str | None:
    """The first field of that name (lower case); None when there is none."""
    return None if half is None else next((field.value for field in half.headers if field.name.lower() == name), None)


def says_close(half: Request | Response | None) -> bool:
    """It says that the connection ends after this exchange (RFC 9112 section 9.6; Proxy-Connection is what clients of proxies wrote before)."""
    return "close" in (header(half, "connection") or header(half, "proxy-connection") or "").lower()


def wants_a_close(asked: Request) -> bool:
    """What a request says of the connection after its response, by its version too (RFC 9112 section 9.3)."""
    kept = "keep-alive" in (header(asked, "connection") or header(asked, "proxy-connection") or "").lower()
    return says_close(asked) or (asked.version == "HTTP/1.0" and not kept)


def message(evidence: Evidence, half: Request | Response | None) -> Message | None:
    """What is known of a half's body."""
    return None if half is None else evidence.messages.get(half.id)


def is_clear(found: Message | None) -> bool:
    """A SOAP envelope that anyone on the way can read; Identify, which is anonymous by design, does not count (DSP0226 section 11)."""
    return found is not None and found.protection is Protection.CLEAR and found.operation not in ("Identify", "IdentifyResponse")


def winrm_exchanges(evidence: Evidence, *roles: Role) -> Iterator[Exchange]:
    """Exchanges of WinRM connections (of those roles only, when any are given), in order of place."""
    for exchange in evidence.exchanges.values():
        if exchange.connection in evidence.winrm and (not roles or role(evidence, exchange.connection) in roles):
            yield exchange


def handshakes(evidence: Evidence, audience: Audience = Audience.SERVER, connection: str | None = None) -> Iterator[Conversation]:
    """Conversations on WinRM connections (or on one connection) that authenticate the connection (NTLM, Kerberos, CredSSP), in order of place."""
    for found in evidence.conversations if connection is None else evidence.conversations_of.get(connection, ()):
        if found.connection in evidence.winrm and found.audience is audience and found.mechanism in CONNECTION_BASED:
            yield found


def completed(evidence: Evidence, connection: str | None = None) -> Iterator[Conversation]:
    """Handshakes towards the server that ended with a status other than 401 (Proxy Servers and WinRM, sentence 135); of one connection, when it is given."""
    return (found for found in handshakes(evidence, connection=connection) if found.outcome is Outcome.ACCEPTED and found.ends is not None)


def begins_at(evidence: Evidence, found: Conversation) -> int:
    """The position of a conversation's first exchange; the conversations of a connection are in this order."""
    return evidence.exchanges[found.exchanges[0]].position


def until_the_next(evidence: Evidence, found: Conversation, first: int, *audiences: Audience) -> tuple[Exchange, ...]:
    """The exchanges of a conversation's connection from position ``first`` on, to where the next conversation (with one of ``audiences``) begins after it."""
    own, exchanges = evidence.conversations_of[found.connection], evidence.exchanges_of[found.connection]
    place = bisect_right(own, first, key=partial(begins_at, evidence))
    while place < len(own) and own[place].audience not in audiences:
        place += 1
    end = bisect_left(exchanges, begins_at(evidence, own[place]), key=_position) if place < len(own) else len(exchanges)
    return exchanges[bisect_left(exchanges, first, key=_position) : end]


def _position(exchange: Exchange) -> int:
    return exchange.position


def authenticated(evidence: Evidence, exchange: Exchange) -> Conversation | None:
    """The conversation that this exchange's request was authenticated by: one that ended before or with it, not followed by a newer attempt."""
    own = evidence.conversations_of.get(exchange.connection, ())
    place = bisect_right(own, exchange.position, key=partial(begins_at, evidence))
    while place and own[place - 1].audience is not Audience.SERVER:
        place -= 1
    last = own[place - 1] if place else None
    if last is None or last.outcome is not Outcome.ACCEPTED:
        return None
    if last.mechanism not in CONNECTION_BASED and not takes_part(evidence, last, exchange):
        return None
    return last


def takes_part(evidence: Evidence, spoken: Conversation, exchange: Exchange) -> bool:
    """The exchange is one of the conversation's, which are in order of place; of Basic there may be as many as the connection has requests."""
    place = bisect_left(spoken.exchanges, exchange.position, key=lambda identity: evidence.exchanges[identity].position)
    return place < len(spoken.exchanges) and spoken.exchanges[place] == exchange.id


def who(found: Conversation | None) -> str | None:
    r"""``DOMAIN\user``, ``user``, or None when the identity does not travel in clear (Kerberos, CredSSP)."""
    if found is None or not found.client.user:
        return None
    return f"{found.client.domain}\\{found.client.user}" if found.client.domain else found.client.user


def identity(evidence: Evidence, connection: str) -> str | None:
    """Who the client of a connection last said it was, towards the server; None when it never did."""
    names = [who(found) for found in evidence.conversations_of.get(connection, ()) if found.audience is Audience.SERVER]
    return next((name for name in reversed(names) if name), None)


def forwards_events(asked: Request | None) -> bool:
    """The request is one of a source of event forwarding to its collector."""
    return asked is not None and _EVENTS.match(asked.target) is not None


def name(connection: Connection) -> str:
    """A connection for a sentence: ``c3 (10.1.2.9:50111 to 10.1.3.3:3128)``."""
    return f"{connection.id} ({connection.client.host}:{connection.client.port} to {connection.server.host}:{connection.server.port})"


def packet(evidence: Evidence, key: int) -> str:
    """A packet for a sentence; with several captures the file is named too."""
    number = key_number(key)
    if len(evidence.captures) == 1:
        return f"packet {number}"
    return f"packet {number} of {evidence.captures[key_capture(key)].name}"


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
    return tuple(key for exchange in exchanges for half in (request(exchange), response(exchange)) for key in first_packet(half))


def seconds(ns: int) -> str:
    """A duration for a sentence."""
    value = ns / 1e9
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.1f} s"


def after(evidence: Evidence, exchange: Exchange) -> tuple[Exchange, ...]:
    """The exchanges that follow on the same connection."""
    own = evidence.exchanges_of[exchange.connection]
    return own[bisect_right(own, exchange.position, key=_position) :]


def command_exchanges(evidence: Evidence, command: Command, shell: Shell) -> tuple[str, ...]:
    """The exchange whose request carried a command, as a tuple of none or one."""
    wanted = set(command.packets)
    for connection in shell.connections if wanted else ():
        for exchange in evidence.exchanges_of.get(connection, ()):
            asked = request(exchange)
            if asked is not None and wanted <= set(asked.packets):
                return (exchange.id,)
    return ()


def before(evidence: Evidence, exchange: Exchange) -> Exchange | None:
    """The exchange that comes before on the same connection."""
    own = evidence.exchanges_of[exchange.connection]
    place = bisect_left(own, exchange.position, key=_position)
    return own[place - 1] if place else None


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


def finding(  # noqa: PLR0913  a finding has many fields, and names make the call readable
    evidence: Evidence,
    *,
    rule: str,
    severity: Severity,
    confidence: float,
    title: str,
    why: str,
    advice: str | Told,
    reference: str,
    connections: Sequence[str],
    exchanges: Sequence[str],
    packets: Iterable[int],
    user: str | None = None,
    attack: tuple[str, ...] = (),
    destination: str | None = None,
    owner: str | None = None,
) -> Finding:
    """A finding about ``exchanges`` (their times are its times); its subject is the first connection; the first packets given are the ones to look at."""
    times = [half for identity in exchanges for half in _times(evidence.exchanges[identity])]
    first = evidence.connections[connections[0]]
    times = times or [first.first_ns, first.last_ns]
    return Finding(
        rule=rule,
        subject=connections[0],
        severity=severity,
        confidence=confidence,
        title=title,
        why=why,
        evidence=tuple(dict.fromkeys((*connections, *exchanges))),
        packets=tuple(sorted(dict.fromkeys(packets)))[:_PACKETS],
        advice=advice if isinstance(advice, str) else advice.about(evidence, connections),
        reference=reference,
        first_ns=min(times),
        last_ns=max(times),
        connections=tuple(dict.fromkeys(connections)),
        exchanges=tuple(dict.fromkeys(exchanges)),
        attack=attack,
        user=user,
        source=first.client.host,
        destination=destination or f"{first.server.host}:{first.server.port}",
        owner=owner,
        settings=() if isinstance(advice, str) else advice.settings(evidence, connections),
    )


def _times(exchange: Exchange) -> list[int]:
    return [ns for half in (request(exchange), response(exchange)) if half is not None for ns in (half.first_ns, half.last_ns)]


def listed(words: Iterable[str], most: int = 6) -> str:
    """Distinct words for a sentence, in order of appearance, the rest counted."""
    distinct = list(dict.fromkeys(words))
    rest = len(distinct) - most
    return ", ".join(distinct[:most]) + (f" and {rest} more" if rest > 0 else "")


def of_them(number: int, whole: int, one: str = "was", many: str = "were", *, of: str = "them") -> str:
    """``none of them was``, ``it was`` (of one), ``1 of them was``, ``3 of them were``, ``all of them were``: the subject of a sentence and its verb."""
    if number == 0:
        return f"none of {of} {one}"
    if number == whole:
        return f"all of {of} {many}" if whole > 1 else f"it {one}"
    return f"{number:,} of {of} {one if number == 1 else many}"


def sentence(text: str) -> str:
    """The text with a capital letter first."""
    return text[:1].upper() + text[1:]


def counted(number: int, singular: str, plural: str = "") -> str:
    """``1 request``, ``3 requests``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
