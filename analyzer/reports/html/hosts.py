"""The map: parties as boxes from clients over proxies to servers, and the connections between them, counted; what broke is red.

Of many clients (or servers) that do the same, one box stands for all. The table below the drawing has every pair.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from html import escape
from typing import NamedTuple

from analyzer.formats.text import visible
from analyzer.records.transport import host_port
from analyzer.reports.facts import counted
from analyzer.reports.html.source import Row, Source, number, text

_MOST = 8
"""Boxes in a column; more of one kind are one box."""
_BOX, _HIGH, _STEP, _GAP, _TOP = 214, 56, 92, 176, 14
_CHARS = 27
_ENDS = ("server", "kdc")
_BROKEN = ("medium", "high", "critical")


class Edge(NamedTuple):
    """Connections from one party to another. ``broken``: those that a finding of medium severity or more names; ``reset``: closed by RST."""

    near: str
    far: str
    connections: int
    exchanges: int
    broken: int
    reset: int
    first: str

    @property
    def words(self) -> str:
        """The label of the line."""
        bad = f", {self.broken:,} broken" if self.broken else ""
        return counted(self.connections, "connection") + bad


class Map(NamedTuple):
    """The drawing, and its edges as rows (near, far, edge)."""

    drawing: str
    description: str
    edges: tuple[tuple[str, str, Edge], ...]


class _Box(NamedTuple):
    identity: str
    lines: tuple[str, ...]
    column: int
    row: int


def hosts(source: Source) -> Map | None:
    """None where no connection is known."""
    parties = {text(row, "party_id"): row for row in source.rows("parties")}
    ends = _ends(parties)
    pairs = list(_pairs(source, ends))
    if not pairs:
        return None
    shown = _together(pairs, parties)
    names = {text(row, "address"): text(row, "name") for row in source.rows("hosts") if row["name"]}
    edges = _edges(source, [(shown.get(near, near), shown.get(far, far), row) for near, far, row in pairs])
    boxes = _boxes(edges, parties, shown, names)
    exact = _edges(source, pairs)
    rows = tuple((_name(parties, one.near), _name(parties, one.far), one) for one in exact)
    words = "; ".join(f"{' '.join(boxes[one.near].lines)} to {' '.join(boxes[one.far].lines)}: {one.words}" for one in edges)
    return Map("\n".join(_drawn(boxes, edges)), words, rows)


def _ends(parties: Mapping[str, Row]) -> dict[str, str]:
    """Address, or address and port, to the party there. A party that listens on an address also connects from it, where no other one shares the address."""
    made: dict[str, str] = {}
    listening: dict[str, set[str]] = {}
    for identity, row in parties.items():
        for endpoint in text(row, "endpoints").split(","):
            made.setdefault(endpoint, identity)
            host = endpoint.rpartition(":")[0].strip("[]")
            listening.setdefault(host, set()).add(identity)
    return {host: next(iter(found)) for host, found in listening.items() if len(found) == 1} | made


def _pairs(source: Source, ends: Mapping[str, str]) -> Iterator[tuple[str, str, Row]]:
    for row in source.counted.values():
        client, server, port = text(row, "client_ip"), text(row, "server_ip"), number(row, "server_port")
        near = ends.get(client, client)
        far = next((ends[key] for key in (f"{server}:{port}", f"[{server}]:{port}", server) if key in ends), host_port(server, port))
        yield near, far, row


def _together(pairs: list[tuple[str, str, Row]], parties: Mapping[str, Row]) -> dict[str, str]:
    """Many parties of one kind on one side: each to the id of the box that stands for all."""
    near, far = {one for one, _, _ in pairs}, {one for _, one, _ in pairs}
    first, last = [one for one in near - far if _kind(parties, one) == "client"], [one for one in far - near if _kind(parties, one) in _ENDS]
    made = dict.fromkeys(first, f"{len(first):,} clients") if len(first) > _MOST else {}
    return made | (dict.fromkeys(last, f"{len(last):,} servers") if len(last) > _MOST else {})


def _kind(parties: Mapping[str, Row], identity: str) -> str:
    return text(parties[identity], "kind") if identity in parties else "client"


def _edges(source: Source, pairs: list[tuple[str, str, Row]]) -> list[Edge]:
    named = {one for row in source.rows("findings") if row["severity"] in _BROKEN for one in text(row, "connections").split(",")}
    grouped: dict[tuple[str, str], list[Row]] = {}
    for near, far, row in pairs:
        grouped.setdefault((near, far), []).append(row)
    return [
        Edge(
            near,
            far,
            len(rows),
            sum(number(row, "exchanges") for row in rows),
            sum(row["connection_id"] in named for row in rows),
            Counter(text(row, "close") for row in rows)["reset"],
            text(rows[0], "connection_id"),
        )
        for (near, far), rows in grouped.items()
    ]


def _boxes(edges: list[Edge], parties: Mapping[str, Row], shown: Mapping[str, str], hosts_: Mapping[str, str]) -> dict[str, _Box]:
    """Columns by the longest way from a party that nobody connects to; servers stand in the last one."""
    names = list(dict.fromkeys(one for edge in edges for one in (edge.near, edge.far)))
    column = dict.fromkeys(names, 0)
    for _ in range(len(names)):
        moved = [(edge.far, column[edge.near] + 1) for edge in edges if edge.near != edge.far and column[edge.far] <= column[edge.near] < len(names)]
        if not moved:
            break
        for name, place in moved:
            column[name] = max(column[name], place)
    last = max(column.values())
    sources = {edge.near for edge in edges}
    rows: Counter[int] = Counter()
    made = {}
    for name in names:
        at = column[name] if name in sources else last
        made[name] = _Box(name, tuple(_lines(parties, name, shown, hosts_)), at, rows[at])
        rows[at] += 1
    return made


def _lines(parties: Mapping[str, Row], name: str, shown: Mapping[str, str], hosts_: Mapping[str, str]) -> Iterator[str]:
    if name in shown.values():
        yield name
        return
    row = parties.get(name)
    if row is None:
        yield name
        return
    product = f" ({row['product']})" if row["product"] else ""
    yield f"{row['kind']}{product}"
    endpoints = text(row, "endpoints").split(",")
    yield from endpoints[:1]
    known = next((hosts_[one] for endpoint in endpoints for one in (endpoint, endpoint.rpartition(":")[0]) if one in hosts_), None)
    if known or row["names"]:
        yield known or text(row, "names").split(",")[0].partition(" ")[0]


def _name(parties: Mapping[str, Row], identity: str) -> str:
    row = parties.get(identity)
    return identity if row is None else f"{row['kind']} {text(row, 'endpoints').partition(',')[0]} ({identity})"


def _drawn(boxes: Mapping[str, _Box], edges: list[Edge]) -> Iterator[str]:
    columns, rows = 1 + max(box.column for box in boxes.values()), 1 + max(box.row for box in boxes.values())
    width, height = columns * (_BOX + _GAP) - _GAP + 4, _TOP + rows * _STEP
    if all(boxes[edge.near].column < boxes[edge.far].column for edge in edges):
        height -= _STEP - _HIGH - _TOP
    yield f'<svg class="map" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
    yield 'aria-labelledby="map-title map-text"><title id="map-title">Map of hosts and connections</title>'
    words = "; ".join(f"{' '.join(boxes[one.near].lines)} to {' '.join(boxes[one.far].lines)}: {one.words}" for one in edges)
    yield f'<desc id="map-text">{_safe(words)}</desc>'
    count = Counter(box.column for box in boxes.values())
    places = {name: _place(box, rows, count[box.column]) for name, box in boxes.items()}
    for edge in edges:
        yield from _edge(places[edge.near], places[edge.far], edge)
    for name, box in boxes.items():
        x, y = places[name]
        yield f'<rect class="box" x="{x}" y="{y}" width="{_BOX}" height="{_HIGH}" rx="8"/>'
        for place, line in enumerate(box.lines[:3]):
            kind = "host" if place == min(1, len(box.lines) - 1) else "dim"
            yield f'<text class="{kind}" x="{x + 11}" y="{y + 17 + 15 * place}">{_safe(line[:_CHARS])}</text>'
    yield "</svg>"


def _place(box: _Box, rows: int, own: int) -> tuple[int, int]:
    """Columns with fewer boxes stand in the middle."""
    return 2 + box.column * (_BOX + _GAP), _TOP + round((rows - own) * _STEP / 2) + box.row * _STEP


def _edge(near: tuple[int, int], far: tuple[int, int], edge: Edge) -> Iterator[str]:
    (x, y), (to, at) = (near[0] + _BOX, near[1] + _HIGH // 2), (far[0] - 3, far[1] + _HIGH // 2)
    if to <= x:  # to the same column or back: an arc below the boxes
        yield f'<path class="edge{" broke" if edge.broken else ""}" d="M{x - 20} {y + _HIGH // 2}C{x} {y + 60} {to} {at + 60} {to + 20} {at + _HIGH // 2}"/>'
        yield f'<text class="dim" x="{(x + to) // 2 - 60}" y="{max(y, at) + 44}">{_safe(edge.words)}</text>'
        return
    kind = "edge broke" if edge.broken else "edge"
    yield f'<path class="{kind}" d="M{x} {y}L{to} {at}"/><path class="{kind} tip" d="M{to} {at}l-9 -4.5v9z"/>'
    middle, level = (x + to) // 2, (y + at) // 2
    lines = [counted(edge.connections, "connection"), counted(edge.exchanges, "exchange"), *([f"{edge.broken:,} broken"] if edge.broken else [])]
    for place, words in enumerate(lines):
        style = "bad" if words.endswith("broken") else "dim"
        yield f'<text class="{style}" x="{middle}" y="{level - 8 if place == 0 else level + 3 + 13 * place}" text-anchor="middle">{_safe(words)}</text>'


def _safe(text_: str) -> str:
    return escape(visible(text_))
