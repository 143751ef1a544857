"""Connections that are another one behind an address translation."""

from collections.abc import Iterable

from msgspec.structs import replace

from analyzer.formats.reader import Fetch
from analyzer.records.ids import key_number
from analyzer.records.issues import Issue
from analyzer.records.transport import Connection
from analyzer.transport.translation import translated


def translations(found: Iterable[Connection], fetch: Fetch) -> tuple[dict[str, Connection], tuple[Issue, ...]]:
    """The connections by id, those that are another one behind an address translation marked as its twins; and an issue for each of these."""
    connections = {connection.id: connection for connection in found}
    twins = translated(connections.values(), fetch)
    issues = []
    for identity, first in twins.items():
        connections[identity] = replace(connections[identity], twin_of=first)
        issues.append(_translation(connections[first], connections[identity]))
    return connections, tuple(issues)


def _translation(first: Connection, other: Connection) -> Issue:
    words = [f"{one} became {two}" for one, two in ((first.client, other.client), (first.server, other.server)) if one != two]
    number = key_number(other.packets[0]) if other.packets else None
    return Issue("tcp.translated", f"{first.id} and {other.id} are one connection: {', '.join(words)}", other.id, other.capture, number)
