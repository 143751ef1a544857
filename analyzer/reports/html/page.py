"""The page: every section gathered, then one template.

What keeps it inert: Jinja escapes by itself; `_finalized` makes every text visible on its way out, so that no section can forget it; a content security policy
allows only the one style and the one script by their hashes; there is no style attribute, no link that comes from a capture, no address outside of the page.
"""

import base64
import hashlib
import json
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from analyzer.formats.text import visible
from analyzer.reports.folding import folded_ladder
from analyzer.reports.html.exposure import exposures, readers
from analyzer.reports.html.faults import faults
from analyzer.reports.html.overview import coverage, issue_kinds, levels, sentences, span, tiles
from analyzer.reports.html.source import Cells, Room, Row, Shown, Source, flag, shown, text
from analyzer.reports.html.transcript import transcript
from analyzer.reports.svg import Named, svg
from analyzer.tables.proxies import REQUIREMENTS
from analyzer.tables.times import rfc3339

if TYPE_CHECKING:
    import jinja2

MOST_BYTES = 5_000_000
_CELL_CHARS = 500
_LONG_CHARS = 4000
_IDS = 6
_HERE = Path(__file__).parent


class Origin(NamedTuple):
    """How the tables were made, as a manifest tells."""

    title: str
    version: str
    rules: tuple[str, ...]
    command: str
    show_secrets: bool
    all_http: bool
    limits_hit: tuple[str, ...]
    diagnosis: tuple[str, ...] = ()

    @classmethod
    def of(cls, about: Mapping[str, object], title: str | None, *, show_secrets: bool) -> "Origin":
        """Of a manifest, which may come from anywhere."""

        def listed(name: str) -> list[Any]:
            found = about.get(name)
            return found if isinstance(found, list) else []

        rules = tuple(str(one.get("id")) for one in listed("rules") if isinstance(one, dict))
        hit = tuple(f"{one.get('code')}: {one.get('detail')}" for one in listed("limits_hit") if isinstance(one, dict))
        command = shlex.join(str(word) for word in listed("arguments"))
        version = str(about.get("version", ""))
        told = tuple(str(one) for one in listed("diagnosis"))
        return cls(title or "WinRM capture report", version, rules, command, show_secrets, bool(about.get("all_http")), hit, told)


class Diagram(NamedTuple):
    """A ladder as it stands in the page; ``steps`` is what the table below it has."""

    title: str
    lanes: tuple[str, ...]
    drawing: str
    steps: Shown
    start_ns: int


def page(cells: Cells, origin: Origin, room: Room | None = None) -> str:
    """The whole page, smaller than 5 MB: when it would be larger, it is made again with half the room."""
    source, room = Source(cells), room or Room()
    while True:
        made = _rendered(source, origin, room)
        if len(made.encode("utf-8", "backslashreplace")) < MOST_BYTES or room.rows < 2:
            return made
        room = Room(*(max(1, limit // 2) for limit in room))


def _rendered(source: Source, origin: Origin, room: Room) -> str:
    from markupsafe import Markup

    style, script = (_HERE.joinpath(name).read_text(encoding="utf-8").strip() for name in ("style.css", "script.js"))
    covered = coverage(source)
    drawn, undrawn = _diagrams(source, room)
    exposed = exposures(source)
    told = [row for row in source.rows("incidents") if not row["background"]]
    fired = {text(row, "rule") for row in source.rows("findings")}
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            origin=origin,
            policy=Markup(_policy(style, script)),  # noqa: S704 (made of hashes)
            style=Markup(style),  # noqa: S704 (our own file)
            script=Markup(script),  # noqa: S704 (our own file)
            captures=source.rows("captures"),
            span=span(source),
            tiles=tiles(source, covered),
            sentences=sentences(source, covered, len(origin.rules)),
            levels=levels(source),
            covered=covered,
            proxies=[_card(row) for row in source.rows("proxies")[: room.rows]],
            incidents=shown(told, room.rows),
            background=[row for row in source.rows("incidents") if row["background"]],
            findings=shown(source.rows("findings"), room.findings),
            diagrams=drawn,
            undrawn=undrawn,
            transcript=transcript(source, room),
            authentications=shown(source.rows("authentications"), room.rows),
            exposed=shown(exposed, room.rows),
            readers=readers(exposed),
            faults=shown(faults(source), room.rows),
            issues=shown(issue_kinds(source), room.rows),
            fired=sorted(fired),
            silent=[rule for rule in origin.rules if rule not in fired],
        )
        + "\n"
    )


def _policy(style: str, script: str) -> str:
    """Nothing but the style and the script whose hashes these are, and no network at all."""

    def digest(content: str) -> str:
        return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()

    return f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}'; img-src data:; base-uri 'none'; form-action 'none'"


