"""What an SQL query gave, as a table that the writers of texts know."""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

from analyzer.tables.column import Column, Dtype, Table, Value

if TYPE_CHECKING:
    import pandas as pd

    from analyzer.tables.registry import AnyTable


def answer(found: pd.DataFrame) -> tuple[AnyTable, list[tuple[Value, ...]]]:
    """The table and its cells. Lists, structs and what else SQL can make of cells are texts."""
    kinds = [_kind(found.iloc[:, place]) for place in range(found.shape[1])]
    names = [str(name) for name in found.columns]
    columns = tuple(Column(name, kind, itemgetter(place), "") for place, (name, kind) in enumerate(zip(names, kinds, strict=True)))
    cells = [_cells(found.iloc[:, place], kind) for place, kind in enumerate(kinds)]
    return Table("sql", "what a query gave", columns, lambda _: (), tuple(names)), list(zip(*cells, strict=True))


def _kind(column: pd.Series[Any]) -> Dtype:
    import pandas as pd

    if isinstance(column.dtype, pd.DatetimeTZDtype) or pd.api.types.is_datetime64_any_dtype(column.dtype):
        return Dtype.TIME
    if pd.api.types.is_bool_dtype(column.dtype):
        return Dtype.FLAG
    if pd.api.types.is_integer_dtype(column.dtype):
        return Dtype.INTEGER
    return Dtype.NUMBER if pd.api.types.is_float_dtype(column.dtype) else Dtype.TEXT


def _cells(column: pd.Series[Any], kind: Dtype) -> list[Value]:
    missing = list(column.isna())
    if kind is Dtype.TIME:
        values: list[Value] = [int(one) for one in column.astype("int64")]
    elif kind is Dtype.FLAG:
        values = [None if gone else bool(one) for one, gone in zip(column, missing, strict=True)]
    elif kind is Dtype.INTEGER:
        values = [None if gone else int(str(one)) for one, gone in zip(column, missing, strict=True)]
    elif kind is Dtype.NUMBER:
        values = [None if gone else float(str(one)) for one, gone in zip(column, missing, strict=True)]
    else:
        values = [None if gone else str(one) for one, gone in zip(column, missing, strict=True)]
    return [None if gone else one for one, gone in zip(values, missing, strict=True)]
