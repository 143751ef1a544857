"""What is no message of an NTLM context is refused, and leaves the context as it was."""

import hmac
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analyzer.auth.schemes.ntlm import Authenticate
from analyzer.auth.schemes.ntlm_keys import ESS, KEY_EXCHANGE, SEAL, SIGN, _exported, from_exported
from analyzer.sealing.ntlm import NtlmContext
from analyzer.sealing.rc4 import Rc4

FLAGS = st.sampled_from([0, ESS, KEY_EXCHANGE, ESS | KEY_EXCHANGE, ESS | KEY_EXCHANGE | 0x20000000, 0x80000080])


@settings(max_examples=20)
@given(FLAGS, st.binary(max_size=20), st.binary(max_size=60), st.booleans())
def test_any_part_is_refused(flags: int, rest: bytes, data: bytes, from_client: bool) -> None:  # noqa: FBT001  hypothesis draws it
    reader = NtlmContext(from_exported(bytes(16), flags), client_mic=False, server_mic=True)
    before = reader.mark(from_client=from_client)
    for header in (rest, b"\x01\x00\x00\x00" + rest[:12].ljust(12, b"\x00")):
        assert reader.open(header, data, from_client=from_client) is None
        assert reader.mark(from_client=from_client) == before


def test_searching_stops_when_nothing_is_ever_found() -> None:
    reader = NtlmContext(from_exported(bytes(16), ESS | KEY_EXCHANGE), client_mic=False, server_mic=False)
    for number in range(50):
        assert reader.open(b"\x01\x00\x00\x00" + bytes(8) + number.to_bytes(4, "little"), b"data" * 10, from_client=True) is None
    assert reader._directions[True].failures == 16


@given(st.binary(min_size=16, max_size=16), st.lists(st.integers(0, 200_000), max_size=4))
def test_a_keystream_goes_anywhere(key: bytes, places: list[int]) -> None:
    whole = Rc4(key).crypt(bytes(200_010))
    stream = Rc4(key)
    for place in places:
        stream.back_to(place)
        assert stream.crypt(bytes(10)) == whole[place : place + 10]
        assert stream.at == place + 10


@pytest.mark.parametrize(
    ("flags", "sent", "chosen"),
    [
        (ESS | KEY_EXCHANGE | SIGN, 16, True),
        (ESS | KEY_EXCHANGE | SEAL, 16, True),
        (ESS | KEY_EXCHANGE, 16, False),
        (ESS | SIGN | SEAL, 16, False),
        (ESS | KEY_EXCHANGE | SIGN, 0, False),
        (ESS | KEY_EXCHANGE | SIGN, 15, False),
    ],
)
def test_the_client_chooses_the_key_only_by_a_key_exchange(flags: int, sent: int, *, chosen: bool) -> None:
    """MS-NLMP 3.1.5.1.2: EncryptedRandomSessionKey counts with NTLMSSP_NEGOTIATE_KEY_EXCH and signing or sealing, and has 16 bytes."""
    base = bytes(range(16))
    keys = _exported(base, Authenticate(b"", b"", b"", b"", b"", b"\x55" * sent, flags))
    assert (bytes(keys.exported) != base) is chosen


def _sealed(writer: NtlmContext, number: int, text: bytes) -> tuple[bytes, bytes]:
    """(header, ciphertext) of a message of the client with extended session security and key exchange (MS-NLMP 3.4.4.2)."""
    way = writer._directions[True]
    data = way.cipher.crypt(text)
    mac = hmac.digest(way.sign_key, struct.pack("<I", number) + text, "md5")[:8]
    return b"\x01\0\0\0" + way.cipher.crypt(mac) + struct.pack("<I", number), data


def _pair() -> tuple[NtlmContext, NtlmContext]:
    keys = from_exported(bytes(16), ESS | KEY_EXCHANGE | SIGN | SEAL)
    return NtlmContext(keys, client_mic=False, server_mic=False), NtlmContext(keys, client_mic=False, server_mic=False)


@pytest.mark.parametrize("declared", [1, 5000, 999_999_999_999])
def test_a_body_that_was_never_sealed_moves_nothing(declared: int) -> None:
    """Someone puts a body between that only says that it is encrypted, and how long it is."""
    writer, reader = _pair()
    texts = [b"<s:Envelope>%d</s:Envelope>" % number for number in range(4)]
    for number, text in enumerate(texts):
        reader.passed([declared], from_client=True)
        found = reader.open(*_sealed(writer, number, text), from_client=True)
        assert found is not None
        assert found.text == text


def test_a_message_that_was_lost_is_passed_over_by_its_length() -> None:
    writer, reader = _pair()
    lost, next_one = b"<s:Envelope>lost</s:Envelope>" * 3000, b"<s:Envelope/>"
    _sealed(writer, 0, lost)
    reader.passed([len(lost)], from_client=True)
    found = reader.open(*_sealed(writer, 1, next_one), from_client=True)
    assert found is not None
    assert found.text == next_one
    assert not reader._directions[True].lied
