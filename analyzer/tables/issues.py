"""The table ``issues``: what was wrong with the evidence, so that a reader knows what could not be seen."""

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.issues import KINDS, Issue
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table

UNKNOWN_LEVEL = "error"
"""A code that is not in the table of kinds is a mistake of the program, and is shown as one."""


class IssueRow(Struct, frozen=True, gc=False):
    """An issue and the captures of the run."""

    issue: Issue
    captures: Sequence[Capture]


def _rows(result: Result) -> Iterator[IssueRow]:
    for issue in result.evidence.issues:
        yield IssueRow(issue, result.evidence.captures)


def is_partial(code: str, grade: str) -> bool:
    """It makes a result partial: an error, or a file next to captures that was not read (which may be a README, so it is no error)."""
    return grade == "error" or code == "capture.passed-over"


def failures(captures: Sequence[Capture], issues: Iterable[Issue]) -> tuple[str, ...]:
    """The issues that make a result partial, as text with the capture's name."""
    told = (issue for issue in issues if is_partial(issue.code, level(issue)))
    return tuple(f"{captures[issue.capture].name + ': ' if issue.capture is not None else ''}{issue.code}: {issue.detail}" for issue in told)


def level(issue: Issue) -> str:
    """How much the issue can hide: note, warning or error."""
    kind = KINDS.get(issue.code)
    return kind.level if kind else UNKNOWN_LEVEL


def _means(row: IssueRow) -> str | None:
    kind = KINDS.get(row.issue.code)
    return kind.means if kind else None


def _capture(row: IssueRow) -> str | None:
    return None if row.issue.capture is None else row.captures[row.issue.capture].name


_COLUMNS: tuple[Column[IssueRow], ...] = (
    Column("code", Dtype.TEXT, lambda row: row.issue.code, "The kind of issue; `winrm-analyzer explain CODE` explains it."),
    Column("level", Dtype.TEXT, lambda row: level(row.issue), "`note`, `warning` or `error`: how much it can hide."),
    Column("record", Dtype.TEXT, lambda row: row.issue.record, "The id of the record it belongs to."),
    Column("capture", Dtype.TEXT, _capture, "The capture's name."),
    Column("packet", Dtype.INTEGER, lambda row: row.issue.packet, "The packet's number in the capture."),
    Column("detail", Dtype.TEXT, lambda row: row.issue.detail, "What exactly."),
    Column("repeats", Dtype.INTEGER, lambda row: row.issue.repeats, "How many times, when several alike are counted as one."),
    Column("means", Dtype.TEXT, _means, "What this kind of issue means."),
)

ISSUES = Table(
    name="issues",
    means="One row per oddity of the evidence. An issue is never a finding; it says what could not be read, and how much that can hide.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("code", "level", "record", "capture", "packet", "repeats", "detail"),
)
