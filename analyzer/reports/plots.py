"""Pictures of a case's tables: the map of hosts, the life of connections, what happened when, where time went, what was run.

Each is a `Plot`: an SVG of our own, the rows it is made of, and, where plotly is installed, an interactive figure of the same rows.
"""

from __future__ import annotations

import math
from base64 import b64encode
from collections import defaultdict
from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from analyzer.errors import UsageError
from analyzer.formats.text import visible
from analyzer.reports.html.hosts import hosts
from analyzer.reports.html.source import Row, Source, number, text
from analyzer.tables.times import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


MOST = 60
"""Lanes or bars of one plot, the first ones; the title says how many there are."""
_MARKS = 2000
"""Marks of one plot."""
_WIDTH, _LABEL, _ROW, _TOP, _CHARS = 960, 250, 20, 46, 38
_STYLE = (
    "svg{font:12px system-ui,'DejaVu Sans',sans-serif;background:#fff}text{fill:#17202b}.dim{fill:#54606e}.host{font-weight:600}"
    ".bad{fill:#b3261e;font-weight:700}"
    ".box{fill:#eef1f4;stroke:#5b6673}.edge{stroke:#5b6673;stroke-width:1.8;fill:none}.edge.tip{fill:#5b6673;stroke:none}.edge.broke{stroke:#b3261e;stroke-width:2.4}"
    ".edge.broke.tip{fill:#b3261e;stroke:none}"
)
COLOURS = {
    "": "#5b6673",
    "good": "#1c6b40",
    "bad": "#b3261e",
    "medium": "#8a4b00",
    "client": "#9aa5b1",
    "proxy": "#c77700",
    "server": "#0b57b0",
    "network": "#c77700",
}
"""By tone."""


class Mark(NamedTuple):
    """Something on a lane: from when to when (nanoseconds since 1970), in which tone, and what it is."""

    lane: str
    begin_ns: int
    end_ns: int
    tone: str
    words: str


class Bar(NamedTuple):
    """A bar of shares in seconds, by tone."""

    label: str
    shares: tuple[tuple[str, float], ...]


class Plot:
    """A picture. In a notebook the last line of a cell shows it."""

    def __init__(self, title: str, svg: str, rows: Sequence[dict[str, Any]], marks: Sequence[Mark] = (), bars: Sequence[Bar] = ()) -> None:
        self.title = title
        self.svg = svg
        self.rows = list(rows)
        """What is drawn, as records: ``pandas.DataFrame(plot.rows)``."""
        self._marks = marks
        self._bars = bars

    def _repr_html_(self) -> str:
        data = b64encode(self.svg.encode("utf-8", "backslashreplace")).decode("ascii")
        return f'<img alt="{escape(visible(self.title))}" src="data:image/svg+xml;base64,{data}">'

    def interactive(self) -> Any:  # noqa: ANN401  plotly ships no types
        """The same as a plotly figure. `UsageError`: plotly is not installed, or there is none of this kind (the map)."""
        try:
            import plotly.graph_objects as go
        except ImportError as error:
            msg = "this needs plotly: pip install 'winrm-analyzer[notebook]'"
            raise UsageError(msg) from error
        if not self._marks and not self._bars:
            msg = f"{self.title}: only as a picture"
            raise UsageError(msg)
        figure = go.Figure(layout={"title": self.title, "barmode": "stack", "height": 160 + 24 * len({one.lane for one in self._marks} or self._bars)})
        for tone in dict.fromkeys(one.tone for one in self._marks):
            own = [one for one in self._marks if one.tone == tone]
            figure.add_bar(
                orientation="h",
                base=[rfc3339(one.begin_ns) for one in own],
                x=[max((one.end_ns - one.begin_ns) / 1e6, 1) for one in own],
                y=[visible(one.lane) for one in own],
                hovertext=[escape(visible(one.words)) for one in own],
                marker_color=COLOURS.get(tone, COLOURS[""]),
                name=tone or "open",
            )
        for tone in dict.fromkeys(tone for bar in self._bars for tone, _ in bar.shares):
            shares = [dict(bar.shares).get(tone, 0.0) for bar in self._bars]
            figure.add_bar(orientation="h", x=shares, y=[visible(bar.label) for bar in self._bars], marker_color=COLOURS[tone], name=tone)
        figure.update_yaxes(autorange="reversed")
        if self._marks:
            figure.update_xaxes(type="date")
        return figure

    def __repr__(self) -> str:
        return f"<Plot: {self.title}, {len(self.rows)} rows>"


