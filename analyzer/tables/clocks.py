"""The table ``clocks``: how far the clocks of servers are ahead of the capture's, and how that is known."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.ids import key_capture
from analyzer.records.result import Result
from analyzer.records.story import Party, ServerClock
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set
from analyzer.tables.times import seconds


class ClockRow(Struct, frozen=True, gc=False):
    """A clock, whose it is (None: that of a sensor), and the captures of the run."""

    clock: ServerClock
    party: Party | None
    captures: Sequence[Capture]
    sensor: str = ""


def _rows(result: Result) -> Iterator[ClockRow]:
    parties = {one.id: one for one in result.evidence.story.parties}
    for clock in result.evidence.story.clocks:
        yield ClockRow(clock, parties[clock.party], result.evidence.captures, _sensor(clock, result.evidence.captures))
    sensors = {one.sensor: one for one in reversed(result.evidence.captures) if one.sensor and one.clock_error_ns is not None}
    for name, one in sorted(sensors.items()):
        ahead, error, first, last = one.clock_offset_ns, one.clock_error_ns or 0, one.first_ns or 0, one.point_last_ns or 0
        own = ServerClock("", one.point, ahead, error, True, 0, 0, 0, first, last, ())  # noqa: FBT003  as its columns
        yield ClockRow(own, None, result.evidence.captures, name)


def _sensor(clock: ServerClock, captures: Sequence[Capture]) -> str:
    return captures[key_capture(clock.packets[0])].sensor if clock.packets else ""


def _basis(clock: ServerClock) -> str:
    told = (("ntlm", clock.ntlm), ("kerberos", clock.kerberos), ("date", clock.date))
    return ",".join(f"{name}:{count}" for name, count in told if count) or "exchanges"


_COLUMNS: tuple[Column[ClockRow], ...] = (
    Column("party_id", Dtype.TEXT, lambda row: None if row.party is None else row.party.id, "Whose clock it is; null of a sensor's."),
    Column(
        "kind",
        Dtype.TEXT,
        lambda row: "sensor" if row.party is None else row.party.kind.value,
        "`server`, `proxy` or `kdc`; or `sensor`: a capture point with a name, whose clock is told by exchanges of which another one saw the other side.",
    ),
    Column(
        "endpoints",
        Dtype.TEXT,
        lambda row: None if row.party is None else ",".join(map(str, row.party.listens)) or None,
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
    Column(
        "basis",
        Dtype.TEXT,
        lambda row: _basis(row.clock),
        "What told it, and how often: NTLM challenges, Kerberos errors, the field Date; of a sensor `exchanges`.",
    ),
    Column("first_time", Dtype.TIME, lambda row: row.clock.first_ns, "When it first told a time, by the capture's clock."),
    Column("last_time", Dtype.TIME, lambda row: row.clock.last_ns, "When it last did."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.clock.packets, row.captures), "The packets whose times set the two bounds."),
    Column(
        "sensor",
        Dtype.TEXT,
        lambda row: row.sensor or None,
        "The name that `--sensor` gave the capture point of that capture; in a row of the kind `sensor` that whose clock it is.",
    ),
)

CLOCKS = Table(
    name="clocks",
    means="One row per server, proxy or key distribution center that told its time, and capture point; and per named sensor: its clock against the capture's.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("party_id", "kind", "endpoints", "ahead_s", "error_s", "steady", "basis", "packets"),
)
