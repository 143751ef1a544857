"""Opens TLS records of both directions with the secrets of a key log; what carries the records is the caller's business.

A hole costs the records that it touches: how many it swallowed is found by trying the next record's number (its tag proves it), how long their plaintext was
follows from the bytes missing and the fixed overhead of a record.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from msgspec import Struct, field

from analyzer.formats.reader import Fetch, Reader
from analyzer.formats.tls_keys import SUITES, TLS13, Suite, Unsealer, key_block, traffic_ends, updated
from analyzer.formats.tls_records import (
    ALERT,
    APPLICATION_DATA,
    CHANGE_CIPHER_SPEC,
    CLIENT_HELLO,
    FINISHED,
    HANDSHAKE,
    KEY_UPDATE,
    SERVER_HELLO,
    Hello,
    Record,
    handshakes,
    hello,
    records,
)
from analyzer.formats.tls_rsa import RSA_SUITES, master_of
from analyzer.records.secrets import RsaKey, Secret, TlsSecret
from analyzer.records.transport import Stream

_SKIPPED_RECORDS = 512
_FAILURES = 32
"""Records in a row that did not open; after them other numbers are tried only after a hole."""


class KeyLog(dict[bytes, dict[str, Secret]]):
    """What decrypts TLS. By client random: secrets by label; ``tags``: the file that they are of; ``rsa`` servers' private keys; ``premasters`` by the
    beginning of what they were encrypted to."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[bytes, str] = {}
        self.rsa: tuple[RsaKey, ...] = ()
        self.premasters: dict[bytes, Secret] = {}

    def __bool__(self) -> bool:
        return bool(len(self) or self.rsa or self.premasters)


def key_log(secrets: Iterable[TlsSecret], rsa: Iterable[RsaKey] = ()) -> KeyLog:
    """The secrets of key logs by client random, and private keys of servers."""
    known = KeyLog()
    for secret in secrets:
        if secret.label == "RSA":
            known.premasters[secret.client_random] = secret.value
        else:
            known.setdefault(secret.client_random, {})[secret.label] = secret.value
            known.tags.setdefault(secret.client_random, secret.tag)
    known.rsa = tuple(rsa)
    return known


class Piece(Struct):
    """Plaintext of one record: where its record began and ended in the raw stream."""

    text: bytes
    raw_at: int
    raw_end: int
    gap_before: int


class Farewell(NamedTuple):
    """An alert that was opened, and where its record lay in the raw stream."""

    from_client: bool
    level: int
    number: int
    raw_at: int
    raw_end: int


class Unsealed(NamedTuple):
    """What a key log opened of a connection: the application data of the client and of the server, and the alerts of
    both."""

    pieces: tuple[list[Piece], list[Piece]]
    alerts: list[Farewell]
    tag: str = "keylog"
    """What it was decrypted with."""


class _Way(Struct):
    """One direction while it is opened."""

    label: str
    pieces: list[Piece] = field(default_factory=list)
    alerts: list[Farewell] = field(default_factory=list)
    unsealer: Unsealer | None = None
    secret: bytes = b""
    application: bytes | None = None
    handshake_data: bytes = b""
    lost: bool = False
    last_raw: int = 0
    failures: int = 0


_BEFORE_HELLO = 1 << 17
"""Bytes of handshake messages in which a hello is looked for: it is the first one, or the second after a HelloRetryRequest."""
_UNFINISHED = 1 << 17
"""Bytes of an encrypted handshake message that is not whole yet; the messages that are looked for there have less than a hundred."""


def opened(to_server: Stream, to_client: Stream, keys: KeyLog, fetch: Fetch) -> tuple[list[Piece], list[Piece]] | None:
    """The application data of both directions, record by record; None when the key log lacks the secrets or the cipher suite is not known."""
    found = unsealed(to_server, to_client, keys, fetch)
    return found.pieces if found is not None and any(found.pieces) else None


