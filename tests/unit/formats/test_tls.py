"""TLS records and hellos out of streams with holes; facts of a handshake; no bytes raise."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.formats import tls_records
from analyzer.formats.reader import Reader
from analyzer.formats.tls import key_log, opened
from analyzer.formats.tls_facts import tls_facts
from analyzer.formats.tls_keys import SUITES, TLS13, Ends, Unsealer, expand_label, prf
from analyzer.formats.tls_records import CLIENT_HELLO, HANDSHAKE, SERVER_HELLO, hello, records
from analyzer.records.secrets import Secret, TlsSecret
from tests.build.streams import Piece, fetch_from, reader, stream


def record(body: bytes, kind: int = HANDSHAKE) -> bytes:
    return bytes([kind, 3, 3]) + struct.pack(">H", len(body)) + body


def handshake(kind: int, body: bytes) -> bytes:
    return bytes([kind]) + len(body).to_bytes(3, "big") + body


def client_hello(name: str = "srv01", *, grease: bool = True) -> bytes:
    ciphers = ([0x0A0A] if grease else []) + [0x1301, 0xC02F]
    sni = struct.pack(">HHBH", 0, len(name) + 5, 0, 0)[:4] + struct.pack(">HBH", len(name) + 3, 0, len(name)) + name.encode()
    groups = struct.pack(">HHHHH", 10, 6, 4, 0x1A1A if grease else 23, 29)
    versions = struct.pack(">HHBH", 43, 3, 2, TLS13)
    extensions = (struct.pack(">HH", 0x2A2A, 0) if grease else b"") + sni + groups + versions
    body = struct.pack(">H32sB", 0x0303, b"R" * 32, 0) + struct.pack(f">H{len(ciphers)}H", 2 * len(ciphers), *ciphers) + b"\x01\x00"
    return handshake(CLIENT_HELLO, body + struct.pack(">H", len(extensions)) + extensions)


def server_hello(suite: int = 0xC02F, version: int = 0x0303) -> bytes:
    extensions = struct.pack(">HHH", 43, 2, version) if version == TLS13 else b""
    return handshake(SERVER_HELLO, struct.pack(">H32sBHB", 0x0303, b"S" * 32, 0, suite, 0) + struct.pack(">H", len(extensions)) + extensions)


def test_records_and_where_they_lie() -> None:
    found = list(records(reader([record(b"one"), record(b"two!", 23)])))
    assert [(one.kind, one.body, one.at, one.end_at, one.after_hole) for one in found] == [(22, b"one", 0, 8, False), (23, b"two!", 8, 17, False)]


@pytest.mark.parametrize("hole", [1, 7, 5000])
def test_a_hole_costs_the_records_that_it_touches(hole: int) -> None:
    whole = record(b"a" * 20, 23)
    found = list(records(reader([whole, whole[:9], hole, whole, whole])))
    assert [(one.body, one.after_hole) for one in found] == [(b"a" * 20, False), (b"a" * 20, True), (b"a" * 20, False)]


@pytest.mark.parametrize("window", [6, 7, 64])
def test_records_are_found_in_windows_of_any_size(window: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What lies between is searched a window at a time; a header may lie across two of them, but not across a hole."""
    record = b"\x17\x03\x03\x00\x05aaaaa"
    pieces: list[Piece] = [b"\x17\x03", 4, b"\x03\x00\x05" + b"b" * 31 + record * 2, 9, b"z" * 13 + record, b"\x17\x03\x03" * 9 + record * 3]
    found = [(one.at, one.after_hole) for one in records(reader(pieces))]
    monkeypatch.setattr(tls_records, "_WINDOW", window)
    assert [(one.at, one.after_hole) for one in records(reader(pieces))] == found
    assert len(found) == 6


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_hellos_in_any_pieces(size: int) -> None:
    said = client_hello()
    pieces = b"".join(record(said[at : at + size]) for at in range(0, len(said), size))
    sent, received = [pieces], [record(server_hello())]
    facts = tls_facts(stream(sent, 0), stream(received, 1), fetch_from(sent, received))
    assert facts is not None
    assert (facts.server_name, facts.client_random, facts.cipher_suite, facts.version) == ("srv01", b"R" * 32, 0xC02F, 0x0303)


