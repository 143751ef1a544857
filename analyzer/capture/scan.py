"""The files of one capture point in, their descriptions and their candidate flows out.

A capture point is one file, or the files that a capture program wrote one after the other (`analyzer.capture.points` says which). One kernel reads them all, so
that connections, fragments and verdicts go on from file to file and the result is that of one long file; only packet numbers and places are each file's own.

Files are read once; when a rejected flow later turns out to be WinRM (its first packets told nothing, or the capture began in the middle of a body) they are
read a second time with that flow kept. Payload of compressed inputs, pipes and the slow path is spooled to a temporary file that lives as long as the result.
"""

from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, cast

from msgspec.structs import replace

from analyzer.capture.bits import WINRM_PORTS
from analyzer.capture.kernel import Kernel
from analyzer.capture.links import link
from analyzer.capture.open import STDIN
from analyzer.capture.point import COUNTS, Part, Piece, Point, Problem, Progress, Spool, Spooled, host_of
from analyzer.errors import InputError
from analyzer.records.capture import Capture, Flow, IcmpError, PagedFlow, Segments, Verdict
from analyzer.records.ids import key_capture, key_number, packet_key
from analyzer.records.issues import Issue
from analyzer.records.kerberos import KdcPiece
from analyzer.records.names import NameClaim
from analyzer.settings import Limits, Scope
from analyzer.system.files import is_url

_LISTED = 20
"""Servers and ports of TLS that was not kept."""
_BEFORE = 3
"""TLS connections before one of WinRM's that may be its other side."""


_LATEST = 1 << 16
"""Rows that are held for who asks for them again."""


class Latest:
    """The rows that were read last: who asks for those of a flow asks several times."""

    def __init__(self) -> None:
        self._held: tuple[Callable[[], Segments], Segments] | None = None

    def rows(self, read: Callable[[], Segments]) -> Segments:
        """What ``read`` gives."""
        held = self._held
        if held is not None and held[0] is read:
            return held[1]
        self._held = None
        found = read()
        if len(found.key) <= _LATEST:
            self._held = read, found
        return found


class Scanned(NamedTuple):
    """What one input gave: the flows that begin in it. ``spool`` holds the payload that does not lie in the file as it is (None when all of it does)."""

    capture: Capture
    flows: tuple[Flow, ...]
    issues: tuple[Issue, ...]
    spool: BinaryIO | None
    kdc: tuple[KdcPiece, ...] = ()
    """Kerberos messages over UDP."""
    icmp: tuple[IcmpError, ...] = ()
    """ICMP errors about TCP segments."""
    names: tuple[NameClaim, ...] = ()
    """What messages over UDP say of addresses and names."""


def scan(path: str, ordinal: int, name: str, limits: Limits, scope: Scope, progress: Progress | None = None) -> Scanned:
    """Reads one input. Raises `InputError` only when it cannot be opened at all; everything else about it is an issue."""
    spool = Spool()
    point = first_reading(limits, scope, spool)
    point.read(Piece(path, ordinal, name), progress, alone=True)
    return described(read_again(point, to_keep(point), spool, progress))[0]


def first_reading(limits: Limits, scope: Scope, spool: Spool) -> Point:
    """A point of which nothing was read yet."""
    return Point(limits, scope, Spooled(spool))


def to_keep(point: Point) -> frozenset[int]:
    """The flows that only a second reading shows, by what the point itself tells."""
    return point.late | _in_front(point)


def read_again(point: Point, force: frozenset[int], spool: Spool, progress: Progress | None) -> Point:
    """The point read a second time with the flows ``force`` kept; the point itself where that is not needed, or not possible."""
    if not force or not point.readable_again:
        return point
    again = Point(point.limits, point.scope, Spooled(spool), force)
    again.front_left, again.shut = point.front_left, point.shut
    try:
        for part in point.parts:
            again.read(part.piece, progress, alone=len(point.parts) == 1)
    except InputError:  # no longer there: what the first reading gave stays
        return point
    return again if again.packets >= point.packets else point


