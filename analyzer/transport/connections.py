"""From a flow (or the flows of one connection in rotated files) to a `Connection`: who is the client, the two streams, how it ended.

The client is the sender of the SYN. Without a SYN, who sends requests is the client (RFC 9112), or the ClientHello (RFC 8446); without either, the side
with the higher port. Content decides before ports, so WinRM on any port is read the right way round.
"""

from array import array
from collections.abc import Sequence

from msgspec.structs import replace

from analyzer.errors import SpentError
from analyzer.formats.reader import Fetch
from analyzer.records.arrays import Ints
from analyzer.records.capture import Flow, Segments, Verdict
from analyzer.records.ids import key_capture, key_number
from analyzer.records.issues import Issue
from analyzer.records.transport import Closing, Connection, End, Endpoint, Side, Stream, Unacked
from analyzer.settings import Limits, Spent, never
from analyzer.transport.columns import flagged, no_copies, of_side, span_of, taken
from analyzer.transport.plain import Plain, Way, plain
from analyzer.transport.reassembly import Assembly, Receiver, assemble, finished, first_base, straight
from analyzer.transport.rows import CLOSE_NS, distinct
from analyzer.transport.silence import TTLS, fits, pauses, same_ttls, ttls, unacked, went_on, zero_windows
from analyzer.transport.strays import out_of_place
from analyzer.transport.weird import weird

_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_WRAP = 1 << 32
_METHODS = (b"GET ", b"POST", b"PUT ", b"HEAD", b"OPTI", b"CONN", b"DELE", b"PATC", b"TRAC", b"PROX")
_SAMPLES = 20
_LOST_START = 1 << 24
"""More bytes than this between the first acknowledgement and the first data are no loss: one of the two is a stray."""


def connection(identity: str, flows: Sequence[Flow], fetch: Fetch, limits: Limits, over: Spent = never) -> tuple[Connection, tuple[Issue, ...]]:
    """The connection that ``flows`` (one, or the pieces of rotated captures in order) carried, and what is wrong with its evidence. `SpentError`: the time is
    ``over`` before all of it was read."""
    flow = flows[0]
    rows = _joined(flows)
    window_ns, pause_ns = int(limits.duplicate_window_s * 1e9), int(limits.pause_s * 1e9)
    if over():
        raise SpentError
    found = plain(rows, pause_ns)
    if found is not None and (found.onward or no_copies(rows, max(window_ns, CLOSE_NS))):
        return _plain(identity, flow, rows, _protocol(flows), found), ()
    seen, copies = distinct(rows, window_ns, fetch)
    strays = out_of_place(rows, seen)
    kept = array("q", (k for k in seen if k not in strays)) if strays else seen
    client = _client(rows, kept, flow.ports, fetch)
    sides = [of_side(rows, kept, client ^ i) for i in (0, 1)]  # text in a reset (RFC 9293 section 3.5.3) is no stream data
    bases = [first_base(rows, side) for side in sides]
    for i in (0, 1):
        if bases[i][0] is None or not bases[i][1]:
            bases[i] = _base_from_peer(rows, kept, client ^ i, bases[i])
    receivers = [Receiver(rows, sides[1 - i], limits.conflicts, limits.conflict_bytes, limits.overlaps, over) for i in (0, 1)]
    assemblies = [assemble(rows, sides[i], bases[i][0], fetch, limits.window_bytes, receivers[i], begins=bases[i][1]) for i in (0, 1)]
    streams = [finished(assemblies[i], assemblies[1 - i], rows, sides[1 - i]) for i in (0, 1)]
    for i in (0, 1):
        one = assemblies[i]
        left = None if one.base is None else unacked(one.acked, one.base, one.furthest, rows, sides[i], sides[1 - i])
        if left is not None:
            streams[i] = replace(streams[i], unacked=left)
    hops = ttls(rows, client)
    closings = _closings(rows, kept, client, assemblies, hops)
    endpoints = [Endpoint(flow.hosts[client ^ i], flow.ports[client ^ i]) for i in (0, 1)]
    syns = [kept[i] for i in flagged(rows.flags, kept, _SYN)]
    first_ns, last_ns = span_of(rows.ts_ns, kept)
    made = Connection(
        id=identity,
        capture=flow.capture,
        point=flow.point,
        client=endpoints[0],
        server=endpoints[1],
        first_ns=first_ns,
        last_ns=last_ns,
        packets=taken(rows.key, seen),
        to_server=streams[0],
        to_client=streams[1],
        end=closings[0].kind if closings else End.OPEN,
        ended_by=closings[0].side if closings else None,
        closings=tuple(closings),
        protocol=_protocol(flows),
        syn=next((rows.key[k] for k in syns if rows.direction[k] == client and not rows.flags[k] & _ACK), None),
        established=bool(sides[1]) or streams[0].size > 0,
        duplicates=copies,
        ttls=hops,
        pauses=pauses(rows, kept, pause_ns),
        zero_windows=zero_windows(rows, kept, client),
        bases=(-1 if bases[0][0] is None else bases[0][0], -1 if bases[1][0] is None else bases[1][0]),
    )
    odd = (Issue("tcp.weird", one.name, identity, key_capture(one.packet), key_number(one.packet), one.times) for one in weird(rows, kept))
    return made, (*_issues(made, assemblies, copies, sorted(rows.key[k] for k in strays)), *odd)


