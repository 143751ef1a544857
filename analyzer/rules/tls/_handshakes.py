"""What became of the TLS of each WinRM connection: one answer for all rules of this family, so that no two of them tell
the same connection."""

from collections import Counter
from collections.abc import Hashable, Iterator
from enum import Enum, auto
from typing import Any

from msgspec.structs import replace

from analyzer.records.prefaces import Socks
from analyzer.records.quality import Absent
from analyzer.records.tls import Alert, ClientCertificate, Reached
from analyzer.records.transport import Connection, End, Endpoint, Side, TlsFacts, host_port
from analyzer.rules.telling import Evidence, Fact, Sign, place

HTTP_PORTS = (5985, 47001)
ABOUT_CERTIFICATES = (42, 43, 44, 45, 46, 48)
"""bad_certificate, unsupported_certificate, certificate_revoked, certificate_expired, certificate_unknown, unknown_ca
(RFC 8446 section 6.2)."""
_CERTIFICATE_REQUIRED = 116
_FATAL = 2
_SETTLED_NS = 3_000_000_000
"""A handshake that has not gone on for so long does not go on."""
_AT_ONCE_NS = 2_000_000_000
"""A server that refuses a handshake ends it within this time; later it may only have waited for long enough."""
ALERT_SIZE = 19
"""Bytes of an encrypted alert of TLS 1.3: two, the content type and the tag (RFC 8446 section 5.2)."""
_LATER = (Reached.COMPLETED, Reached.APPLICATION_DATA)


class Fate(Enum):
    """What became of a connection's TLS."""

    CAME_UP = auto()
    WRONG_PORT = auto()
    CERTIFICATE_REFUSED = auto()
    CLIENT_CERTIFICATE = auto()
    ALERT = auto()
    ENDED_AT_HELLO = auto()
    UNANSWERED = auto()
    BROKEN_OFF = auto()
    UNUSED = auto()
    UNKNOWN = auto()


class Shake(Fact, frozen=True):
    """A connection and its handshake. ``others``: the same TLS on the client side of a proxy that passes it on.

    ``up``: how many connections of this client to this server carried data under TLS.
    """

    connection: Connection
    facts: TlsFacts
    fate: Fate
    alert: Alert | None
    others: tuple[str, ...] = ()
    up: int = 0

    @property
    def ending(self) -> int | None:
        """The packet of the first FIN or RST."""
        return self.connection.closings[0].packet if self.connection.closings else None

    @property
    def by_client(self) -> bool:
        """The client sent the first FIN or RST."""
        return self.connection.ended_by is Side.CLIENT


def shakes(evidence: Evidence, *fates: Fate) -> Iterator[Shake]:
    """The TLS of WinRM connections (with one of ``fates``, when any are given), in order of place.

    TLS that a proxy passes on is looked at where it reaches the server, once.
    """
    passed_on: dict[str, list[str]] = {}
    nearer: set[str] = set()
    for route in evidence.routes:
        near = evidence.connections[route.client_connection]
        for other in (evidence.connections[far] for far in route.upstream_connections):
            if near.tls is not None and other.tls is not None and near.tls.client_random == other.tls.client_random is not None:
                passed_on.setdefault(other.id, []).append(near.id)
                nearer.add(near.id)
    known = [found for found in _told(evidence) if found.connection.id not in nearer]
    up = Counter(_pair(found) for found in known if found.fate is Fate.CAME_UP)
    for found in known:
        if not fates or found.fate in fates:
            yield replace(found, others=tuple(passed_on.get(found.connection.id, ())), up=up[_pair(found)])


def _pair(found: Shake) -> tuple[str, Endpoint]:
    return found.connection.client.host, found.connection.server


def _told(evidence: Evidence) -> Iterator[Shake]:
    for connection in evidence.connections.values():
        facts = connection.tls
        spoken = facts is not None and connection.protocol == "tls"  # a server may answer HTTP with an alert
        if spoken and facts is not None and connection.id in evidence.winrm and connection.twin_of is None:
            alert = _telling_alert(facts)
            yield Shake(connection, facts, _fate(evidence, connection, facts, alert), alert)


def sign(shake: Shake, *packets: int | None, confidence: float | None = None) -> Sign[Shake]:
    """A sign with the connection, the ClientHello's first packet, those given, and the end."""
    keys = (*shake.facts.hello_packets[:1], *packets, shake.ending)
    return Sign(
        shake,
        packets=tuple(key for key in keys if key is not None),
        connections=(shake.connection.id, *shake.others),
        confidence=confidence,
    )


def place_and_alert(evidence: Evidence, found: Sign[Any]) -> Hashable:
    """One finding for each client host, server endpoint and alert."""
    shake: Shake = found.fact
    alert = shake.alert
    return place(evidence, found), None if alert is None else (alert.name, alert.from_client)


def port(evidence: Evidence, connection: Connection) -> int:
    """The port that the client wants: that of its CONNECT or SOCKS request, else of its connection."""
    for preface in reversed(connection.prefaces):
        if isinstance(preface, Socks) and preface.port:
            return preface.port
    target = connect_target(evidence, connection)
    number = target.rpartition(":")[2]
    return int(number) if number.isdecimal() else connection.server.port


def connect_target(evidence: Evidence, connection: Connection) -> str:
    """The target of the CONNECT around a tunnel's connection; empty without one."""
    for exchange in reversed(evidence.exchanges_of.get(connection.tunnel_of or "", ())):
        if not isinstance(exchange.request, Absent) and exchange.request.method == "CONNECT":
            return exchange.request.target
    return ""