def _in_front(point: Point) -> frozenset[int]:
    """TLS that a proxy may end on another port than WinRM's, to go on to the server in clear or in TLS of its own.

    That is TLS to a host that WinRM comes from, and in a file that is quickly read again the TLS connections that began right before each of WinRM's, as a
    proxy has another address on its other side."""
    limits = point.limits
    ports = {*WINRM_PORTS, *limits.tls_ports}
    flows = [flow for flow in point.flows() if flow.ports[1] in ports or (flow.verdict is Verdict.TLS and point.scope.client_randoms)]
    words = frozenset([_words(host) for host in {flow.hosts[0] for flow in flows}])
    tables = point.tables if words else ()
    found = {number + before for kernel, before in tables for number in kernel.rejected_at(words, limits.front_ports)}
    found |= {number + before for kernel, before in tables for number, host, _, _ in kernel.hellos() if host in words}
    if sum(part.size for part in point.parts) < limits.parallel_bytes:
        others = sorted(
            {number + before for kernel, before in tables for number in kernel.rejected_at(frozenset(), limits.front_ports)}
            | {number + before for kernel, before in tables for number, _, _, _ in kernel.hellos()}
        )
        for flow in flows:
            place = bisect_left(others, key_number(flow.segments.key[0]))
            found.update(others[max(place - _BEFORE, 0) : place])
    point.front_left = max(len(found) - limits.front_connections, 0)
    return frozenset(sorted(found)[: limits.front_connections])


def _words(host: str) -> tuple[int, int]:
    """An address as the kernel's table holds it."""
    if ":" not in host:  # as most, of which a capture may have many
        return int.from_bytes(bytes(map(int, host.split("."))), "big"), 0
    from ipaddress import ip_address

    address = int(ip_address(host))
    return address >> 64, address & (1 << 64) - 1


def described(point: Point, *, flows_elsewhere: bool = False) -> list[Scanned]:
    """What each file of a point gave, in the order they were read. Messages of ICMP and Kerberos, and names, are of use where
    there are flows, or ``flows_elsewhere``."""
    kernel, parts = cast("Kernel", point.kernel), point.parts
    kernel.slow.finish()
    flows = point.flows()
    name = min(part.piece.ordinal for part in parts)
    latest = Latest()
    placed = [_placed(flow, point, name, latest) for flow in flows]
    problems: dict[int, list[Problem]] = {part.piece.ordinal: [*part.walk.problems] for part in parts}
    for code, detail, number in kernel.slow.problems:
        part = parts[0] if number is None else _part_of(parts, number)
        problems[part.piece.ordinal].append((code, detail, None if number is None else number - part.before))
    for part in parts:
        problems[part.piece.ordinal] += part.damage
    for part, problem in _notes(point):
        problems[part.piece.ordinal].append(problem)
    wanted = bool(flows) or flows_elsewhere
    elsewhere = Counter((host, port, four) for table, _ in point.tables for _, host, port, four in sorted(table.hellos()))
    kdc, icmp, names = (_kdc(point), _icmp(point, name), _names(point)) if wanted else ((), (), ())
    return [
        Scanned(
            capture=replace(
                _capture(part),
                point=name,
                point_last_ns=kernel.last_ns,
                **_elsewhere(elsewhere if part is parts[0] else Counter()),
                flows=sum(flow.capture == part.piece.ordinal for flow in placed),
            ),
            flows=tuple(flow for flow in placed if flow.capture == part.piece.ordinal),
            issues=tuple(_issues(problems[part.piece.ordinal], part.piece.ordinal, point.limits)),
            spool=point.spooled.file,
            kdc=kdc if part is parts[0] else (),
            icmp=icmp if part is parts[0] else (),
            names=names if part is parts[0] else (),
        )
        for part in parts
    ]


def _elsewhere(found: Counter[tuple[tuple[int, int], int, bool]]) -> dict[str, Any]:
    """TLS that was not kept, as the description of a capture has it."""
    listed = tuple((_host(words, four), port, count) for (words, port, four), count in found.most_common(_LISTED))
    return {"tls_elsewhere": listed, "tls_elsewhere_total": found.total()}


def _host(words: tuple[int, int], four: bool) -> str:  # noqa: FBT001  as the kernel tells it
    return host_of(words[0].to_bytes(4, "big") if four else words[0].to_bytes(8, "big") + words[1].to_bytes(8, "big"))


def _part_of(parts: Sequence[Part], number: int) -> Part:
    """The file that holds a packet, by its number through all files."""
    return parts[bisect_left(parts, number, key=lambda part: part.before) - 1]


def _place(parts: Sequence[Part], key: int) -> int:
    """A packet's key, from that with its number through all files."""
    part = _part_of(parts, key_number(key))
    return packet_key(part.piece.ordinal, key_number(key) - part.before)


