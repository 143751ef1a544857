"""The tables of the project: add a table by adding its file and a line here."""

from typing import Any

from analyzer.errors import UsageError
from analyzer.tables.authentications import AUTHENTICATIONS
from analyzer.tables.captures import CAPTURES
from analyzer.tables.clocks import CLOCKS
from analyzer.tables.column import Table
from analyzer.tables.commands import COMMANDS
from analyzer.tables.conflicts import CONFLICTS
from analyzer.tables.connections import CONNECTIONS
from analyzer.tables.deliveries import DELIVERIES, SUBSCRIPTIONS
from analyzer.tables.drops import DROPS
from analyzer.tables.events import EVENTS
from analyzer.tables.exchanges import EXCHANGES
from analyzer.tables.files import FILES
from analyzer.tables.findings import FINDINGS
from analyzer.tables.hops import HOPS
from analyzer.tables.host_events import HOST_EVENTS
from analyzer.tables.hosts import HOSTS, NAMES
from analyzer.tables.incidents import INCIDENTS
from analyzer.tables.issues import ISSUES
from analyzer.tables.keys import KEYS
from analyzer.tables.logons import LOGONS
from analyzer.tables.messages import MESSAGES
from analyzer.tables.operations import OPERATIONS
from analyzer.tables.parties import PARTIES
from analyzer.tables.proxies import PROXIES
from analyzer.tables.requests import REQUESTS
from analyzer.tables.shells import SHELLS
from analyzer.tables.streams import STREAMS
from analyzer.tables.timeline import TIMELINE
from analyzer.tables.tls import TLS

AnyTable = Table[Any]
"""A table whose kind of row is its own business."""

TABLES: tuple[AnyTable, ...] = (
    CAPTURES,
    CONNECTIONS,
    CONFLICTS,
    TLS,
    EXCHANGES,
    HOPS,
    AUTHENTICATIONS,
    MESSAGES,
    KEYS,
    SHELLS,
    COMMANDS,
    STREAMS,
    FILES,
    OPERATIONS,
    SUBSCRIPTIONS,
    DELIVERIES,
    EVENTS,
    DROPS,
    PROXIES,
    PARTIES,
    HOSTS,
    NAMES,
    CLOCKS,
    HOST_EVENTS,
    LOGONS,
    REQUESTS,
    FINDINGS,
    INCIDENTS,
    ISSUES,
    TIMELINE,
)


def table_named(name: str) -> AnyTable:
    """The table of that name; `UsageError` names those there are."""
    for table in TABLES:
        if table.name == name:
            return table
    msg = f"there is no table {name!r}; the tables are {', '.join(table.name for table in TABLES)}"
    raise UsageError(msg)