def where(evidence: Evidence, connection: Connection) -> str:
    """The server for a title: what the client's CONNECT or SOCKS request names, else address and port."""
    asked = [preface for preface in connection.prefaces if isinstance(preface, Socks) and preface.host]
    if asked:
        return host_port(asked[-1].host or "", asked[-1].port)
    return connect_target(evidence, connection) or str(connection.server)


def _telling_alert(facts: TlsFacts) -> Alert | None:
    """The first alert that refuses something: a fatal one, or a warning with which the handshake stopped."""
    up = facts.reached in _LATER
    return next((alert for alert in facts.alerts if alert.number and (alert.level == _FATAL or not up)), None)


def _fate(evidence: Evidence, connection: Connection, facts: TlsFacts, alert: Alert | None) -> Fate:
    if facts.clear_answer is not None:
        return Fate.WRONG_PORT
    if facts.reached is Reached.NOTHING and alert is None:
        return Fate.UNKNOWN
    if alert is not None:
        return _refusal(facts, alert)
    if facts.reached is Reached.CLIENT_HELLO:
        return _at_the_hello(evidence, connection, facts)
    if connection.to_server.gaps or connection.to_client.gaps:
        return Fate.CAME_UP if facts.reached is Reached.APPLICATION_DATA else Fate.UNKNOWN
    if facts.reached in _LATER:
        return _after_the_handshake(connection, facts)
    return _in_the_handshake(evidence, connection, facts)


def _after_the_handshake(connection: Connection, facts: TlsFacts) -> Fate:
    if connection.ended_by is Side.SERVER and _gave_up(connection, facts):
        return _by_server(facts)
    if facts.reached is Reached.APPLICATION_DATA:
        return Fate.CAME_UP
    return Fate.UNUSED if connection.ended_by is Side.CLIENT else Fate.UNKNOWN


def _in_the_handshake(evidence: Evidence, connection: Connection, facts: TlsFacts) -> Fate:
    if connection.end is End.OPEN and not _is_settled(evidence, connection):
        return Fate.UNKNOWN
    if connection.ended_by is Side.SERVER:
        return _by_server(facts)
    silent = facts.reached is Reached.CERTIFICATE and connection.ended_by is Side.CLIENT
    return Fate.CERTIFICATE_REFUSED if silent else Fate.BROKEN_OFF


def _by_server(facts: TlsFacts) -> Fate:
    answered = facts.client_certificate in (ClientCertificate.EMPTY, ClientCertificate.SENT)
    return Fate.CLIENT_CERTIFICATE if answered else Fate.BROKEN_OFF


def _refusal(facts: TlsFacts, alert: Alert) -> Fate:
    if alert.from_client:
        return Fate.CERTIFICATE_REFUSED if alert.number in ABOUT_CERTIFICATES else Fate.ALERT
    asked = facts.client_certificate not in (None, ClientCertificate.NOT_ASKED)
    return Fate.CLIENT_CERTIFICATE if asked or alert.number in (*ABOUT_CERTIFICATES, _CERTIFICATE_REQUIRED) else Fate.ALERT


def _at_the_hello(evidence: Evidence, connection: Connection, facts: TlsFacts) -> Fate:
    if not facts.hello_size or connection.to_client.size:
        cut = connection.to_client.gaps or not facts.hello_size or connection.end is End.OPEN
        return Fate.UNKNOWN if cut else Fate.BROKEN_OFF
    ended = connection.ended_by is Side.SERVER
    if ended and connection.closings[0].stream_at > 0:
        return Fate.UNKNOWN  # the server had said something that is not in the capture
    waited = connection.last_ns - _hello_ns(connection) >= _SETTLED_NS
    silent = waited or (connection.end is End.OPEN and _is_settled(evidence, connection))
    if not ended and not (silent and is_seen(connection)):
        return Fate.UNKNOWN
    if port(evidence, connection) in HTTP_PORTS:
        return Fate.WRONG_PORT
    return Fate.ENDED_AT_HELLO if ended else Fate.UNANSWERED


def _hello_ns(connection: Connection) -> int:
    """When the client began to talk; of a connection of which none of its bytes were captured, the first packet."""
    return next(iter(connection.to_server.extents.ts_ns), connection.first_ns)


def is_seen(connection: Connection) -> bool:
    """Packets of the server are in the capture."""
    return connection.to_client.begins or connection.to_server.acked >= 0


def _is_settled(evidence: Evidence, connection: Connection) -> bool:
    """The capture goes on for long enough after the last packet that an answer would be in it."""
    ends = evidence.captures[connection.capture].point_last_ns or connection.last_ns
    return ends - connection.last_ns >= _SETTLED_NS or ends - _hello_ns(connection) >= _SETTLED_NS


def _gave_up(connection: Connection, facts: TlsFacts) -> bool:
    """The server ended it at the client's last message of the handshake, or answered what followed with nothing but a
    record as long as an alert."""
    replies = facts.server_encrypted_after
    if connection.tls_opened:
        return False
    if facts.version_name == "TLS 1.3" and any(size != ALERT_SIZE for size in replies):
        return False
    if facts.reached is Reached.APPLICATION_DATA:
        return bool(replies)
    asked = connection.to_server.extents.ts_ns
    return bool(asked) and connection.closings[0].ts_ns - asked[-1] < _AT_ONCE_NS
