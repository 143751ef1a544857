"""The channel binding of a certificate, by the hash of its signature; pyspnego packs the structure that is hashed."""

import datetime as dt
import hashlib

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from spnego.channel_bindings import GssChannelBindings

from analyzer.formats.certificates import channel_binding, covers, described
from tests.build.talk_tls import paper

NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "srv01")])
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)


Hash = hashes.SHA256 | hashes.SHA384 | hashes.SHA512


def certificate(signed_by: Hash | None) -> bytes:
    key = ed25519.Ed25519PrivateKey.generate() if signed_by is None else ec.generate_private_key(ec.SECP256R1())
    made = x509.CertificateBuilder(NAME, NAME, key.public_key(), 1, NOW, NOW + dt.timedelta(3650)).sign(key, signed_by)
    return made.public_bytes(serialization.Encoding.DER)


@pytest.mark.parametrize(("signed_by", "digest"), [(hashes.SHA256(), "sha256"), (hashes.SHA384(), "sha384"), (hashes.SHA512(), "sha512")])
def test_the_hash_is_that_of_the_signature(signed_by: Hash, digest: str) -> None:
    made = certificate(signed_by)
    packed = GssChannelBindings(application_data=b"tls-server-end-point:" + hashlib.new(digest, made).digest()).pack()
    assert channel_binding(made) == hashlib.md5(packed, usedforsecurity=False).digest()


def test_weak_hashes_are_replaced() -> None:
    """RFC 5929 section 4.1. No library signs with SHA-1 any more, so the names of the algorithm are put in its place; nobody checks the signature here."""
    made = certificate(hashes.SHA256())
    body = made[4:].replace(bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("300906072a8648ce3d0401"))
    assert body[:2] == b"\x30\x81"
    body = body[:2] + bytes([body[2] - 1]) + body[3:]
    weak = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    data = b"tls-server-end-point:" + hashlib.sha256(weak).digest()
    assert channel_binding(weak) == hashlib.md5(GssChannelBindings(application_data=data).pack(), usedforsecurity=False).digest()


def test_a_signature_without_a_hash_of_its_own_binds_nothing() -> None:
    assert channel_binding(certificate(None)) is None


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    assert channel_binding(raw) is None


def test_what_a_certificate_says() -> None:
    found = described(paper("srv02.lab.example", days=(-1, 1), alternative="192.0.2.7", ca="Lab Root").der)
    assert found is not None
    assert (found.subject, found.issuer) == ("CN=srv02.lab.example", "CN=Lab Root")
    assert found.common_name == "srv02.lab.example"
    assert (found.names, found.self_signed, found.key, found.signature, found.server_use) == (
        ("192.0.2.7",),
        False,
        "EC secp256r1",
        "sha256",
        None,
    )
    assert found.not_after_s - found.not_before_s == 2 * 86_400
    assert covers(found, "192.0.2.7")
    assert not covers(found, "srv02.lab.example")


def test_self_signed_is_proved_by_the_signature() -> None:
    own = paper()
    forged = bytearray(own.der)
    forged[-1] ^= 1
    found = [described(own.der), described(bytes(forged))]
    assert [one.self_signed for one in found if one is not None] == [True, False]


@given(st.integers(0, 300), st.binary(max_size=8))
def test_no_damage_raises(at: int, put: bytes) -> None:
    data = paper().der
    described(data[:at] + put + data[at + len(put) :])
