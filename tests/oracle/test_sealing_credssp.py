"""What OpenSSL (Python's ssl) sends, our TLS opener reads: version by version, suite by suite, with and without losses; CredSSP bodies in it too."""

import datetime as dt
import hashlib
import re
import ssl
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

from analyzer.engine.secrets.tls import keylog
from analyzer.formats.certificates import channel_binding
from analyzer.formats.tls import KeyLog, key_log, opened
from analyzer.formats.tls_facts import tls_facts
from analyzer.sealing.credssp import Chunk, CredsspContext, context, digest
from tests.build.streams import Piece, fetch_from, stream

TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3
SUITES = [
    *("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-CHACHA20-POLY1305", "ECDHE-RSA-AES128-SHA", "ECDHE-RSA-AES256-SHA384"),
    *("AES128-GCM-SHA256", "AES256-GCM-SHA384", "AES128-SHA", "AES256-SHA", "AES128-SHA256", "AES256-SHA256", "AES128-CCM", "AES256-CCM8"),
    *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-CCM", "ECDHE-ECDSA-AES128-CCM8", "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305"),
]
TEXTS = [b"<s:Envelope>" + bytes([65 + number]) * 500 for number in range(8)]


class Session(NamedTuple):
    """The handshake's flights as the client's and the server's tokens, then each message of ``TEXTS`` as the TLS records that carry it, in turn."""

    tokens: tuple[list[bytes], list[bytes]]
    bodies: list[tuple[bool, bytes]]
    keys: KeyLog


@cache
def _certificate(folder: Path, kind: str) -> Path:
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "srv01")])
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(3650)).sign(key, hashes.SHA256())
    path = folder / f"{kind}.pem"
    pem = serialization.Encoding.PEM
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + made.public_bytes(pem))
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tls")


def session(folder: Path, version: ssl.TLSVersion, suite: str | None = None, texts: list[bytes] = TEXTS, alpn: tuple[str, ...] = ()) -> Session:
    log = folder / "keys"
    log.unlink(missing_ok=True)
    ways = []
    for purpose in (ssl.PROTOCOL_TLS_CLIENT, ssl.PROTOCOL_TLS_SERVER):
        made = ssl.SSLContext(purpose)
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
        made.minimum_version = made.maximum_version = version
        if suite is not None:
            made.set_ciphers(f"{suite}:@SECLEVEL=0")
        if alpn:
            made.set_alpn_protocols(list(alpn))
        ways.append(made)
    ways[1].load_cert_chain(_certificate(folder, "ecdsa" if suite and "ECDSA" in suite else "rsa"))
    ways[0].keylog_filename = str(log)
    pipes = (ssl.MemoryBIO(), ssl.MemoryBIO())
    sides = (ways[0].wrap_bio(pipes[1], pipes[0]), ways[1].wrap_bio(pipes[0], pipes[1], server_side=True))
    tokens: tuple[list[bytes], list[bytes]] = ([], [])
    for turn in range(8):
        _step(sides[turn % 2])
        sent = pipes[turn % 2].read()
        if sent:
            tokens[turn % 2].append(sent)
            pipes[turn % 2].write(sent)
    bodies = []
    for number, text in enumerate(texts):
        way = number % 2
        for at in range(0, len(text), 16384):
            sides[way].write(text[at : at + 16384])
        bodies.append((way == 0, pipes[way].read()))
    return Session(tokens, bodies, key_log(keylog(log.read_bytes())))


def _step(side: ssl.SSLObject) -> None:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return


def _runs(made: Session, lost: frozenset[int] = frozenset()) -> tuple[list[Piece], list[Piece]]:
    """Both directions; each lost body a hole."""
    runs: tuple[list[Piece], list[Piece]] = (list(made.tokens[0]), list(made.tokens[1]))
    for number, (from_client, data) in enumerate(made.bodies):
        runs[not from_client].append(len(data) if number in lost else data)
    return runs


def _texts(made: Session, lost: frozenset[int] = frozenset()) -> tuple[list[bytes], list[bytes]]:
    runs = _runs(made, lost)
    found = opened(stream(runs[0], 0), stream(runs[1], 1), made.keys, fetch_from(*runs))
    assert found is not None
    return [piece.text for piece in found[0]], [piece.text for piece in found[1]]


def _wanted(lost: frozenset[int] = frozenset()) -> tuple[list[bytes], list[bytes]]:
    return tuple([text for number, text in enumerate(TEXTS) if number % 2 == way and number not in lost] for way in (0, 1))  # type: ignore[return-value]


