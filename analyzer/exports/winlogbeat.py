"""Forwarded events as JSON lines, as tools for event logs read them: Winlogbeat's form, or the flat one of NXLog (OTRF's data sets).

Each line has, besides the event, where it was in the traffic (``winrm``). Events that were sent again are written once; those without a time or a number are
left out. Sources: Winlogbeat's reference, "Exported fields"; NXLog's im_msvistalog.
"""

from collections.abc import Iterator, Mapping

from msgspec.json import decode

from analyzer.exports.registry import Source
from analyzer.exports.rows import Row, integer, text
from analyzer.tables.column import Value
from analyzer.tables.texts import dumps
from analyzer.tables.times import rfc3339

_LEVELS = {1: "critical", 2: "error", 3: "warning", 4: "information", 5: "verbose", 0: "information"}


def lines(source: Source) -> Iterator[str]:
    """One event a line, as Winlogbeat writes it."""
    yield from (dumps(_winlogbeat(row)) + "\n" for row in _events(source))


def flat_lines(source: Source) -> Iterator[str]:
    """One event a line, its values next to the fields of the record."""
    yield from (dumps(_flat(row)) + "\n" for row in _events(source))


def _events(source: Source) -> Iterator[Row]:
    yield from (row for row in source.rows.of("events") if row["again"] is None and row["event_id"] is not None and row["time"] is not None)


def _data(row: Row) -> dict[str, Value]:
    """The event's values; of one that a mask has been over as a whole, nothing."""
    found = decode(text(row, "data") or "{}") if text(row, "data").startswith("{") else {}
    return found if isinstance(found, dict) else {}


def _where(row: Row) -> dict[str, Value]:
    return {name: row[name] for name in ("forwarded_id", "capture", "packets", "source_ip", "collector_ip", "subscription") if row[name] is not None}


def _winlogbeat(row: Row) -> Mapping[str, object]:
    level = _LEVELS.get(integer(row, "level") or 0, "information")
    values = _data(row)
    own: dict[str, object] = {
        "event_id": str(row["event_id"]),
        "channel": row["channel"],
        "computer_name": row["computer"],
        "provider_name": row["provider"],
        "record_id": row["record"],
        "process": {"pid": row["process_id"], "thread": {"id": row["thread_id"]}},
        "user_data" if "xml_name" in values else "event_data": values,
    }
    if row["user_sid"] is not None:
        own["user"] = {"identifier": row["user_sid"]}
    found: dict[str, object] = {
        "@timestamp": rfc3339(integer(row, "time") or 0),
        "event": {"code": str(row["event_id"]), "kind": "event", "provider": row["provider"]},
        "log": {"level": level},
        "winlog": {name: value for name, value in own.items() if value is not None},
    }
    if row["message"] is not None:
        found["message"] = row["message"]
    return found | {"winrm": _where(row)}


def _flat(row: Row) -> Mapping[str, object]:
    own: dict[str, object] = {
        "EventTime": rfc3339(integer(row, "time") or 0),
        "Hostname": row["computer"],
        "EventID": row["event_id"],
        "Channel": row["channel"],
        "SourceName": row["provider"],
        "RecordNumber": row["record"],
        "ExecutionProcessID": row["process_id"],
        "ThreadID": row["thread_id"],
        "UserID": row["user_sid"],
        "Message": row["message"],
        "Severity": _LEVELS.get(integer(row, "level") or 0, "information").upper(),
    }
    return {**_data(row), **{name: value for name, value in own.items() if value is not None}, "winrm": _where(row)}
