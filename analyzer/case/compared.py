"""Two cases compared: `Compared` is what `CaseTables.compare` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd

    from analyzer.compare.verdict import Comparison

WIDTH = 100
"""Columns of a text where nobody says otherwise."""


class Compared:
    """Two cases step by step: A is the one that was asked, B the other one. ``print`` gives the text, a notebook shows the page's content."""

    def __init__(
        self, left: Callable[[str], Iterable[tuple[Any, ...]]], right: Callable[[str], Iterable[tuple[Any, ...]]], names: tuple[str, str] = ("A", "B")
    ) -> None:
        """``left``, ``right``: the cells of a table of each, by its name."""
        from analyzer.compare.rows import Rows
        from analyzer.compare.verdict import comparison

        self.result: Comparison = comparison(Rows("A", left), Rows("B", right))._replace(left=names[0], right=names[1])
        """Pairs of steps, the place of the first difference (None: there is none), the verdict's sentences, findings, other differences."""

    @property
    def verdict(self) -> str:
        """What the comparison comes to, a sentence a line."""
        return "\n".join(self.result.verdict)

    @property
    def steps(self) -> pd.DataFrame:
        """One row per pair of steps, in order; ``alike``, and ``first_difference`` for the first pair that is not."""
        import pandas as pd

        from analyzer.compare.shown import COLUMNS, rows

        return pd.DataFrame(list(rows(self.result)), columns=list(COLUMNS))

    @property
    def differences(self) -> pd.DataFrame:
        """What else differs: ``what``, the value of each, and in how many steps."""
        import pandas as pd

        return pd.DataFrame([tuple(one) for one in self.result.differences], columns=["what", "a", "b", "times"])

    def text(self, width: int = WIDTH, *, colour: bool = False) -> str:
        """For a terminal."""
        from analyzer.compare.shown import text_lines
        from analyzer.reports.lines import coloured, plain

        return (coloured if colour else plain)(text_lines(self.result, width))

    def html(self) -> str:
        """A page of its own: opens offline and runs nothing."""
        from analyzer.compare.shown import page

        return page(self.result)

    def to_dict(self) -> dict[str, Any]:
        """For JSON; `analyzer.schema("compare")` describes it."""
        from analyzer.compare.shown import COLUMNS, rows
        from analyzer.tables.texts import SCHEMA

        made = self.result
        return {
            "schema_version": SCHEMA,
            "a": made.left,
            "b": made.right,
            "verdict": list(made.verdict),
            "first_difference": made.first,
            "findings": [{"case": one.case.lower(), "finding_id": one.finding, "rule": one.rule, "title": one.title} for one in made.named],
            "steps": [dict(zip(COLUMNS, row, strict=True)) for row in rows(made)],
            "differences": [one._asdict() for one in made.differences],
        }

    def csv(self) -> Iterator[str]:
        """`steps` as CSV, with a heading."""
        import csv
        import io

        from analyzer.compare.shown import COLUMNS, rows

        for row in (COLUMNS, *rows(self.result)):
            line = io.StringIO()
            csv.writer(line, lineterminator="\n").writerow(["" if cell is None else cell for cell in row])
            yield line.getvalue()

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return self.html()