def _placed(flow: Flow, point: Point, name: int, latest: Latest) -> Flow:
    """The flow with the packet numbers and places of the files it lies in."""
    if isinstance(flow, PagedFlow) and flow.rows is not None:
        rows = partial(latest.rows, partial(_located_later, flow.rows, tuple(point.parts), point.spooled))
        return replace(flow, capture=key_capture(rows().key[0]), point=name, rows=rows)
    segments = _located(flow.segments, point.parts, point.spooled)
    if segments is flow.segments:
        return flow if flow.point == name else replace(flow, point=name)
    return replace(flow, capture=key_capture(segments.key[0]), point=name, segments=segments)


def _located_later(rows: Callable[[], Segments], parts: Sequence[Part], spooled: Spooled) -> Segments:
    return _located(rows(), parts, spooled)


def _located(rows_of: Segments, parts: Sequence[Part], spooled: Spooled) -> Segments:
    """Rows with the packet numbers and places of the files they lie in."""
    if len(parts) == 1 and (spooled.is_plain or not any(source & 1 for source in rows_of.source)):
        return rows_of
    first = rows_of.key[0] - key_number(rows_of.key[0])
    keys, sources = array("q"), array("q")
    at = 0
    while at < len(rows_of.key):
        part = _part_of(parts, key_number(rows_of.key[at]))
        end = max(bisect_right(rows_of.key, first + part.before + part.walk.packets, lo=at), at + 1)
        base = packet_key(part.piece.ordinal, 0)
        keys.extend(map((base - first - part.before).__add__, rows_of.key[at:end]))
        sources.extend(map((2 * key_capture(base) - 2 * key_capture(first)).__add__, rows_of.source[at:end]))
        at = end
    places, sizes = rows_of.file_at, rows_of.size
    if not spooled.is_plain:
        place, held = spooled.place, spooled.kept
        places = array("q", (place(at) if source & 1 and size else at for at, source, size in zip(places, sources, sizes, strict=True)))
        if spooled.lost:  # what the disk did not take is a hole
            there = [size if not source & 1 or held(at, size) else 0 for at, source, size in zip(places, sources, sizes, strict=True)]
            sizes = array("q", there)
    return replace(rows_of, size=sizes, key=keys, source=sources, file_at=places)


def _icmp(point: Point, name: int) -> tuple[IcmpError, ...]:
    kernel = cast("Kernel", point.kernel)
    packets = [*kernel.icmp, *kernel.slow.icmp]
    if not packets:
        return ()
    from analyzer.capture.icmp import icmp_errors

    errors = (error for error in icmp_errors(0, packets, host_of) if _is_in(point.scope, error))
    return tuple(replace(error, packet=_place(point.parts, error.packet), point=name) for error in errors)


def _is_in(scope: Scope, error: IcmpError) -> bool:
    """Whether the segment that an ICMP error quotes is of a host and a port of the scope."""
    if not scope.nets and not scope.ports:
        return True
    from ipaddress import ip_address, ip_network

    ends = (error.source, error.target)
    hosts = not scope.nets or any(ip_address(host) in ip_network(net) for host, _ in ends for net in scope.nets)
    return hosts and (not scope.ports or any(port in scope.ports for _, port in ends))


def _kdc(point: Point) -> tuple[KdcPiece, ...]:
    kernel = cast("Kernel", point.kernel)
    if not kernel.datagrams:
        return ()
    from analyzer.capture.kdc import kdc_datagrams

    found = kdc_datagrams(0, kernel.datagrams, host_of)
    return tuple(replace(piece, packets=tuple(_place(point.parts, key) for key in piece.packets)) for piece in found)


def _names(point: Point) -> tuple[NameClaim, ...]:
    kernel = cast("Kernel", point.kernel)
    if not kernel.naming:
        return ()
    from analyzer.capture.names import name_claims

    found = name_claims(0, kernel.naming, host_of)
    return tuple(replace(claim, packet=_place(point.parts, claim.packet)) for claim in found)


def _capture(part: Part) -> Capture:
    piece, walk = part.piece, part.walk
    return Capture(
        ordinal=piece.ordinal,
        path=piece.path if piece.path == STDIN or is_url(piece.path) else str(Path(piece.path)),
        name=piece.name,
        format=walk.format + (f"+{part.compression}" if part.compression else "") if walk.format else "unknown",
        size=part.size,
        link_types=tuple(link(one).name for one in sorted(walk.links)),
        packets=walk.packets,
        tcp_packets=part.tcp_packets,
        first_ns=part.first_ns,
        last_ns=part.last_ns,
        snaplen=walk.snaplen,
        secrets=tuple(walk.secrets),
        comments=tuple(walk.comments),
        drops=tuple(walk.drops),
        sha256=part.sha256,
        identity=part.identity,
        sensor=piece.sensor,
    )


