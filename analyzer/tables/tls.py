"""The table ``tls``: one row per connection that begins with TLS: what was offered and chosen, the certificates, the
alerts, and how far it came."""

from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.capture import Capture
from analyzer.records.ids import key_capture, key_number
from analyzer.records.result import Result
from analyzer.records.tls import Alert
from analyzer.records.transport import Connection, TlsFacts
from analyzer.tables.column import Column, Dtype, Table, Value
from analyzer.tables.packets import packet_set
from analyzer.tables.times import rfc3339

_NS = 1_000_000_000
_LAST_S = (1 << 63) // _NS - 1


class TlsRow(Struct, frozen=True, gc=False):
    """A connection with what its TLS tells."""

    connection: Connection
    facts: TlsFacts
    captures: Sequence[Capture]
    winrm: bool


def _rows(result: Result) -> Iterator[TlsRow]:
    evidence = result.evidence
    for connection in evidence.connections.values():
        if connection.tls is not None:
            yield TlsRow(connection, connection.tls, evidence.captures, connection.id in evidence.winrm)


def ending_alert(facts: TlsFacts) -> Alert | None:
    """The alert that says most: the first one that is no farewell, else the first."""
    told = [alert for alert in facts.alerts if alert.number]
    return next(iter(told or facts.alerts), None)


def _joined(words: Sequence[str]) -> str | None:
    return ",".join(words) or None


def _date(seconds: int) -> str:
    """RFC 3339; what lies beyond the last time of the tables is given as that."""
    return rfc3339(min(seconds, _LAST_S) * _NS).replace(".000000000Z", "Z")


def validity(facts: TlsFacts, ns: int) -> str | None:
    """Whether the server's certificate was valid at a time."""
    if facts.leaf is None:
        return None
    moment = ns // _NS
    return "not_yet_valid" if moment < facts.leaf.not_before_s else "expired" if moment > facts.leaf.not_after_s else "valid"


def _alert(row: TlsRow) -> Alert | None:
    return ending_alert(row.facts)


def _alert_by(row: TlsRow) -> str | None:
    alert = ending_alert(row.facts)
    return None if alert is None else "client" if alert.from_client else "server"


def _alert_level(row: TlsRow) -> str | None:
    alert = ending_alert(row.facts)
    return None if alert is None or alert.level is None else {1: "warning", 2: "fatal"}.get(alert.level, str(alert.level))


class _Leaf(Struct, frozen=True, gc=False):
    """Gives one field of the server's certificate."""

    field: str

    def __call__(self, row: TlsRow) -> Value:
        leaf = row.facts.leaf
        value: Value = None if leaf is None else getattr(leaf, self.field)
        return value


