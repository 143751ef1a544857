"""The server closes an idle upstream connection while the client's lives on, and the client's next request fails.

What it sees
    A handshake completed on a client's connection over upstream connection U; the server closed U, idle for a second or more; the proxy kept the client's
    connection; and the client's next request without new credentials was answered 401 or 502.
Why it matters
    The client cannot know that its authentication is gone: it sees an access denied or a bad gateway in the middle of a working session.
When it is wrong
    A client that authenticates anew at once loses only one round trip; the fact remains. A close less than a second after the last response is no idle
    timeout and not counted.
Needs
    Both legs.
Reference
    Proxy Servers and WinRM, sentences 145 and 146.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.transport import Closing, Side
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import (
    authenticated,
    completed,
    counted,
    finding,
    header,
    name,
    packet,
    packets_of,
    request,
    response,
    seconds,
    status,
    upstream,
    who,
)

RULE = "tcp.upstream-idle-close"
TITLE = "The server closed an authenticated upstream connection under a living client"
SEVERITY = Severity.MEDIUM
REFERENCE = "Proxy Servers and WinRM, sentence 146"
HOW = Advice(
    "Let the proxy close the client's connection when the server closes the one bound to it, and keep its own idle time below the server's",
    Topic.IDLE,
    ". Windows' http.sys closes after 120 seconds by default.",
)
ADVICE = HOW.text()
_FAILURES = (401, 502)
_IDLE_NS = 1_000_000_000


class Dropped(Struct, frozen=True, gc=False):
    """The handshake, the upstream connection's last exchange, the server's FIN or RST, and the request that came after."""

    conversation: Conversation
    last: Exchange
    closing: Closing
    exchange: Exchange


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Dropped]] = defaultdict(list)
    for conversation in completed(evidence):
        dropped = _dropped(evidence, conversation)
        if dropped is not None:
            connection = evidence.connections[conversation.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(dropped)
    for group in groups.values():
        yield _finding(evidence, group)


def _dropped(evidence: Evidence, conversation: Conversation) -> Dropped | None:
    far = upstream(evidence, conversation.ends or conversation.exchanges[-1])
    if far is None:
        return None
    closings = evidence.connections[far.connection].closings
    last = evidence.exchanges_of[far.connection][-1]
    answer = response(last)
    if not closings or closings[0].side is not Side.SERVER or answer is None or closings[0].ts_ns - answer.last_ns < _IDLE_NS:
        return None
    own_exchanges = evidence.exchanges_of[conversation.connection]
    for near in own_exchanges[bisect_right(own_exchanges, closings[0].ts_ns, key=_began) :]:
        asked = request(near)
        if asked is None or near.id in conversation.exchanges:
            continue
        own = authenticated(evidence, near) is conversation and header(asked, "authorization") is None
        if own and status(near) in _FAILURES:
            return Dropped(conversation, last, closings[0], near)
        return None
    return None


def _began(exchange: Exchange) -> int:
    asked = request(exchange)
    answer = response(exchange) if asked is None else None
    return asked.first_ns if asked is not None else answer.first_ns if answer is not None else 0


def _finding(evidence: Evidence, group: list[Dropped]) -> Finding:
    first = group[0]
    home = evidence.connections[first.last.connection]
    user = who(first.conversation)
    answer = response(first.last)
    failed = response(first.exchange)
    idle = seconds(first.closing.ts_ns - answer.last_ns) if answer is not None else "some time"
    why = (
        f"{name(evidence.connections[first.conversation.connection])} was authenticated {f'as {user} ' if user else ''}over {name(home)}, which the server "
        f"ended ({first.closing.kind.value}, {packet(evidence, first.closing.packet)}) after {idle} without a request. The client's connection stayed open; "
        f"its next request {first.exchange.id} was answered {status(first.exchange)} "
        f"({packet(evidence, failed.packets[0]) if failed and failed.packets else ''})."
    )
    why += f" {counted(len(group), 'time')} in this capture." if len(group) > 1 else ""
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[identity for dropped in group for identity in (dropped.conversation.connection, dropped.last.connection)],
        exchanges=[identity for dropped in group for identity in (dropped.exchange.id, dropped.last.id)],
        packets=[*(dropped.closing.packet for dropped in group), *packets_of(dropped.exchange for dropped in group)],
        user=user,
    )
