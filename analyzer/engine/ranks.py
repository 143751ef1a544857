"""Where a row of a table stands among all rows, so that rows of groups of connections can be merged into the table of all of them.

A rank is made of what the records tell of themselves: the place of a connection, or a time. Rows of equal rank are of one connection, and so of one group, in
which they have an order already.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from analyzer.records.evidence import Evidence
from analyzer.records.http import Request
from analyzer.records.result import Result
from analyzer.records.wsman import Shell
from analyzer.reports.drawings import LADDERS, rungs_of
from analyzer.reports.sequence import sequences
from analyzer.tables.findings import FindingRow
from analyzer.tables.findings import rank as rank_of
from analyzer.tables.registry import table_named

Rank = tuple[Any, ...]
"""Numbers and texts; those of one table are comparable."""
Cells = tuple[Any, ...]

FIRST = (0, 0)
LARGE = (
    *("connections", "conflicts", "tls", "exchanges", "hops", "authentications", "messages", "shells", "commands", "streams", "operations"),
    *("deliveries", "events", "logons", "requests", "findings", "timeline", LADDERS.name),
)
"""The tables that grow with the traffic: their rows are written as each group is done."""


def place(identity: str | None) -> tuple[int, int]:
    """The place of a connection, or of the one that an exchange or a message is of."""
    head, *rest = (identity or "c0").split(".")
    return (int(head[1:]) if head[1:].isdigit() else 0), rest.count("t")


def ranked(name: str, result: Result) -> Iterator[tuple[Rank, Cells]]:
    """The rows of one of the large tables, each with its rank, in order."""
    if name == LADDERS.name:
        yield from _ladders(result)
        return
    table = table_named(name)
    rank = _RANKS[name](result)
    asked = [column.get for column in table.columns]
    for row in table.rows(result):
        yield rank(row), tuple([get(row) for get in asked])


def _of_connection(get: Callable[[Any], str]) -> Callable[[Result], Callable[[Any], Rank]]:
    return lambda _: lambda row: place(get(row))


def _of_shells(_: Result) -> Callable[[Any], Rank]:
    return lambda row: _shell(row.shell)


def _shell(shell: Shell) -> Rank:
    return shell.kind == "cim", shell.first_ns, shell.id, shell.server


def _of_commands(result: Result) -> Callable[[Any], Rank]:
    known: Mapping[tuple[str, str, bool], Rank] = {(one.server, one.id, one.kind == "cim"): _shell(one) for one in result.shells}

    def rank(row: Any) -> Rank:  # noqa: ANN401  a row of either table
        one = row.command
        cim = one.kind == "cim"
        return known.get((one.server, one.shell, cim), (cim, one.first_ns, one.shell, one.server))

    return rank


def _of_requests(get: Callable[[Any], str]) -> Callable[[Result], Callable[[Any], Rank]]:
    def of(result: Result) -> Callable[[Any], Rank]:
        return lambda row: (_asked_ns(result.evidence, get(row)), *place(get(row)))

    return of


def _asked_ns(evidence: Evidence, exchange: str) -> int:
    found = evidence.exchanges.get(exchange)
    return found.request.first_ns if found is not None and isinstance(found.request, Request) else 0


def _of_finding(row: FindingRow) -> Rank:
    found = row.finding
    return -rank_of(found.severity), found.first_ns, found.rule, found.subject, found.packets


def _of_times(_: Result) -> Callable[[Any], Rank]:
    return lambda row: (row.time_ns, row.table, row.record)


_RANKS: Mapping[str, Callable[[Result], Callable[[Any], Rank]]] = {
    "connections": _of_connection(lambda row: row.connection.id),
    "conflicts": _of_connection(lambda row: row.connection.id),
    "tls": _of_connection(lambda row: row.connection.id),
    "exchanges": _of_connection(lambda row: row.exchange.connection),
    "hops": _of_connection(lambda row: row.hop.far),
    "authentications": _of_connection(lambda row: row.conversation.connection),
    "messages": _of_connection(lambda row: row.message.id),
    "shells": _of_shells,
    "commands": _of_commands,
    "streams": _of_commands,
    "operations": _of_connection(lambda row: row.one.id),
    "deliveries": _of_requests(lambda row: row.one.id),
    "events": _of_requests(lambda row: row.one.delivery),
    "logons": _of_connection(lambda row: row.logon.conversations[0]),
    "requests": _of_connection(lambda row: row.fate.request),
    "findings": lambda _: _of_finding,
    "timeline": _of_times,
}


def _ladders(result: Result) -> Iterator[tuple[Rank, Cells]]:
    """Routes come before the connections that belong to none."""
    evidence = result.evidence
    routed = {name for route in evidence.routes for name in (route.client_connection, *route.upstream_connections)}
    ranks: list[Rank] = [(0, *place(route.client_connection)) for route in evidence.routes]
    ranks += [(1, *place(name)) for name in evidence.connections if name in evidence.winrm and name not in routed]
    for rank, drawing in zip(ranks, sequences(evidence), strict=True):
        for cells in rungs_of(drawing, evidence.captures):
            yield rank, cells