_WHO: tuple[Column[TlsRow], ...] = (
    Column(
        "connection_id",
        Dtype.TEXT,
        lambda row: row.connection.id,
        "The connection, as in `connections`; `c42.t` is inside a CONNECT tunnel.",
    ),
    Column("capture", Dtype.TEXT, lambda row: row.captures[row.connection.capture].name, "The capture's name."),
    Column("winrm", Dtype.FLAG, lambda row: row.winrm, "The connection is taken for WinRM."),
    Column("client_ip", Dtype.TEXT, lambda row: row.connection.client.host, "The client's address on this connection."),
    Column("client_port", Dtype.INTEGER, lambda row: row.connection.client.port, "The client's TCP port."),
    Column(
        "server_ip",
        Dtype.TEXT,
        lambda row: row.connection.server.host,
        "The server's address on this connection (a proxy's on the client side).",
    ),
    Column("server_port", Dtype.INTEGER, lambda row: row.connection.server.port, "The server's TCP port."),
    Column("first_time", Dtype.TIME, lambda row: row.connection.first_ns, "Time of the first packet."),
    Column(
        "server_name",
        Dtype.TEXT,
        lambda row: row.facts.server_name,
        "The name that the client asked for in its ClientHello (SNI).",
    ),
    Column(
        "wanted_name",
        Dtype.TEXT,
        lambda row: row.facts.wanted_name,
        "The name that the client wanted: the server name, else the host of its CONNECT or SOCKS request.",
    ),
)
_AGREED: tuple[Column[TlsRow], ...] = (
    Column(
        "handshake",
        Dtype.TEXT,
        lambda row: row.facts.reached.value,
        "How far the handshake came: `nothing`, `client_hello`, `server_hello`, `certificate` (the server's), "
        "`client_finished`, `completed`, `application_data`. "
        "In TLS 1.3 told by the number and sizes of encrypted records.",
    ),
    Column(
        "versions_offered",
        Dtype.TEXT,
        lambda row: _joined(row.facts.offered_versions),
        "Versions that the client offered, in its order.",
    ),
    Column(
        "ciphers_offered",
        Dtype.TEXT,
        lambda row: _joined(row.facts.offered_ciphers),
        "Cipher suites that the client offered, by IANA's names.",
    ),
    Column("version", Dtype.TEXT, lambda row: row.facts.version_name, "The version that the server chose."),
    Column("cipher", Dtype.TEXT, lambda row: row.facts.cipher_name, "The cipher suite that the server chose."),
    Column("application_protocol", Dtype.TEXT, lambda row: row.facts.application_protocol, "What the server chose by ALPN."),
    Column("ja3", Dtype.TEXT, lambda row: row.facts.ja3, "JA3 fingerprint of the client."),
    Column("ja4", Dtype.TEXT, lambda row: row.facts.ja4, "JA4 fingerprint of the client."),
    Column("opened", Dtype.FLAG, lambda row: row.connection.tls_opened, "A key log decrypted the application data."),
)
_CERTIFICATES: tuple[Column[TlsRow], ...] = (
    Column(
        "certificate_subject",
        Dtype.TEXT,
        _Leaf("subject"),
        "The server's certificate: subject (RFC 4514). Null where it is encrypted (TLS 1.3).",
    ),
    Column("certificate_issuer", Dtype.TEXT, _Leaf("issuer"), "Its issuer."),
    Column(
        "certificate_names",
        Dtype.TEXT,
        lambda row: _joined(row.facts.leaf.names) if row.facts.leaf else None,
        "Its DNS names and addresses.",
    ),
    Column(
        "certificate_not_before",
        Dtype.TEXT,
        lambda row: _date(row.facts.leaf.not_before_s) if row.facts.leaf else None,
        "Valid from, as text in RFC 3339 (UTC).",
    ),
    Column(
        "certificate_not_after",
        Dtype.TEXT,
        lambda row: _date(row.facts.leaf.not_after_s) if row.facts.leaf else None,
        "Valid to.",
    ),
    Column(
        "certificate_validity",
        Dtype.TEXT,
        lambda row: validity(row.facts, row.connection.first_ns),
        "At the time of the capture: `valid`, `expired` or `not_yet_valid`.",
    ),
    Column(
        "name_matches",
        Dtype.FLAG,
        lambda row: row.facts.name_matches,
        "The certificate is valid for `wanted_name` (subject alternative names; without any, the common name). Null where one is not known.",
    ),
    Column("self_signed", Dtype.FLAG, _Leaf("self_signed"), "It is signed by its own key."),
    Column(
        "server_use",
        Dtype.FLAG,
        _Leaf("server_use"),
        "Its extended key usage names server authentication. Null without that extension.",
    ),
    Column("certificate_key", Dtype.TEXT, _Leaf("key"), "Type and size of its key."),
    Column("certificate_signature", Dtype.TEXT, _Leaf("signature"), "The hash of its signature."),
    Column(
        "chain_length",
        Dtype.INTEGER,
        lambda row: len(row.facts.certificates) or None,
        "Certificates that the server sent.",
    ),
    Column(
        "certificate_sha256",
        Dtype.TEXT,
        lambda row: row.facts.certificates[0].hex() if row.facts.certificates else None,
        "SHA-256 of the certificate.",
    ),
    Column(
        "client_certificate",
        Dtype.TEXT,
        lambda row: row.facts.client_certificate.value if row.facts.client_certificate else None,
        "`not_asked`; `asked` (the server asked, no answer is known); `empty` (the client has none); `sent`. Null where it cannot be seen.",
    ),
    Column(
        "client_certificate_subject",
        Dtype.TEXT,
        lambda row: row.facts.client_leaf.subject if row.facts.client_leaf else None,
        "Subject of the client's certificate.",
    ),
)
_ENDING: tuple[Column[TlsRow], ...] = (
    Column(
        "alert",
        Dtype.TEXT,
        lambda row: alert.name if (alert := _alert(row)) else None,
        "The alert that says most, by IANA's name: the first but `close_notify`. Null with `alert_packet` set: encrypted.",
    ),
    Column("alert_number", Dtype.INTEGER, lambda row: alert.number if (alert := _alert(row)) else None, "Its number."),
    Column("alert_level", Dtype.TEXT, _alert_level, "`warning` or `fatal`."),
    Column("alert_by", Dtype.TEXT, _alert_by, "`client` or `server`: who sent it."),
    Column(
        "alert_packet",
        Dtype.INTEGER,
        lambda row: key_number(alert.packet) if (alert := _alert(row)) else None,
        "The packet that carried it.",
    ),
    Column(
        "alerts",
        Dtype.INTEGER,
        lambda row: len(row.facts.alerts),
        "Alerts that can be seen, those of a decrypted connection included.",
    ),
    Column(
        "clear_answer",
        Dtype.TEXT,
        lambda row: row.facts.clear_answer.status_line if row.facts.clear_answer else None,
        "The status line, where the server answered the ClientHello in clear HTTP.",
    ),
    Column("close", Dtype.TEXT, lambda row: row.connection.end.value, "`fin`, `reset` or `open`: the first FIN or RST."),
    Column(
        "closed_by",
        Dtype.TEXT,
        lambda row: row.connection.ended_by.value if row.connection.ended_by else None,
        "`client` or `server`; null while open.",
    ),
    Column(
        "packets",
        Dtype.TEXT,
        lambda row: packet_set(row.connection.packets, row.captures),
        "All packets of the connection.",
    ),
    Column(
        "alert_capture",
        Dtype.TEXT,
        lambda row: row.captures[key_capture(alert.packet)].name if (alert := _alert(row)) else None,
        "The capture of that packet: another one than `capture` where a rotated capture went on in a later file.",
    ),
)

TLS = Table(
    name="tls",
    means="One row per connection with TLS, tunnels included; also where it never came up, or the server speaks HTTP.",
    columns=(*_WHO, *_AGREED, *_CERTIFICATES, *_ENDING),
    rows=_rows,
    screen=(
        "connection_id",
        "client_ip",
        "server_ip",
        "server_port",
        "handshake",
        "version",
        "certificate_subject",
        "certificate_validity",
        "alert",
    ),
)
