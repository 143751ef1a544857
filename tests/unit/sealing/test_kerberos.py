"""Kerberos wrap tokens in every encryption type and rotation that RFC 4121 and MS-KILE allow; keys found through tickets; no bytes raise."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.libs.rfc3961 import Key as ScapyKey

from analyzer.auth.schemes import scapy_adapter
from analyzer.auth.schemes.scapy_adapter import Key
from analyzer.formats.holes import Holed
from analyzer.records.secrets import KerberosKey, Password, Secret, Secrets
from analyzer.sealing.kerberos import KerberosContext, KerberosKeys
from analyzer.sealing.tickets import exchange_keys, learn

SIZES = {17: 16, 18: 32, 19: 16, 20: 32}
INITIATOR, ACCEPTOR = 24, 22
SERVER, SUBKEY = 1, 4


def key(etype: int, byte: int = 7) -> Key:
    return Key(etype, Secret(bytes([byte]) * SIZES[etype]))


def token(with_key: Key, text: bytes, *, from_client: bool = True, extra: int = 0, rotation: int | None = None, flags: int = 2) -> tuple[bytes, bytes]:
    """The token header of a part and its data, made as RFC 4121 section 4.2.4 says."""
    flags |= 0 if from_client else SERVER
    plain_header = struct.pack(">BBBBHHQ", 5, 4, flags, 0xFF, extra, 0, 9)
    cipher = ScapyKey(with_key.etype, key=bytes(with_key.value)).encrypt(INITIATOR if from_client else ACCEPTOR, text + bytes(extra) + plain_header)
    turn = {17: 28, 18: 28, 19: 32, 20: 40}[with_key.etype] if rotation is None else rotation
    shift = (turn + extra) % len(cipher)
    rotated = cipher[-shift:] + cipher[:-shift] if shift else cipher
    whole = plain_header[:6] + struct.pack(">H", turn) + plain_header[8:] + rotated
    return whole[:60], whole[60:]


def opened(reader: KerberosContext, part: tuple[bytes, bytes], *, from_client: bool = True) -> bytes | None:
    found = reader.open(*part, from_client=from_client)
    return None if found is None else found.text


@pytest.mark.parametrize("etype", SIZES)
@pytest.mark.parametrize("text", [b"", b"x", b"<s:Envelope/>" * 50])
@pytest.mark.parametrize("extra", [0, 16])
@pytest.mark.parametrize("rotation", [None, 0, 1, 5000])
def test_wrap_tokens(etype: int, text: bytes, extra: int, rotation: int | None) -> None:
    reader = KerberosContext(KerberosKeys(key(etype)))
    for from_client in (True, False):
        part = token(key(etype), text, from_client=from_client, extra=extra, rotation=rotation)
        assert opened(reader, part, from_client=from_client) == text
        assert opened(reader, part, from_client=not from_client) is None


def test_the_keys_are_tried_as_the_flags_say_and_all_of_them() -> None:
    session, initiator, acceptor = key(18, 1), key(18, 2), key(18, 3)
    keys = KerberosKeys(session, initiator, acceptor)
    assert keys.candidates(acceptor_first=True) == [acceptor, initiator, session]
    assert keys.candidates(acceptor_first=False) == [initiator, session, acceptor]
    reader = KerberosContext(keys)
    for used in (session, initiator, acceptor):
        for flags in (2, 2 | SUBKEY):
            assert opened(reader, token(used, b"text", flags=flags)) == b"text"
    assert opened(reader, token(key(18, 4), b"text")) is None


def test_a_header_that_was_changed_is_refused() -> None:
    reader = KerberosContext(KerberosKeys(key(18)))
    header, data = token(key(18), b"text")
    for place in (4, 5, 15):
        changed = header[:place] + bytes([header[place] ^ 1]) + header[place + 1 :]
        assert reader.open(changed, data, from_client=True) is None


prefixes = st.sampled_from([b"", b"\x05\x04\x07\xff", bytes.fromhex("608201ba06092a864886f71201020202011100"), b"\x05\x04\x06\xff\xff\xff\xff\xff"])


@given(prefixes, st.binary(max_size=90), st.binary(max_size=90), st.sampled_from([17, 18, 19, 20, 23, 1, 99]))
def test_any_token_is_refused(prefix: bytes, header: bytes, data: bytes, etype: int) -> None:
    for size in (0, 5, 16, 32):
        reader = KerberosContext(KerberosKeys(Key(etype, Secret(bytes(size)))))
        assert reader.open(prefix + header, data, from_client=True) is None


SECRETS = Secrets(
    kerberos=tuple(KerberosKey(f"key:{etype}", etype, Secret(bytes(16)), principal) for etype in (17, 23) for principal in (None, "krbtgt/A@A")),
    passwords=(Password("password:a", "a", None, Secret(b"p")),),
)
begins = st.sampled_from([bytes.fromhex(text) for text in ("", "6e820100", "602006092a864886f71201020201006e", "6b10300e", "6c05", "6d7f")])


@given(begins, st.binary(max_size=120))
def test_any_bytes_are_no_exchange(begin: bytes, rest: bytes) -> None:
    raw = begin + rest
    assert exchange_keys(raw, raw, SECRETS, {}) is None
    assert learn([raw], SECRETS) == {}
    for name in ("ap_rep", "ap_rep_subkey", "ap_req", "authenticator", "kdc_rep", "kdc_rep_key", "tgs_req", "ticket_part"):
        getattr(scapy_adapter, name)(raw)


@pytest.mark.parametrize("etype", SIZES)
@pytest.mark.parametrize("length", [1, 13, 200, 208, 215])
def test_a_part_with_a_hole_gives_the_bytes_that_can_be_known_and_no_others(etype: int, length: int) -> None:
    text = (b"<s:Envelope>" + bytes(range(256)))[:length] if length > 13 else b"<s:Envelope>x"[-length:] if length == 1 else b"<s:Envelope>x"
    reader = KerberosContext(KerberosKeys(key(etype)))
    header, data = token(key(etype), text)
    for start in range(0, len(data), 7):
        for size in (1, 16, 40):
            stop = min(start + size, len(data))
            damaged = data[:start] + bytes(byte ^ 0xA5 for byte in data[start:stop]) + data[stop:]
            assert reader.open(header, damaged, from_client=True) is None
            found = reader.guess(header, Holed(damaged, ((start, stop - start),)), from_client=True)
            if found is None:
                continue
            assert len(found.data) == len(text)
            gone = {at for where, hole in found.holes for at in range(where, where + hole)}
            assert all(at in gone or found.data[at] == byte for at, byte in enumerate(text))
            assert gone or not text
            assert set(range(start, min(stop, len(text)))) <= gone
    assert reader.guess(header, Holed(data), from_client=True) == Holed(text)
    assert KerberosContext(KerberosKeys(key(etype, 9))).guess(header, Holed(data), from_client=True) is None


def test_most_of_a_long_part_is_read_around_a_hole() -> None:
    text = b"<s:Envelope>" + b"0123456789" * 100
    header, data = token(key(18), text)
    found = KerberosContext(KerberosKeys(key(18))).guess(header, Holed(data[:400] + bytes(100) + data[500:], ((400, 100),)), from_client=True)
    assert found is not None
    assert found.holes == ((400, 128),)
    assert (found.data[:400], found.data[528:]) == (text[:400], text[528:])