def _cases() -> Iterator[tuple[ssl.TLSVersion, str | None]]:
    yield from ((TLS12, suite) for suite in SUITES)
    yield TLS13, None


@pytest.mark.parametrize(("version", "suite"), list(_cases()))
def test_every_suite(folder: Path, version: ssl.TLSVersion, suite: str | None) -> None:
    made = session(folder, version, suite)
    assert _texts(made) == _wanted()
    for lost in (frozenset({0}), frozenset({2, 4}), frozenset({1, 2, 3, 5})):
        assert _texts(made, lost) == _wanted(lost)


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_the_size_of_a_loss_is_known(folder: Path, version: ssl.TLSVersion) -> None:
    made = session(folder, version)
    runs = _runs(made, frozenset({2, 4}))
    found = opened(stream(runs[0], 0), stream(runs[1], 1), made.keys, fetch_from(*runs))
    assert found is not None
    assert [piece.gap_before for piece in found[0]] == [0, len(TEXTS[2]) + len(TEXTS[4])]


@pytest.mark.parametrize(("version", "keyed"), [(TLS12, False), (TLS12, True), (TLS13, True), (TLS13, False)])
@pytest.mark.parametrize("alpn", [(), ("h2", "http/1.1")])
def test_certificate_and_protocol_of_the_server(folder: Path, version: ssl.TLSVersion, keyed: bool, alpn: tuple[str, ...]) -> None:  # noqa: FBT001
    """In clear up to TLS 1.2; of TLS 1.3 the key log shows them."""
    made = session(folder, version, alpn=alpn)
    runs = _runs(made)
    facts = tls_facts(stream(runs[0], 0), stream(runs[1], 1), fetch_from(*runs), made.keys if keyed else key_log(()))
    assert facts is not None
    der = ssl.PEM_cert_to_DER_cert(_certificate(folder, "rsa").read_text(encoding="ascii").partition("-----END PRIVATE KEY-----\n")[2])
    seen = keyed or version == TLS12
    assert facts.certificates == ((hashlib.sha256(der).digest(),) if seen else ())
    assert facts.channel_binding == (channel_binding(der) if seen else None)
    assert facts.application_protocol == ("h2" if alpn and seen else None)


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_a_log_of_another_connection_opens_nothing(folder: Path, version: ssl.TLSVersion) -> None:
    made, other = session(folder, version), session(folder, version)
    runs = _runs(made)
    assert opened(stream(runs[0], 0), stream(runs[1], 1), other.keys, fetch_from(*runs)) is None
    (secrets,) = other.keys.values()
    (random,) = made.keys
    wrong = key_log(())
    wrong[random] = secrets
    assert opened(stream(runs[0], 0), stream(runs[1], 1), wrong, fetch_from(*runs)) is None


def _credssp(made: Session, lost: frozenset[int] = frozenset()) -> CredsspContext | None:
    runs: tuple[list[Chunk], list[Chunk]] = tuple([Chunk(token, None) for token in side] for side in made.tokens)  # type: ignore[assignment]
    for number, (from_client, data) in enumerate(made.bodies):
        if number not in lost:
            runs[not from_client].append(Chunk(data, digest(data[:16], data[16:])))
    return context(*runs, made.keys)


@pytest.mark.parametrize("version", [TLS12, TLS13])
def test_bodies_sealed_by_credssp(folder: Path, version: ssl.TLSVersion) -> None:
    """Also a large one, which is several records, and with bodies that the capture lacks."""
    texts = [*TEXTS, b"<s:Envelope>" + b"z" * 40_000, b"<s:Envelope>the end"]
    made = session(folder, version, texts=texts)
    for lost in (frozenset[int](), frozenset({0}), frozenset({2, 3, 4})):
        reader = _credssp(made, lost)
        assert reader is not None
        for number, ((from_client, data), text) in enumerate(zip(made.bodies, texts, strict=True)):
            found = reader.open(data[:16], data[16:], from_client=from_client)
            assert (None if found is None else found.text) == (None if number in lost else text), (sorted(lost), number)
        assert reader.open(b"x" * 16, b"y", from_client=True) is None


def test_all_suites_of_the_table_have_a_kind_that_is_known() -> None:
    from analyzer.formats.tls_keys import SUITES as TABLE

    assert {suite.kind for suite in TABLE.values()} == {"gcm", "chacha", "ccm", "ccm8", "cbc", "rc4"}
    assert all(re.fullmatch("(sha256|sha384)", suite.digest) for suite in TABLE.values())
