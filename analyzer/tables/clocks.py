"""The table ``clocks``: how far the clocks of servers are ahead of the capture's, and how that is known."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.result import Result
from analyzer.records.story import Party, ServerClock
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set
from analyzer.tables.times import seconds


class ClockRow(Struct, frozen=True, gc=False):
    """A clock, whose it is, and the captures of the run."""

    clock: ServerClock
    party: Party
    captures: Sequence[Capture]


def _rows(result: Result) -> Iterator[ClockRow]:
    parties = {one.id: one for one in result.evidence.story.parties}
    for clock in result.evidence.story.clocks:
        yield ClockRow(clock, parties[clock.party], result.evidence.captures)


def _basis(clock: ServerClock) -> str:
    told = (("ntlm", clock.ntlm), ("kerberos", clock.kerberos), ("date", clock.date))
    return ",".join(f"{name}:{count}" for name, count in told if count)


_COLUMNS: tuple[Column[ClockRow], ...] = (
    Column("party_id", Dtype.TEXT, lambda row: row.party.id, "Whose clock it is."),
    Column("kind", Dtype.TEXT, lambda row: row.party.kind.value, "`server`, `proxy` or `kdc`."),
    Column(
        "endpoints",
        Dtype.TEXT,
        lambda row: ",".join(map(str, row.party.listens)) or None,
        "Where it listens (address:port).",
    ),
    Column("capture", Dtype.TEXT, lambda row: capture_of(row.clock.packets, row.captures), "By whose clock: the capture of the first of `packets`."),
    Column("ahead_s", Dtype.NUMBER, lambda row: seconds(row.clock.ahead_ns), "Seconds that it is ahead of the capture's clock; negative where it is behind."),
    Column("error_s", Dtype.NUMBER, lambda row: seconds(row.clock.error_ns), "How far the true value may be from that, each way."),
    Column(
        "steady",
        Dtype.FLAG,
        lambda row: row.clock.steady,
        "False: what it told at different times differs by more than the error. The clock moved, or several machines answer there.",
    ),
    Column("basis", Dtype.TEXT, lambda row: _basis(row.clock), "What told it, and how often: NTLM challenges, Kerberos errors, the field Date."),
    Column("first_time", Dtype.TIME, lambda row: row.clock.first_ns, "When it first told a time, by the capture's clock."),
    Column("last_time", Dtype.TIME, lambda row: row.clock.last_ns, "When it last did."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.clock.packets, row.captures), "The packets whose times set the two bounds."),
)

CLOCKS = Table(
    name="clocks",
    means="One row per server, proxy or key distribution center that told its time, and capture point: its clock against the capture's.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("party_id", "kind", "endpoints", "ahead_s", "error_s", "steady", "basis", "packets"),
)
