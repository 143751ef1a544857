"""The table ``messages``: one row per HTTP body, what protects it and what can be read of it."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.codes.table import Code, fault, in_hex
from analyzer.records.capture import Capture
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.quality import Absent, Why
from analyzer.records.result import Result
from analyzer.records.sealing import Fault, Message, Page, Protection
from analyzer.tables import headers
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import capture_of, packet_set

_READABLE = frozenset({Protection.CLEAR, Protection.TLS})


class MessageRow(Struct, frozen=True, gc=False):
    """A message, the exchange it belongs to and the HTTP message that carried it."""

    message: Message
    exchange: Exchange | None
    carrier: Request | Response | None
    captures: Sequence[Capture]
    winrm: bool


def _rows(result: Result) -> Iterator[MessageRow]:
    evidence = result.evidence
    for message in evidence.messages.values():
        exchange = evidence.exchanges.get(message.exchange)
        carrier = _carrier(exchange, from_client=message.from_client)
        yield MessageRow(message, exchange, carrier, evidence.captures, message.exchange in evidence.winrm_exchanges)


def _carrier(exchange: Exchange | None, *, from_client: bool) -> Request | Response | None:
    if exchange is None:
        return None
    return headers.request_of(exchange.request) if from_client else headers.response_of(exchange.response)


def _capture(row: MessageRow) -> str | None:
    if row.exchange is None:
        return None
    return (capture_of(row.carrier.packets, row.captures) if row.carrier else None) or row.captures[row.exchange.capture].name


def _opened(row: MessageRow) -> bool | None:
    if row.message.protection is Protection.SEALED:
        return row.message.opened
    return True if row.message.protection in _READABLE else None


def _opened_absent(row: MessageRow) -> str | None:
    if row.message.protection is not Protection.SEALED or row.message.opened:
        return None
    return row.message.opened_absent or Why.SEALED.value


def _operation(row: MessageRow) -> str | None:
    return None if isinstance(row.message.operation, Absent) else row.message.operation


def _fault(row: MessageRow) -> Fault:
    return row.message.fault or Fault()


def _page(row: MessageRow) -> Page:
    return row.message.page or Page(None, "")


def _codings(row: MessageRow) -> str | None:
    return ", ".join(row.message.codings) or None


_COLUMNS: tuple[Column[MessageRow], ...] = (
    Column("message_id", Dtype.TEXT, lambda row: row.message.id, "The id of the request (`...q`) or response (`...s`) whose body it is."),
    Column("exchange_id", Dtype.TEXT, lambda row: row.message.exchange, "The exchange."),
    Column("direction", Dtype.TEXT, lambda row: "request" if row.message.from_client else "response", "`request` or `response`."),
    Column("time", Dtype.TIME, lambda row: row.carrier.first_ns if row.carrier else None, "Time of the HTTP message's first byte."),
    Column(
        "protection", Dtype.TEXT, lambda row: row.message.protection.value, "`clear`, `sealed`, `tls`, `empty`, or `none` (a body that is no WinRM message)."
    ),
    Column("opened", Dtype.FLAG, _opened, "The text could be read; null where there is none to read."),
    Column(
        "opened_absent",
        Dtype.TEXT,
        _opened_absent,
        "Why it could not: `sealed` (no key), `not_captured`, `unsent` (its sender stopped), `malformed`, `over_limit`, `unsupported`.",
    ),
    Column("secret_used", Dtype.TEXT, lambda row: row.message.secret, "The tag of the password or key that decrypted it (never the key itself)."),
    Column("check", Dtype.TEXT, lambda row: row.message.check, "Whether its signature is right: `good`, `bad`, or `none` when it was not checked."),
    Column("size_bytes", Dtype.INTEGER, lambda row: row.message.size, "Size of the body."),
    Column("action", Dtype.TEXT, lambda row: row.message.action, "The WS-Addressing action as sent."),
    Column("resource_uri", Dtype.TEXT, lambda row: row.message.resource_uri, "The WS-Management resource URI."),
    Column("soap_message_id", Dtype.TEXT, lambda row: row.message.message_id, "The WS-Addressing MessageID."),
    Column("relates_to", Dtype.TEXT, lambda row: row.message.relates_to, "The MessageID that this one answers."),
    Column("session_id", Dtype.TEXT, lambda row: row.message.session_id, "The WS-Management SessionId."),
    Column("shell_id", Dtype.TEXT, lambda row: row.message.shell_id, "The shell's id."),
    Column("command_id", Dtype.TEXT, lambda row: row.message.command_id, "The command's id."),
    Column("fault_code", Dtype.TEXT, lambda row: row.message.fault_code, "The fault's code."),
    Column(
        "fault_meaning",
        Dtype.TEXT,
        lambda row: _fault_meaning(row.message),
        "What the code means; null for codes that are not known here.",
    ),
    Column("operation", Dtype.TEXT, _operation, "The action's short name, such as `Create`, `Command`, `Receive`."),
    Column("text_sha256", Dtype.TEXT, lambda row: row.message.text_digest.hex() if row.message.text_digest else None, "SHA-256 of the text as read."),
    Column("opened_detail", Dtype.TEXT, lambda row: row.message.opened_detail, "Why an encrypted body was not decrypted, in words."),
    Column(
        "operation_timeout_s",
        Dtype.NUMBER,
        lambda row: row.message.operation_timeout_s,
        "How long the server may wait with its answer (OperationTimeout of the request); null where the request does not say.",
    ),
    Column("sealed_parts", Dtype.INTEGER, lambda row: len(row.message.parts), "Encrypted parts in the body."),
    Column("fault_hex", Dtype.TEXT, lambda row: in_hex(row.message.fault_code), "The fault's code in hexadecimal."),
    Column("fault_symbol", Dtype.TEXT, lambda row: _fault_symbol(row.message), "The code's name in Windows' headers."),
    Column("fault_text", Dtype.TEXT, lambda row: _fault(row).text, "What the fault itself says happened."),
    Column("fault_subcode", Dtype.TEXT, lambda row: _fault(row).subcode, "The SOAP subcode, such as `QuotaLimit`."),
    Column("fault_machine", Dtype.TEXT, lambda row: _fault(row).machine, "The computer that the fault names."),
    Column("fault_provider", Dtype.TEXT, lambda row: _fault(row).provider, "The plug-in in which it failed."),
    Column("fault_inner_code", Dtype.TEXT, lambda row: _fault(row).inner_code, "The plug-in's own code, if another."),
    Column("content_coding", Dtype.TEXT, _codings, "How the body is compressed, such as `gzip`."),
    Column("page_title", Dtype.TEXT, lambda row: _page(row).title, "Title of a page that came instead of WinRM."),
    Column("page_text", Dtype.TEXT, lambda row: _page(row).text or None, "The beginning of its text."),
    Column("capture", Dtype.TEXT, _capture, "The capture of its first packet."),
    Column("packets", Dtype.TEXT, lambda row: packet_set(row.carrier.packets, row.captures) if row.carrier else None, "Packets of the HTTP message."),
    Column("winrm", Dtype.FLAG, lambda row: row.winrm, "The exchange is WinRM's; a connection that a proxy shares carries others, too."),
)


def _fault_meaning(message: Message) -> str | None:
    found = _known(message)
    return None if found is None else found.meaning


def _fault_symbol(message: Message) -> str | None:
    found = _known(message)
    return None if found is None else found.symbol


def _known(message: Message) -> Code | None:
    return fault(message.fault_code) if message.fault_code else None


MESSAGES = Table(
    name="messages",
    means="One row per HTTP body of a WinRM connection.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("message_id", "time", "protection", "opened", "opened_absent", "size_bytes", "operation", "fault_code", "packets"),
)
