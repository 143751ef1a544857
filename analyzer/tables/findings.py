"""The table ``findings``: what the rules say, the most severe first."""

import re
from collections.abc import Collection, Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from analyzer.records.capture import Capture
from analyzer.records.finding import ADDRESSES, Finding, Severity
from analyzer.records.ids import key_capture
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import frame_filter, packet_set

_ASCENDING = tuple(Severity)


class FindingRow(Struct, frozen=True, gc=False):
    """A finding under its id."""

    id: str
    finding: Finding
    captures: Sequence[Capture]
    incident: str | None = None
    explained_by: str | None = None


def rank(severity: Severity) -> int:
    """0 for info to 4 for critical."""
    return _ASCENDING.index(severity)


def in_order(result: Result) -> list[Finding]:
    """By severity, the most severe first, then by time: the first is `f1`."""
    ranks = {severity: -rank(severity) for severity in Severity}
    return sorted(result.findings, key=lambda found: (ranks[found.severity], found.first_ns, found.rule, found.subject, found.packets))


def rows_named(result: Result, wanted: Collection[str]) -> Iterator[FindingRow]:
    """The rows of some findings, by id."""
    ordered = in_order(result)
    for incident in result.incidents:
        for identity in incident.findings:
            if identity in wanted:
                yield FindingRow(identity, ordered[int(identity[1:]) - 1], result.evidence.captures, incident.id, incident.explained_by)


def finding_rows(result: Result) -> Iterator[FindingRow]:
    """The findings as `f1`, `f2`, ..., in this order."""
    ordered = in_order(result)
    incidents = {identity: one for one in result.incidents for identity in one.findings}
    captures = result.evidence.captures
    for place, finding in enumerate(ordered, start=1):
        identity = f"f{place}"
        own = incidents.get(identity)
        yield FindingRow(identity, finding, captures) if own is None else FindingRow(identity, finding, captures, own.id, own.explained_by)


def graver(result: Result, level: str) -> Result:
    """The result with only the findings of this severity and graver ones."""
    from analyzer.tables.incidents import at_least

    least = rank(Severity(level))
    findings = tuple(finding for finding in result.findings if rank(finding.severity) >= least)
    kept = frozenset(f"f{place}" for place in range(1, len(findings) + 1))  # the most severe come first
    return replace(result, findings=findings, incidents=at_least(result.incidents, least, kept))


def _main_capture(row: FindingRow) -> int | None:
    """The capture that the row's filter is for: the one of the first packet to look at."""
    return key_capture(row.finding.packets[0]) if row.finding.packets else None


def _capture(row: FindingRow) -> str | None:
    ordinal = _main_capture(row)
    return None if ordinal is None else row.captures[ordinal].name


def _filter(row: FindingRow) -> str | None:
    ordinal = _main_capture(row)
    return None if ordinal is None else frame_filter(row.finding.packets, ordinal)


def certainty(confidence: float) -> str:
    """The word of a confidence."""
    return "proved" if confidence >= 1 else "inferred" if confidence >= _HALF else "unknown"


_HALF = 0.5


def reference_url(reference: str) -> str | None:
    """The address of the document that a reference names first; None for one that has no fixed address."""
    page = next((address for title, address in ADDRESSES.items() if reference.startswith(title)), None)
    if page:
        return page
    rfc = re.match(r"RFC (\d+)(?: section ([\d.]*\d))?", reference)
    if rfc:
        return f"https://www.rfc-editor.org/rfc/rfc{rfc[1]}" + (f"#section-{rfc[2]}" if rfc[2] else "")
    specification = re.match(r"MS-[A-Z0-9]+", reference)
    return f"https://learn.microsoft.com/en-us/openspecs/windows_protocols/{specification[0].lower()}" if specification else None


def _settings(row: FindingRow) -> str | None:
    """As JSON, since a table's cell is one text."""
    if not row.finding.settings:
        return None
    import json

    return json.dumps([{"product": one.product, "setting": one.text, "link": one.document, "seen": one.seen} for one in row.finding.settings])


