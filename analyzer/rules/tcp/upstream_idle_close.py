"""An idle server connection ends while the client's connection lives on, and the client's next request fails.

Detects
    A handshake completed on a client's connection over one server connection. That one ended first, idle for a second or more: the server closed it, or the
    proxy itself did. The proxy kept the client's connection, and the client's next request without new credentials was answered 401 or 502.
Impact
    The client cannot know that its logon is gone: it sees an access denied or a bad gateway in the middle of a working session.
False positives
    A client that logs on again at once loses only one round trip; the fact remains. A close less than a second after the last response is no idle timeout and
    not counted. Neither is a server connection that ended because the client's did.
Requires
    Both sides of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "Connection persistence. The client TCP/IP connection to
    the proxy should continue to map to the same TCP/IP connection from the proxy to the server."
"""

from bisect import bisect_right
from collections.abc import Mapping

from analyzer.records.auth import Conversation
from analyzer.records.http import Exchange
from analyzer.records.story import Ending, Kind
from analyzer.records.transport import End, Side
from analyzer.rules import microsoft
from analyzer.rules.asking import answered_at, named, times
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import authenticated, completed, header, name, packets_of, request, response, seconds, status, upstream, who
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

IDLE = Param("idle", 1, "s", "how long the server connection must have been idle")
_FAILURES = (401, 502)


class Dropped(Fact, frozen=True):
    """The logon, the server connection's last exchange and its end, and the client's request that came after."""

    logon: Conversation
    last: Exchange
    ended: Ending
    exchange: Exchange


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Dropped]:
    """One sign for each logon that was lost."""
    for logon in completed(evidence):
        far = upstream(evidence, logon.ends or logon.exchanges[-1])
        ended = None if far is None else evidence.story.endings.get(far.connection)
        if far is None or ended is None or ended.followed or ended.first_by is Kind.CLIENT or ended.idle_ns < values["idle"] * 1e9:
            continue
        last, failed = evidence.exchanges_of[far.connection][-1], _failed(evidence, logon, ended)
        if failed is not None and response(last) is not None:
            connections = (logon.connection, far.connection)
            yield Sign(Dropped(logon, last, ended, failed), (failed.id, last.id), (ended.packet, *packets_of([failed])), connections, who(logon))


def _failed(evidence: Evidence, logon: Conversation, ended: Ending) -> Exchange | None:
    """The client's next request, when it needed the logon and failed."""
    own = evidence.exchanges_of[logon.connection]
    for near in own[bisect_right(own, ended.at_ns, key=_began) :]:
        asked = request(near)
        if asked is None or near.id in logon.exchanges:
            continue
        needs = authenticated(evidence, near) is logon and header(asked, "authorization") is None
        return near if needs and status(near) in _FAILURES else None
    return None


def _began(exchange: Exchange) -> int:
    asked, answer = request(exchange), response(exchange)
    return asked.first_ns if asked is not None else answer.first_ns if answer is not None else 0


def _by_proxy(tell: Tell[Dropped]) -> bool:
    ended = tell.facts[0].ended
    return ended.side is Side.CLIENT and ended.first_by is not Kind.DEVICE


def _ender(tell: Tell[Dropped]) -> str:
    first = tell.facts[0]
    if first.ended.first_by is Kind.DEVICE:
        return "A device on the path"
    who_ended = words.party(tell.evidence, tell.evidence.connections[first.last.connection], client=_by_proxy(tell))
    return who_ended[0].upper() + who_ended[1:]


def why(tell: Tell[Dropped]) -> str:
    first = tell.facts[0]
    kind = "RST" if first.ended.end is End.RESET else "FIN"
    return (
        f"The client logged on{named('as', who(first.logon))} on {name(tell.connection)}, over server connection {first.last.connection}. {_ender(tell)} "
        f"ended the server connection after {seconds(first.ended.idle_ns)} without data ({kind}, {tell.packet(first.ended.packet)}). The proxy kept the "
        f"client's connection. The client's next request, {first.exchange.id}, was answered {status(first.exchange)} ({answered_at(tell, first.exchange)}). "
        "Its logon was gone with the server connection."
    ) + (f" This happened {times(tell.count)}." if tell.count > 1 else "")


def title(tell: Tell[Dropped]) -> str:
    idle = seconds(tell.facts[0].ended.idle_ns)
    return words.titled("", _ender(tell), f" ended a client's idle logon after {idle}", "The proxy" if _by_proxy(tell) else "The server")


OPINION = Opinion(
    title=title,
    name="Idle server connection ends under a living client",
    severity=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.PROXY,
    reference=microsoft.SAME_CONNECTION,
    advice=Advice(
        "Keep the proxy's idle time for server connections below the server's",
        Topic.IDLE,
        "Windows' HTTP.sys closes after 120 seconds by default. And let the proxy close the client's connection when the server connection bound to it ends.",
    ),
    see=see,
    why=why,
    explains=("affinity.client-migrates", "auth.context-lost", "http.encrypted-body-refused"),
    params=(IDLE,),
)
