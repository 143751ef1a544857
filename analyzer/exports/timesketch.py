"""The timeline for Timesketch, as JSON lines or CSV.

Each event has the three fields that Timesketch asks for: ``message``, ``datetime`` (ISO 8601, microseconds) and ``timestamp_desc``; the time to the
nanosecond stays in ``time``. Source: Timesketch's user guide, "Import from JSON or CSV".
"""

from collections.abc import Iterator

from analyzer.exports.registry import Source
from analyzer.exports.rows import Row, Rows, integer, text
from analyzer.tables.column import Value
from analyzer.tables.texts import SCHEMA, dumps, safe_cell
from analyzer.tables.times import rfc3339

FIELDS = (
    "message", "datetime", "timestamp_desc", "timestamp", "time", "severity", "user", "source", "destination", "table", "record", "capture", "packets",
    "community_id", "rule", "confidence", "why", "attack", "filter", "status", "command", "exit_code",
)  # fmt: skip
"""In this order in the CSV."""


def events(rows: Rows) -> Iterator[dict[str, Value]]:
    """The events in order of time; fields without a value are null."""
    told = {table: _by_id(rows, table) for table in ("exchanges", "authentications", "findings", "commands")}
    for row in rows.of("timeline"):
        table, time_ns = text(row, "table"), integer(row, "time") or 0
        about = told.get(table, {}).get(text(row, "record"), {})
        connection = rows.connection_of(about, table) if about else None
        exact = rfc3339(time_ns)
        made: dict[str, Value] = {
            "message": row["message"],
            "datetime": f"{exact[:26]}+00:00",
            "timestamp_desc": row["timestamp_desc"],
            "timestamp": time_ns // 1000,
            "time": exact,
            **{name: row[name] for name in ("severity", "user", "source", "destination", "table", "record", "capture")},
            "community_id": connection["community_id"] if connection else None,
            "command": (about.get("text_decoded") or about.get("text")) if table == "commands" else None,
            **{name: about.get(name) for name in ("packets", "rule", "confidence", "why", "attack", "filter", "status", "exit_code")},
        }
        yield {name: made[name] for name in FIELDS}


def json_lines(rows: Rows) -> Iterator[str]:
    """One event a line, without the fields that are null."""
    for event in events(rows):
        yield dumps({name: value for name, value in event.items() if value is not None}) + "\n"


def csv_lines(rows: Rows) -> Iterator[str]:
    """A line of names, and one per event; cells are safe to open in a spreadsheet."""
    yield ",".join(FIELDS) + "\n"
    for event in events(rows):
        yield ",".join(safe_cell(value) for value in event.values()) + "\n"


def lines(source: Source) -> Iterator[str]:
    """In the form that is asked for."""
    return (csv_lines if source.form == "csv" else json_lines)(source.rows)


def native(source: Source) -> Iterator[str]:
    """The timeline as it is, with the version of its names in each line."""
    for row in source.rows.of("timeline"):
        yield dumps({"schema": SCHEMA, **row, "time": rfc3339(integer(row, "time") or 0), "schema_version": SCHEMA}) + "\n"


def _by_id(rows: Rows, table: str) -> dict[str, Row]:
    return {text(row, f"{table.removesuffix('s')}_id"): row for row in rows.of(table)}
