"""What exports read: the tables as rows by column name, each read once."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TypeAlias

from analyzer.tables.column import Value
from analyzer.tables.registry import table_named

Row: TypeAlias = Mapping[str, Value]
Cells: TypeAlias = Callable[[str], list[tuple[Value, ...]]]


class Rows:
    """The rows of every table, as ``cells`` gives them: masked or not is decided there."""

    def __init__(self, cells: Cells) -> None:
        self._cells = cells
        self._rows: dict[str, list[Row]] = {}

    def of(self, name: str) -> list[Row]:
        """The rows of a table, in its order."""
        if name not in self._rows:
            names = table_named(name).names
            self._rows[name] = [dict(zip(names, row, strict=True)) for row in self._cells(name)]
        return self._rows[name]

    @cached_property
    def connections(self) -> dict[str, Row]:
        """All connections by id."""
        return {text(row, "connection_id"): row for row in self.of("connections")}

    @cached_property
    def exchanges(self) -> dict[str, Row]:
        """All exchanges by id."""
        return {text(row, "exchange_id"): row for row in self.of("exchanges")}

    @cached_property
    def shells(self) -> dict[tuple[str, str], Row]:
        """All shells by server and id."""
        return {(text(row, "server_ip"), text(row, "shell_id")): row for row in self.of("shells")}

    @cached_property
    def body_bytes(self) -> dict[tuple[str, str], int]:
        """The size of a body by exchange and direction."""
        return {(text(row, "exchange_id"), text(row, "direction")): integer(row, "size_bytes") or 0 for row in self.of("messages")}

    def connection_of(self, row: Row, table: str) -> Row | None:
        """The connection that a row of the table is about; the first one of a finding."""
        if table == "findings":
            name = text(row, "connections").partition(",")[0]
        elif table == "commands":
            shell = self.shells.get((text(row, "server_ip"), text(row, "shell_id")))
            name = text(shell, "connections").partition(",")[0] if shell else ""
        else:
            name = text(row, "connection_id")
        return self.connections.get(name)


def text(row: Row, name: str) -> str:
    """A text cell; empty for null."""
    return str(row[name] or "")


def integer(row: Row, name: str) -> int | None:
    """A number or time cell; None for null."""
    value = row[name]
    return int(value) if value is not None else None


def account(name: str | None) -> tuple[str | None, str | None]:
    r"""(user, domain) of ``DOMAIN\user`` or ``user@REALM``."""
    if not name:
        return None, None
    domain, backslash, user = name.rpartition("\\")
    if backslash:
        return user, domain or None
    user, _, realm = name.partition("@")
    return user, realm or None
