"""Sequence diagrams of a case in the form that somebody wants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from analyzer.case.tables import rendered
from analyzer.errors import UsageError

if TYPE_CHECKING:
    from analyzer.records.result import Result


def ladder(
    result: Result, connection: str | None, form: Literal["text", "mermaid", "svg"], messages: int, width: int, *, part: int, fold: bool, colour: bool
) -> str:
    """The diagrams of a connection's routes, or of all routes and WinRM connections.

    ``svg`` draws one only (else `UsageError`). ``fold``: polls as one. ``part``: which part, of ``messages`` messages each.
    """
    from analyzer.reports import ladder as text
    from analyzer.reports import notebook
    from analyzer.reports.drawings import ladder_of
    from analyzer.reports.folding import folded_drawing
    from analyzer.reports.marks import marked, of_result
    from analyzer.reports.parts import index, part_of
    from analyzer.reports.sequence import sequences, sequences_of

    evidence = result.evidence
    drawings = list(sequences(evidence)) if connection is None else sequences_of(evidence, connection)
    if fold:
        drawings = [folded_drawing(one) for one in drawings]
    own, names = of_result(result), {one.ordinal: one.name for one in evidence.captures if len(evidence.captures) > 1}
    drawings = [marked(one, own, names) for one in drawings]
    whole, drawings = drawings, part_of(drawings, messages, part)
    if form == "svg":
        from analyzer.reports.svg import alone

        if len(drawings) > 1:
            msg = f"an SVG file holds one drawing, here are {len(drawings)}; name a connection that has one (the report has them all)"
            raise UsageError(msg)
        return "".join(alone(ladder_of(one, evidence.captures), messages) for one in drawings)
    drawn = [text.mermaid(one, messages) if form == "mermaid" else text.ladder(one, width, messages) for one in drawings]
    made = "\n".join(rendered(lines, colour=colour) for lines in drawn)
    if form == "mermaid":
        return made
    made += "".join(rendered(index(one, messages, part), colour=colour) for one in whole)
    return notebook.Rich(made, lambda: notebook.drawings((ladder_of(one, evidence.captures) for one in drawings), messages))