class Plots:
    """The pictures of a case: ``case.plot.map()``, ``.connections()``, ``.timeline()``, ``.latency()``, ``.commands()``."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def map(self) -> Plot:
        """Clients, proxies and servers, and the connections between them; what broke is red."""
        made = hosts(self._source)
        if made is None:
            return _of_marks("Hosts and connections", [], [])
        rows = [{"near": near, "far": far, **edge._asdict()} for near, far, edge in made.edges]
        drawing = made.drawing.replace('<title id="map-title">', f'<style>{_STYLE}</style><title id="map-title">', 1)
        return Plot("Hosts and connections", drawing, rows)

    def connections(self) -> Plot:
        """When each WinRM connection was open, where logons began, and what findings name."""
        marks = []
        for row in self._source.winrm.values():
            lane = f"{text(row, 'connection_id')} {text(row, 'client_ip')} to {text(row, 'server_ip')}"
            begin, end = self._source.at(row, "first_time"), self._source.at(row, "last_time")
            marks.append(Mark(lane, begin, end, "bad" if text(row, "close") == "reset" else "", f"{lane}: {row['exchanges']} exchanges"))
        lanes = {mark.lane.partition(" ")[0]: mark.lane for mark in marks}
        for row in self._source.rows("authentications"):
            if text(row, "connection_id") in lanes and row["first_time"] is not None:
                at, good = self._source.at(row, "first_time"), text(row, "outcome") == "accepted"
                marks.append(
                    Mark(lanes[text(row, "connection_id")], at, at, "good" if good else "bad", f"logon {row['outcome']}: {row['user'] or 'unknown user'}")
                )
        for row in self._source.rows("findings"):
            if text(row, "severity") in ("medium", "high", "critical") and row["time"] is not None:
                at, words = self._source.at(row, "time"), f"{row['finding_id']}: {row['title']}"
                marks += [Mark(lanes[one], at, at, "medium", words) for one in text(row, "connections").split(",") if one in lanes]
        return _of_marks("Connections", list(lanes.values()), marks)

    def timeline(self) -> Plot:
        """What happened when, by kind of event; findings of medium severity and above in a colour."""
        marks = []
        for row in self._source.rows("timeline"):
            if row["time"] is not None:
                at, tone = self._source.at(row, "time"), "bad" if text(row, "severity") in ("medium", "high", "critical") else ""
                marks.append(Mark(text(row, "timestamp_desc"), at, at, tone, text(row, "message")))
        return _of_marks("What happened when", list(dict.fromkeys(mark.lane for mark in marks)), marks)

    def commands(self) -> Plot:
        """What was run, by host and account."""
        shells, marks = {text(row, "shell_id"): row for row in self._source.rows("shells")}, []
        for row in self._source.rows("commands"):
            if row["time"] is None:
                continue
            server = self._server(text(shells.get(text(row, "shell_id"), {}), "connections").split(","))
            begin = self._source.at(row, "time")
            end = self._source.at(row, "end_time") if row["end_time"] is not None else begin
            words = f"{row['command_id']}: {row['text_decoded'] or row['text'] or ''}"
            marks.append(Mark(f"{row['user'] or 'unknown account'} on {server or 'unknown host'}", begin, end, "server", words))
        return _of_marks("What was run", list(dict.fromkeys(mark.lane for mark in marks)), marks)

    def _server(self, connections: Sequence[str]) -> str:
        """The host at the end of the way, as far as it is captured."""
        beyond = {text(row, "client_connection_id"): text(row, "upstream_connection_id") for row in self._source.rows("hops")}
        found = ""
        for name in connections:
            last, seen = name, {name}
            while beyond.get(last, "") not in seen | {""}:
                last = beyond[last]
                seen.add(last)
            found = text(self._source.winrm.get(last, {}), "server_ip") or found
        return found

    def latency(self) -> Plot:
        """Where time went on each connection of a client: between its requests (client), in the proxy, in the server.

        Without the other side of a proxy its share cannot be told from the server's: then both are ``server``. What waits on purpose (Receive) is left out.
        """
        upstream = {text(row, "client_exchange_id"): text(row, "upstream_exchange_id") for row in self._source.rows("hops")}
        exchanges = {text(row, "exchange_id"): row for row in self._source.rows("exchanges")}
        far, own = set(upstream.values()), defaultdict(list)
        for name, row in exchanges.items():
            if name not in far and row["winrm"] and row["request_time"] is not None and row["response_time"] is not None:
                own[text(row, "connection_id")].append(row)
        bars = []
        for connection, rows in own.items():
            shares = dict.fromkeys(("client", "proxy", "server"), 0.0)
            for row in rows:
                if row["action"] == "Receive":
                    continue
                whole = _took(row)
                beyond = exchanges.get(upstream.get(text(row, "exchange_id"), ""))
                inside = min(_took(beyond), whole) if beyond is not None and beyond["response_time"] is not None else whole
                shares["server"] += inside
                shares["proxy"] += whole - inside
            for before, after in pairwise(rows):
                shares["client"] += max(number(after, "request_time") - number(before, "response_time"), 0) / 1e9
            bars.append(Bar(connection, tuple(shares.items())))
        bars.sort(key=lambda bar: -sum(share for tone, share in bar.shares if tone != "client"))
        return _of_bars("Where time went (seconds)", bars)


def _took(row: Row) -> float:
    return max(number(row, "response_time") - number(row, "request_time"), 0) / 1e9


def _of_marks(title: str, lanes: Sequence[str], marks: Sequence[Mark]) -> Plot:
    kept = lanes[:MOST]
    named = title if len(lanes) <= MOST else f"{title}: the first {MOST} of {len(lanes):,}"
    drawn = [mark for mark in marks if mark.lane in set(kept)]
    rows: list[dict[str, Any]] = [mark._asdict() for mark in marks]
    return Plot(named, "".join(_lanes(named, kept, drawn)), rows, marks=drawn)


def _lanes(title: str, lanes: Sequence[str], marks: Sequence[Mark]) -> Iterator[str]:
    first = min((mark.begin_ns for mark in marks), default=0)
    span = max(max((mark.end_ns for mark in marks), default=first) - first, 1)
    places = {lane: _TOP + place * _ROW for place, lane in enumerate(lanes)}
    yield from _begun(title, len(lanes))
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = _across(share)
        yield f'<path d="M{x} {_TOP - 6}V{_TOP + len(lanes) * _ROW}" stroke="#d7dce2"/><text class="dim" x="{x}" y="{_TOP - 10}" text-anchor="middle">'
        yield f"{rfc3339(first)[11:19] if share == 0 else f'+{share * span / 1e9:.3g} s'}</text>"
    for lane, y in places.items():
        yield f'<text x="4" y="{y + 13}">{_safe(lane)[:_CHARS]}</text>'
    for mark in marks[:_MARKS]:
        x, y = _across((mark.begin_ns - first) / span), places[mark.lane]
        wide = (mark.end_ns - mark.begin_ns) / span * (_WIDTH - _LABEL - 30)
        shape = f'x="{x}" y="{y + 5}" width="{max(wide, 1.5):.1f}" height="9"' if mark.end_ns > mark.begin_ns else f'x="{x}" y="{y + 1}" width="2" height="17"'
        yield f'<rect {shape} fill="{COLOURS.get(mark.tone, COLOURS[""])}"><title>{_safe(mark.words)}</title></rect>'
    yield "</svg>"


def _of_bars(title: str, bars: Sequence[Bar]) -> Plot:
    kept = bars[:MOST]
    named = title if len(bars) <= MOST else f"{title}: the first {MOST} of {len(bars):,}"
    rows: list[dict[str, Any]] = [{"label": bar.label, **dict(bar.shares)} for bar in bars]
    return Plot(named, "".join(_stacked(named, kept)), rows, bars=kept)


def _stacked(title: str, bars: Sequence[Bar]) -> Iterator[str]:
    most = max((math.fsum(share for _, share in bar.shares) for bar in bars), default=0.0) or 1.0
    yield from _begun(title, len(bars))
    tones = list(dict.fromkeys(tone for bar in bars for tone, _ in bar.shares))
    for place, tone in enumerate(tones):
        x = _LABEL + place * 110
        yield f'<rect x="{x}" y="{_TOP - 20}" width="10" height="10" fill="{COLOURS[tone]}"/><text class="dim" x="{x + 15}" y="{_TOP - 11}">{tone}</text>'
    for place, bar in enumerate(bars):
        y, right = _TOP + place * _ROW, float(_LABEL)
        yield f'<text x="4" y="{y + 13}">{_safe(bar.label)[:_CHARS]}</text>'
        for tone, share in bar.shares:
            wide = share / most * (_WIDTH - _LABEL - 90)
            yield f'<rect x="{right:.1f}" y="{y + 4}" width="{wide:.1f}" height="12" fill="{COLOURS[tone]}">'
            yield f"<title>{_safe(bar.label)} {tone}: {share:.3g} s</title></rect>"
            right += wide
        yield f'<text class="dim" x="{right + 6:.1f}" y="{y + 14}">{math.fsum(share for _, share in bar.shares):.3g} s</text>'
    yield "</svg>"


def _begun(title: str, rows: int) -> Iterable[str]:
    height = _TOP + max(rows, 1) * _ROW + 12
    yield f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" role="img">'
    yield f'<title>{_safe(title)}</title><style>{_STYLE}</style><text class="host" x="4" y="16">{_safe(title)}</text>'
    if not rows:
        yield f'<text class="dim" x="4" y="{_TOP + 13}">Nothing to draw.</text>'


def _across(share: float) -> float:
    return round(_LABEL + share * (_WIDTH - _LABEL - 30), 1)


def _safe(words: str) -> str:
    return escape(visible(words))
