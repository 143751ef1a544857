"""The proxy ends connections that both sides wanted to keep.

Detects
    An exchange of which one side kept the connection and the proxy told the other to close it: the client's request without ``Connection: close`` was forwarded
    with it, or the server's response without it reached the client with it. HTTP/1.1 on both sides, and a client that authenticates its connection.
Impact
    NTLM, Kerberos and CredSSP belong to the connection: with each closed connection the logon is gone and must be repeated, or fails half way.
False positives
    The proxy may announce the end of a connection at its own shutdown or after a limit of requests. One such response
    at the end of a client's work is not counted, nor are messages whose header block is not whole in the capture.
Requires
    Both sides of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "Connection persistence. The client TCP/IP connection to
    the proxy should continue to map to the same TCP/IP connection from the proxy to the server."
    RFC 9112 section 9.3.
"""

from collections.abc import Mapping

from analyzer.records.http import Exchange, Request, Response
from analyzer.records.proxy import Hop
from analyzer.rules import microsoft
from analyzer.rules.asking import answered_at, asked_at, server_words, times
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import cut_heads, grouped, handshakes, has_whole_head, header, identity, name, packets_of, request, response
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

LEAST = Param("least", 2, "exchanges", "how many exchanges of one client it takes")
_NEW = "HTTP/1.1"


class Stripped(Fact, frozen=True):
    """An exchange on both sides, and whether the request was changed, or else the response."""

    near: Exchange
    far: Exchange
    of_request: bool


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Stripped]:
    """One sign for each exchange, of clients with several."""
    cut = cut_heads(evidence)
    hops = (hop for hop in evidence.hops if hop.near_connection in evidence.winrm and any(handshakes(evidence, connection=hop.near_connection)))
    found = [one for hop in hops if (one := _stripped(evidence, hop, cut)) is not None]
    for group in grouped(found, lambda one: evidence.connections[one.near.connection]).values():
        for one in group if len(group) >= values["least"] else ():
            yield Sign(one, (one.near.id, one.far.id), packets_of([one.near, one.far]), user=identity(evidence, one.near.connection))


def _stripped(evidence: Evidence, hop: Hop, cut: frozenset[tuple[int | None, int | None]]) -> Stripped | None:
    near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
    if not has_whole_head(request(near), cut):
        return None
    if _keeps(request(near)) and _closes(request(far)):
        return Stripped(near, far, of_request=True)
    if has_whole_head(response(far), cut) and _keeps(response(far)) and _closes(response(near)) and _keeps(request(near)):
        return Stripped(near, far, of_request=False)
    return None


def _words(half: Request | Response) -> set[str]:
    return {word.strip().lower() for field in ("connection", "proxy-connection") for word in (header(half, field) or "").split(",")}


def _keeps(half: Request | Response | None) -> bool:
    return half is not None and half.version == _NEW and "close" not in _words(half)


def _closes(half: Request | Response | None) -> bool:
    return half is not None and half.version == _NEW and "close" in _words(half)


def why(tell: Tell[Stripped]) -> str:
    first = tell.facts[0]
    what = (
        f"The client kept its connection, but the proxy forwarded the request with Connection: close ({asked_at(tell, first.far)})"
        if first.of_request
        else f"Server and client kept the connection, but the proxy passed the response on with Connection: close ({answered_at(tell, first.near)})"
    )
    return (
        f"{what}. This happened {times(tell.count)}. The first is {first.near.id} on {name(tell.connection)} ({asked_at(tell, first.near)}), forwarded as "
        f"{first.far.id}. A logon ends with its connection and must be repeated."
    )


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} closes connections that both sides keep",
    name="Proxy closes connections that both sides keep",
    severity=Severity.MEDIUM,
    confidence=0.8,
    owner=Owner.PROXY,
    reference=microsoft.PERSISTENCE,
    advice=Advice("Let the proxy keep connections on both sides", Topic.KEEP),
    see=see,
    why=why,
    fails_alone=("connection_persistence",),
    params=(LEAST,),
)
