"""What one group of connections comes to: the rows of the large tables, which go to a file, and what is small enough to be kept until all groups are done."""

from array import array
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import msgspec
from msgspec.structs import replace

from analyzer.engine.keeping import valid
from analyzer.engine.keyuse import Tried
from analyzer.engine.plan import Talk, auth_steps
from analyzer.engine.ranks import LARGE, Cells, Rank, place, ranked
from analyzer.engine.reading import Given, opened, pictured, put_together
from analyzer.engine.store import table_of
from analyzer.engine.work import Opinions, Picture, Settings, opinions, picture, told
from analyzer.incidents.facts import About
from analyzer.records.arrays import Ints
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.forwarding import Forwarding
from analyzer.records.ids import packet_key
from analyzer.records.issues import Issue
from analyzer.records.result import Result
from analyzer.records.story import Kind
from analyzer.records.transport import Connection, Extents, Stream
from analyzer.reports.masking import Mask
from analyzer.rules.causes import order
from analyzer.system.outputs import new_file
from analyzer.system.sums import ReadAt
from analyzer.tables.authentications import credentials
from analyzer.tables.column import Value

OF_A_POINT = frozenset(("capture.duplicates", "capture.file-cut", "capture.snaplen"))
"""Rules whose findings are about all connections of a capture point together."""
_PACKETS = 32
"""Of a finding: as many as an incident has."""
BATCH = 64
"""Rows that are written, and read, together."""
_SIZE = 4
"""Bytes of the size in front of a batch."""
_ENCODER = msgspec.msgpack.Encoder()
_DECODER = msgspec.msgpack.Decoder(list[tuple[tuple[Any, ...], tuple[Value, ...]]])
_OF_STAGES = {"tcp.translated": 1, "proxy.ambiguous": 2, "proxy.unproved": 3, "proxy.one-leg": 4}
"""The order in which what is odd of connections is told: of each by itself (0), then of what joins them."""


class Placed(NamedTuple):
    """An issue, and where it stands among all."""

    stage: int
    place: tuple[int, int]
    issue: Issue


class Ranks(NamedTuple):
    """Where parties (by id), addresses, and scorecards (in their order) stand among those of all groups."""

    parties: dict[str, tuple[int, ...]]
    hosts: dict[str, tuple[int, ...]]
    cards: tuple[tuple[int, ...], ...]


class Share(NamedTuple):
    """What one group gave.

    ``lean``: its evidence, of which only is left what small tables show; connections in it are bare. ``counts``, ``places``: how many rows of the large tables
    there are, and where in its file. ``owners``: of packets that Windows dropped, their connections. ``tags``: (digest of credentials, their tag in this group,
    where they first appear). ``tried``: what became of the secrets that were given, if any.
    """

    opinions: Opinions
    picture: Picture
    lean: Evidence
    issues: tuple[Placed, ...]
    counts: dict[str, int]
    places: dict[str, tuple[int, int]]
    winrm: dict[int, int]
    owners: dict[int, str]
    tags: tuple[tuple[bytes, str, tuple[int, int]], ...]
    ranks: "Ranks"
    tried: Tried | None = None


def share(number: int, talks: Sequence[Talk], given: Given, settings: Settings, folder: Path, mask: Mask, cut_points: AbstractSet[int] = frozenset()) -> Share:
    """The group of the connections that ``talks`` are of; the rows of its large tables go to files in ``folder``. ``mask`` has been over all of it.

    ``cut_points``: capture points of which this group has not all connections. What a rule would say of such a point is not said, as it counts them."""
    found, kdc = put_together(given, talks, settings)
    marks = [len(given.issues), len(found.issues) - len(kdc.issues), len(found.issues)]
    read = opened(found, kdc, given, settings)
    marks.append(len(read.evidence.issues))
    found = pictured(read.evidence, settings)
    marks.append(len(found.issues))
    looked_at = told(found)
    said = opinions(looked_at, settings)
    said = replace(said, kept=tuple(one for one in said.kept if one.rule not in OF_A_POINT or found.connections[one.connections[0]].point not in cut_points))
    found = replace(found, issues=(*found.issues, *said.failures))
    seen = picture(looked_at, said.kept)
    result = mask.result(Result(found, said.kept, auth_steps(found), said.cards, found.shells, found.commands))
    said = _masked(said, result)
    result = replace(result, findings=tuple(sorted(result.findings, key=order)))
    counts: dict[str, int] = {}
    places: dict[str, tuple[int, int]] = {}
    with new_file(folder / f"{number}.rows", replace=True, lasting=False) as file:  # as that of a batch
        for name in LARGE:
            begin = file.tell()
            counts[name] = _written(file, _shown(name, result, mask))
            places[name] = begin, file.tell()
    counts["timeline"] -= len(said.kept)
    found = result.evidence
    issues = tuple(_placed(found.issues, marks))
    ranks, light, lean = _ranks(found, said), _light(said), _lean(found, said)
    seen = replace(seen, about=tuple(_once(seen.about)))
    return Share(light, seen, lean, issues, counts, places, _by_capture(found), _owners(found), _tags(found), ranks, read.tried)