def unsealed(to_server: Stream, to_client: Stream, keys: KeyLog, fetch: Fetch) -> Unsealed | None:
    """As `opened`, with the alerts; these may be all there is."""
    client, server = _hello(to_server, CLIENT_HELLO, fetch), _hello(to_client, SERVER_HELLO, fetch)
    if client is None or server is None:
        return None
    secrets, suite = keys.get(client.random), SUITES.get(server.suite)
    tag = keys.tags.get(client.random, "keylog")
    if secrets is None and suite is not None and server.suite in RSA_SUITES and (keys.rsa or keys.premasters):
        sides = (_in_clear(to_server, fetch), _in_clear(to_client, fetch))
        made = master_of(*sides, suite, server.version, (client.random, server.random), keys.rsa, keys.premasters)
        secrets, tag = (None, tag) if made is None else ({"CLIENT_RANDOM": made[0]}, made[1])
    if secrets is None or suite is None:
        return None
    ways = (_Way("CLIENT"), _Way("SERVER"))
    if not _prepare(ways, secrets, suite, client, server):
        return None
    for way, stream in zip(ways, (to_server, to_client), strict=True):
        for record in records(Reader(stream, fetch)):
            _record(way, record, suite, server.version)
    return Unsealed((ways[0].pieces, ways[1].pieces), [*ways[0].alerts, *ways[1].alerts], tag)


def _in_clear(stream: Stream, fetch: Fetch) -> list[tuple[int, bytes]]:
    """The handshake messages of one side before its encryption begins: (type, body)."""
    data = b""
    for record in records(Reader(stream, fetch)):
        if record.kind != HANDSHAKE:
            break
        data += record.body
    return list(handshakes(data))


def encrypted_handshake(to_server: Stream, to_client: Stream, keys: KeyLog, fetch: Fetch, *, of_client: bool) -> list[tuple[int, bytes]]:
    """What one side's handshake of TLS 1.3 says under its keys (RFC 8446 section 4): (type, body), up to the first
    record that does not open."""
    label = "CLIENT_HANDSHAKE_TRAFFIC_SECRET" if of_client else "SERVER_HANDSHAKE_TRAFFIC_SECRET"
    client, server = _hello(to_server, CLIENT_HELLO, fetch), _hello(to_client, SERVER_HELLO, fetch)
    suite = None if server is None or server.version != TLS13 else SUITES.get(server.suite)
    secret = None if client is None else keys.get(client.random, {}).get(label)
    if suite is None or secret is None:
        return []
    unsealer = Unsealer(TLS13, suite, traffic_ends(suite, secret))
    data = b""
    for record in records(Reader(to_server if of_client else to_client, fetch)):
        if record.kind == APPLICATION_DATA:
            text = unsealer.open(record.kind, record.header, record.body, unsealer.sequence)
            inner = b"" if text is None else text.rstrip(b"\x00")
            if inner[-1:] != bytes([HANDSHAKE]):
                break
            unsealer.sequence += 1
            data += inner[:-1]
    return list(handshakes(data))


def _hello(stream: Stream, kind: int, fetch: Fetch) -> Hello | None:
    parts: list[bytes] = []
    size, needed, total = 0, 4, 0
    for record in records(Reader(stream, fetch)):
        if record.kind != HANDSHAKE:
            if record.kind == CHANGE_CIPHER_SPEC:
                continue
            break
        parts.append(record.body)
        size += len(record.body)
        total += len(record.body)
        if total > _BEFORE_HELLO:
            break
        if size < needed:
            continue
        data, taken = b"".join(parts), 0
        for found, body in handshakes(data):
            if found == kind and (made := hello(kind, body)) is not None:
                return made
            taken += 4 + len(body)
        rest = data[taken:]
        parts, size = [rest], len(rest)
        needed = 4 + int.from_bytes(rest[1:4], "big") if len(rest) >= 4 else 4
    return None


