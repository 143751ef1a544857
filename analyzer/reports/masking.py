"""What must not be shown: passwords in command lines as their usual forms tell, and wherever they stand the values that the investigator gave."""

from collections.abc import Iterable

from analyzer.reports.transcript import masked
from analyzer.tables.column import Value
from analyzer.tables.registry import AnyTable

_SHORTEST = 4
"""Characters; a shorter value would blot out half of every text."""
_RUN = {"commands": ("text", "text_decoded"), "streams": ("text",)}
_TOLD = {
    "exchanges": ("target",),
    "findings": ("title", "why", "advice"),
    "issues": ("detail",),
    "timeline": ("message",),
    "ladders": ("head", "details"),
}


class Mask:
    """Takes secrets out of texts. ``values`` are passwords as text and keys as hexadecimal digits."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = sorted({value for value in values if len(value) >= _SHORTEST}, key=lambda value: (-len(value), value))

    def __repr__(self) -> str:
        return f"<Mask: {len(self._values)} values>"

    def known(self, text: str) -> str:
        """The text without the values that were given."""
        for value in self._values:
            text = text.replace(value, "***")
        return text

    def cells(self, table: AnyTable, rows: list[tuple[Value, ...]]) -> list[tuple[Value, ...]]:
        """The rows, without secrets in the columns that hold what somebody typed, and what is said of it."""
        run, told = _RUN.get(table.name, ()), _TOLD.get(table.name, ())
        places = {place: name in run for place, name in enumerate(table.names) if name in run or name in told}
        if not places:
            return rows
        return [tuple(self._cell(value, places.get(place)) for place, value in enumerate(row)) for row in rows]

    def _cell(self, value: Value, run: bool | None) -> Value:  # noqa: FBT001 (None: nothing to do)
        if run is None or not isinstance(value, str):
            return value
        return self.known(masked(value) if run else value)
