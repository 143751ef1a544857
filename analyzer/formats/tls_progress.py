"""How far a TLS handshake came, in each direction: the messages in clear, the alerts, and what the records that are
encrypted show of it.

Up to TLS 1.2 a ChangeCipherSpec ends what is in clear, and the next handshake record is Finished (RFC 5246 section
7.3). In TLS 1.3 everything after the hellos lies in records of application data; there sizes tell (RFC 8446 section
4.4.4 and 5.2): Finished is as long as the suite's hash, an alert is two bytes, and both have 17 bytes around them,
unless the sender pads.
"""

from collections.abc import Sequence

from msgspec import Struct, field

from analyzer.formats.reader import Fetch, Reader
from analyzer.formats.tls_keys import TLS13
from analyzer.formats.tls_names import alert_name
from analyzer.formats.tls_records import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    HANDSHAKE,
    Record,
    handshakes,
    records,
)
from analyzer.records.tls import Alert, ClientCertificate, Reached
from analyzer.records.transport import Stream

CERTIFICATE, CERTIFICATE_REQUEST, HELLO_DONE, CLIENT_KEY_EXCHANGE = 11, 13, 14, 16
_EARLY_RECORDS = 64
"""Records of a direction that are looked at, those of the handshake in clear left out: they show how a handshake
ended."""
_MESSAGE_SIZE = 1 << 22
"""Bytes of one handshake message in clear."""
_SIZES = 8
_OVERHEAD_13 = 17
ALERT_SIZE_13 = 2 + _OVERHEAD_13
"""Bytes of an encrypted alert of TLS 1.3 that is not padded."""
_FINISHED_SIZES_13 = (4 + 32 + _OVERHEAD_13, 4 + 48 + _OVERHEAD_13)
_EMPTY_CHAIN_SIZE_13 = 4 + 4 + _OVERHEAD_13
"""Bytes of an encrypted Certificate message without a certificate (RFC 8446 section 4.4.2)."""
_EMPTY_CHAIN = 3
_EMPTY_CHAIN_13 = 4


class Way(Struct):
    """One direction's beginning. ``encrypted``: (size, place, end) of the records that only keys open; ``changed``: a
    ChangeCipherSpec was sent."""

    messages: list[tuple[int, bytes]] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    """Where the record of each message ended."""
    alerts: list[Alert] = field(default_factory=list)
    encrypted: list[tuple[int, int, int]] = field(default_factory=list)
    changed: bool = False
    finished: bool = False
    data: bool = False


def way(stream: Stream, fetch: Fetch, *, from_client: bool) -> Way:
    """What the first records of a direction show."""
    found = Way()
    reader = Reader(stream, fetch)
    first = reader.read(0, 1)
    if stream.begins and first and not CHANGE_CIPHER_SPEC <= first[0] <= APPLICATION_DATA:
        return found  # no TLS, and not worth a search for it
    run = _Run()
    others = 0
    for record in records(reader):
        lost = record.after_hole and record.at  # a capture may lack the SYN and nothing else
        if lost or others >= _EARLY_RECORDS or run.size > _MESSAGE_SIZE:
            break
        if record.kind == HANDSHAKE and (not found.changed or _is_hello(record.body)):
            _clear(found, record, run)
        else:
            others += 1
            _later(found, record, reader, from_client=from_client)
    return found


def _is_hello(body: bytes) -> bool:
    """A hello in clear: after a HelloRetryRequest of TLS 1.3 one follows a ChangeCipherSpec that changes nothing (RFC
    8446 section D.4)."""
    return body[:1] in (b"\x01", b"\x02") and int.from_bytes(body[1:4], "big") + 4 == len(body)


class _Run(Struct):
    """Handshake data of which no message is whole yet: the next one needs ``needed`` bytes."""

    parts: list[bytes] = field(default_factory=list)
    size: int = 0
    needed: int = 4


def _clear(found: Way, record: Record, run: _Run) -> None:
    """Takes the messages that are whole now, and keeps the beginning of the next one."""
    run.parts.append(record.body)
    run.size += len(record.body)
    if run.size < run.needed:
        return
    data = b"".join(run.parts)
    taken = 0
    for kind, body in handshakes(data):
        found.messages.append((kind, body))
        found.ends.append(record.end_at)
        taken += 4 + len(body)
    rest = data[taken:]
    run.parts, run.size = [rest], len(rest)
    run.needed = 4 + int.from_bytes(rest[1:4], "big") if len(rest) >= 4 else 4