_CLIENT, _SERVER, _ENDED, _OPEN = Side.CLIENT, Side.SERVER, End.FIN, End.OPEN
"""By names of their own: a member is found three times as fast as by its enumeration."""


def _plain(identity: str, flow: Flow, rows: Segments, protocol: str, found: Plain) -> Connection:
    """The connection in whose ``rows`` nothing is odd; the client is the sender of the first. ``flow``: its first piece."""
    ways = found.ways
    hops = same_ttls(tuple(ways[0].ttls[:TTLS]), tuple(ways[1].ttls[:TTLS]))
    closings: tuple[Closing, ...] = ()
    for way, side, own in ((ways[0], _CLIENT, hops[0]), (ways[1], _SERVER, hops[1])):
        k = way.fin
        if k >= 0:
            ttl = rows.ttl[k]
            closing = Closing(_ENDED, side, rows.ts_ns[k], rows.key[k], way.end, way.fin_acked, ttl, rows.ident[k] >> 16, fits(ttl, own))
            first = not closings or (closings[0].ts_ns, closings[0].packet) <= (closing.ts_ns, closing.packet)
            closings = (*closings, closing) if first else (closing, *closings)
    return Connection(
        identity,
        flow.capture,
        Endpoint(flow.hosts[0], flow.ports[0]),
        Endpoint(flow.hosts[1], flow.ports[1]),
        found.first_ns,
        found.last_ns,
        rows.key[:],
        _straight(rows, ways[0]),
        _straight(rows, ways[1]),
        _ENDED if closings else _OPEN,
        closings[0].side if closings else None,
        closings,
        protocol,
        rows.key[0],
        bases=found.bases,
        ttls=hops,
        point=flow.point,
    )


def _straight(rows: Segments, way: Way) -> Stream:
    k = way.waits
    if k < 0:
        return straight(way)
    ts_ns, packet = rows.ts_ns[k], rows.key[k]
    last = rows.key[way.heard_at] if way.heard else None
    return straight(way, Unacked(way.acked, way.end - way.acked, rows.wire_size[k], 1, (packet,), ts_ns, ts_ns, way.passed, way.heard, last))


def _protocol(flows: Sequence[Flow]) -> str:
    """What the first piece is that tells anything."""
    for flow in flows:
        if flow.verdict in _PROTOCOLS:
            return _PROTOCOLS[flow.verdict]
    return "other"


_PROTOCOLS = {Verdict.HTTP: "http", Verdict.TLS: "tls"}


def _joined(flows: Sequence[Flow]) -> Segments:
    """The rows of several pieces as one, with directions as the first piece has them."""
    if len(flows) == 1:
        return flows[0].segments
    rows = Segments()
    for flow in flows:
        flip = int((flow.hosts[0], flow.ports[0]) != (flows[0].hosts[0], flows[0].ports[0]))
        piece = flow.segments
        for name in Segments.__struct_fields__:
            getattr(rows, name).extend(array("q", (d ^ flip for d in piece.direction)) if name == "direction" else getattr(piece, name))
    return rows


def _client(rows: Segments, kept: Ints, ports: tuple[int, int], fetch: Fetch) -> int:
    """The direction (0 or 1) whose sender is the client."""
    for k in kept:
        if rows.flags[k] & _SYN:
            return rows.direction[k] ^ int(bool(rows.flags[k] & _ACK))
    samples = 0
    for k in kept:
        if rows.size[k] < 5:
            continue
        start = fetch(rows.source[k], rows.file_at[k], 6)
        if start[:4] in _METHODS or (start[:2] == b"\x16\x03" and start[5:6] == b"\x01"):
            return rows.direction[k]
        if start[:5] == b"HTTP/" or (start[:2] == b"\x16\x03" and start[5:6] == b"\x02"):
            return rows.direction[k] ^ 1
        samples += 1
        if samples >= _SAMPLES:
            break
    return 0 if ports[0] > ports[1] else 1


