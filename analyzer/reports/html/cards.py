"""Findings as cards: the first finding of each incident in full, the others of it folded; and the proxies' scorecards."""

import json
from typing import NamedTuple

from analyzer.reports.html.source import Row, Source, text
from analyzer.tables.proxies import REQUIREMENTS


class Group(NamedTuple):
    """An incident's findings that the page has room for, and how many it has."""

    incident: Row | None
    first: Row
    others: tuple[Row, ...]
    left: int


def groups(source: Source, most: int) -> tuple[list[Group], int]:
    """In the order of the most severe finding of each; and how many findings are shown. Every incident has its first finding before any has its second."""
    incidents = {text(row, "incident_id"): row for row in source.rows("incidents")}
    grouped: dict[str, list[Row]] = {}
    for row in source.rows("findings"):
        grouped.setdefault(text(row, "incident_id") or text(row, "finding_id"), []).append(row)
    room = max(0, most - len(grouped))
    made = []
    for name, rows in list(grouped.items())[:most]:
        others = rows[1 : 1 + room]
        room -= len(others)
        made.append(Group(incidents.get(name), rows[0], tuple(others), len(rows) - 1 - len(others)))
    return made, sum(1 + len(one.others) for one in made)


def settings(told: str | None) -> list[dict[str, object]]:
    """The settings of a finding, out of its cell. A folder may come from anywhere: what cannot be read gives none."""
    try:
        found = json.loads(told or "[]")
    except (ValueError, RecursionError):
        return []
    rows = [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []
    return [{name: str(one.get(name, "")) for name in ("product", "setting", "link")} | {"seen": bool(one.get("seen"))} for one in rows]


def scorecard(row: Row) -> dict[str, object]:
    """A proxy with its checks: verdict, requirement, proof."""
    checks = [(text(row, name) or "not_seen", means, text(row, f"{name}_evidence")) for name, means in REQUIREMENTS.items()]
    return {"row": row, "checks": checks, "failed": sum(verdict == "fail" for verdict, _, _ in checks)}