def _later(found: Way, record: Record, reader: Reader, *, from_client: bool) -> None:
    if record.kind == ALERT:
        found.alerts.append(_alert(record, reader, from_client=from_client))
    elif record.kind == CHANGE_CIPHER_SPEC:
        found.changed = True
    elif record.kind == HANDSHAKE:
        found.finished = True
    elif record.kind == APPLICATION_DATA:
        found.data = True
        found.encrypted.append((len(record.body), record.at, record.end_at))


def _alert(record: Record, reader: Reader, *, from_client: bool) -> Alert:
    """An alert in clear has two bytes, an encrypted one more (RFC 5246 section 6.2.3)."""
    times = reader.times(record.at, record.end_at)
    packets = reader.packets(record.at, record.end_at)
    plain = len(record.body) == 2 and 1 <= record.body[0] <= 2
    level, number = (record.body[0], record.body[1]) if plain else (None, None)
    return alert(level, number, from_client=from_client, packet=packets[-1] if packets else 0, ts_ns=times[1] if times else 0)


def alert(level: int | None, number: int | None, *, from_client: bool, packet: int, ts_ns: int, encrypted: bool = False) -> Alert:
    """The record of an alert."""
    return Alert(from_client, level, number, None if number is None else alert_name(number), packet, ts_ns, encrypted)


def reached(client: Way, server: Way, version: int | None) -> Reached:
    """How far the handshake came."""
    if version is None:
        return Reached.CLIENT_HELLO if client.messages else Reached.NOTHING
    if version == TLS13:
        return _reached_13(client)
    if client.data or server.data:
        return Reached.APPLICATION_DATA
    if client.finished and server.finished:
        return Reached.COMPLETED
    if client.finished:
        return Reached.CLIENT_FINISHED
    certificate = any(kind == CERTIFICATE for kind, _ in server.messages)
    return Reached.CERTIFICATE if certificate else Reached.SERVER_HELLO


def _reached_13(client: Way) -> Reached:
    """The server finishes first, so the client's Finished completes the handshake; only more than an alert after it is
    data."""
    sizes = [size for size, _, _ in client.encrypted]
    finished = finished_13(sizes)
    if finished is None:
        return Reached.SERVER_HELLO
    return Reached.APPLICATION_DATA if any(size != ALERT_SIZE_13 for size in sizes[finished + 1 :]) else Reached.COMPLETED


def finished_13(sizes: Sequence[int]) -> int | None:
    """Which of a client's encrypted records holds its Finished; None when none can."""
    exact = next((place for place, size in enumerate(sizes) if size in _FINISHED_SIZES_13), None)
    return exact if exact is not None else next((place for place, size in enumerate(sizes) if size > _FINISHED_SIZES_13[0]), None)


def sizes_after(client: Way, server: Way, to_client: Reader) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Sizes of the client's encrypted records, and of those of the server that followed them, by what it had
    acknowledged."""
    if not client.encrypted:
        return (), ()
    finished = finished_13([size for size, _, _ in client.encrypted])
    first_end = client.encrypted[finished or 0][2]
    later = [size for size, at, _ in server.encrypted if to_client.acked(at) >= first_end]
    return tuple(size for size, _, _ in client.encrypted[:_SIZES]), tuple(later[:_SIZES])


def client_certificate(sent: Sequence[tuple[int, bytes]], received: Sequence[tuple[int, bytes]], *, newer: bool) -> tuple[ClientCertificate | None, bytes]:
    """Whether the server asked for the client's certificate, and the client's Certificate message, empty when there is
    none.

    ``sent`` and ``received`` are the handshake messages that can be read. None when the server's part of them is not
    known to be whole.
    """
    kinds = {kind for kind, _ in received}
    own = next((body for kind, body in sent if kind == CERTIFICATE), b"")
    if own:
        bare = len(own) <= (_EMPTY_CHAIN_13 if newer else _EMPTY_CHAIN)
        return (ClientCertificate.EMPTY if bare else ClientCertificate.SENT), own
    if CERTIFICATE_REQUEST in kinds:
        return ClientCertificate.ASKED, b""
    whole = 20 in kinds if newer else HELLO_DONE in kinds
    return (ClientCertificate.NOT_ASKED if whole else None), b""


def inferred_client_certificate(sizes: Sequence[int]) -> ClientCertificate | None:
    """The same for TLS 1.3 without keys, by what the client sent before its Finished: nothing, an empty list, or a
    certificate and its proof."""
    finished = next((place for place, size in enumerate(sizes) if size in _FINISHED_SIZES_13), None)
    if finished is None:
        return None
    if finished == 0:
        return ClientCertificate.NOT_ASKED
    if sizes[0] == _EMPTY_CHAIN_SIZE_13:
        return ClientCertificate.EMPTY
    return ClientCertificate.SENT if finished > 1 else None
