"""The proxy ends connections that both sides wanted to keep.

What it sees
    An exchange of which one side kept the connection and the proxy told the other to close it: the client's request without ``Connection: close`` went on with
    it, or the server's response without it reached the client with it. HTTP/1.1 on both legs, and a client that authenticates its connection.
Why it matters
    NTLM, Kerberos and CredSSP belong to the connection: with each closed connection the logon is gone and must be repeated, or fails half way.
When it is wrong
    The proxy may announce the end of a connection at its own shutdown or after a limit of requests; one such response at the end of a client's work is not
    counted, nor are messages whose header block is not whole in the capture.
Needs
    Both legs.
Reference
    RFC 9112 section 9.3; Proxy Servers and WinRM, sentences 145 and 146.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.proxy import Hop
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import (
    counted,
    cut_heads,
    finding,
    handshakes,
    has_whole_head,
    header,
    identity,
    listed,
    name,
    packet,
    packets_of,
    request,
    response,
)

RULE = "http.keepalive-stripped"
TITLE = "The proxy closes connections that both sides keep"
SEVERITY = Severity.MEDIUM
REFERENCE = "Proxy Servers and WinRM, sentence 145"
HOW = Advice(
    "Let the proxy keep connections on both sides",
    Topic.KEEP,
)
ADVICE = HOW.text()
_NEW = "HTTP/1.1"
_LEAST = 2


class Stripped(Struct, frozen=True, gc=False):
    """An exchange on both legs, and what was done to it."""

    near: Exchange
    far: Exchange
    what: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and proxy."""
    groups: dict[tuple[str, str, int], list[Stripped]] = defaultdict(list)
    cut = cut_heads(evidence)
    for hop in evidence.hops:
        stripped = (
            _stripped(evidence, hop, cut) if hop.near_connection in evidence.winrm and any(handshakes(evidence, connection=hop.near_connection)) else None
        )
        if stripped is not None:
            connection = evidence.connections[hop.near_connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(stripped)
    for group in groups.values():
        if len(group) >= _LEAST:
            yield _finding(evidence, group)


def _stripped(evidence: Evidence, hop: Hop, cut: frozenset[tuple[int | None, int | None]]) -> Stripped | None:
    near, far = evidence.exchanges[hop.near], evidence.exchanges[hop.far]
    if not has_whole_head(request(near), cut):
        return None
    if _keeps(request(near)) and _closes(request(far)):
        return Stripped(near, far, "the request was sent on with Connection: close")
    if has_whole_head(response(far), cut) and _keeps(response(far)) and _closes(response(near)) and _keeps(request(near)):
        return Stripped(near, far, "the response was passed on with Connection: close")
    return None


def _words(half: Request | Response) -> set[str]:
    return {word.strip().lower() for name in ("connection", "proxy-connection") for word in (header(half, name) or "").split(",")}


def _keeps(half: Request | Response | None) -> bool:
    return half is not None and half.version == _NEW and "close" not in _words(half)


def _closes(half: Request | Response | None) -> bool:
    return half is not None and half.version == _NEW and "close" in _words(half)


def _finding(evidence: Evidence, group: list[Stripped]) -> Finding:
    first = group[0]
    members = [exchange for stripped in group for exchange in (stripped.near, stripped.far)]
    packets = packets_of([first.near])
    why = (
        f"{counted(len(group), 'time')} on {name(evidence.connections[first.near.connection])} and others one side kept the connection and the proxy closed "
        f"the other ({listed(stripped.what for stripped in group)}): the first is {first.near.id}, {packet(evidence, packets[0])}, sent on as {first.far.id}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
        user=identity(evidence, first.near.connection),
    )
