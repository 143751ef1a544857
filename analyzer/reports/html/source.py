"""What the sections read: tables as rows by column name, whether they come from captures or from a case folder, and how much of them a page can hold."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import NamedTuple, TypeAlias, TypeVar

from analyzer.reports.drawings import LADDERS, Ladder, ladders
from analyzer.tables.column import Value
from analyzer.tables.registry import table_named

Row: TypeAlias = Mapping[str, Value]
Cells: TypeAlias = Callable[[str], list[tuple[Value, ...]]]
Item = TypeVar("Item")


class Room(NamedTuple):
    """How much a page holds, so that it stays below 5 MB and a browser stays quick."""

    rows: int = 2000
    findings: int = 400
    arrows: int = 300
    """Of one ladder."""
    all_arrows: int = 2000
    text_chars: int = 600_000
    """Of all commands and outputs together."""
    piece_chars: int = 20_000
    """Of one command or output."""


class Shown(NamedTuple):
    """The part of a list that is shown, and how many there are."""

    items: tuple[object, ...]
    total: int

    @property
    def left(self) -> int:
        """How many are not shown."""
        return self.total - len(self.items)


def shown(items: list[Item], limit: int) -> Shown:
    """The first ``limit`` of them."""
    return Shown(tuple(items[:limit]), len(items))


class Source:
    """The tables of a case; each is read once."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._rows: dict[str, list[Row]] = {}

    def rows(self, name: str) -> list[Row]:
        """The rows of a table, in its order."""
        if name not in self._rows:
            names = table_named(name).names
            self._rows[name] = [dict(zip(names, row, strict=True)) for row in self._cells(name)]
        return self._rows[name]

    @cached_property
    def ahead(self) -> dict[str, int]:
        """By how many nanoseconds each capture's clock is ahead of the first one's, as far as exchanges that both saw tell."""
        return {text(row, "capture"): round(float(row["clock_offset_s"] or 0) * 1e9) for row in self.rows("captures")}

    def at(self, row: Row, name: str) -> int:
        """A time of a row by the clock of the first capture, in nanoseconds; 0 for null."""
        return number(row, name) - self.ahead.get(text(row, "capture"), 0) if row[name] is not None else 0

    @cached_property
    def ladders(self) -> tuple[Ladder, ...]:
        """The sequence diagrams."""
        return tuple(ladders(self._cells(LADDERS.name)))

    @cached_property
    def connections(self) -> dict[str, Row]:
        """All connections by id."""
        return {str(row["connection_id"]): row for row in self.rows("connections")}

    @cached_property
    def winrm(self) -> dict[str, Row]:
        """The connections that carry WinRM, by id."""
        return {name: row for name, row in self.connections.items() if row["winrm"]}

    @cached_property
    def messages(self) -> list[Row]:
        """The bodies of WinRM exchanges, those that several captures saw once."""
        return [row for row in self.rows("messages") if row["winrm"] and connection_of(row) in self.counted]

    @cached_property
    def exchanges(self) -> list[Row]:
        """The WinRM exchanges, those that several captures saw once."""
        return [row for row in self.rows("exchanges") if row["winrm"] and row["connection_id"] in self.counted]

    @cached_property
    def counted(self) -> dict[str, Row]:
        """`winrm`, connections that several captures saw once."""
        return {name: row for name, row in self.winrm.items() if row["twin_of"] is None}


def connection_of(row: Row) -> str:
    """The connection of a row that names an exchange."""
    return str(row["exchange_id"]).rpartition(".x")[0]


def text(row: Row, name: str) -> str:
    """A text cell; empty for null."""
    return str(row[name] or "")


def number(row: Row, name: str) -> int:
    """A number cell; 0 for null."""
    return int(row[name] or 0)


def side(role: str) -> str:
    """The word of a connection's role."""
    return {"client_leg": "client side", "upstream_leg": "server side"}.get(role, role.replace("_", " "))


def flag(row: Row, name: str) -> str:
    """``yes``, ``no``, or a dash for null."""
    return "-" if row[name] is None else "yes" if row[name] else "no"
