"""What a TLS handshake tells: who was asked for (SNI), the client's fingerprints (JA3, JA4), and the server's certificates and its choice of protocol (ALPN).

The last two travel in clear up to TLS 1.2; of TLS 1.3 a key log shows them. Everything else is there without any key.

JA3: github.com/salesforce/ja3 (BSD), the MD5 of five lists of numbers. JA4: the TLS client fingerprint of FoxIO (BSD-3-Clause), two truncated SHA-256 hashes
of sorted lists behind a readable prefix. GREASE values (RFC 8701) are left out of both.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator

from analyzer.formats.certificates import channel_binding, covers, described
from analyzer.formats.reader import Fetch, Reader
from analyzer.formats.tls import KeyLog, encrypted_handshake
from analyzer.formats.tls_keys import TLS13
from analyzer.formats.tls_names import cipher_name, version_name
from analyzer.formats.tls_progress import (
    CERTIFICATE,
    Way,
    client_certificate,
    inferred_client_certificate,
    reached,
    sizes_after,
    way,
)
from analyzer.formats.tls_records import CLIENT_HELLO, SERVER_HELLO, extensions, hello, server_extensions
from analyzer.records.tls import Alert, ClearAnswer
from analyzer.records.transport import Stream, TlsFacts

_REQUESTS = 1 << 16
"""Bytes in which requests are looked for behind what looks like TLS."""
_ALERT_SIZE = 7
"""Bytes of the record of an alert that is not encrypted (RFC 8446 section 6)."""
_ENCRYPTED_EXTENSIONS = 8
_SNI, _GROUPS, _FORMATS, _SIGNATURES, _ALPN, _VERSIONS = 0, 10, 11, 13, 16, 43
NO_KEYS = KeyLog()
_VERSION_WORDS = {0x0304: "13", 0x0303: "12", 0x0302: "11", 0x0301: "10", 0x0300: "s3"}
_ANSWER_SIZE = 4096
_SHOWN = 200
"""Characters of a status line, or of a server's name, that are kept."""


def tls_facts(to_server: Stream, to_client: Stream, fetch: Fetch, keys: KeyLog = NO_KEYS, wanted: str | None = None) -> TlsFacts | None:
    """The facts of a handshake; None without a hello or an alert. ``wanted``: the name that the client's CONNECT or
    SOCKS request named."""
    near, far = way(to_server, fetch, from_client=True), way(to_client, fetch, from_client=False)
    client = next((body for kind, body in near.messages if kind == CLIENT_HELLO), None)
    server = next((body for kind, body in far.messages if kind == SERVER_HELLO and hello(kind, body) is not None), None)
    if client is None and server is None and not near.alerts and not far.alerts:
        return None
    parsed = None if client is None else _client(client)
    chosen = None if server is None else hello(SERVER_HELLO, server)
    version = None if chosen is None else chosen.version
    sent, received = near.messages, far.messages
    if keys and version == TLS13:
        sent = sent + encrypted_handshake(to_server, to_client, keys, fetch, of_client=True)
        received = received + encrypted_handshake(to_server, to_client, keys, fetch, of_client=False)
    chain = [found for kind, body in received if kind == CERTIFICATE for found in _certificates(body, version)]
    asked, own = (None, b"") if version is None else client_certificate(sent, received, newer=version == TLS13)
    leaf = described(chain[0]) if chain else None
    name = (None if parsed is None else parsed.server_name) or wanted
    hello_size = next((end for (kind, _), end in zip(near.messages, near.ends, strict=True) if kind == CLIENT_HELLO), 0)
    sizes = sizes_after(near, far, Reader(to_client, fetch)) if version == TLS13 else ((), ())
    asked = asked or inferred_client_certificate(sizes[0])
    return TlsFacts(
        server_name=None if parsed is None else parsed.server_name,
        client_random=None if parsed is None else parsed.random,
        version=version,
        cipher_suite=None if chosen is None else chosen.suite,
        ja3=None if parsed is None else parsed.ja3(),
        ja4=None if parsed is None else parsed.ja4(),
        certificates=tuple(hashlib.sha256(found).digest() for found in chain),
        channel_binding=channel_binding(chain[0]) if chain else None,
        application_protocol=_protocol(received),
        offered_versions=() if parsed is None else tuple(version_name(number) for number in parsed.versions()),
        offered_ciphers=() if parsed is None else tuple(cipher_name(number) for number in parsed.ciphers),
        version_name=None if version is None else version_name(version),
        cipher_name=None if chosen is None else cipher_name(chosen.suite),
        reached=reached(near, far, version),
        alerts=tuple(sorted((*near.alerts, *far.alerts), key=_when)),
        leaf=leaf,
        leaf_packet=_packet_of(far, CERTIFICATE, Reader(to_client, fetch)),
        client_certificate=asked,
        client_leaf=next((described(found) for found in _certificates(own, version)), None),
        wanted_name=name,
        name_matches=None if leaf is None or name is None else covers(leaf, name),
        clear_answer=_clear_answer(to_client, fetch),
        hello_size=hello_size,
        hello_packets=Reader(to_server, fetch).packets(0, hello_size) if hello_size else (),
        client_encrypted=sizes[0],
        server_encrypted_after=sizes[1],
    )