@cache
def _environment() -> "jinja2.Environment":
    import jinja2

    made = jinja2.Environment(
        autoescape=True,
        finalize=_finalized,
        undefined=jinja2.StrictUndefined,
        loader=jinja2.FileSystemLoader(_HERE),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(long=_long, when=_when, flag=flag, settings=_settings, anchors=_anchors, thousands=lambda value: f"{value:,}")
    return made


def _finalized(value: object) -> object:
    """Every expression of the template passes here before it is escaped: a text becomes visible and is cut, null an empty cell."""
    if value is None:
        return ""
    return value if not isinstance(value, str) or hasattr(value, "__html__") else visible(value, limit=_CELL_CHARS)


def _long(value: str | None) -> object:
    """A text that may be longer than a cell."""
    from markupsafe import escape

    return escape(visible(value or "", limit=_LONG_CHARS))


def _when(ns: int | None) -> object:
    """A time element: exact for a person; for a machine to the millisecond, which is all that HTML allows."""
    from markupsafe import Markup

    if ns is None:
        return Markup("")
    exact = rfc3339(ns)
    date, _, clock = exact.partition("T")
    digits = clock.removesuffix("Z").removesuffix("000")
    return Markup('<time datetime="{}">{} {}Z</time>').format(f"{exact[:23]}Z", date, digits)


def _settings(told: str | None) -> list[dict[str, object]]:
    """The settings of a finding, out of its cell. A folder may come from anywhere: what cannot be read gives none."""
    try:
        found = json.loads(told or "[]")
    except (ValueError, RecursionError):
        return []
    rows = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [{name: str(one.get(name, "")) for name in ("product", "setting", "link")} | {"seen": bool(one.get("seen"))} for one in rows]


def _anchors(told: str | None) -> list[str]:
    """The first ids of a comma-joined cell."""
    return (told or "").split(",")[:_IDS] if told else []


def _card(row: Row) -> dict[str, object]:
    checks = [(text(row, name) or "not_seen", means, text(row, f"{name}_evidence")) for name, means in REQUIREMENTS.items()]
    return {"row": row, "checks": checks, "failed": sum(verdict == "fail" for verdict, _, _ in checks)}


def _diagrams(source: Source, room: Room) -> tuple[list[Diagram], int]:
    """The ladders that the page has room for: those that findings name come first, and all stand in their order. And how many are not drawn."""
    from markupsafe import Markup

    named = {name for row in source.rows("findings") for name in text(row, "connections").split(",") if name}
    folded = [folded_ladder(one) for one in source.ladders]
    ordered = sorted(enumerate(folded), key=lambda item: not any(step.record.partition(".x")[0] in named for step in item[1].steps))
    left, chosen = room.all_arrows, []
    for place, ladder in ordered:
        count = min(room.arrows, len(ladder.steps))
        if count and count <= left:
            left -= count
            chosen.append(place)
    made = []
    for place in sorted(chosen):
        ladder = folded[place]
        drawing = Markup(svg(ladder, room.arrows, Named(f"ladder-{place + 1}-title", f"ladder-{place + 1}-text")))  # noqa: S704 (escaped there)
        lanes = tuple(f"{lane.title} {lane.host}" for lane in ladder.lanes)
        made.append(Diagram(ladder.title, lanes, drawing, shown(list(ladder.steps), room.arrows), ladder.steps[0].time_ns))
    return made, sum(bool(one.steps) for one in folded) - len(made)