def _prepare(ways: tuple[_Way, _Way], secrets: Mapping[str, Secret], suite: Suite, client: Hello, server: Hello) -> bool:
    """Sets the first keys; False when the key log lacks what the version needs."""
    if server.version == TLS13:
        for way in ways:
            first = secrets.get(f"{way.label}_HANDSHAKE_TRAFFIC_SECRET")
            way.application = secrets.get(f"{way.label}_TRAFFIC_SECRET_0")
            if way.application is None:
                return False
            way.secret = first or way.application
            way.unsealer = Unsealer(TLS13, suite, traffic_ends(suite, way.secret))
        return True
    master = secrets.get("CLIENT_RANDOM")
    if master is None:
        return False
    both = key_block(server.version, suite, master, client.random, server.random)
    for way, ends in zip(ways, both, strict=True):
        way.unsealer = Unsealer(server.version, suite, ends, encrypt_then_mac=server.encrypt_then_mac)
        way.lost = True  # until ChangeCipherSpec records are in clear
    return True


def _record(way: _Way, record: Record, suite: Suite, version: int) -> None:
    if version == TLS13:
        if record.kind == APPLICATION_DATA:
            _record_13(way, record, suite)
    elif record.kind == CHANGE_CIPHER_SPEC:
        way.lost = False
        way.last_raw = record.end_at
    elif not way.lost:
        text = _text(way, record)
        if text is not None and record.kind == APPLICATION_DATA:
            _keep(way, record, text)
        elif text is not None:
            way.last_raw = record.end_at
            _note(way, record, text if record.kind == ALERT else b"")


def _note(way: _Way, record: Record, text: bytes) -> None:
    """Keeps an alert: its level and its description (RFC 8446 section 6)."""
    if len(text) == 2:
        way.alerts.append(Farewell(way.label == "CLIENT", text[0], text[1], record.at, record.end_at))


def _record_13(way: _Way, record: Record, suite: Suite) -> None:
    text = _text(way, record)
    if text is None and way.application is not None and way.secret != way.application:
        _switch(way, suite, way.application)  # the Finished message was not captured
        text = _text(way, record)
    if text is None:
        return
    inner = text.rstrip(b"\x00")  # RFC 8446 section 5.2: padding, then the real content type
    kind, content = (inner[-1], inner[:-1]) if inner else (0, b"")
    if kind == APPLICATION_DATA:
        _keep(way, record, content)
        return
    way.last_raw = record.end_at
    _note(way, record, content if kind == ALERT else b"")
    if kind == HANDSHAKE:
        way.handshake_data = (way.handshake_data + content)[-_UNFINISHED:]
        for found, body in handshakes(way.handshake_data):
            if found == FINISHED and way.application is not None and way.secret != way.application:
                _switch(way, suite, way.application)
            elif found == KEY_UPDATE and body is not None:
                _switch(way, suite, updated(suite, way.secret))
        way.handshake_data = b"" if kind != ALERT and _complete(way.handshake_data) else way.handshake_data


def _complete(data: bytes) -> bool:
    return sum(4 + len(body) for _, body in handshakes(data)) == len(data)


def _switch(way: _Way, suite: Suite, secret: bytes) -> None:
    way.secret = secret
    way.application = secret if way.application is None or way.secret == way.application else way.application
    way.unsealer = Unsealer(TLS13, suite, traffic_ends(suite, secret))


def _text(way: _Way, record: Record) -> bytes | None:
    """The record's plaintext. What does not open under its own number is tried under the following ones: a hole, which the stream need not show, hides some."""
    unsealer = way.unsealer
    if unsealer is None:
        return None
    tries = _SKIPPED_RECORDS if record.after_hole or way.failures < _FAILURES else 1
    for number in range(unsealer.sequence, unsealer.sequence + tries):
        text = unsealer.open(record.kind, record.header, record.body, number)
        if text is not None:
            way.failures = number - unsealer.sequence  # how many records the hole swallowed
            unsealer.sequence = number + 1
            return text
    way.failures += 1
    return None


def _keep(way: _Way, record: Record, text: bytes) -> None:
    missing = 0
    if way.last_raw and record.at > way.last_raw and way.unsealer is not None:
        missing = max(record.at - way.last_raw - way.failures * way.unsealer.overhead(), 0)
    way.failures = 0
    way.pieces.append(Piece(text, record.at, record.end_at, missing))
    way.last_raw = record.end_at
