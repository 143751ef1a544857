"""The table ``connections``: one row per TCP connection that was kept, and per connection carried inside a CONNECT tunnel."""

from collections.abc import Callable, Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture, IcmpError
from analyzer.records.http import Exchange
from analyzer.records.prefaces import ProxyHeader, Socks
from analyzer.records.proxy import Role
from analyzer.records.result import Result
from analyzer.records.story import Ending
from analyzer.records.transport import Connection, End, Side, Stream, host_port
from analyzer.records.waiting import Unanswered
from analyzer.tables import headers
from analyzer.tables.column import Column, Dtype, Table
from analyzer.tables.community_id import community_id
from analyzer.tables.packets import packet_set
from analyzer.tables.times import seconds
from analyzer.tables.tls import ending_alert


class ConnectionRow(Struct, frozen=True, gc=False):
    """A connection with its exchanges, its role and the route it belongs to."""

    connection: Connection
    captures: Sequence[Capture]
    exchanges: tuple[Exchange, ...]
    role: Role
    route: str | None
    winrm: bool
    ending: Ending | None
    unanswered: Unanswered | None = None
    icmp: tuple[IcmpError, ...] = ()


def _rows(result: Result) -> Iterator[ConnectionRow]:
    evidence = result.evidence
    routes: dict[str, list[str]] = {}
    for route in evidence.routes:
        for name in (route.client_connection, *route.upstream_connections):
            routes.setdefault(name, []).append(route.id)
    unanswered = {one.connection: one for one in evidence.unanswered}
    for connection in evidence.connections.values():
        yield ConnectionRow(
            connection=connection,
            captures=evidence.captures,
            exchanges=evidence.exchanges_of.get(connection.id, ()),
            role=evidence.roles.get(connection.id, Role.UNKNOWN),
            route=",".join(routes.get(connection.twin_of or connection.id, ())) or None,
            winrm=connection.id in evidence.winrm,
            ending=evidence.story.endings.get(connection.id),
            unanswered=unanswered.get(connection.id),
            icmp=evidence.icmp.get(connection.id, ()),
        )


def _missing(stream: Stream) -> int:
    return sum(gap.size for gap in stream.gaps)


def _seconds_after_last_response(row: ConnectionRow) -> float | None:
    responses = [response.last_ns for exchange in row.exchanges if (response := headers.response_of(exchange.response))]
    if row.connection.end is End.OPEN or not row.connection.closings or not responses:
        return None
    return seconds(row.connection.closings[0].ts_ns - max(responses))


def _user_agent(row: ConnectionRow) -> str | None:
    requests = (headers.request_of(exchange.request) for exchange in row.exchanges)
    return next((value for request in requests if request and (value := headers.first(request.headers, "user-agent")) is not None), None)


def _server_product(row: ConnectionRow) -> str | None:
    responses = (headers.response_of(exchange.response) for exchange in row.exchanges)
    return next((value for response in responses if response and (value := headers.first(response.headers, "server")) is not None), None)


def _community_id(row: ConnectionRow) -> str:
    client, server = row.connection.client, row.connection.server
    return community_id((client.host, client.port), (server.host, server.port))


def _listed(numbers: Sequence[int]) -> str | None:
    return ",".join(map(str, numbers)) or None


def _longest_pause(row: ConnectionRow) -> float | None:
    longest = max((pause.until_ns - pause.since_ns for pause in row.connection.pauses), default=None)
    return None if longest is None else seconds(longest)


def _zero_window(row: ConnectionRow) -> float | None:
    own = [one for one in row.connection.zero_windows if one.side is Side.SERVER]
    return seconds(max((one.until_ns or row.connection.last_ns) - one.since_ns for one in own)) if own else None


def _unanswered(row: ConnectionRow) -> str | None:
    return None if row.unanswered is None else row.unanswered.stop.value


def _certificate(row: ConnectionRow) -> str | None:
    facts = row.connection.tls
    return facts.certificates[0].hex() if facts is not None and facts.certificates else None


def _alert(row: ConnectionRow) -> str | None:
    alert = None if row.connection.tls is None else ending_alert(row.connection.tls)
    return None if alert is None else alert.name


def _of_socks(field: str) -> Callable[[ConnectionRow], str | None]:
    """That field of the requests to SOCKS proxies."""

    def get(row: ConnectionRow) -> str | None:
        values = (getattr(found, field) for found in _socks(row))
        return ",".join(str(value) for value in values if value is not None) or None

    return get


def _socks(row: ConnectionRow) -> list[Socks]:
    return [preface for preface in row.connection.prefaces if isinstance(preface, Socks)]


def _destination(row: ConnectionRow) -> str | None:
    return next((_place(found.host, found.port) for found in reversed(_socks(row)) if found.host is not None), None)


def _place(host: str | None, port: int | None) -> str | None:
    return None if host is None else host_port(host, port)


def _headers(row: ConnectionRow) -> list[ProxyHeader]:
    return [preface for preface in row.connection.prefaces if isinstance(preface, ProxyHeader)]


