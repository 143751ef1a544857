"""The table ``findings``: what the rules say, the gravest first."""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from analyzer.records.capture import Capture
from analyzer.records.finding import Finding, Severity
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


def rank(severity: Severity) -> int:
    """0 for info to 4 for critical."""
    return _ASCENDING.index(severity)


def finding_rows(result: Result) -> Iterator[FindingRow]:
    """The findings as `f1`, `f2`, ...: by severity, the gravest first, then by time."""
    ordered = sorted(result.findings, key=lambda found: (-rank(found.severity), found.first_ns, found.rule, found.subject, found.packets))
    for place, finding in enumerate(ordered, start=1):
        yield FindingRow(f"f{place}", finding, result.evidence.captures)


def graver(result: Result, level: str) -> Result:
    """The result with only the findings of this severity and graver ones."""
    least = rank(Severity(level))
    return replace(result, findings=tuple(finding for finding in result.findings if rank(finding.severity) >= least))


def _main_capture(row: FindingRow) -> int | None:
    """The capture that the row's filter is for: the one of the first packet to look at."""
    return key_capture(row.finding.packets[0]) if row.finding.packets else None


def _capture(row: FindingRow) -> str | None:
    ordinal = _main_capture(row)
    return None if ordinal is None else row.captures[ordinal].name


def _filter(row: FindingRow) -> str | None:
    ordinal = _main_capture(row)
    return None if ordinal is None else frame_filter(row.finding.packets, ordinal)


_COLUMNS: tuple[Column[FindingRow], ...] = (
    Column("finding_id", Dtype.TEXT, lambda row: row.id, "`f1` is the gravest, and among equals the earliest."),
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
    Column("reference", Dtype.TEXT, lambda row: row.finding.reference, "The sentence or section that the rule rests on."),
    Column("attack", Dtype.TEXT, lambda row: ",".join(row.finding.attack) or None, "ATT&CK technique ids, comma-joined."),
    Column("user", Dtype.TEXT, lambda row: row.finding.user, "The user concerned, where one is known."),
    Column("source", Dtype.TEXT, lambda row: row.finding.source, "Where it comes from."),
    Column("destination", Dtype.TEXT, lambda row: row.finding.destination, "Where it goes."),
    Column("evidence", Dtype.TEXT, lambda row: ",".join(row.finding.evidence) or None, "Ids of the records it rests on, comma-joined."),
    Column("capture", Dtype.TEXT, _capture, "The capture that `filter` is for."),
)

FINDINGS = Table(
    name="findings",
    means="One row per finding, the gravest first.",
    columns=_COLUMNS,
    rows=finding_rows,
    screen=("finding_id", "severity", "rule", "time", "subject", "title", "packets"),
)
