"""Cuts off what stands before the protocol proper: a connection behind its prefaces, and the one that a CONNECT tunnel
carries (RFC 9110 section 9.3.6)."""

from array import array
from bisect import bisect_left

from msgspec.structs import replace

from analyzer.records.ids import key_capture, tunnel_id
from analyzer.records.transport import Closing, Connection, Extents, Gap, Stream

_WRAP = 1 << 32


def inner(outer: Connection, client_at: int, server_at: int, protocol: str) -> Connection:
    """The tunnel's connection: the outer one's streams from the end of the request head and of the 2xx head on."""
    cut = behind(outer, client_at, server_at)
    times = [ts for stream in (cut.to_server, cut.to_client) for ts in stream.extents.ts_ns]
    packets = sorted({key for stream in (cut.to_server, cut.to_client) for key in stream.extents.packet})
    return replace(
        cut,
        id=tunnel_id(outer.id),
        capture=key_capture(packets[0]) if packets else outer.capture,
        tunnel_of=outer.id,
        protocol=protocol,
        bases=outer.bases,
        first_ns=min(times, default=outer.last_ns),
        last_ns=max(times, default=outer.last_ns),
        packets=array("q", packets),
        prefaces=(),
    )


def behind(connection: Connection, client_at: int, server_at: int) -> Connection:
    """The same connection with its streams from these offsets on."""
    places = zip(connection.bases, (client_at, server_at), strict=True)
    bases = [base if base < 0 else (base + at) % _WRAP for base, at in places]
    return replace(
        connection,
        to_server=_tail(connection.to_server, client_at, server_at),
        to_client=_tail(connection.to_client, server_at, client_at),
        closings=tuple(_shifted(closing, client_at, server_at) for closing in connection.closings),
        bases=(bases[0], bases[1]),
    )


def _shifted(closing: Closing, client_at: int, server_at: int) -> Closing:
    own, peer = (client_at, server_at) if closing.side.value == "client" else (server_at, client_at)
    return replace(closing, stream_at=max(closing.stream_at - own, 0), acked=max(closing.acked - peer, 0))


def _tail(stream: Stream, at: int, peer_at: int) -> Stream:
    extents = stream.extents
    first = bisect_left(extents.stream_at, at)
    if first and extents.stream_at[first - 1] + extents.size[first - 1] > at:
        first -= 1
    keep = range(first, len(extents.size))
    cut = [max(at - extents.stream_at[i], 0) for i in keep]
    return replace(
        stream,
        extents=Extents(
            stream_at=array("q", (extents.stream_at[i] + skip - at for i, skip in zip(keep, cut, strict=True))),
            size=array("q", (extents.size[i] - skip for i, skip in zip(keep, cut, strict=True))),
            source=extents.source[first:],
            file_at=array("q", (extents.file_at[i] + skip for i, skip in zip(keep, cut, strict=True))),
            packet=extents.packet[first:],
            ts_ns=extents.ts_ns[first:],
            acked=array("q", (max(extents.acked[i] - peer_at, 0) if extents.acked[i] >= 0 else -1 for i in keep)),
        ),
        gaps=tuple(
            Gap(max(gap.stream_at - at, 0), gap.stream_at + gap.size - max(gap.stream_at, at), gap.why) for gap in stream.gaps if gap.stream_at + gap.size > at
        ),
        differing=tuple(replace(one, stream_at=one.stream_at - at) for one in stream.differing if one.stream_at >= at),
        size=max(stream.size - at, 0),
        acked=max(stream.acked - at, 0) if stream.acked >= 0 else -1,
        unacked=None if stream.unacked is None else replace(stream.unacked, at=max(stream.unacked.at - at, 0)),
    )
