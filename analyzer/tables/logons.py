"""The table ``logons``: one row per attempt of a client to authenticate, over all connections that carried it."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.auth import Mechanism
from analyzer.records.capture import Capture
from analyzer.records.result import Result
from analyzer.records.story import Logon
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set
from analyzer.tables.times import seconds


class LogonRow(Struct, frozen=True, gc=False):
    """A logon and the captures of the run."""

    logon: Logon
    captures: Sequence[Capture]


def _rows(result: Result) -> Iterator[LogonRow]:
    for logon in result.evidence.story.logons:
        yield LogonRow(logon, result.evidence.captures)


def _reason(row: LogonRow) -> str | None:
    reason = row.logon.reason
    return None if reason is None else reason.value if row.logon.code is None else f"{reason.value} {row.logon.code}"


_COLUMNS: tuple[Column[LogonRow], ...] = (
    Column("logon_id", Dtype.TEXT, lambda row: row.logon.id, "`l1` is the first logon by place."),
    Column("client_connection_id", Dtype.TEXT, lambda row: row.logon.client_connection, "The connection of the client that logged on."),
    Column(
        "server_connection_ids",
        Dtype.TEXT,
        lambda row: ",".join(row.logon.server_connections) or None,
        "The connections that proxies forwarded it on; more than one next to each other breaks NTLM and Kerberos.",
    ),
    Column("audience", Dtype.TEXT, lambda row: row.logon.audience.value, "`server` or `proxy`: who asked for it."),
    Column(
        "mechanism",
        Dtype.TEXT,
        lambda row: None if row.logon.mechanism is Mechanism.UNKNOWN else row.logon.mechanism.value,
        "`basic`, `digest`, `ntlm`, `kerberos`, `credssp`, `certificate`; null when it cannot be told.",
    ),
    Column("user", Dtype.TEXT, lambda row: row.logon.user, "The user; null where nothing shows it."),
    Column("domain", Dtype.TEXT, lambda row: row.logon.domain, "The domain or realm of the user."),
    Column(
        "user_source",
        Dtype.TEXT,
        lambda row: row.logon.user_source,
        "Where the user was read: `wire` (clear), `ticket` (with a key), `tgs` (the KDC's answer in the capture), `certificate`, `owner`.",
    ),
    Column(
        "outcome",
        Dtype.TEXT,
        lambda row: row.logon.outcome.value,
        "`accepted`, `refused`, `not_examined` (the HTTP layer or a gateway answered) or `unfinished`.",
    ),
    Column("reason", Dtype.TEXT, _reason, "Why it was not accepted, as far as the packets tell; with the Kerberos error or HTTP status where that is it."),
    Column("round_trips", Dtype.INTEGER, lambda row: row.logon.round_trips, "Requests that carried credentials or a token."),
    Column("seconds", Dtype.NUMBER, lambda row: seconds(row.logon.last_ns - row.logon.first_ns), "From its first to its last message."),
    Column("certainty", Dtype.TEXT, lambda row: row.logon.certainty.value, "How sure the reason is: `proved`, `inferred` or `unknown`."),
    Column("authentications", Dtype.TEXT, lambda row: ",".join(row.logon.conversations), "Its rows in the table `authentications`, the client's first."),
    Column("capture", Dtype.TEXT, lambda row: capture_of(row.logon.packets, row.captures), "The capture of its first packet."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.logon.packets, row.captures), "The packets of its messages."),
)

LOGONS = Table(
    name="logons",
    means="One row per logon of a client, over both sides of a proxy.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("logon_id", "client_connection_id", "mechanism", "user", "domain", "outcome", "reason", "round_trips", "packets"),
)