def _masked(said: Opinions, result: Result) -> Opinions:
    """The opinions with the findings that the mask has been over."""
    of = {id(before): after for before, after in zip(said.kept, result.findings, strict=True)}
    left_out = tuple((symptom, of.get(id(cause), cause)) for symptom, cause in said.left_out)
    return replace(said, kept=result.findings, cards=result.scorecards, left_out=left_out)


def _light(said: Opinions) -> Opinions:
    """The opinions, with of each finding what incidents are made of: their rows have the rest. The first one of each rule is whole, for the first screen."""
    firsts = {id(one) for one in {one.rule: one for one in reversed(said.kept)}.values()}
    every = (*said.kept, *(one for pair in said.left_out for one in pair))
    packets: dict[tuple[int, ...], tuple[int, ...]] = {}
    of = {id(one): one if id(one) in firsts else _bare_finding(one, packets) for one in every}
    left_out = tuple((of[id(symptom)], of[id(cause)]) for symptom, cause in said.left_out)
    return replace(said, kept=tuple(of[id(one)] for one in said.kept), left_out=left_out)


def _bare_finding(one: Finding, packets: dict[tuple[int, ...], tuple[int, ...]]) -> Finding:
    """``packets``: those of findings before it; where they are the same, they are held once."""
    own = one.packets[:_PACKETS]
    return replace(one, why="", evidence=(), packets=packets.setdefault(own, own), connections=(), exchanges=(), reference_text=None)


def _once(told: Iterable[About]) -> Iterator[About]:
    """What findings are about, with what several of them have in common held once."""
    numbers: dict[bytes, Ints] = {}
    clients: dict[AbstractSet[str], frozenset[str]] = {}
    for one in told:
        requests, logons = (numbers.setdefault(found.tobytes(), found) for found in (one.requests, one.logons))
        yield replace(one, requests=requests, logons=logons, clients=clients.setdefault(one.clients, one.clients))


def without_titles(one: Share) -> Share:
    """A share that is not the first one: the titles of rules are those of any."""
    return one._replace(opinions=replace(one.opinions, titles={}))


def _shown(name: str, result: Result, mask: Mask) -> Iterator[tuple[Rank, Cells]]:
    """The rows of a large table, with what is masked in cells."""
    found = sorted(ranked(name, result), key=lambda row: row[0])
    return zip((rank for rank, _ in found), mask.cells(table_of(name), [cells for _, cells in found]), strict=True)


def _written(file: BinaryIO, rows: Iterator[tuple[Rank, Cells]]) -> int:
    """How many there are."""
    count = 0
    while batch := list(islice(rows, BATCH)):
        data = _packed(batch)
        file.write(len(data).to_bytes(_SIZE, "little") + data)
        count += len(batch)
    return count


def _packed(batch: list[tuple[Rank, Cells]]) -> bytes:
    try:
        return _ENCODER.encode(batch)
    except UnicodeEncodeError:  # lone surrogates, which no file of a case has
        return _ENCODER.encode([(rank, [valid(cell) if isinstance(cell, str) else cell for cell in cells]) for rank, cells in batch])


def rows(read: ReadAt, place: tuple[int, int]) -> Iterator[tuple[Rank, Cells]]:
    """What was written there, in order. ``read`` gives bytes of the file."""
    at, end = place
    while at < end:
        size = int.from_bytes(read(at, _SIZE), "little")
        yield from _DECODER.decode(read(at + _SIZE, size))
        at += _SIZE + size


