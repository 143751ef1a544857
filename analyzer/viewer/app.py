"""The viewer's addresses. Everything lies below a random token; the answers forbid scripts and anything from elsewhere, and nothing can be written."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, abort, g, redirect, render_template, request, url_for
from markupsafe import Markup

from analyzer.errors import UsageError
from analyzer.formats.text import visible
from analyzer.reports.drawings import ladders
from analyzer.reports.folding import folded_ladder
from analyzer.reports.svg import alone
from analyzer.tables.registry import table_named
from analyzer.viewer.pages import ID_TABLES, Related, cells, id_column, naming, screen

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from analyzer.tables.column import Value
    from analyzer.tables.paging import StoredTables

ROWS = 100
"""Of a page of a table."""
SQL_ROWS = 1000
"""Of an answer to SQL."""
FOUND = 20
"""Rows of each table that a search shows, and of each table that belongs to a row."""
ARROWS = 2000
"""Of the ladders of one connection."""
SEARCHED = ("commands", "findings", "exchanges", "connections", "logons", "parties", "streams", "issues")
ADDRESSES = {
    "": "overview",
    "style.css": "style",
    "table/<name>": "table",
    "row/<name>/<identity>": "row",
    "ladder/<identity>": "ladder",
    "id/<identity>": "by_id",
    "search": "search",
    "sql": "sql",
}
"""Below the token."""
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)
POLICY = "default-src 'none'; style-src 'self'{styles}; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"


@dataclass(frozen=True)
class Viewer:
    """What the pages are made of."""

    name: str
    """Of the case."""
    diagnosis: Sequence[str]
    tables: StoredTables
    rows: Callable[[str, list[tuple[Value, ...]]], list[tuple[Value, ...]]]
    """Rows of a table as they may be shown."""
    token: str
    sql: bool
    """SQL may be asked: not where the folder holds secrets that are to stay masked."""

    @property
    def names(self) -> list[str]:
        """The tables, without the arrows of the diagrams."""
        return [name for name in self.tables.names if name != "ladders"]


def app(viewer: Viewer, hosts: Sequence[str]) -> Flask:
    """The pages. ``hosts``: what a request may name as its host (a page elsewhere cannot reach this one by a name of its own)."""
    made = Flask(__name__, static_folder=None, template_folder="templates")
    made.jinja_env.autoescape = True
    made.jinja_env.filters["visible"] = visible

    @made.before_request
    def known() -> None:
        token = (request.view_args or {}).pop("token", "")
        if request.host not in hosts or not hmac.compare_digest(token.encode(), viewer.token.encode()) or request.method not in {"GET", "HEAD"}:
            abort(404)

    @made.after_request
    def sealed(answer: Response) -> Response:
        answer.headers.update(
            {
                "Content-Security-Policy": POLICY.format(styles="".join(f" '{one}'" for one in g.get("styles", ()))),
                "X-Content-Type-Options": "nosniff",
                "Referrer-Policy": "no-referrer",
                "Cache-Control": "no-store",
                "Cross-Origin-Resource-Policy": "same-origin",
            }
        )
        return answer

    @made.url_defaults
    def with_token(_endpoint: str, values: dict[str, Any]) -> None:
        values.setdefault("token", viewer.token)

    @made.context_processor
    def everywhere() -> dict[str, Any]:
        return {"tables": viewer.names, "case_name": viewer.name, "sql_allowed": viewer.sql}

    @made.errorhandler(UsageError)
    def refused(error: UsageError) -> tuple[str, int]:
        return render_template("message.html.j2", title="That cannot be shown", text=str(error)), 400

    pages = _Pages(viewer)
    for rule, name in ADDRESSES.items():
        made.add_url_rule(f"/<token>/{rule}", name, getattr(pages, name))
    return made


class _Pages:
    """A method for each address."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer

    def style(self) -> Response:
        """The style sheet."""
        return Response(render_template("style.css"), mimetype="text/css")

    def overview(self) -> str:
        """Diagnosis, incidents, what the case holds."""
        names = ("incident_id", "severity", "title", "explained_by", "owner", "clients", "clients_total", "change", "packets")
        found = self.viewer.rows("incidents", self.viewer.tables.page("incidents", 0, ROWS))
        place = table_named("incidents").names.index("background")
        rows = [cells(table_named("incidents"), names, row) for row in found if not row[place]]
        counts = {name: self.viewer.tables.count(name) for name in self.viewer.names}
        captures = [
            cells(table_named("captures"), screen("captures"), row) for row in self.viewer.rows("captures", self.viewer.tables.page("captures", 0, ROWS))
        ]
        return render_template(
            "overview.html.j2",
            diagnosis=[visible(line) for line in self.viewer.diagnosis],
            names=names,
            rows=rows,
            notes=len(found) - len(rows),
            counts=counts,
            capture_names=screen("captures"),
            captures=captures,
        )

    def table(self, name: str) -> str:
        """Rows of a table, a page at a time."""
        _known(self.viewer, name)
        asked = _asked(name)
        total = self.viewer.tables.count(name, asked.containing, asked.where)
        found = self.viewer.tables.page(name, asked.first, ROWS, containing=asked.containing, where=asked.where, order=asked.order, down=asked.down)
        shown = screen(name) if not asked.all_columns else tuple(table_named(name).names)
        rows = [cells(table_named(name), shown, row) for row in self.viewer.rows(name, found)]
        return render_template("table.html.j2", name=name, means=table_named(name).means, names=shown, rows=rows, total=total, size=ROWS, asked=asked)

    def row(self, name: str, identity: str) -> str:
        """One row, and the rows that name it."""
        _known(self.viewer, name)
        own = id_column(table_named(name))
        found = [] if own is None else self.viewer.tables.page(name, 0, 1, where={own: identity})
        if not found:
            abort(404)
        columns = table_named(name).columns
        values = cells(table_named(name), [column.name for column in columns], self.viewer.rows(name, found)[0], None)
        facts = [(column.name, column.means, value) for column, value in zip(columns, values, strict=True) if value.pieces]
        return render_template("row.html.j2", name=name, identity=identity, facts=facts, related=_related(self.viewer, name, identity), screen=screen)

    def ladder(self, identity: str) -> str:
        """The diagrams that show a connection."""
        drawn = list(ladders(self.viewer.rows("ladders", self.viewer.tables.drawings_of(identity, ARROWS + 1))))
        pictures = [Markup(alone(folded_ladder(one), ARROWS)) for one in drawn]  # noqa: S704  escaped there
        g.styles = {_hashed(style) for picture in pictures for style in _STYLE.findall(picture)}
        return render_template("ladder.html.j2", identity=identity, pictures=pictures, titles=[one.title for one in drawn], most=ARROWS)

    def by_id(self, identity: str) -> Any:  # noqa: ANN401  a redirection is one of several kinds
        """To the row of an id."""
        found = (name for column, name in ID_TABLES.items() if self.viewer.tables.count(name, where={column: identity}))
        return redirect(url_for("row", name=next(found, None) or abort(404), identity=identity))

    def search(self) -> str:
        """Rows of the main tables that hold a text."""
        text = request.args.get("q", "").strip()
        found = []
        for name in SEARCHED if text else ():
            rows = self.viewer.rows(name, self.viewer.tables.page(name, 0, FOUND, containing=text))
            if rows:
                total = self.viewer.tables.count(name, text)
                found.append((name, total, screen(name), [cells(table_named(name), screen(name), row) for row in rows]))
        return render_template("search.html.j2", text=text, found=found, most=FOUND)

    def sql(self) -> str:
        """A SELECT and its answer."""
        if not self.viewer.sql:
            msg = "SQL reads the folder as it is, and this one holds passwords and keys: start the viewer with --show-secrets to ask it"
            raise UsageError(msg)
        query, answer, error = request.args.get("q", ""), None, ""
        if query.strip():
            try:
                answer = self.viewer.tables.sql(query, SQL_ROWS)
            except UsageError as refused:
                error = str(refused)
        rows = [[visible("" if value is None else str(value)) for value in one] for one in answer.rows] if answer else []
        return render_template("sql.html.j2", query=query, answer=answer, rows=rows, error=error, most=SQL_ROWS)


