"""The table ``proxies``: one row per proxy, held against the requirements of Microsoft's page "Proxy Servers and WinRM"."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.evidence import Evidence
from analyzer.records.proxy import Check, Scorecard, Verdict
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import packet_set

REQUIREMENTS = {
    "http_1_1": "Uses HTTP/1.1 on both sides",
    "connection_authentication": "Passes each logon whole, on one server connection",
    "keeps_open_after_success": "Keeps the connection open after logon",
    "connection_persistence": "Keeps connections between requests, without a new logon for each",
    "affinity": "Keeps each client connection on one server connection",
    "encryption_enforced": "Carries encrypted messages only",
    "proxy_auth_over_https": "Takes proxy credentials over HTTPS only",
    "no_foreign_request": "Never serves one client on another client's logon",
}
"""Column: the requirement in words."""


class ProxyRow(Struct, frozen=True, gc=False):
    """A scorecard, and the captures of the run."""

    card: Scorecard
    captures: Sequence[Capture]
    capture: str


def _rows(result: Result) -> Iterator[ProxyRow]:
    for card in result.scorecards:
        yield ProxyRow(card, result.evidence.captures, _capture(result.evidence, card))


def _capture(evidence: Evidence, card: Scorecard) -> str:
    ordinals = dict.fromkeys(evidence.connections[identity].capture for identity in (*card.client_connections, *card.upstream_connections))
    return ",".join(evidence.captures[ordinal].name for ordinal in ordinals)


def check(card: Scorecard, requirement: str) -> Check:
    """The check of that requirement."""
    return next((found for found in card.checks if found.requirement == requirement), Check(requirement, Verdict.NOT_SEEN, 0, "", ()))


def _evidence(row: ProxyRow, requirement: str) -> str | None:
    found = check(row.card, requirement)
    if found.verdict is Verdict.NOT_SEEN:
        return None
    packets = packet_set(found.packets, row.captures, named=True)
    quoted = f'; {found.sentence.reference}: "{found.sentence.text}"' if found.sentence else ""
    return f"{found.detail}; packets {packets}{quoted}"


def _verdict(requirement: str, means: str) -> Column[ProxyRow]:
    return Column(requirement, Dtype.TEXT, lambda row: check(row.card, requirement).verdict.value, f"`pass`, `fail` or `not_seen`: {means}.")


def _proof(requirement: str) -> Column[ProxyRow]:
    return Column(
        f"{requirement}_evidence",
        Dtype.TEXT,
        lambda row: _evidence(row, requirement),
        f"What `{requirement}` rests on: counts, packets, Microsoft's sentence.",
    )


_COLUMNS: tuple[Column[ProxyRow], ...] = (
    Column("proxy_ip", Dtype.TEXT, lambda row: row.card.proxy_host, "The address that clients connect to."),
    Column(
        "kind",
        Dtype.TEXT,
        lambda row: row.card.kind,
        "`forward`, `reverse`, `tunnel`, `socks`, `layer4` or `tls_terminating`.",
    ),
    Column("product", Dtype.TEXT, lambda row: row.card.product, "What the proxy calls itself in Via or Server fields."),
    Column("client_connections", Dtype.INTEGER, lambda row: len(row.card.client_connections), "Connections of clients to it."),
    Column("upstream_connections", Dtype.INTEGER, lambda row: len(row.card.upstream_connections), "Its connections to servers."),
    Column("exchanges", Dtype.INTEGER, lambda row: row.card.exchanges, "Exchanges seen on both sides."),
    *(_verdict(requirement, means) for requirement, means in REQUIREMENTS.items()),
    *(_proof(requirement) for requirement in REQUIREMENTS),
    Column("routes", Dtype.TEXT, lambda row: ",".join(row.card.routes), "The routes through it, comma-joined."),
    Column("capture", Dtype.TEXT, lambda row: row.capture, "The captures it was seen in, comma-joined."),
)

PROXIES = Table(
    name="proxies",
    means='One row per proxy and kind: what the capture shows of each thing that Microsoft\'s page "Proxy Servers and WinRM" asks of a proxy.',
    columns=_COLUMNS,
    rows=_rows,
    screen=("proxy_ip", "kind", "product", "exchanges", *REQUIREMENTS),
)