def _packet_of(found: Way, kind: int, reader: Reader) -> int | None:
    """The packet in which the first message of that kind ended."""
    ends = [end for (own, _), end in zip(found.messages, found.ends, strict=True) if own == kind]
    packets = reader.packets(ends[0] - 1, ends[0]) if ends else ()
    return packets[-1] if packets else None


def answers_in_tls(far: Reader) -> bool:
    """The server's stream begins with an alert: what it was sent is no TLS, or none that it takes."""
    return _is_alert(far.read(0, _ALERT_SIZE))


def _is_alert(start: bytes) -> bool:
    return start[:2] == b"\x15\x03" and start[3:5] == b"\0\x02" and start[5:6] in (b"\x01", b"\x02")


def _protocol(received: Iterable[tuple[int, bytes]]) -> str | None:
    chosen = (_chosen_protocol(kind, body) for kind, body in received)
    return next((name for name in chosen if name is not None), None)


def _when(alert: Alert) -> tuple[int, int]:
    return alert.ts_ns, alert.packet


def _clear_answer(to_client: Stream, fetch: Fetch) -> ClearAnswer | None:
    """HTTP in clear where a ServerHello should be."""
    reader = Reader(to_client, fetch)
    head, _, _ = reader.peek(_ANSWER_SIZE).partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1."):
        return None
    lines = head.decode("latin-1").split("\r\n")
    server = next((line.partition(":")[2].strip() for line in lines[1:] if line.lower().startswith("server:")), None)
    packets = reader.packets(0, len(lines[0]))
    return ClearAnswer(lines[0][:_SHOWN], None if server is None else server[:_SHOWN], packets[0] if packets else 0)


def _certificates(body: bytes, version: int | None) -> Iterator[bytes]:
    """The chain of a Certificate message, leaf first (RFC 5246 section 7.4.2; RFC 8446 section 4.4.2: a context before it, extensions after each)."""
    newer = version == TLS13
    at = 4 + body[0] if newer and body else 3
    while at + 3 <= len(body):
        size = int.from_bytes(body[at : at + 3], "big")
        if at + 3 + size > len(body):
            return
        yield body[at + 3 : at + 3 + size]
        at += 3 + size
        at += 2 + int.from_bytes(body[at : at + 2], "big") if newer else 0


def _chosen_protocol(kind: int, body: bytes) -> str | None:
    """The name that the server chose by ALPN (RFC 7301 section 3.1), in the message where its extensions are."""
    found = server_extensions(body) if kind == SERVER_HELLO else extensions(body, 0) if kind == _ENCRYPTED_EXTENSIONS else ()
    data = next((data for number, data in found if number == _ALPN), b"")
    return data[3 : 3 + data[2]].decode("latin-1") if len(data) > 3 else None


def _grease(value: int) -> bool:
    return value & 0x0F0F == 0x0A0A and value >> 8 == value & 0xFF