@dataclass(frozen=True)
class _Asked:
    """What the address of a page of a table asks for."""

    first: int
    containing: str
    where: Mapping[str, str]
    order: str
    down: bool
    all_columns: bool

    def with_(self, **changed: object) -> dict[str, str]:
        """The arguments of the same page with something else."""
        now: dict[str, object] = {"first": self.first, "q": self.containing, "order": self.order, "down": int(self.down), "all": int(self.all_columns)}
        return {**self.where, **{name: str(value) for name, value in (now | changed).items() if value}}


def _asked(name: str) -> _Asked:
    args = request.args
    first = max(int(args.get("first", "0")), 0) if args.get("first", "0").isdecimal() else 0
    where = {key: value for key, value in args.items() if key in table_named(name).names}
    return _Asked(first, args.get("q", "").strip(), where, args.get("order", ""), args.get("down") == "1", args.get("all") == "1")


def _known(viewer: Viewer, name: str) -> None:
    if name not in viewer.names:
        abort(404)


def _related(viewer: Viewer, name: str, identity: str) -> list[Related]:
    found = []
    for other, column, listed in naming(table_named(name)):
        if listed:
            rows = viewer.tables.listing(other, column, identity, FOUND + 1)
            total = len(rows)
        else:
            rows = viewer.tables.page(other, 0, FOUND, where={column: identity})
            total = viewer.tables.count(other, where={column: identity}) if rows else 0
        shown = [cells(table_named(other), screen(other), row) for row in viewer.rows(other, rows[:FOUND])]
        if shown:
            found.append(Related(other, column, total, shown, total > FOUND))
    return found


def _hashed(style: str) -> str:
    """What allows this one style of a page (Content Security Policy Level 3, section 2.3.1)."""
    return f"sha256-{base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()}"


def new_token() -> str:
    """What nobody can guess."""
    return secrets.token_urlsafe(24)
