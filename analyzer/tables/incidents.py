"""The table ``incidents``: findings of one cause told once, the most severe first."""

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import replace

from analyzer.records.capture import Capture
from analyzer.records.finding import Severity
from analyzer.records.incident import Incident
from analyzer.records.result import Result
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set
from analyzer.tables.times import seconds

_ASCENDING = tuple(Severity)


class IncidentRow(Struct, frozen=True, gc=False):
    """An incident and the captures of the run."""

    incident: Incident
    captures: Sequence[Capture]


def _rows(result: Result) -> Iterator[IncidentRow]:
    for incident in result.incidents:
        yield IncidentRow(incident, result.evidence.captures)


def at_least(incidents: Sequence[Incident], least: int, kept: frozenset[str]) -> tuple[Incident, ...]:
    """The incidents of at least this rank of severity, with those of their findings that are kept."""
    return tuple(replace(one, findings=tuple(name for name in one.findings if name in kept)) for one in incidents if _ASCENDING.index(one.severity) >= least)


_COLUMNS: tuple[Column[IncidentRow], ...] = (
    Column("incident_id", Dtype.TEXT, lambda row: row.incident.id, "`i1` is the most severe, and among equals the earliest."),
    Column("rule", Dtype.TEXT, lambda row: row.incident.rule, "The rule of its findings; `winrm-analyzer explain ID` prints its document."),
    Column("owner", Dtype.TEXT, lambda row: row.incident.owner, "Who has to change something: `client`, `proxy`, `server`, `network` or `capture`."),
    Column("party_id", Dtype.TEXT, lambda row: row.incident.party, "The party that owns it, or at which it shows (table parties)."),
    Column("severity", Dtype.TEXT, lambda row: row.incident.severity.value, "The highest of its findings."),
    Column("title", Dtype.TEXT, lambda row: row.incident.title, "One line."),
    Column("clients", Dtype.INTEGER, lambda row: row.incident.clients, "How many clients it concerns: the machines behind a proxy, by their addresses."),
    Column("clients_total", Dtype.INTEGER, lambda row: row.incident.clients_total, "How many clients that party has in the capture."),
    Column("first_time", Dtype.TIME, lambda row: row.incident.first_ns, "When the first of its findings begins."),
    Column("last_time", Dtype.TIME, lambda row: row.incident.last_ns, "When the last of its findings ends."),
    Column("findings", Dtype.TEXT, lambda row: ",".join(row.incident.findings) or None, "Its findings, comma-joined."),
    Column(
        "cost_s",
        Dtype.NUMBER,
        lambda row: None if row.incident.cost_ns is None else seconds(row.incident.cost_ns),
        "How long clients waited for the requests of it that failed, together.",
    ),
    Column("explained_by", Dtype.TEXT, lambda row: row.incident.explained_by, "The incident of the same clients that it probably follows from."),
    Column(
        "explains", Dtype.TEXT, lambda row: ",".join(row.incident.explains) or None, "Rules whose findings are its symptoms and are not listed, comma-joined."
    ),
    Column("logons", Dtype.INTEGER, lambda row: row.incident.logons, "Logons that its findings name; one that both sides of a proxy show is one."),
    Column("requests", Dtype.INTEGER, lambda row: row.incident.requests, "Requests that its findings name; one that both sides of a proxy show is one."),
    Column("certainty", Dtype.TEXT, lambda row: row.incident.certainty.value, "`proved`, `inferred` or `unknown`: that of its least certain finding."),
    Column("background", Dtype.FLAG, lambda row: row.incident.background, "A note that comes with healthy captures, too."),
    Column(
        "change", Dtype.TEXT, lambda row: row.incident.change or None, "What to change, in one sentence; the findings' `advice` and `settings` have all of it."
    ),
    Column("capture", Dtype.TEXT, lambda row: capture_of(row.incident.packets, row.captures), "The capture of the packets."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.incident.packets, row.captures), "The packets of its first finding, to look at first."),
)

INCIDENTS = Table(
    name="incidents",
    means="One row per incident: findings of one cause, with how many clients they concern.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("incident_id", "severity", "rule", "title", "owner", "clients", "clients_total", "findings", "packets"),
)
