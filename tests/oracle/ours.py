"""Our reading of a capture, in the words of `tests.oracle.tshark`."""

from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

from analyzer.engine.local import Run, run
from analyzer.errors import InputError
from analyzer.formats.reader import Fetch, Reader
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange, Framing, Request, Response
from analyzer.records.ids import key_number
from analyzer.records.quality import Absent
from analyzer.records.transport import Connection, Stream
from analyzer.settings import Limits, Scope
from tests.oracle.tshark import Name, Pair

_STREAMS = 50
"""Followed streams of one capture: each costs tshark a display filter on every packet."""


_ANOTHER_PROTOCOL = "HTTP/2"
"""To tshark HTTP/2 is a protocol of its own, with other fields."""


class Spoken(NamedTuple):
    """One HTTP message: (method, uri) or (status,), and all packets that carried it.

    ``sure`` is false where tshark cannot be expected to show it: it shows messages that are whole, seldom finds the next one after a hole, and does not
    reassemble in tunnels.
    """

    words: tuple[str, ...]
    packets: frozenset[int]
    sure: bool


class Streams(NamedTuple):
    """A connection whose two streams are whole, with their bytes."""

    connection: str
    pair: Pair
    to_server: bytes
    to_client: bytes


class Ours(NamedTuple):
    """``refusal``: why we do not read the file; everything else is then empty. ``ports`` are those of servers that speak HTTP."""

    packets: int
    tcp_packets: int
    requests: tuple[Spoken, ...]
    responses: tuple[Spoken, ...]
    names: tuple[Name, ...]
    streams: tuple[Streams, ...]
    ports: frozenset[int]
    refusal: str


@cache
def ours(capture: Path) -> Ours:
    """Our reading of all HTTP in ``capture``."""
    try:
        done = run([str(capture)], Limits(), Scope(all_http=True))
    except InputError as error:
        return Ours(0, 0, (), (), (), (), frozenset(), str(error))
    made = _ours(done)
    done.sources.close()
    return made


def _ours(done: Run) -> Ours:
    evidence = done.result.evidence
    http = [connection for connection in evidence.connections.values() if connection.protocol in {"http", "connect"}]
    return Ours(
        evidence.captures[0].packets,
        evidence.captures[0].tcp_packets,
        tuple(_requests(evidence)),
        tuple(_responses(evidence)),
        tuple(_names(done)),
        tuple(_streams(http, done.sources.fetch))[:_STREAMS],
        frozenset(connection.server.port for connection in http),
        "",
    )


def _in_clear(evidence: Evidence) -> Iterator[Exchange]:
    """What a key log in the capture decrypts is compared in test_tls_opened; tshark does not number its packets as we do."""
    return (exchange for exchange in evidence.exchanges.values() if not evidence.connections[exchange.connection].tls_opened)


def _requests(evidence: Evidence) -> Iterator[Spoken]:
    for exchange in _in_clear(evidence):
        one = exchange.request
        if not isinstance(one, Absent) and not one.version.startswith(_ANOTHER_PROTOCOL):
            connection = evidence.connections[exchange.connection]
            cut = "request_cut" in exchange.quality or connection.tunnel_of is not None
            yield Spoken((one.method, one.target), _numbers(one.packets), _sure(one, connection.to_server, cut=cut))


def _responses(evidence: Evidence) -> Iterator[Spoken]:
    for exchange in _in_clear(evidence):
        connection = evidence.connections[exchange.connection]
        for interim in exchange.interim:
            yield Spoken((str(interim.status),), frozenset({key_number(interim.packet)}), sure=not connection.to_client.gaps)
        one = exchange.response
        if not isinstance(one, Absent) and not one.version.startswith(_ANOTHER_PROTOCOL):
            packets = _numbers(one.packets)
            open_end = one.body.framing is Framing.TO_END
            if open_end or not one.body.complete:  # tshark shows it with the FIN that ends it
                packets |= _numbers(closing.packet for closing in connection.closings)
            cut = "response_cut" in exchange.quality or (open_end and not connection.closings) or connection.tunnel_of is not None
            yield Spoken((str(one.status),), packets, _sure(one, connection.to_client, cut=cut))


def _sure(one: Request | Response, stream: Stream, *, cut: bool) -> bool:
    return not cut and not stream.conflicts and not any(gap.stream_at <= one.end_at for gap in stream.gaps)


def _numbers(keys: Iterable[int]) -> frozenset[int]:
    return frozenset(key_number(key) for key in keys)


def _names(done: Run) -> Iterator[Name]:
    for conversation in done.result.evidence.conversations:
        for step in conversation.steps:
            ntlm = None if step.token is None else step.token.ntlm
            if ntlm is not None and not isinstance(ntlm, Absent) and ntlm.message == 3:
                yield Name(ntlm.user or "", ntlm.domain or "", ntlm.workstation or "", key_number(max(step.packets)))


def _streams(connections: list[Connection], fetch: Fetch) -> Iterator[Streams]:
    """Those of which tshark can have no other opinion: no gap, no conflict, an address pair that is used once."""
    uses = Counter(frozenset((one.client, one.server)) for one in connections)
    for one in connections:
        sides = (one.to_server, one.to_client)
        if one.tunnel_of is None and uses[frozenset((one.client, one.server))] == 1 and not any(side.gaps or side.conflicts for side in sides):
            pair = Pair((one.client.host, one.client.port), (one.server.host, one.server.port))
            yield Streams(one.id, pair, _bytes(one.to_server, fetch), _bytes(one.to_client, fetch))


def _bytes(stream: Stream, fetch: Fetch) -> bytes:
    return b"".join(Reader(stream, fetch).pieces(0, stream.size))
