"""Records by their ids, as a person asks for them."""

from typing import TypeAlias

from analyzer.records.auth import Conversation
from analyzer.records.finding import Finding
from analyzer.records.http import Exchange
from analyzer.records.proxy import Route
from analyzer.records.result import Result
from analyzer.records.transport import Connection
from analyzer.records.wsman import Command, Shell
from analyzer.tables.findings import finding_rows

Named: TypeAlias = Connection | Exchange | Conversation | Route | Finding | Shell | Command


def records_by_id(result: Result) -> dict[str, Named]:
    """Connections, exchanges, authentications, routes, findings (``f1``), shells and commands."""
    records: dict[str, Named] = {}
    records.update(result.evidence.connections)
    records.update(result.evidence.exchanges)
    records.update((conversation.id, conversation) for conversation in result.evidence.conversations)
    records.update((route.id, route) for route in result.evidence.routes)
    records.update((row.id, row.finding) for row in finding_rows(result))
    records.update((shell.id, shell) for shell in result.shells)
    records.update((command.id, command) for command in result.commands)
    return records
