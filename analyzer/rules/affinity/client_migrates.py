"""After the logon a client's requests are moved to another server connection.

Detects
    A handshake completes on a client's connection and on one server connection. The next request of the same client's connection, without a new handshake, is
    forwarded on another server connection, although the server has not ended the first one.
Impact
    The other connection is not logged on. The request is refused or, if another client logged on there, served with the wrong account.
False positives
    When the server, or a device on the path, ended the first connection, the proxy had no choice. That is not counted.
Requires
    Both sides of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "The client TCP/IP connection to the proxy should continue
    to map to the same TCP/IP connection from the proxy to the server."
"""

from analyzer.records.auth import Audience, Conversation
from analyzer.records.http import Exchange
from analyzer.records.story import Ending, Kind
from analyzer.records.transport import Side
from analyzer.rules import microsoft
from analyzer.rules.asking import asked_at, joined, named, server_words
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import authenticated, begins_at, completed, counted, header, listed, packets_of, request, status, until_the_next, upstream, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell


class Move(Fact, frozen=True):
    """A request after a logon, what it was forwarded as, and the server connection of the logon with how it had ended by then."""

    logon: Conversation
    near: Exchange
    far: Exchange
    home: str
    ended: Ending | None


def see(evidence: Evidence) -> Signs[Move]:
    """One sign for each request that was moved."""
    for logon in completed(evidence) if evidence.near else ():
        last = upstream(evidence, logon.ends or logon.exchanges[-1])
        if last is None or {far.connection for one in logon.exchanges if (far := upstream(evidence, one)) is not None} != {last.connection}:
            continue
        for near in until_the_next(evidence, logon, begins_at(evidence, logon), Audience.SERVER):
            far = upstream(evidence, near.id)
            if far is not None and far.connection != last.connection and _needs_the_logon(evidence, near, logon):
                yield from _signs(evidence, logon, near, far, last.connection)


def _needs_the_logon(evidence: Evidence, near: Exchange, logon: Conversation) -> bool:
    return near.id not in logon.exchanges and authenticated(evidence, near) is logon and header(request(near), "authorization") is None


def _signs(evidence: Evidence, logon: Conversation, near: Exchange, far: Exchange, home: str) -> Signs[Move]:
    one, two, asked = evidence.connections[home], evidence.connections[far.connection], request(near)
    if (one.client.host, one.server) != (two.client.host, two.server):
        return  # in a chain of proxies one further on takes the place of one that was not captured
    ended = evidence.story.endings.get(home)
    if ended is not None and (asked is None or ended.at_ns > asked.last_ns):
        ended = None
    if ended is None or (ended.side is Side.CLIENT and ended.first_by is not Kind.DEVICE):
        yield Sign(Move(logon, near, far, home, ended), (near.id, far.id), packets_of([near, far]), (logon.connection, home, far.connection), user=who(logon))


def why(tell: Tell[Move]) -> str:
    first = tell.facts[0]
    own = [move for move in tell.facts if move.logon is first.logon]
    others = [one for one in dict.fromkeys(move.logon.connection for move in tell.facts) if one != first.logon.connection]
    home = f"{first.home} had no FIN or reset by then" if first.ended is None else f"The proxy had closed {first.home} ({tell.packet(first.ended.packet)})"
    text = (
        f"The client logged on{named('as', who(first.logon))} on server connection {first.home}. The proxy then forwarded {counted(len(own), 'later request')} "
        f"without a new logon on {listed(move.far.connection for move in own)}. The first is {first.near.id}, forwarded as {first.far.id} "
        f"({asked_at(tell, first.far)}), and was answered {status(first.far)}. {home}. A logon belongs to its connection."
    )
    if others:
        text += f" It happened on {counted(len(others), 'other connection')} of this client, too ({listed(others)}): {tell.count} requests in all."
    return text


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} moves a logged-on client elsewhere",
    name="Proxy moves a logged-on client to another server connection",
    severity=Severity.MEDIUM,
    confidence=lambda tell: joined(tell.evidence, *(move.far.id for move in tell.facts)),
    owner=Owner.PROXY,
    reference=microsoft.SAME_CONNECTION,
    advice=Advice("Bind each server connection to one client connection for as long as both live", Topic.BIND),
    see=see,
    why=why,
    explains=("http.encrypted-body-refused",),
    fails=("affinity",),
)
