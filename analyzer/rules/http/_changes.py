"""What a proxy changed in a request, as the rules of this family see it: the request on both sides, and the answer that
the server gave."""

from collections.abc import Iterable, Iterator

from analyzer.records.http import Exchange, Request, Response
from analyzer.rules.reading import (
    cut_heads,
    first_packet,
    has_whole_head,
    identity,
    name,
    request,
    response,
    winrm_exchanges,
)
from analyzer.rules.telling import Evidence, Fact, Sign, Signs, Tell

_ERROR = 400
_ASKING = (401, 407)


class Change(Fact, frozen=True):
    """A request as the client sent it and as the proxy forwarded it, both with whole headers, and the server's answer."""

    near: Exchange
    far: Exchange
    asked: Request
    forwarded: Request
    reply: Response


def changes(evidence: Evidence) -> Iterator[Change]:
    """WinRM requests that are known on both sides, with their answers."""
    cut = cut_heads(evidence)
    for near in winrm_exchanges(evidence):
        hop = evidence.near.get(near.id)
        if hop is None:
            continue
        far = evidence.exchanges[hop.far]
        asked, forwarded, reply = request(near), request(far), response(far)
        if asked is None or forwarded is None or reply is None:
            continue
        if has_whole_head(asked, cut) and has_whole_head(forwarded, cut):
            yield Change(near, far, asked, forwarded, reply)


def failed(reply: Response) -> bool:
    """An error that does not just ask for authentication."""
    return reply.status >= _ERROR and reply.status not in _ASKING


def signs(evidence: Evidence, found: Iterable[Change]) -> Signs[Change]:
    """With the packets of both requests and of the answer."""
    for change in found:
        packets = tuple(key for half in (change.asked, change.forwarded, change.reply) for key in first_packet(half))
        yield Sign(change, (change.near.id, change.far.id), packets, user=identity(evidence, change.near.connection))


def proxy_of(tell: Tell[Change]) -> str:
    """The proxy's address on the client's side."""
    return tell.evidence.connections[tell.first.fact.near.connection].server.host


def where(tell: Tell[Change]) -> str:
    """The ids, which come last."""
    first = tell.first.fact
    return f" [{first.near.id} on {name(tell.connection)}, forwarded as {first.far.id}]"