def _notes(point: Point) -> Iterator[tuple[Part, Problem]]:
    """What the counters say about the point as a whole, told of the first file in which they rose."""
    kernel, parts, limits = cast("Kernel", point.kernel), point.parts, point.limits
    for part in parts:
        if not part.walk.format:
            yield part, ("capture.unreadable", part.walk.instead or "nothing of it could be read", None)
    for number, count in sorted(kernel.unknown_links.items()):
        with_it = next((part for part in parts if number in part.walk.links), parts[0])
        yield with_it, ("capture.unknown-link", f"{count} packets of link type {number} ({link(number).name})", None)
    counts = dict(zip(COUNTS, parts[-1].counts, strict=True))
    snaplen = next((part.walk.snaplen for part in parts if part.counts[0]), None)
    words = {
        "snapped": ("capture.snapped", f"{counts['snapped']} TCP packets are cut (snap length {snaplen})"),
        "undecodable": ("capture.undecodable-packet", f"{counts['undecodable']} packets"),
        "backwards": ("capture.time-backwards", f"{counts['backwards']} packets are earlier than one before them"),
        "spool_full": ("capture.limit", f"spool_bytes={limits.spool_bytes}: later payload was not kept"),
        "icmp_over": ("capture.limit", f"icmp_errors={limits.icmp_errors}: {counts['icmp_over']} later ICMP errors were not kept"),
        "datagrams_over": ("capture.limit", f"kdc_datagrams={limits.kdc_datagrams}: {counts['datagrams_over']} later Kerberos messages were not kept"),
        "naming_over": ("capture.limit", f"naming_datagrams={limits.naming_datagrams}: {counts['naming_over']} later messages with names were not kept"),
        "given_up": (
            "capture.limit",
            f"undecided_flows={limits.undecided_flows}: {counts['given_up']} connections were given up before they told what they are",
        ),
        "forgotten": (
            "capture.limit",
            f"flow_table_slots={limits.flow_table_slots}: {counts['forgotten']} connections without WinRM were forgotten; had one gone on, it began again",
        ),
    }
    if point.spooled.lost:
        whose, what = ("that is kept", "some of it") if point.spooled.paged else ("of compressed captures", "later payload")
        yield parts[0], ("capture.limit", f"the temporary file for payload {whose}: {point.spooled.lost}; {what} was not kept", None)
    yield from _left_out(parts)
    for place, name in enumerate(COUNTS):
        if name not in words:
            continue
        first = next((part for part in parts if part.counts[place]), None)
        if first is not None:
            yield first, (*words[name], None)
    if point.shut:
        yield parts[0], ("capture.limit", f"open_points={limits.open_points}: it was not looked at whether later files go on where this one ends", None)
    if point.front_left:
        told = f"front_connections={limits.front_connections}: {point.front_left} later TLS connections to where a proxy may end them were not kept"
        yield parts[0], ("capture.limit", told, None)
    left = sorted(point.late - point.force)
    if left:
        yield _part_of(parts, left[0]), ("capture.limit", f"{len(left)} connections show WinRM only late and could not be read again", None)


def _left_out(parts: Sequence[Part]) -> Iterator[tuple[Part, Problem]]:
    """What the scope left out of each file."""
    before = {"outside": 0, "elsewhere": 0}
    for part in parts:
        counts = dict(zip(COUNTS, part.counts, strict=True))
        outside, elsewhere = (counts[name] - before[name] for name in ("outside", "elsewhere"))
        told = [f"{outside} of {part.walk.packets} packets are before or after the times asked for"] if outside else []
        told += [f"{elsewhere} TCP packets are from and to other hosts or ports"] if elsewhere else []
        if told:
            yield part, ("capture.outside-scope", "; ".join(told), None)
        before = counts


def _issues(problems: list[Problem], ordinal: int, limits: Limits) -> Iterator[Issue]:
    """At most ``issues_per_kind`` of a kind; the last one counts the rest."""
    counts = Counter(code for code, _, _ in problems)
    given: Counter[str] = Counter()
    for code, detail, packet in problems:
        given[code] += 1
        if given[code] < limits.issues_per_kind:
            yield Issue(code, detail, capture=ordinal, packet=packet)
        elif given[code] == limits.issues_per_kind:
            yield Issue(code, detail, capture=ordinal, packet=packet, repeats=counts[code] - given[code] + 1)
