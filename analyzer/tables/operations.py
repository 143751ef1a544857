"""The table ``operations``: what was asked of CIM classes and other resources that are no shells, and what came back."""

from collections.abc import Iterator

from msgspec import Struct
from msgspec.json import encode

from analyzer.records.operations import CimOperation
from analyzer.records.result import Result
from analyzer.records.story import Fate
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import packet_set
from analyzer.tables.times import seconds


class OperationRow(Struct, frozen=True, gc=False):
    """An operation, what became of its request, and the run."""

    one: CimOperation
    fate: Fate | None
    result: Result


def operation_rows(result: Result) -> Iterator[OperationRow]:
    """The rows in order of place."""
    fates = result.evidence.story.fates
    for one in result.evidence.operations:
        yield OperationRow(one, fates.get(one.id), result)


def _selectors(row: OperationRow) -> str | None:
    return encode(dict(row.one.selectors)).decode() if row.one.selectors else None


def _instances(row: OperationRow) -> str | None:
    return f"[{','.join(row.one.instances)}]" if row.one.instances else None


_COLUMNS: tuple[Column[OperationRow], ...] = (
    Column("operation_id", Dtype.TEXT, lambda row: row.one.id, "The exchange that asked, the client's own where both sides of a proxy show it."),
    Column("connection_id", Dtype.TEXT, lambda row: row.one.connection, "Its connection."),
    Column("time", Dtype.TIME, lambda row: row.one.first_ns, "When it was asked."),
    Column("seconds", Dtype.NUMBER, lambda row: seconds(row.one.last_ns - row.one.first_ns), "Until the answer was whole."),
    Column("client_ip", Dtype.TEXT, lambda row: row.one.client, "Who asked."),
    Column("server_ip", Dtype.TEXT, lambda row: row.one.server, "Who was asked."),
    Column("operation", Dtype.TEXT, lambda row: row.one.name, "`Enumerate`, `Pull`, `Get`, `Put`, `Create`, `Delete`, `Release` or `Invoke`."),
    Column("namespace", Dtype.TEXT, lambda row: row.one.namespace, "The CIM namespace, as `root/cimv2`; null where nothing says it."),
    Column("class", Dtype.TEXT, lambda row: row.one.class_name, "The CIM class; of a query for `*` the class that it asks for."),
    Column("method", Dtype.TEXT, lambda row: row.one.method, "Of an Invoke the method."),
    Column("query", Dtype.TEXT, lambda row: row.one.query, "The filter of an enumeration, usually WQL; a Pull has that of its Enumerate."),
    Column("selectors", Dtype.TEXT, _selectors, "What chooses the instance, as a JSON object."),
    Column("arguments", Dtype.TEXT, lambda row: row.one.arguments, "What a method was given, or the instance that a Put or Create sets, as a JSON object."),
    Column("returned", Dtype.TEXT, lambda row: row.one.returned, "What a method gave back, as a JSON object."),
    Column("return_value", Dtype.INTEGER, lambda row: row.one.return_value, "ReturnValue of a method: 0 is success for most classes."),
    Column("instances", Dtype.TEXT, _instances, "The instances that came back, as a JSON list. Numbers and truth values are told by their form."),
    Column("instances_returned", Dtype.INTEGER, lambda row: len(row.one.instances), "How many came back."),
    Column("enumeration_id", Dtype.TEXT, lambda row: row.one.enumeration, "Of a Pull the Enumerate that began it."),
    Column(
        "touches",
        Dtype.TEXT,
        lambda row: None if row.one.touches is None else row.one.touches.value,
        "`process`, `service`, `task`, `registry`, `event_consumer` (a permanent event subscription of WMI), `configuration` (of WinRM); null for all else.",
    ),
    Column("changes", Dtype.FLAG, lambda row: row.one.changes, "It asks for a change: Put, Create, Delete, or a method that does not only read."),
    Column("status", Dtype.INTEGER, lambda row: row.one.status, "The HTTP status of the answer; null where none is in the capture."),
    Column("fault_code", Dtype.TEXT, lambda row: row.one.fault_code, "The code of the fault that came back."),
    Column("user", Dtype.TEXT, lambda row: row.one.user, "Who was logged on."),
    Column("asked_as", Dtype.TEXT, lambda row: row.fate.asked_as if row.fate else None, "The account that the client itself logged on with."),
    Column("ran_as", Dtype.TEXT, lambda row: row.fate.ran_as if row.fate else None, "The account that the server's connection was logged on with then."),
    Column("complete", Dtype.FLAG, lambda row: not row.one.cut, "False where bytes are missing or a limit was reached; what there is of it is shown."),
    Column("resource_uri", Dtype.TEXT, lambda row: row.one.resource_uri, "The resource as it was named."),
    Column("capture", Dtype.TEXT, lambda row: row.result.evidence.captures[row.one.capture].name, "The capture."),
    Column("packets", Dtype.TEXT, lambda row: packet_set((*row.one.packets, *row.one.answer_packets), row.result.evidence.captures), "Of request and answer."),
)

OPERATIONS = Table(
    name="operations",
    means="One row per WS-Management operation on a resource that is no shell: CIM and WMI classes, WinRM's configuration.",
    columns=_COLUMNS,
    rows=operation_rows,
    screen=(
        "operation_id",
        "time",
        "client_ip",
        "server_ip",
        "operation",
        "class",
        "method",
        "query",
        "arguments",
        "return_value",
        "instances_returned",
        "packets",
    ),
)
