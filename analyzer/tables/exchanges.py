"""The table ``exchanges``: one row per HTTP request with its response."""

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from analyzer.records.auth import Audience, Conversation, Mechanism
from analyzer.records.capture import Capture
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.quality import Absent
from analyzer.records.result import Result
from analyzer.records.sealing import Message
from analyzer.tables import headers
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.packets import packet_set
from analyzer.tables.times import seconds


class ExchangeRow(Struct, frozen=True, gc=False):
    """An exchange, its two messages (None when absent), what protects them, and the authentication it is part of."""

    exchange: Exchange
    captures: Sequence[Capture]
    request: Request | None
    response: Response | None
    request_fields: headers.Fields
    response_fields: headers.Fields
    asked: Message | None
    answered: Message | None
    mechanism: Mechanism | None
    auth_step: str | None
    winrm: bool


def _rows(result: Result) -> Iterator[ExchangeRow]:
    evidence = result.evidence
    mechanisms = _mechanisms(evidence.conversations)
    fields = headers.fields_of()
    for exchange in evidence.exchanges.values():
        request, response = headers.request_of(exchange.request), headers.response_of(exchange.response)
        yield ExchangeRow(
            exchange=exchange,
            captures=evidence.captures,
            request=request,
            response=response,
            request_fields=fields(request.headers) if request else headers.NO_FIELDS,
            response_fields=fields(response.headers) if response else headers.NO_FIELDS,
            asked=_message(evidence, request),
            answered=_message(evidence, response),
            mechanism=mechanisms.get(exchange.id),
            auth_step=result.auth_steps.get(exchange.id),
            winrm=exchange.id in evidence.winrm_exchanges,
        )


def _mechanisms(conversations: Sequence[Conversation]) -> Mapping[str, Mechanism]:
    """By exchange id, what the client authenticates to the server with; the earlier conversation wins when two share an exchange."""
    found: dict[str, Mechanism] = {}
    for conversation in conversations:
        if conversation.audience is Audience.SERVER:
            for exchange in conversation.exchanges:
                found.setdefault(exchange, conversation.mechanism)
    return found


def _message(evidence: Evidence, message: Request | Response | None) -> Message | None:
    return evidence.messages.get(message.id) if message else None


def _latency(row: ExchangeRow) -> float | None:
    return seconds(row.response.first_ns - row.request.last_ns) if row.request and row.response else None


def _scheme(row: ExchangeRow, credentials: str, challenge: str) -> str | None:
    return row.request_fields.scheme(credentials) or row.response_fields.scheme(challenge)


def _action(row: ExchangeRow) -> str | None:
    operation = row.asked.operation if row.asked else None
    return None if isinstance(operation, Absent) else operation


def _action_absent(row: ExchangeRow) -> str | None:
    operation = row.asked.operation if row.asked else None
    return operation.why.value if isinstance(operation, Absent) else None


def _mechanism(row: ExchangeRow) -> str | None:
    return None if row.mechanism in {None, Mechanism.UNKNOWN} else str(row.mechanism)


def _forwarded_for(row: ExchangeRow) -> str | None:
    return row.request_fields.joined("x-forwarded-for") or row.request_fields.joined("forwarded")


def _packets(row: ExchangeRow) -> str | None:
    asked, answered = row.request.packets if row.request else (), row.response.packets if row.response else ()
    return packet_set((*asked, *answered), row.captures)


