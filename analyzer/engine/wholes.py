"""What all groups of connections come to: findings in one order, incidents and the diagnosis of all, and tables whose rows are merged.

Parties, routes, logons and credentials have numbers that count all of a run. A group counts its own; here they get the numbers that they have among all.
"""

import heapq
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from analyzer.engine.keyuse import together, uses
from analyzer.engine.ranks import LARGE, Cells, Rank, place
from analyzer.engine.reading import Given
from analyzer.engine.shares import Share, rows
from analyzer.engine.work import Opinions, Picture, Settings, concluded
from analyzer.incidents import sums
from analyzer.incidents.facts import About, Crowd
from analyzer.records.evidence import Evidence
from analyzer.records.forwarding import Forwarding
from analyzer.records.ids import packet_key
from analyzer.records.issues import Issue
from analyzer.records.proxy import Route, Scorecard
from analyzer.records.result import Result
from analyzer.records.secrets import KeyUse
from analyzer.records.story import Story
from analyzer.reports.masking import Mask
from analyzer.rules.causes import consequences, order
from analyzer.system.sums import ReadAt
from analyzer.tables.findings import finding_rows
from analyzer.tables.registry import table_named
from analyzer.tables.timeline import of_finding


class Numbers(Struct, frozen=True, gc=False):
    """The number of each thing of each group among all: (group, id there) to its id."""

    parties: dict[tuple[int, str], str]
    routes: dict[tuple[int, str], str]
    tags: dict[tuple[int, str], str]


class Whole(Struct, frozen=True, gc=False):
    """A run that was done in groups. ``result``: findings, incidents, diagnosis, and the records of the small tables; what is large lies in ``folder``.
    ``counts``: rows of the large tables."""

    result: Result
    mask: Mask
    numbers: Numbers
    groups: int
    folder: Path
    counts: dict[str, int]
    places: tuple[dict[str, tuple[int, int]], ...]
    winrm: dict[int, int]
    owners: dict[int, str]
    memory: int = 0
    """The limit that was asked for."""
    read: Callable[[int], ReadAt] | None = None
    """What reads the rows of a group, by its number, where they do not lie in ``folder``."""
    held: object = None
    """What has to live as long as this does: the folder is gone with it."""

    def cells(self, name: str) -> Iterator[Cells]:
        """The cells of a table, row by row, in order."""
        if name in LARGE:
            yield from self._rows(name)
            return
        table = table_named(name)
        for row in self.mask.cells(table, table.values(self.result)):
            yield self._told(name, row)

    def _told(self, name: str, row: Cells) -> Cells:
        """A row of a small table, with what only connections tell."""
        names = table_named(name).names
        captures = self.result.evidence.captures
        if name == "captures":
            ordinal = next(one.ordinal for one in captures if one.path == row[names.index("path")])
            return _with(row, names.index("winrm_connections"), self.winrm.get(ordinal, 0))
        if name == "drops":
            ordinal = next(one.ordinal for one in captures if one.name == row[names.index("capture")])
            return _with(row, names.index("connection_id"), self.owners.get(packet_key(ordinal, int(row[names.index("packet")]))))
        return row

    def _rows(self, name: str) -> Iterator[Cells]:
        parts = [self._own(name, number) for number in range(self.groups)]
        if name == "timeline":
            parts.append(self._findings())
        merged = (cells for _, cells in heapq.merge(*parts, key=lambda row: row[0]))
        if name == "findings":
            return self._with_incidents(merged)
        return _numbered(merged) if name == "logons" else merged

    def _with_incidents(self, merged: Iterator[Cells]) -> Iterator[Cells]:
        """The rows of the findings, with the numbers and the incidents that they have among all."""
        names = table_named("findings").names
        own, explained = names.index("incident_id"), names.index("explained_by")
        incidents = {identity: one for one in self.result.incidents for identity in one.findings}
        for number, row in enumerate(merged, 1):
            cells, one = [f"f{number}", *row[1:]], incidents.get(f"f{number}")
            cells[own], cells[explained] = (None, None) if one is None else (one.id, one.explained_by)
            yield tuple(cells)

    def _own(self, name: str, number: int) -> Iterator[tuple[Rank, Cells]]:
        read = _in_file(self.folder / f"{number}.rows") if self.read is None else self.read(number)
        found = rows(read, self.places[number][name])
        if name == "timeline":
            at = table_named("timeline").names.index("table")
            return (row for row in found if row[1][at] != "findings")
        change = self._changes(name, number)
        return found if change is None else ((rank, change(cells)) for rank, cells in found)

    def _changes(self, name: str, group: int) -> Callable[[Cells], Cells] | None:
        """What gives the ids in a row their numbers among all."""
        numbers = self.numbers
        if name == "connections":
            return _changed(name, "route_id", lambda cell: ",".join(numbers.routes[group, one] for one in cell.split(",")))
        if name == "requests":
            return _changed(name, "stopped_at", lambda cell: numbers.parties.get((group, cell), cell))
        if name == "authentications":
            return _changed(name, "secret_tag", lambda cell: numbers.tags[group, cell])
        if name == "ladders":
            return lambda cells: (_title(cells[0], group, numbers), *cells[1:])
        return None

    def _findings(self) -> Iterator[tuple[Rank, Cells]]:
        table = table_named("timeline")
        found = [of_finding(row) for row in finding_rows(self.result)]
        found.sort(key=lambda one: (one.time_ns, one.table, one.record))
        cells = self.mask.cells(table, [tuple(column.get(one) for column in table.columns) for one in found])
        return zip(((one.time_ns, one.table, one.record) for one in found), cells, strict=True)


