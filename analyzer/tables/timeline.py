"""The table ``timeline``: exchanges, authentications, commands and findings in one order of time."""

from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.ids import key_capture
from analyzer.records.result import Result
from analyzer.records.wsman import Command, Shell
from analyzer.tables import headers
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.findings import FindingRow, finding_rows

_MESSAGE_CHARS = 4096
"""Timesketch's keyword fields end at 32,766 bytes; a message is one line for a person."""


class Entry(Struct, frozen=True, gc=False):
    """One line of the timeline."""

    time_ns: int
    what: str
    message: str
    severity: str
    user: str | None
    source: str | None
    destination: str | None
    table: str
    record: str
    capture: str | None


def _entries(result: Result) -> list[Entry]:
    evidence = result.evidence
    found = [entry for exchange in evidence.exchanges.values() if (entry := _of_exchange(evidence, exchange))]
    found.extend(_of_conversation(evidence, conversation) for conversation in evidence.conversations)
    found.extend(of_finding(row) for row in finding_rows(result))
    shells = {(shell.server, shell.id, shell.kind): shell for shell in result.shells}
    found.extend(_of_command(evidence, command, shells.get((command.server, command.shell, command.kind))) for command in result.commands)
    return sorted(found, key=lambda entry: (entry.time_ns, entry.table, entry.record))


def _of_exchange(evidence: Evidence, exchange: Exchange) -> Entry | None:
    request, response = headers.request_of(exchange.request), headers.response_of(exchange.response)
    carrier = request or response
    if carrier is None:
        return None
    asked = f"{request.method} {request.target}" if request else "(request not captured)"
    answered = f"{response.status} {response.reason}".strip() if response else "(no response)"
    source, destination = _ends(evidence, exchange.connection)
    capture = evidence.captures[exchange.capture].name
    return Entry(carrier.first_ns, "winrm request", f"{asked} -> {answered}", "info", None, source, destination, "exchanges", exchange.id, capture)


def _of_conversation(evidence: Evidence, conversation: Conversation) -> Entry:
    user = conversation.client.user
    message = f"{conversation.mechanism.value} authentication to the {conversation.audience.value} {conversation.outcome.value}"
    source, destination = _ends(evidence, conversation.connection)
    capture = evidence.captures[conversation.capture].name
    return Entry(conversation.first_ns, "winrm auth", message, "info", user, source, destination, "authentications", conversation.id, capture)


def _of_command(evidence: Evidence, command: Command, shell: Shell | None) -> Entry:
    source, destination = (shell.client, shell.server) if shell else (None, None)
    message = command.text or "(its beginning is not in the capture)"
    capture = evidence.captures[command.capture].name
    return Entry(command.first_ns, "winrm command", message, "info", command.user, source, destination, "commands", command.id, capture)


def of_finding(row: FindingRow) -> Entry:
    """The line of a finding."""
    finding = row.finding
    capture = next((row.captures[key_capture(key)].name for key in finding.packets[:1]), None)
    return Entry(
        finding.first_ns, "winrm finding", f"{finding.title} ({finding.rule})", finding.severity.value,
        finding.user, finding.source, finding.destination, "findings", row.id, capture,
    )  # fmt: skip


def _ends(evidence: Evidence, connection: str) -> tuple[str | None, str | None]:
    found = evidence.connections.get(connection)
    return (found.client.host, found.server.host) if found else (None, None)


def _rows(result: Result) -> Iterator[Entry]:
    yield from _entries(result)


_COLUMNS: tuple[Column[Entry], ...] = (
    Column("time", Dtype.TIME, lambda row: row.time_ns, "When."),
    Column("timestamp_desc", Dtype.TEXT, lambda row: row.what, "`winrm request`, `winrm auth`, `winrm command` or `winrm finding`."),
    Column("message", Dtype.TEXT, lambda row: row.message[:_MESSAGE_CHARS], "One line."),
    Column("severity", Dtype.TEXT, lambda row: row.severity, "A finding's severity; `info` for everything else."),
    Column("user", Dtype.TEXT, lambda row: row.user, "The user, where one is known."),
    Column("source", Dtype.TEXT, lambda row: row.source, "Where it comes from."),
    Column("destination", Dtype.TEXT, lambda row: row.destination, "Where it goes."),
    Column("table", Dtype.TEXT, lambda row: row.table, "The table that tells more."),
    Column("record", Dtype.TEXT, lambda row: row.record, "The id in that table."),
    Column("capture", Dtype.TEXT, lambda row: row.capture, "The capture's name."),
)

TIMELINE = Table(
    name="timeline",
    means="One row per exchange, authentication, command and finding, in order of time. Times of several captures are by each capture's own clock.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("time", "timestamp_desc", "severity", "source", "destination", "record", "message"),
)
