"""The table ``requests``: what became of each request that a client made."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.result import Result
from analyzer.records.story import Fate
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set
from analyzer.tables.times import seconds


class RequestRow(Struct, frozen=True, gc=False):
    """A request's fate and the captures of the run."""

    fate: Fate
    captures: Sequence[Capture]


def _rows(result: Result) -> Iterator[RequestRow]:
    for fate in result.evidence.story.fates.values():
        yield RequestRow(fate, result.evidence.captures)


_COLUMNS: tuple[Column[RequestRow], ...] = (
    Column("request_id", Dtype.TEXT, lambda row: row.fate.request, "The exchange on the client's side, or the nearest to it that was captured."),
    Column(
        "fate",
        Dtype.TEXT,
        lambda row: row.fate.outcome.value,
        "`answered`, `fault`, `refused` (401), `error_by_proxy`, `error_by_server`, `cut`, `reset`, `unanswered`, `not_forwarded`, or `not_captured` "
        "(there may have been an answer).",
    ),
    Column("stopped_at", Dtype.TEXT, lambda row: row.fate.stopped_at, "The party that answered, or the last one that it got to."),
    Column("status", Dtype.INTEGER, lambda row: row.fate.status, "The HTTP status that the client got."),
    Column("fault_code", Dtype.TEXT, lambda row: row.fate.fault_code, "The code of the WS-Management fault, where it could be read."),
    Column("forwarded_as", Dtype.TEXT, lambda row: ",".join(row.fate.forwarded_as) or None, "The exchanges that proxies forwarded it as."),
    Column(
        "asked_as", Dtype.TEXT, lambda row: row.fate.asked_as, "The account that the client itself logged on with; null where it did not, or no key shows it."
    ),
    Column("ran_as", Dtype.TEXT, lambda row: row.fate.ran_as, "The account that the server's connection was logged on with at that moment."),
    Column(
        "seconds", Dtype.NUMBER, lambda row: None if row.fate.waited_ns is None else seconds(row.fate.waited_ns), "From the request's last byte to its answer."
    ),
    Column("certainty", Dtype.TEXT, lambda row: row.fate.certainty.value, "`proved`, `inferred`, or `unknown` where one side of a proxy is not captured."),
    Column("capture", Dtype.TEXT, lambda row: capture_of(row.fate.packets, row.captures), "The capture of its first packet."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.fate.packets, row.captures), "Packets of the request and its answer on each side."),
    Column(
        "asked_from",
        Dtype.TEXT,
        lambda row: row.fate.asked_from,
        "Address of the client; on the server's side alone as the proxy names it (X-Forwarded-For, Forwarded, PROXY header).",
    ),
)

REQUESTS = Table(
    name="requests",
    means="One row per WinRM request of a client: where it got to, what came back, and as whom it was served.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("request_id", "fate", "status", "stopped_at", "forwarded_as", "asked_as", "ran_as", "seconds", "packets"),
)