_COLUMNS: tuple[Column[ExchangeRow], ...] = (
    Column(
        "exchange_id",
        Dtype.TEXT,
        lambda row: row.exchange.id,
        "`c42.x3` is the third exchange of connection `c42`; `c42.x3.q` its request, `c42.x3.s` its response.",
    ),
    Column("connection_id", Dtype.TEXT, lambda row: row.exchange.connection, "The connection."),
    Column("position", Dtype.INTEGER, lambda row: row.exchange.position, "Place on the connection, from 1."),
    Column("request_time", Dtype.TIME, lambda row: row.request.first_ns if row.request else None, "Time of the request's first byte."),
    Column("response_time", Dtype.TIME, lambda row: row.response.first_ns if row.response else None, "Time of the final response's first byte."),
    Column(
        "latency_s",
        Dtype.NUMBER,
        _latency,
        "From the request's last byte to the response's first byte; negative when the response came before the request was whole.",
    ),
    Column("method", Dtype.TEXT, lambda row: row.request.method if row.request else None, "The request's method."),
    Column(
        "target", Dtype.TEXT, lambda row: row.request.target if row.request else None, "The request target as sent: a path, a URL, or host:port of CONNECT."
    ),
    Column("host", Dtype.TEXT, lambda row: row.request_fields.first("host"), "The Host header."),
    Column("request_version", Dtype.TEXT, lambda row: row.request.version if row.request else None, "The request's HTTP version, like `HTTP/1.1`."),
    Column("response_version", Dtype.TEXT, lambda row: row.response.version if row.response else None, "The response's HTTP version."),
    Column("status", Dtype.INTEGER, lambda row: row.response.status if row.response else None, "The final response's status code."),
    Column(
        "auth_scheme",
        Dtype.TEXT,
        lambda row: _scheme(row, "authorization", "www-authenticate"),
        "First word of Authorization, as spelled; when the request has none, of the first WWW-Authenticate.",
    ),
    Column(
        "mechanism",
        Dtype.TEXT,
        _mechanism,
        "What the tokens to the server are: `basic`, `digest`, `ntlm`, `kerberos`, `credssp`, `certificate`; null outside of an authentication.",
    ),
    Column(
        "auth_step",
        Dtype.TEXT,
        lambda row: row.auth_step,
        "What the exchange does in the authentication to the server: `offer`, `negotiate`, `challenge`, `authenticate`, `accepted`, `refused`.",
    ),
    Column(
        "proxy_auth_scheme",
        Dtype.TEXT,
        lambda row: _scheme(row, "proxy-authorization", "proxy-authenticate"),
        "First word of Proxy-Authorization; when the request has none, of the first Proxy-Authenticate.",
    ),
    Column(
        "request_protection",
        Dtype.TEXT,
        lambda row: row.asked.protection.value if row.asked else None,
        "What protects the request's body: `clear`, `sealed` (multipart/encrypted), `tls`, `empty`, or `none` (no WinRM message).",
    ),
    Column("response_protection", Dtype.TEXT, lambda row: row.answered.protection.value if row.answered else None, "The same for the response's body."),
    Column("request_bytes", Dtype.INTEGER, lambda row: row.request.end_at - row.request.at if row.request else None, "Size of the request, head and body."),
    Column(
        "response_bytes",
        Dtype.INTEGER,
        lambda row: row.response.end_at - row.response.at if row.response else None,
        "Size of the final response, head and body.",
    ),
    Column(
        "content_type",
        Dtype.TEXT,
        lambda row: row.request_fields.first("content-type") or row.response_fields.first("content-type"),
        "The request's Content-Type; when it has none, the response's.",
    ),
    Column("user_agent", Dtype.TEXT, lambda row: row.request_fields.first("user-agent"), "The User-Agent header."),
    Column("via", Dtype.TEXT, lambda row: row.request_fields.joined("via"), "The request's Via headers, comma-joined."),
    Column("forwarded_for", Dtype.TEXT, _forwarded_for, "The request's X-Forwarded-For headers, else its Forwarded headers, comma-joined."),
    Column("action", Dtype.TEXT, _action, "Short WS-Management name of the request, such as `Create` or `Receive`, when its body is readable."),
    Column(
        "quality",
        Dtype.TEXT,
        lambda row: ",".join(row.exchange.quality) or "complete",
        "`complete`, or what is not whole: `request_missing`, `response_missing`, `request_cut`, `response_cut`, `unpaired`, comma-joined.",
    ),
    Column(
        "action_absent",
        Dtype.TEXT,
        _action_absent,
        "Why `action` is null where the body has one: `sealed`, `not_captured`, `malformed`, `over_limit`, `unsupported`.",
    ),
    Column(
        "request_body_bytes", Dtype.INTEGER, lambda row: row.request.body.size if row.request else None, "Size of the request's body without chunk framing."
    ),
    Column(
        "response_body_bytes", Dtype.INTEGER, lambda row: row.response.body.size if row.response else None, "Size of the response's body without chunk framing."
    ),
    Column("capture", Dtype.TEXT, lambda row: row.captures[row.exchange.capture].name, "The capture's name."),
    Column("packets", Dtype.TEXT, _packets, "Packets of the request and the response, as a set for `frame.number in {...}`."),
    Column("winrm", Dtype.FLAG, lambda row: row.winrm, "The exchange is WinRM's; a connection that a proxy shares carries others, too."),
    Column(
        "stream_error",
        Dtype.TEXT,
        lambda row: row.exchange.stream_error,
        "HTTP/2: the error with which one side ended the request's stream, such as `HTTP_1_1_REQUIRED`.",
    ),
)

EXCHANGES = Table(
    name="exchanges",
    means="One row per HTTP request with its response, in order of place.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("exchange_id", "request_time", "method", "target", "status", "auth_scheme", "auth_step", "request_protection", "response_protection", "packets"),
)