def _placed(issues: Sequence[Issue], marks: Sequence[int]) -> Iterator[Placed]:
    """Those that the scan did not give, each with the stage that it comes from."""
    for at, issue in enumerate(issues):
        stage = sum(at >= mark for mark in marks)
        if stage:
            yield Placed(10 * stage + (_OF_STAGES.get(issue.code, 0) if stage == 1 else 0), place(issue.record), issue)


def _by_capture(found: Evidence) -> dict[int, int]:
    counts: dict[int, int] = {}
    for identity in found.winrm:
        ordinal = found.connections[identity].capture
        counts[ordinal] = counts.get(ordinal, 0) + 1
    return counts


def _owners(found: Evidence) -> dict[int, str]:
    keys = {packet_key(capture.ordinal, drop.packet) for capture in found.captures for drop in capture.drops}
    return {key: one.id for one in found.connections.values() if one.tunnel_of is None for key in one.packets if key in keys} if keys else {}


def _tags(found: Evidence) -> tuple[tuple[bytes, str, tuple[int, int]], ...]:
    made: dict[bytes, tuple[str, tuple[int, int]]] = {}
    for spoken in found.conversations:
        digest = credentials(spoken)
        if digest is not None and digest not in made:
            made[digest] = f"s{len(made) + 1}", place(spoken.connection)
    return tuple((digest, tag, first) for digest, (tag, first) in made.items())


def _ranks(found: Evidence, said: Opinions) -> Ranks:
    """Parties and addresses stand in order of the first connection that shows them, its client's end first; those of KDCs come last."""
    parties: dict[str, tuple[int, ...]] = {}
    for party in found.story.parties:
        ends = [(*place(own[0]), end) for end, own in enumerate((party.far, party.near)) if own]
        parties[party.id] = (0, *min(ends)) if ends else (1, *party.packets[:1])
    hosts: dict[str, tuple[int, ...]] = {}
    for identity, connection in found.connections.items():
        if identity in found.winrm:
            for end, host in enumerate((connection.client.host, connection.server.host)):
                hosts.setdefault(host, (0, *place(identity), end))
    for at, one in enumerate(found.story.hosts):
        hosts.setdefault(one.address, (1, *parties.get(one.parties[0], ()), at) if one.parties else (1, at))
    whose = {identity: one.id for one in found.story.parties if one.kind in (Kind.PROXY, Kind.SOCKS) for identity in one.near}
    beyond = {identity: one.id for one in found.story.parties if one.kind in (Kind.PROXY, Kind.SOCKS) for identity in one.far}
    cards = []
    for card in said.cards:
        named = [whose[one] for one in card.client_connections if one in whose] or [beyond[one] for one in card.upstream_connections if one in beyond]
        cards.append(parties[named[0]] if named else (2,))
    return Ranks(parties, hosts, tuple(cards))


def _lean(found: Evidence, said: Opinions) -> Evidence:
    """What small tables show, and the connections that they name."""
    named = {identity for use in found.keys for identity in use.connections}
    named |= {identity for card in said.cards for identity in (*card.client_connections, *card.upstream_connections)}
    connections = {identity: _bare(one) for identity, one in found.connections.items() if identity in named}
    return Evidence(
        captures=found.captures,
        connections=connections,
        exchanges={},
        exchanges_of={},
        messages={},
        conversations=(),
        conversations_of={},
        hops=(),
        near={},
        far={},
        routes=found.routes,
        roles={},
        winrm=frozenset(),
        issues=(),
        files=tuple(replace(one, data=b"") for one in found.files),
        scope=found.scope,
        forwarding=replace(Forwarding(), subscriptions=found.forwarding.subscriptions),
        story=replace(found.story, fates={}, endings={}, logons=(), logon_of={}, ends={}, failures=(), ticket_refusals=()),
        negotiate=found.negotiate,
        product=found.product,
        keys=found.keys,
    )


_NO_ROWS = array("q")
_NOTHING = Stream(Extents(*[_NO_ROWS] * 7), (), 0)


def _bare(one: Connection) -> Connection:
    return replace(one, to_server=_NOTHING, to_client=_NOTHING, packets=one.packets[:1], closings=(), tls=None, pauses=(), zero_windows=())
