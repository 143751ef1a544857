"""Tables as pandas DataFrames: nullable types, times as ``datetime64[ns, UTC]``, texts exactly as captured. pandas is imported when the first one is made."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, assert_never

from analyzer.records.result import Result
from analyzer.tables.column import ByColumn, Dtype, Value
from analyzer.tables.registry import AnyTable

if TYPE_CHECKING:
    import pandas as pd

_NO_TIME = -(1 << 63)
"""How datetime64 writes NaT."""
_PIECE = 10_000
"""Texts that are looked at together."""


def frame(table: AnyTable, result: Result) -> pd.DataFrame:
    """The table with its columns in their order and an index from 0."""
    return frame_of_columns(table, table.columns_of(result))


def frame_of(table: AnyTable, cells: Sequence[tuple[Value, ...]]) -> pd.DataFrame:
    """`frame` of cells that are there already, row by row in the order of the table's columns."""
    return frame_of_columns(table, ByColumn([[row[place] for row in cells] for place in range(len(table.columns))]))


def frame_of_columns(table: AnyTable, columns: ByColumn) -> pd.DataFrame:
    """The same of cells column by column."""
    import pandas as pd

    series = {column.name: _series(values, column.dtype) for column, values in zip(table.columns, columns.cells, strict=True)}
    return pd.DataFrame(series, columns=list(table.names))


def _series(values: list[Value], dtype: Dtype) -> pd.Series[Any]:
    import numpy as np
    import pandas as pd

    match dtype:
        case Dtype.TEXT:
            # Python storage: texts from UTF-16 can hold lone surrogates, which Arrow refuses.
            return pd.Series(values, dtype=pd.StringDtype("python"))
        case Dtype.INTEGER:
            return pd.Series(values, dtype="Int64")
        case Dtype.NUMBER:
            return pd.Series(values, dtype="float64")
        case Dtype.FLAG:
            return pd.Series(values, dtype="boolean")
        case Dtype.TIME:
            nanoseconds = np.array([_NO_TIME if value is None else int(value) for value in values], dtype="int64")
            return pd.Series(nanoseconds.view("datetime64[ns]")).dt.tz_localize("UTC")
        case _:
            assert_never(dtype)


def storable(made: pd.DataFrame) -> pd.DataFrame:
    """The frame as SQL and Parquet can hold it: times as plain UTC ``datetime64[ns]`` (their nanosecond type knows no zone), lone surrogates as U+FFFD."""
    import pandas as pd

    changed = made.copy(deep=False)
    for name in made.columns:
        column = made[name]
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            changed[name] = column.dt.tz_convert("UTC").dt.tz_localize(None)
        elif isinstance(column.dtype, pd.StringDtype) and _has_surrogates(column):
            changed[name] = column.map(_without_surrogates, na_action="ignore").astype(column.dtype)
    return changed


def _has_surrogates(column: pd.Series[str]) -> bool:
    """A text that UTF-8 cannot hold; looked for in pieces, which takes no second copy of all texts."""
    texts = column.dropna().to_numpy(object)
    for at in range(0, len(texts), _PIECE):
        try:
            "".join(texts[at : at + _PIECE]).encode()
        except UnicodeEncodeError:
            return True
    return False


def _without_surrogates(text: str) -> str:
    return text if text.isascii() else "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)


def zoned(found: pd.DataFrame) -> pd.DataFrame:
    """What SQL gave, with every plain time as UTC again."""
    changed = found.copy()
    for name in changed.select_dtypes("datetime"):
        changed[name] = changed[name].astype("datetime64[ns]").dt.tz_localize("UTC")
    return changed
