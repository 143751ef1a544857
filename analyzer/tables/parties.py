"""The table ``parties``: who takes part, in which role, at which addresses."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.result import Result
from analyzer.records.story import Party
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set


class PartyRow(Struct, frozen=True, gc=False):
    """A party and the captures of the run."""

    party: Party
    captures: Sequence[Capture]


def _rows(result: Result) -> Iterator[PartyRow]:
    for party in result.evidence.story.parties:
        yield PartyRow(party, result.evidence.captures)


def _endpoints(row: PartyRow) -> str | None:
    listens = list(map(str, row.party.listens))
    return ",".join((*listens, *(host for host in row.party.hosts if host not in {one.host for one in row.party.listens}))) or None


_COLUMNS: tuple[Column[PartyRow], ...] = (
    Column("party_id", Dtype.TEXT, lambda row: row.party.id, "`p1` is the first party by first packet."),
    Column("kind", Dtype.TEXT, lambda row: row.party.kind.value, "`client`, `proxy`, `server`, `nat`, `socks`, `kdc` or `device`."),
    Column("endpoints", Dtype.TEXT, _endpoints, "Where it listens (address:port), then the addresses that it opens connections from."),
    Column(
        "names",
        Dtype.TEXT,
        lambda row: ",".join(f"{name.text} ({name.source})" for name in row.party.names) or None,
        "Its names, each with where it was read: Host field, SNI, SPN, NTLM.",
    ),
    Column("product", Dtype.TEXT, lambda row: row.party.product, "What a proxy calls itself, in a field that it added; null when it names nothing."),
    Column("product_evidence", Dtype.TEXT, lambda row: row.party.product_evidence, "The message that holds that field."),
    Column("certainty", Dtype.TEXT, lambda row: row.party.certainty.value, "`proved` (both of its sides are known), `inferred` or `unknown`."),
    Column("connections_to", Dtype.INTEGER, lambda row: len(row.party.near), "Connections that others opened to it."),
    Column("connections_from", Dtype.INTEGER, lambda row: len(row.party.far), "Connections that it opened."),
    Column("capture", Dtype.TEXT, lambda row: capture_of(row.party.packets, row.captures), "The capture of its first packet."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.party.packets, row.captures), "The first packets of its first connections."),
)

PARTIES = Table(
    name="parties",
    means="One row per machine or service that takes part in WinRM, in a role.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("party_id", "kind", "endpoints", "names", "product", "certainty"),
)