def _in_file(path: Path) -> ReadAt:
    """Opened for each batch: there may be more groups than files may be open."""

    def read(at: int, size: int) -> bytes:
        with path.open("rb") as file:
            file.seek(at)
            return file.read(size)

    return read


def _with(row: Cells, at: int, cell: object) -> Cells:
    return (*row[:at], cell, *row[at + 1 :])


def _changed(name: str, column: str, change: Callable[[str], str]) -> Callable[[Cells], Cells]:
    at = table_named(name).names.index(column)
    return lambda cells: cells if cells[at] is None else (*cells[:at], change(cells[at]), *cells[at + 1 :])


def _title(title: str, group: int, numbers: Numbers) -> str:
    head, colon, rest = title.partition(":")
    return f"{numbers.routes[group, head]}{colon}{rest}" if (group, head) in numbers.routes else title


def _numbered(merged: Iterator[Cells]) -> Iterator[Cells]:
    return ((f"l{number}", *cells[1:]) for number, cells in enumerate(merged, 1))


def whole(
    shares: Sequence[Share],
    given: Given,
    unread: Sequence[Issue],
    settings: Settings,
    folder: Path,
    mask: Mask,
    read: Callable[[int], ReadAt] | None = None,
) -> Whole:
    """All groups together. ``unread``: issues of connections that were not read; ``read``: as `Whole` says."""
    numbers = _numbers(shares)
    issues = _issues(shares, (*given.issues, *unread))
    found = _opinions(shares, numbers)
    seen = _picture(shares, numbers, found[1])
    judgement = concluded(found[0], seen, issues, settings, consequences())
    evidence = _evidence(shares, numbers, issues, settings)
    result = Result(evidence, judgement.findings, {}, judgement.scorecards, incidents=judgement.incidents, diagnosis=judgement.diagnosis)
    result = mask.result(result)
    counts: dict[str, int] = {}
    winrm: dict[int, int] = {}
    owners: dict[int, str] = {}
    for one in shares:
        for name, count in one.counts.items():
            counts[name] = counts.get(name, 0) + count
        for ordinal, count in one.winrm.items():
            winrm[ordinal] = winrm.get(ordinal, 0) + count
        owners.update(one.owners)
    counts["timeline"] += len(result.findings)
    return Whole(result, mask, numbers, len(shares), folder, counts, tuple(one.places for one in shares), winrm, owners, read=read)


def _numbers(shares: Sequence[Share]) -> Numbers:
    parties = sorted((rank, group, identity) for group, one in enumerate(shares) for identity, rank in one.ranks.parties.items())
    routes = sorted((place(route.client_connection), group, route.id) for group, one in enumerate(shares) for route in one.lean.routes)
    firsts: dict[bytes, tuple[int, int]] = {}
    for one in shares:
        for digest, _, first in one.tags:
            firsts[digest] = min(first, firsts.get(digest, first))
    named = {digest: f"s{number}" for number, (digest, _) in enumerate(sorted(firsts.items(), key=lambda item: item[1]), 1)}
    return Numbers(
        {(group, identity): f"p{number}" for number, (_, group, identity) in enumerate(parties, 1)},
        {(group, identity): f"r{number}" for number, (_, group, identity) in enumerate(routes, 1)},
        {(group, tag): named[digest] for group, one in enumerate(shares) for digest, tag, _ in one.tags},
    )


