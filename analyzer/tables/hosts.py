"""The tables ``hosts`` and ``names``: every address that takes part in WinRM, and what it is called, by whom."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.names import Host, HostName
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set


class HostRow(Struct, frozen=True, gc=False):
    """An address and the captures of the run."""

    host: Host
    captures: Sequence[Capture]


class NameRow(Struct, frozen=True, gc=False):
    """A name of an address, by one source."""

    host: Host
    name: HostName
    captures: Sequence[Capture]


def _hosts(result: Result) -> Iterator[HostRow]:
    for host in result.evidence.story.hosts:
        yield HostRow(host, result.evidence.captures)


def _names(result: Result) -> Iterator[NameRow]:
    for host in result.evidence.story.hosts:
        for name in host.names:
            yield NameRow(host, name, result.evidence.captures)


def _told(row: HostRow) -> str | None:
    return ",".join(dict.fromkeys(f"{name.name} ({name.source.value})" for name in row.host.names)) or None


def _disputed(row: HostRow) -> str | None:
    told = dict.fromkeys(f"{name.name} is also {address}" for name in row.host.names for address in name.elsewhere)
    return ",".join(told) or None


_HOST_COLUMNS: tuple[Column[HostRow], ...] = (
    Column("address", Dtype.TEXT, lambda row: row.host.address, "The IP address."),
    Column("name", Dtype.TEXT, lambda row: row.host.names[0].name if row.host.names else None, "The name that stands next to it: the first of `names`."),
    Column(
        "name_source",
        Dtype.TEXT,
        lambda row: row.host.names[0].source.value if row.host.names else None,
        "Where that was read, in this order of choice: `DNS`, `certificate`, `NTLM`, `SPN`, `SNI`, `Host`, `DHCP`, `mDNS`, `LLMNR`, `NBNS`.",
    ),
    Column(
        "roles",
        Dtype.TEXT,
        lambda row: ",".join(row.host.roles) or None,
        "`client`, `proxy`, `server`, `kdc`, `nat`, `socks` or `device`; several for several.",
    ),
    Column("names", Dtype.TEXT, _told, "All its names, each with where it was read; the table `names` has who said it, and in which packets."),
    Column(
        "names_elsewhere", Dtype.TEXT, _disputed, "Names that were given to another address as well. That can be a second network card, a proxy, or a forgery."
    ),
    Column("party_ids", Dtype.TEXT, lambda row: ",".join(row.host.parties) or None, "Its rows in the table `parties`."),
    Column("capture", Dtype.TEXT, lambda row: capture_of(row.host.packets, row.captures), "The capture of its first packet."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.host.packets, row.captures), "The first packets of its first connections."),
)

_NAME_COLUMNS: tuple[Column[NameRow], ...] = (
    Column("address", Dtype.TEXT, lambda row: row.host.address, "The IP address."),
    Column("name", Dtype.TEXT, lambda row: row.name.name, "The name."),
    Column("source", Dtype.TEXT, lambda row: row.name.source.value, "Where it was read, the words as in `hosts`."),
    Column(
        "said_by",
        Dtype.TEXT,
        lambda row: ",".join(row.name.said_by),
        "The addresses that said so: a client of the name that it asked for, a server of itself, a name server of another.",
    ),
    Column(
        "by_anyone",
        Dtype.FLAG,
        lambda row: row.name.source.by_anyone,
        "The protocol lets any host of the network answer (`mDNS`, `LLMNR`, `NBNS`): the name may be forged.",
    ),
    Column("elsewhere", Dtype.TEXT, lambda row: ",".join(row.name.elsewhere) or None, "Other addresses of the same IP version that this name was given to."),
    Column("times", Dtype.INTEGER, lambda row: row.name.times, "How many messages said so."),
    Column("capture", Dtype.TEXT, lambda row: capture_of(row.name.packets, row.captures), "The capture of its first packet."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.name.packets, row.captures), "The first messages that said so."),
)

HOSTS = Table(
    name="hosts",
    means="One row per address that takes part in WinRM, with its names and roles. A name is a claim; it proves nothing.",
    columns=_HOST_COLUMNS,
    rows=_hosts,
    screen=("address", "name", "name_source", "roles", "names_elsewhere", "packets"),
)

NAMES = Table(
    name="names",
    means="One row per name of an address and where it was read.",
    columns=_NAME_COLUMNS,
    rows=_names,
    screen=("address", "name", "source", "said_by", "elsewhere", "times", "packets"),
)