_COLUMNS: tuple[Column[FindingRow], ...] = (
    Column("finding_id", Dtype.TEXT, lambda row: row.id, "`f1` is the most severe, and among equals the earliest."),
    Column("rule", Dtype.TEXT, lambda row: row.finding.rule, "The rule's id; `winrm-analyzer explain ID` prints its document."),
    Column("severity", Dtype.TEXT, lambda row: row.finding.severity.value, "`info`, `low`, `medium`, `high` or `critical`."),
    Column("confidence", Dtype.NUMBER, lambda row: row.finding.confidence, "0 to 1. Below 0.5 the severity is never above medium."),
    Column("time", Dtype.TIME, lambda row: row.finding.first_ns, "When it begins."),
    Column("end_time", Dtype.TIME, lambda row: row.finding.last_ns, "When it ends."),
    Column("subject", Dtype.TEXT, lambda row: row.finding.subject, "The id of the record it is about."),
    Column("title", Dtype.TEXT, lambda row: row.finding.title, "One line."),
    Column("why", Dtype.TEXT, lambda row: row.finding.why, "The facts."),
    Column("connections", Dtype.TEXT, lambda row: ",".join(row.finding.connections) or None, "Connections concerned, comma-joined."),
    Column("exchanges", Dtype.TEXT, lambda row: ",".join(row.finding.exchanges) or None, "Exchanges concerned, comma-joined."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.finding.packets, row.captures), "The packets to look at, per capture when there are several."),
    Column("filter", Dtype.TEXT, _filter, "Paste this into Wireshark with the file of the column `capture` open."),
    Column("advice", Dtype.TEXT, lambda row: row.finding.advice, "What to change."),
    Column("reference", Dtype.TEXT, lambda row: row.finding.reference, "The document and the section that the rule rests on."),
    Column("attack", Dtype.TEXT, lambda row: ",".join(row.finding.attack) or None, "ATT&CK technique ids, comma-joined."),
    Column("user", Dtype.TEXT, lambda row: row.finding.user, "The user concerned, where one is known."),
    Column("source", Dtype.TEXT, lambda row: row.finding.source, "Where it comes from; of several clients the first."),
    Column("destination", Dtype.TEXT, lambda row: row.finding.destination, "Where it goes."),
    Column("evidence", Dtype.TEXT, lambda row: ",".join(row.finding.evidence) or None, "Ids of the records it rests on, comma-joined."),
    Column("capture", Dtype.TEXT, _capture, "The capture that `filter` is for."),
    Column("incident_id", Dtype.TEXT, lambda row: row.incident, "The incident that it belongs to."),
    Column("owner", Dtype.TEXT, lambda row: row.finding.owner, "Who has to change something: `client`, `proxy`, `server`, `network` or `capture`."),
    Column("explained_by", Dtype.TEXT, lambda row: row.explained_by, "The incident of the same clients that it probably follows from."),
    Column(
        "settings",
        Dtype.TEXT,
        _settings,
        "The setting of each product, as a JSON list of objects (product, setting, link, seen); the product that was seen or named comes first.",
    ),
    Column("reference_text", Dtype.TEXT, lambda row: row.finding.reference_text, "The sentence itself, word for word, where it is quoted."),
    Column("reference_url", Dtype.TEXT, lambda row: reference_url(row.finding.reference), "The address of the document that `reference` names first."),
    Column("certainty", Dtype.TEXT, lambda row: certainty(row.finding.confidence), "`proved` (confidence 1), `inferred` (0.5 and more) or `unknown`."),
)

FINDINGS = Table(
    name="findings",
    means="One row per finding, the most severe first.",
    columns=_COLUMNS,
    rows=finding_rows,
    screen=("finding_id", "severity", "rule", "time", "subject", "title", "packets"),
)