def _issues(shares: Sequence[Share], first: Sequence[Issue]) -> tuple[Issue, ...]:
    """In the order of a run that is done at once; what groups say of the whole run, which is no record's, once."""
    placed = sorted((item for one in shares for item in one.issues), key=lambda item: (item.stage, item.place))
    told: set[Issue] = set()
    out = list(first)
    for item in placed:
        if item.stage >= 20 and item.issue.record is None and item.issue.capture is None:
            if item.issue in told:
                continue
            told.add(item.issue)
        out.append(item.issue)
    return tuple(out)


def _opinions(shares: Sequence[Share], numbers: Numbers) -> tuple[Opinions, tuple[About, ...]]:
    found = [
        (finding, _about(about, group, numbers), group, at)
        for group, one in enumerate(shares)
        for at, (finding, about) in enumerate(zip(one.opinions.kept, one.picture.about, strict=True))
    ]
    found.sort(key=lambda item: order(item[0]))
    places = {(group, at): place for place, (_, _, group, at) in enumerate(found)}
    abouts = tuple(about if about.follows is None else replace(about, follows=places[group, about.follows]) for _, about, group, _ in found)
    cards = sorted((rank, group, at) for group, one in enumerate(shares) for at, rank in enumerate(one.ranks.cards))
    made = Opinions(
        kept=tuple(item[0] for item in found),
        left_out=tuple(pair for one in shares for pair in one.opinions.left_out),
        cards=tuple(_card(shares[group].opinions.cards[at], group, numbers) for _, group, at in cards),
        failures=(),
        titles=shares[0].opinions.titles,
        rules=shares[0].opinions.rules,
        skipped=max(one.opinions.skipped for one in shares),
    )
    return made, abouts


def _about(about: About, group: int, numbers: Numbers) -> About:
    return about if about.party is None else replace(about, party=numbers.parties[group, about.party])


def _card(card: Scorecard, group: int, numbers: Numbers) -> Scorecard:
    return replace(card, routes=tuple(numbers.routes[group, one] for one in card.routes))


def _picture(shares: Sequence[Share], numbers: Numbers, about: tuple[About, ...]) -> Picture:
    hosts = {numbers.parties[group, party]: clients for group, one in enumerate(shares) for party, clients in one.picture.crowd.of_party.items()}
    everyone = frozenset().union(*(one.picture.crowd.all for one in shares))
    return Picture(about, Crowd(everyone, hosts), sums.together([one.picture.sums for one in shares]))


def _evidence(shares: Sequence[Share], numbers: Numbers, issues: tuple[Issue, ...], settings: Settings) -> Evidence:
    lean = shares[0].lean
    clocked = {one.ordinal: one for share in shares for one in share.lean.captures if one.clock_error_ns is not None}
    files = sorted((file for one in shares for file in one.lean.files), key=lambda file: file.first_ns)
    subscriptions = tuple(sorted((found for one in shares for found in one.lean.forwarding.subscriptions), key=lambda found: found.first_ns))
    return replace(
        lean,
        captures=tuple(clocked.get(one.ordinal, one) for one in lean.captures),  # a clock is told by the one group that has the connections of its point
        connections={identity: made for one in shares for identity, made in one.lean.connections.items()},
        routes=tuple(sorted((_route(route, group, numbers) for group, one in enumerate(shares) for route in one.lean.routes), key=_of_route)),
        issues=issues,
        files=tuple(files),
        forwarding=replace(Forwarding(), subscriptions=subscriptions),
        story=_story(shares, numbers),
        keys=_keys(shares, settings),
    )


def _of_route(route: Route) -> int:
    return int(route.id[1:])


def _route(route: Route, group: int, numbers: Numbers) -> Route:
    return replace(route, id=numbers.routes[group, route.id])


def _story(shares: Sequence[Share], numbers: Numbers) -> Story:
    parties, hosts, clocks = [], [], []
    for group, one in enumerate(shares):
        story = one.lean.story
        parties += [replace(party, id=numbers.parties[group, party.id]) for party in story.parties]
        hosts += [(one.ranks.hosts[host.address], replace(host, parties=tuple(numbers.parties[group, name] for name in host.parties))) for host in story.hosts]
        clocks += [replace(clock, party=numbers.parties[group, clock.party]) for clock in story.clocks]
    parties.sort(key=lambda party: int(party.id[1:]))
    clocks.sort(key=lambda clock: (int(clock.party[1:]), clock.point))
    hosts.sort(key=lambda item: item[0])
    return Story(parties=tuple(parties), hosts=tuple(host for _, host in hosts), clocks=tuple(clocks))


def _keys(shares: Sequence[Share], settings: Settings) -> tuple[KeyUse, ...]:
    """What became of each secret: what there was to try it on is told of all groups, not of one."""
    found = [one.tried for one in shares if one.tried is not None]
    return uses(settings.secrets, together(found, place), settings.limits) if found else ()