def test_grease_does_not_change_the_fingerprint() -> None:
    found = []
    for grease in (True, False):
        sent: list[Piece] = [record(client_hello(grease=grease))]
        facts = tls_facts(stream(sent, 0), stream([], 1), fetch_from(sent, []))
        assert facts is not None
        found.append(facts.ja4)
    assert found[0] is not None
    assert found[0].startswith("t13d020300_")
    assert found[1] is not None
    assert found[0].partition("_")[0] == found[1].partition("_")[0]


def test_a_capture_without_the_syn_still_has_the_hello() -> None:
    sent = [record(client_hello())]
    for begins in (True, False):
        facts = tls_facts(stream(sent, 0, begins=begins), stream([], 1), fetch_from(sent, []))
        assert facts is not None
        assert facts.server_name == "srv01"
    hole: list[Piece] = [record(b"\x00")[:4], 50, record(client_hello())]
    assert tls_facts(stream(hole, 0), stream([], 1), fetch_from(hole, [])) is None


def test_the_version_of_the_extension_counts() -> None:
    said = hello(SERVER_HELLO, server_hello(0x1301, TLS13)[4:])
    assert said is not None
    assert (said.version, said.suite) == (TLS13, 0x1301)
    assert hello(SERVER_HELLO, b"\x03\x03") is None


def test_published_vectors() -> None:
    """RFC 8448 section 3: the server's handshake key and IV; the PRF vector that the TLS 1.2 working group published."""
    secret = bytes.fromhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38")
    assert expand_label("sha256", secret, b"key", 16).hex() == "3fce516009c21727d0f2e4e86ee403bc"
    assert expand_label("sha256", secret, b"iv", 12).hex() == "5d313eb2671276ee13000b30"
    made = prf(0x0303, "sha256", bytes.fromhex("9bbe436ba940f017b17652849a71db35"), b"test label", bytes.fromhex("a0ba9f936cda311827a6f796ffd5198c"), 16)
    assert made.hex() == "e3f229ba727be17b8d122620557cd453"


FIRST = st.sampled_from([b"", record(client_hello()), record(server_hello()), record(server_hello(0x1301, TLS13)), record(b"\x01", 20)])
KEYS = key_log(
    TlsSecret(label, b"R" * 32, Secret(bytes(48)))
    for label in ("CLIENT_RANDOM", "CLIENT_HANDSHAKE_TRAFFIC_SECRET", "CLIENT_TRAFFIC_SECRET_0", "SERVER_HANDSHAKE_TRAFFIC_SECRET", "SERVER_TRAFFIC_SECRET_0")
)
sealed = st.binary(max_size=60).map(lambda body: record(body, 23))
any_pieces = st.lists(st.one_of(FIRST.filter(bool), st.binary(min_size=1, max_size=60), sealed, st.integers(1, 400)), max_size=6)


@given(any_pieces, any_pieces, st.sampled_from([0xC02F, 0x002F, 0x0005, 0x000A, 0x1301, 0x1305, 0xCCA8]))
def test_any_bytes_are_read(sent: list[Piece], received: list[Piece], suite: int) -> None:
    asked: list[Piece] = [record(client_hello()), *sent]
    answered: list[Piece] = [record(server_hello(suite, TLS13 if suite >> 8 == 0x13 else 0x0303)), *received]
    assert opened(stream(asked, 0), stream(answered, 1), KEYS, fetch_from(asked, answered)) is None
    for pieces in (sent, received):
        for one in records(Reader(stream(pieces), fetch_from(pieces))):
            assert one.end_at - one.at == len(one.body) + 5
        tls_facts(stream(pieces, 0), stream(received, 1), fetch_from(pieces, received), KEYS)
    tls_facts(stream(asked, 0), stream(answered, 1), fetch_from(asked, answered), KEYS)


@given(st.sampled_from(sorted(SUITES)), st.binary(max_size=80), st.booleans(), st.sampled_from([0x0301, 0x0302, 0x0303]))
def test_any_record_is_refused(suite: int, body: bytes, etm: bool, version: int) -> None:  # noqa: FBT001  hypothesis draws it
    kind = SUITES[suite]
    ends = Ends(bytes(range(kind.key)), bytes(12 if kind.kind == "chacha" else 4 if not kind.mac else kind.block), bytes(kind.mac_size))
    chosen = TLS13 if suite >> 8 == 0x13 else version if kind.mac else 0x0303
    if chosen == TLS13:
        ends = Ends(ends.key, bytes(12), b"")
    assert Unsealer(chosen, kind, ends, encrypt_then_mac=etm and kind.kind == "cbc").open(23, b"\x17\x03\x03" + struct.pack(">H", len(body)), body, 0) is None