class _Client:
    """A ClientHello's lists, GREASE left out."""

    def __init__(self, version: int, random: bytes, ciphers: list[int], extensions: list[tuple[int, bytes]]) -> None:
        self.version = version
        self.random = random
        self.ciphers = [value for value in ciphers if not _grease(value)]
        self.extensions = [(kind, data) for kind, data in extensions if not _grease(kind)]
        self._by_kind = dict(self.extensions)
        self.server_name = self._name()

    def _name(self) -> str | None:
        data = self._by_kind.get(_SNI, b"")  # RFC 6066 section 3: list length, type 0, length, name
        return data[5 : 5 + int.from_bytes(data[3:5], "big")].decode("ascii", "replace") if len(data) > 5 else None

    def _numbers(self, kind: int, skip: int) -> list[int]:
        data = self._by_kind.get(kind, b"")[skip:]
        return [value for (value,) in struct.iter_unpack(">H", data[: len(data) & ~1]) if not _grease(value)]

    def versions(self) -> list[int]:
        """Those that the client offers; before TLS 1.3 it names the highest only (RFC 8446 section 4.2.1)."""
        return self._numbers(_VERSIONS, 1) or [self.version]

    def ja3(self) -> str:
        formats = self._by_kind.get(_FORMATS, b"")[1:]
        lists = (self.ciphers, [kind for kind, _ in self.extensions], self._numbers(_GROUPS, 2), list(formats))
        text = ",".join([str(self.version), *("-".join(map(str, values)) for values in lists)])
        return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()

    def ja4(self) -> str:
        version = max(self._numbers(_VERSIONS, 1), default=self.version)
        alpn = self._by_kind.get(_ALPN, b"")
        name = alpn[3 : 3 + alpn[2]] if len(alpn) > 3 else b""
        shown = f"{chr(name[0])}{chr(name[-1])}" if name and name[:1].isalnum() and name[-1:].isalnum() else "00"
        kinds = sorted(kind for kind, _ in self.extensions if kind not in (_SNI, _ALPN))
        signatures = self._numbers(_SIGNATURES, 2)
        named = "d" if _SNI in self._by_kind else "i"
        counts = f"{min(len(self.ciphers), 99):02}{min(len(self.extensions), 99):02}"
        prefix = f"t{_VERSION_WORDS.get(version, '00')}{named}{counts}{shown}"
        middle = _hex_list(sorted(self.ciphers))
        last = _hex_list(kinds) + (f"_{_hex_list(signatures)}" if signatures else "")
        return f"{prefix}_{_short(middle)}_{_short(last)}"


def _hex_list(values: list[int]) -> str:
    return ",".join(f"{value:04x}" for value in values)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12] if text else "0" * 12


def _client(body: bytes) -> _Client | None:
    try:
        version, random = struct.unpack_from(">H32s", body)
        at = 35 + body[34]
        size = int.from_bytes(body[at : at + 2], "big")
        ciphers = [value for (value,) in struct.iter_unpack(">H", body[at + 2 : at + 2 + (size & ~1)])]
        at += 2 + size
        at += 1 + body[at]
        extensions = []
        end = at + 2 + int.from_bytes(body[at : at + 2], "big")
        at += 2
        while at + 4 <= min(end, len(body)):
            kind, length = struct.unpack_from(">HH", body, at)
            extensions.append((kind, body[at + 4 : at + 4 + length]))
            at += 4 + length
    except (struct.error, IndexError):
        return None
    return _Client(version, random, ciphers, extensions)


def imitates_tls(to_server: Stream, to_client: Stream, fetch: Fetch) -> bool:
    """The server answers in HTTP, at once or behind an alert, and the client goes on with requests: bytes before them look like TLS, and hide them from who
    goes by these."""
    answered = Reader(to_client, fetch).peek(_ALERT_SIZE + 7)
    if _is_alert(answered):
        answered = answered[_ALERT_SIZE:]
    return answered.startswith(b"HTTP/1.") and b" HTTP/1.1\r\n" in Reader(to_server, fetch).peek(_REQUESTS)
