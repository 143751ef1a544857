"""Kerberos with a key distribution center, over TCP and UDP, as it travelled."""

from collections.abc import Iterable
from typing import NamedTuple

from analyzer.formats.reader import Fetch, Reader
from analyzer.records.capture import Flow
from analyzer.records.issues import Issue
from analyzer.records.kerberos import KdcPiece
from analyzer.settings import Limits
from analyzer.transport.connections import connection

_KDC_MESSAGE = 1 << 20
"""Bytes of a Kerberos message; a larger one is none."""


class Kdc(NamedTuple):
    """The messages of Kerberos with its KDC as they travelled, in order of time, requests before their replies; and an issue where there are too many."""

    pieces: tuple[KdcPiece, ...] = ()
    issues: tuple[Issue, ...] = ()


def kdc_pieces(flows: Iterable[Flow], datagrams: Iterable[KdcPiece], fetch: Fetch, limits: Limits) -> Kdc:
    """What travelled over TCP (RFC 4120 section 7.2.2: each message after its length) and over UDP."""
    found = list(datagrams)
    for flow in flows:
        if len(found) > limits.kdc_messages:
            break
        made, _ = connection("kdc", (flow,), fetch, limits)
        client, server = (made.client.host, made.client.port), (made.server.host, made.server.port)
        found += _framed(Reader(made.to_server, fetch), client, server)
        found += _framed(Reader(made.to_client, fetch), server, client)
    found.sort(key=lambda piece: piece.ts_ns)
    if len(found) <= limits.kdc_messages:
        return Kdc(tuple(found))
    issue = Issue("capture.limit", f"kdc_messages={limits.kdc_messages}: later Kerberos messages were not read")
    return Kdc(tuple(found[: limits.kdc_messages]), (issue,))


def _framed(reader: Reader, source: tuple[str, int], target: tuple[str, int]) -> Iterable[KdcPiece]:
    while len(prefix := reader.peek(4)) == 4:
        size = int.from_bytes(prefix, "big")
        at = reader.at
        reader.at += 4
        data = reader.peek(min(size, _KDC_MESSAGE))
        times = reader.times(at, at + 4)
        if not data or len(data) < size or times is None:
            return
        yield KdcPiece(reader.packets(at, at + 4 + size), times[0], source, target, data)
        reader.at += size