def _base_from_peer(rows: Segments, kept: Ints, direction: int, guess: tuple[int | None, bool]) -> tuple[int | None, bool]:
    """The SYN/ACK's acknowledgement tells the client's base for certain. Any first acknowledgement tells where the direction stood at least: what lies between
    it and the first data seen was sent and not captured."""
    first = None
    for k in kept:
        if rows.direction[k] == direction or rows.ack[k] < 0 or rows.flags[k] & _RST:
            continue
        if rows.flags[k] & _SYN:
            return rows.ack[k], True
        if first is None:
            first = rows.ack[k]
    base, begins = guess
    if base is None or (first is not None and not begins and 0 < (base - first) % _WRAP <= _LOST_START):
        return first, False
    return base, begins


def _closings(rows: Segments, kept: Ints, client: int, assemblies: list[Assembly], hops: tuple[tuple[int, ...], ...]) -> list[Closing]:
    """Every reset, and the first FIN of each side, in order of time. What a side did later is told of its first reset."""
    found = []
    finished_sides = set()
    reset_sides = set()
    for k in map(kept.__getitem__, flagged(rows.flags, kept, _FIN | _RST)):
        flags = rows.flags[k]
        which = rows.direction[k] ^ client
        if not flags & _RST:
            if which in finished_sides:
                continue
            finished_sides.add(which)
        own, peer = assemblies[which], assemblies[1 - which]
        later, later_packet = went_on(rows, kept, k) if flags & _RST and which not in reset_sides else (0, None)
        if flags & _RST:
            reset_sides.add(which)
        found.append(
            Closing(
                kind=End.RESET if flags & _RST else End.FIN,
                side=Side.SERVER if which else Side.CLIENT,
                ts_ns=rows.ts_ns[k],
                packet=rows.key[k],
                stream_at=own.offset(rows.seq[k]) + rows.wire_size[k] if own.base is not None else -1,
                acked=peer.offset(rows.ack[k]) if peer.base is not None and rows.ack[k] >= 0 else -1,
                ttl=rows.ttl[k],
                fits=fits(rows.ttl[k], hops[which]),
                ident=rows.ident[k] >> 16,
                went_on=later,
                went_on_packet=later_packet,
            )
        )
    return sorted(found, key=lambda closing: (closing.ts_ns, closing.packet))


def _issues(made: Connection, assemblies: list[Assembly], copies: int, strays: Sequence[int]) -> list[Issue]:
    issues = []

    def note(code: str, detail: str, key: int | None = None, repeats: int = 1) -> None:
        capture = made.capture if key is None else key_capture(key)
        issues.append(Issue(code, detail, made.id, capture, None if key is None else key_number(key), repeats))

    for name, stream, assembly in (("client", made.to_server, assemblies[0]), ("server", made.to_client, assemblies[1])):
        lost = sum(gap.size for gap in stream.gaps)
        if lost:
            after = [stream.extents.packet[i] for i, at in enumerate(stream.extents.stream_at) if at < stream.gaps[0].stream_at]
            note(
                "tcp.gap",
                f"{lost} bytes from the {name} in {len(stream.gaps)} gaps, the first at offset {stream.gaps[0].stream_at}",
                after[-1] if after else None,
            )
        if assembly.conflicts:
            note(
                "tcp.conflict",
                f"{name}: {len(assembly.conflicts)} segments differ from what was captured before (table conflicts)",
                assembly.conflicts[0],
                len(assembly.conflicts),
            )
        if len(assembly.conflicts) > len(assembly.differing):
            note("tcp.limit", f"conflicts={len(assembly.differing)}: {name}: later places with two contents are counted, not listed")
        if assembly.uncompared:
            note("tcp.limit", f"overlaps={assembly.compared}: {name}: {assembly.uncompared} later segments were not compared with what they repeat")
        if assembly.strays:
            note("tcp.out-of-window", f"{name}: {len(assembly.strays)} segments", assembly.strays[0], len(assembly.strays))
    if strays:
        note("tcp.out-of-window", "FIN or RST that ended nothing: the side in whose name it was sent went on where it stood", strays[0], len(strays))
    if copies:
        note("capture.duplicate-packets", f"{copies} packets", None, copies)
    came_up = made.established or made.syn is None or made.to_server.size > 0
    if came_up and (not made.to_server.begins or not made.to_client.begins):  # what refuses a SYN, or ignores it, sends none
        note("tcp.midstream", "no SYN of " + ("either side" if not made.to_server.begins and not made.to_client.begins else "one side"), made.packets[0])
    sizes = [len(stream.extents.size) for stream in (made.to_server, made.to_client)]
    if (not sizes[0]) != (not sizes[1]) and (made.to_server.size if not sizes[0] else made.to_client.size):
        note("tcp.one-sided", "no data of the " + ("client" if not sizes[0] else "server") + " was captured", made.packets[0])
    return issues
