"""The page: every section gathered, then one template.

What keeps it inert: Jinja escapes by itself; `_finalized` makes every text visible on its way out, so that no section can forget it; a content security policy
allows only the one style and the one script by their hashes; there is no style attribute, no link that comes from a capture, no address outside of the page.
"""

import base64
import hashlib
import shlex
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from analyzer.formats.text import visible
from analyzer.records.transport import host_port
from analyzer.reports.html.answers import answers, told
from analyzer.reports.html.asked import Below, operations
from analyzer.reports.html.cards import groups, scorecard, settings
from analyzer.reports.html.diagrams import diagrams
from analyzer.reports.html.exposure import exposures, readers
from analyzer.reports.html.faults import faults
from analyzer.reports.html.forwarded import forwarded
from analyzer.reports.html.hosts import hosts
from analyzer.reports.html.links import Links, address
from analyzer.reports.html.moments import clocks, moments
from analyzer.reports.html.overview import coverage, issue_kinds, levels, sentences, span, tiles
from analyzer.reports.html.ran import ran
from analyzer.reports.html.source import Cells, Room, Shown, Source, flag, shown, side, text
from analyzer.reports.html.strips import lives
from analyzer.reports.html.transcript import transcript
from analyzer.tables.times import rfc3339

if TYPE_CHECKING:
    import jinja2

MOST_BYTES = 5_000_000
_CELL_CHARS = 500
_LONG_CHARS = 4000
_SHORT_CHARS = 110
_IDS = 6
_NAMED = 16
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
    case_id: str = ""
    examiner: str = ""
    scope: tuple[str, ...] = ()
    negotiate: bool = False
    """Every application that authenticates by Negotiate, NTLM or Kerberos is looked at, not WinRM alone."""

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
        sentences_ = tuple(str(one) for one in listed("diagnosis"))
        asked = tuple(str(one) for one in listed("scope"))
        http = bool(about.get("all_http"))
        negotiate = bool(about.get("negotiate"))
        usual = "Capture report of web applications" if negotiate else "WinRM capture report"
        return cls(title or usual, version, rules, command, show_secrets, http, hit, sentences_, scope=asked, negotiate=negotiate)


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
    drawn, undrawn = diagrams(source, room)
    exposed, incidents, runs = exposures(source), told(source), ran(source)
    carded, cards = groups(source, room.findings)
    strips, connections = lives(source, room.rows)
    drawing, below = hosts(source), Below(source)
    authentications = shown(source.rows("authentications"), room.rows)
    anchors = [row["incident_id"] for row in source.rows("incidents")]
    anchors += [one["finding_id"] for group in carded for one in (group.first, *group.others)] + [one.row["connection_id"] for one in strips]
    anchors += [one.route for one in drawn if one.route] + [row["authentication_id"] for row in source.rows("authentications")[: room.rows]]
    fired = {text(row, "rule") for row in source.rows("findings")}
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            origin=origin,
            links=Links(str(one) for one in anchors),
            policy=Markup(_policy(style, script)),  # noqa: S704 (made of hashes)
            style=Markup(style),  # noqa: S704 (our own file)
            script=Markup(script),  # noqa: S704 (our own file)
            captures=source.rows("captures"),
            span=span(source),
            tiles=tiles(source, covered, "web application" if origin.negotiate else "WinRM"),
            answers=answers(source, covered, origin.diagnosis, runs),
            map=drawing is not None,
            map_drawing=Markup(drawing.drawing if drawing else ""),  # noqa: S704 (escaped there)
            edges=shown(list(drawing.edges) if drawing else [], room.rows),
            clocks=clocks(source),
            moments=shown(moments(source), room.rows),
            runs=shown(runs, room.rows),
            sentences=sentences(source, covered, len(origin.rules), "web application" if origin.negotiate else "WinRM"),
            levels=levels(source),
            covered=covered,
            proxies=[scorecard(row) for row in source.rows("proxies")[: room.rows]],
            incidents=shown(incidents, room.rows),
            background=[row for row in source.rows("incidents") if row["background"]],
            findings=Shown(tuple(source.rows("findings")[:cards]), len(source.rows("findings"))),
            groups=carded,
            connections=Shown(tuple(strips), connections),
            diagrams=drawn,
            undrawn=undrawn,
            transcript=transcript(source, room),
            operations=operations(source, room),
            forwarded=forwarded(source, room),
            processes_of=below.of,
            other_processes=below.others,
            authentications=authentications,
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
    made.filters.update(
        long=_long,
        when=_when,
        flag=flag,
        settings=settings,
        anchors=_anchors,
        address=address,
        numbers=_numbers,
        side=lambda role: side(role or ""),
        own=_own,
        short=lambda value: visible(" ".join(value.split()), limit=_SHORT_CHARS),
        some=_some,
        at_port=host_port,
        thousands=lambda value: f"{value:,}",
    )
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
    return Markup(f'<time datetime="{exact[:23]}Z">{date} {digits}Z</time>')  # noqa: S704  digits and what stands between them


def _anchors(told_: str | None) -> list[str]:
    """The first ids of a comma-joined cell."""
    return (told_ or "").split(",")[:_IDS] if told_ else []


def _numbers(packets: str | None) -> object:
    """A set of packet numbers that breaks behind its commas only."""
    from markupsafe import Markup, escape

    if not packets:
        return ""
    pieces = str(escape(visible(packets, limit=_LONG_CHARS))).replace(",", '</span>,<wbr><span class="whole">')
    return Markup(f'<span class="whole">{pieces}</span>')  # noqa: S704  the texts are escaped


def _some(ids: str | None) -> str:
    """The first ids of a comma-joined cell, the others counted."""
    names = (ids or "").split(",")
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else "")


def _own(drawing: str) -> object:
    """A drawing that was escaped where it was made."""
    from markupsafe import Markup

    return Markup(drawing)  # noqa: S704