def _header_client(row: ConnectionRow) -> str | None:
    return next((_place(found.client_host, found.client_port) for found in _headers(row)), None)


def _header_server(row: ConnectionRow) -> str | None:
    return next((_place(found.server_host, found.server_port) for found in _headers(row)), None)


_COLUMNS: tuple[Column[ConnectionRow], ...] = (
    Column(
        "connection_id",
        Dtype.TEXT,
        lambda row: row.connection.id,
        "`c42` is the 42nd connection by first packet; `c42.t` is the one inside its CONNECT tunnel.",
    ),
    Column("capture", Dtype.TEXT, lambda row: row.captures[row.connection.capture].name, "The capture's name."),
    Column("community_id", Dtype.TEXT, _community_id, "Community ID 1.0, seed 0: joins to Zeek, Suricata, Arkime and Wireshark."),
    Column("client_ip", Dtype.TEXT, lambda row: row.connection.client.host, "The client's address on this connection (a proxy's on the server side)."),
    Column("client_port", Dtype.INTEGER, lambda row: row.connection.client.port, "The client's TCP port."),
    Column("server_ip", Dtype.TEXT, lambda row: row.connection.server.host, "The server's address on this connection (a proxy's on the client side)."),
    Column("server_port", Dtype.INTEGER, lambda row: row.connection.server.port, "The server's TCP port."),
    Column("first_time", Dtype.TIME, lambda row: row.connection.first_ns, "Time of the first packet."),
    Column("last_time", Dtype.TIME, lambda row: row.connection.last_ns, "Time of the last packet."),
    Column("role", Dtype.TEXT, lambda row: row.role.value, "`direct`, `client_leg`, `upstream_leg`, `tunnel` or `unknown`: the place in its route."),
    Column("protocol", Dtype.TEXT, lambda row: row.connection.protocol, "`http`, `tls`, `connect` or `other`."),
    Column(
        "route_id",
        Dtype.TEXT,
        lambda row: row.route,
        "The route through a proxy that the connection belongs to, comma-joined when a proxy used it for several clients; null for none.",
    ),
    Column("exchanges", Dtype.INTEGER, lambda row: len(row.exchanges), "HTTP exchanges on the connection."),
    Column("client_bytes", Dtype.INTEGER, lambda row: row.connection.to_server.size, "Bytes sent by the client, those missing in the capture included."),
    Column("server_bytes", Dtype.INTEGER, lambda row: row.connection.to_client.size, "Bytes sent by the server, those missing in the capture included."),
    Column("missing_client_bytes", Dtype.INTEGER, lambda row: _missing(row.connection.to_server), "Bytes sent by the client that are not in the capture."),
    Column("missing_server_bytes", Dtype.INTEGER, lambda row: _missing(row.connection.to_client), "Bytes sent by the server that are not in the capture."),
    Column(
        "retransmitted_packets",
        Dtype.INTEGER,
        lambda row: row.connection.to_server.retransmitted + row.connection.to_client.retransmitted,
        "Packets of both directions that brought only bytes seen before.",
    ),
    Column(
        "out_of_order_packets",
        Dtype.INTEGER,
        lambda row: row.connection.to_server.out_of_order + row.connection.to_client.out_of_order,
        "Packets of both directions that filled a hole left by a later one.",
    ),
    Column("close", Dtype.TEXT, lambda row: row.connection.end.value, "`fin`, `reset` or `open` (no end in the capture): the first FIN or RST."),
    Column(
        "closed_by",
        Dtype.TEXT,
        lambda row: row.connection.ended_by.value if row.connection.ended_by else None,
        "`client` or `server`: who sent it; null while open.",
    ),
    Column(
        "seconds_after_last_response",
        Dtype.NUMBER,
        _seconds_after_last_response,
        "From the last byte of the last response to the first FIN or RST; negative when the close came first; null while open or without a response.",
    ),
    Column("user_agent", Dtype.TEXT, _user_agent, "The first User-Agent seen on the connection."),
    Column("server_product", Dtype.TEXT, _server_product, "The first Server header seen on the connection."),
    Column("winrm", Dtype.FLAG, lambda row: row.winrm, "The connection carries WinRM, or the authentication of a proxy on the way to it."),
    Column("client_ttl", Dtype.TEXT, lambda row: _listed(row.connection.ttls[0]), "Times to live (hop limits) of the client's packets, resets left out."),
    Column("server_ttl", Dtype.TEXT, lambda row: _listed(row.connection.ttls[1]), "Times to live (hop limits) of the server's packets, resets left out."),
    Column(
        "reset_ttl",
        Dtype.TEXT,
        lambda row: _listed(sorted({one.ttl for one in row.connection.closings if one.kind is End.RESET and one.ttl >= 0})),
        "Times to live of the resets. One that fits no other packet of its sender was sent by a device on the path.",
    ),
    Column("longest_pause_s", Dtype.NUMBER, _longest_pause, "The longest time without any packet; null for less than 10 seconds."),
    Column("zero_window_s", Dtype.NUMBER, _zero_window, "The longest time in which the server's window was 0; null for less than a second."),
    Column(
        "unacknowledged_client_bytes",
        Dtype.INTEGER,
        lambda row: row.connection.to_server.unacked.size if row.connection.to_server.unacked else None,
        "Bytes at the end of the client's stream that the server never acknowledged; null when all were, or that is not known.",
    ),
    Column(
        "icmp",
        Dtype.TEXT,
        lambda row: ",".join(dict.fromkeys(f"{one.router} {one.meaning}" for one in row.icmp)) or None,
        "ICMP errors that quote the connection: who sent them, and what they say.",
    ),
    Column(
        "unanswered",
        Dtype.TEXT,
        _unanswered,
        "What ended the wait of a request without an answer: `reset`, `closed`, `after_close` (it crossed a FIN), `dropped` (never "
        "acknowledged), `too_big` (large segments are lost), `window` (it stayed 0), `gave_up` (by the client), `pending` (at the capture's end).",
    ),
    Column("tunnel_of", Dtype.TEXT, lambda row: row.connection.tunnel_of, "The connection whose CONNECT tunnel carries this one."),
    Column(
        "tls_server_name",
        Dtype.TEXT,
        lambda row: row.connection.tls.server_name if row.connection.tls else None,
        "The server name that the client asked for in TLS (SNI).",
    ),
    Column("ja3", Dtype.TEXT, lambda row: row.connection.tls.ja3 if row.connection.tls else None, "JA3 fingerprint of the TLS client."),
    Column("ja4", Dtype.TEXT, lambda row: row.connection.tls.ja4 if row.connection.tls else None, "JA4 fingerprint of the TLS client."),
    Column("tls_certificate_sha256", Dtype.TEXT, _certificate, "SHA-256 of the server's certificate, where it travels in clear (up to TLS 1.2)."),
    Column("tls_opened", Dtype.FLAG, lambda row: row.connection.tls_opened if row.connection.protocol == "tls" else None, "A key log opened the TLS."),
    Column(
        "tls_handshake",
        Dtype.TEXT,
        lambda row: row.connection.tls.reached.value if row.connection.tls else None,
        "How far the TLS handshake came: see the table `tls`.",
    ),
    Column(
        "tls_version",
        Dtype.TEXT,
        lambda row: row.connection.tls.version_name if row.connection.tls else None,
        "The version that the server chose.",
    ),
    Column("tls_alert", Dtype.TEXT, _alert, "The alert that says most, by IANA's name, where one can be read."),
    Column(
        "socks_version",
        Dtype.TEXT,
        _of_socks("version"),
        "`4`, `4a` or `5`: the connection is to a SOCKS proxy; several are comma-joined.",
    ),
    Column(
        "socks_destination",
        Dtype.TEXT,
        _destination,
        "Host and port that the client asked its (last) SOCKS proxy for.",
    ),
    Column("socks_user", Dtype.TEXT, _of_socks("user"), "The user name that was given to the SOCKS proxy."),
    Column(
        "socks_reply",
        Dtype.TEXT,
        _of_socks("reply"),
        "What the SOCKS proxy answered: `succeeded`, `granted`, or why not.",
    ),
    Column(
        "proxy_header_client",
        Dtype.TEXT,
        _header_client,
        "The client's address and port by the PROXY header that the connection begins with.",
    ),
    Column(
        "proxy_header_server",
        Dtype.TEXT,
        _header_server,
        "The address and port that this client connected to, by the PROXY header.",
    ),
    Column("twin_of", Dtype.TEXT, lambda row: row.connection.twin_of, "The same connection seen at another capture point."),
    Column(
        "packets",
        Dtype.TEXT,
        lambda row: packet_set(row.connection.packets, row.captures),
        "All packets of the connection, as a set for `frame.number in {...}`.",
    ),
    Column(
        "first_ended_by",
        Dtype.TEXT,
        lambda row: row.ending.first_by.value if row.ending else None,
        "Who ended it first, seen over both sides: `client`, `proxy`, `server` or `device`.",
    ),
    Column("ended_first_id", Dtype.TEXT, lambda row: row.ending.first_connection if row.ending else None, "The connection on which the end came first."),
    Column("followed", Dtype.FLAG, lambda row: row.ending.followed if row.ending else None, "Its end only followed that of `ended_first_id`."),
    Column(
        "idle_before_end_s", Dtype.NUMBER, lambda row: seconds(row.ending.idle_ns) if row.ending else None, "Time without data before its first FIN or RST."
    ),
    Column("announced", Dtype.FLAG, lambda row: row.ending.announced if row.ending else None, "`Connection: close` had said that it would end."),
    Column("pending_at_end", Dtype.TEXT, lambda row: row.ending.pending if row.ending else None, "The exchange that had no answer when it ended."),
)

CONNECTIONS = Table(
    name="connections",
    means="One row per TCP connection that was kept, and per connection inside a CONNECT tunnel. A reused address and port pair is a new connection.",
    columns=_COLUMNS,
    rows=_rows,
    screen=("connection_id", "client_ip", "server_ip", "server_port", "role", "protocol", "exchanges", "close", "closed_by"),
)
