"""What findings and incidents share on a screen: the colours of severities, and the settings that mend it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from analyzer.records.finding import Severity
from analyzer.reports.facts import counted
from analyzer.reports.lines import Line, Span, line, paragraph

if TYPE_CHECKING:
    from collections.abc import Iterator

    from analyzer.records.finding import Finding

STYLES = {
    Severity.CRITICAL: "bold white on red",
    Severity.HIGH: "bold red",
    Severity.MEDIUM: "bold yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "blue",
}


def setting_lines(finding: Finding, width: int, *, products: bool) -> Iterator[Line]:
    """The settings of all products when they are asked for; else that there are some, unless the advice has one already."""
    if products:
        for one in finding.settings:
            yield from paragraph(f"{one.product}{' (detected or named)' if one.seen else ''}: {one.text}", width, label="set      ", indent=6)
            yield line("               ", Span(one.document, "dim", whole=True))
    elif finding.settings and not any(one.seen for one in finding.settings):
        yield from paragraph(
            f"of {counted(len(finding.settings), 'product')}: --all-products, or --proxy NAME", width, label="settings ", indent=6, style="dim"
        )
