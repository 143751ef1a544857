"""Many keys at a time: what is compiled and what is not find the same, a glance never refuses the right key, and hints are not needed."""

import hmac
import importlib.util
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scapy.libs.rfc3961 import Key as ScapyKey

from analyzer.auth.schemes import ntlm_sweep
from analyzer.auth.schemes.kerberos_glance import glance
from analyzer.auth.schemes.scapy_adapter import Encrypted
from analyzer.engine.account import hidden
from analyzer.records.secrets import KerberosKey, NtlmSecret, Password, Secret, Secrets
from analyzer.reports.masking import Mask
from analyzer.sealing.keyring import KeyRing, names_of
from analyzer.settings import Limits

SIZES = {17: 16, 18: 32, 19: 16, 20: 32, 23: 16}


def keys_of(data: bytes) -> list[bytes]:
    return [data[at : at + 16] for at in range(0, len(data), 16)]


@given(st.integers(0, 70), st.text(max_size=40), st.text(max_size=20))
def test_identities_are_derived_as_hmac_says(count: int, user: str, domain: str) -> None:
    hashes = os.urandom(16 * count)
    identity = (user.upper() + domain).encode("utf-16-le", "surrogatepass")
    assert keys_of(ntlm_sweep.derived(hashes, user, domain)) == [hmac.digest(key, identity, "md5") for key in keys_of(hashes)]


@given(st.integers(1, 70), st.binary(max_size=400), st.data())
def test_the_first_key_that_fits_is_found(count: int, message: bytes, data: st.DataObject) -> None:
    keys = os.urandom(16 * count)
    place = data.draw(st.integers(0, count - 1))
    proof = hmac.digest(keys_of(keys)[place], message, "md5")
    assert ntlm_sweep.first_fitting(keys, message, proof) == place
    assert ntlm_sweep.first_fitting(keys + keys, message, proof) == place
    assert ntlm_sweep.first_fitting(keys, message, bytes(16)) is None


@pytest.mark.parametrize("etype", SIZES)
@pytest.mark.parametrize("usage", [2, 3, 8, 9, 11])
@pytest.mark.parametrize("size", [0, 40, 900])
def test_a_glance_never_refuses_the_right_key(etype: int, usage: int, size: int) -> None:
    key = os.urandom(SIZES[etype])
    cipher = ScapyKey(etype, key=key).encrypt(usage, b"\x63\x82\x03\x00" + os.urandom(size))
    look = glance(etype, usage, cipher, (0x63,))
    assert look(key)
    if size == 900:
        assert sum(look(os.urandom(SIZES[etype])) for _ in range(512)) < 30


@pytest.mark.parametrize("etype", SIZES)
def test_a_ticket_is_opened_whoever_its_key_is_said_to_be_of(etype: int) -> None:
    right = os.urandom(SIZES[etype])
    cipher = ScapyKey(etype, key=right).encrypt(2, b"\x63\x82\x03\x00" + os.urandom(900))
    keys = [KerberosKey(f"k{number}", etype, Secret(os.urandom(SIZES[etype])), f"someone{number}@ELSEWHERE") for number in range(50)]
    ring = KeyRing(Secrets(kerberos=(*keys, KerberosKey("right", etype, Secret(right), "SRV01$@OTHER"))))
    for owner in ("HTTP/srv01.lab.example", "WSMAN/another-name"):
        found = ring.opened(Encrypted(etype, 2, cipher), 2, (0x63,), owner, "LAB.EXAMPLE")
        assert found is not None
        assert found[0].tag == "right"
    assert ring.fitted == {"right"}
    wrong = KeyRing(Secrets(kerberos=tuple(keys)), Limits(key_tries=20))
    assert wrong.opened(Encrypted(etype, 2, cipher), 2, (0x63,), "HTTP/srv01", "LAB.EXAMPLE") is None
    assert [issue.code for issue in wrong.issues()] == ["secrets.limit"]


def test_an_nt_hash_is_the_rc4_key_and_a_password_gives_aes_keys() -> None:
    secret = NtlmSecret("nt_hash:x:SRV01$", "SRV01$", "LAB", Secret(os.urandom(16)))
    cipher = ScapyKey(23, key=bytes(secret.nt_hash)).encrypt(2, b"\x63\x82\x03\x00" + os.urandom(300))
    found = KeyRing(Secrets(ntlm=(secret,))).opened(Encrypted(23, None, cipher), 2, (0x63,), "HTTP/srv01", "LAB.EXAMPLE")
    assert found is not None
    assert found[0].tag == secret.tag
    made = ScapyKey.string_to_key(18, b"Geheim-4711", b"LAB.EXAMPLEsvc-web")
    cipher = made.encrypt(2, b"\x63\x82\x03\x00" + os.urandom(300))
    ring = KeyRing(Secrets(passwords=(Password("password:svc-web", "svc-web", None, Secret(b"Geheim-4711")),)))
    found = ring.opened(Encrypted(18, None, cipher), 2, (0x63,), "HTTP/web01", "LAB.EXAMPLE")
    assert found is not None
    assert found[0].tag == "password:svc-web"


def test_a_computer_has_a_name_for_each_of_its_services() -> None:
    assert list(names_of("HTTP/SRV01.lab.example:5985")) == ["http/srv01.lab.example:5985", "srv01$", "http"]
    assert list(names_of("krbtgt")) == ["krbtgt"]


def _many(count: int) -> Secrets:
    words = [Password(f"password:words:line {number}", None, None, Secret(f"Word-{number:05}".encode())) for number in range(count)]
    hashes = [NtlmSecret(f"nt_hash:dump:user{number}", f"user{number}", None, Secret(number.to_bytes(16, "big"))) for number in range(1, count)]
    return Secrets(ntlm=tuple(hashes), passwords=tuple(words))


@pytest.mark.parametrize("count", [50, 2000])
def test_hashes_of_any_list_are_hidden_and_words_that_fit(count: int) -> None:
    known = _many(count)
    mask = Mask(*hidden(known, {"password:words:line 7"}))
    assert "Word-00007" not in mask.known("the password Word-00007 was used")
    digits = known.ntlm[-1].nt_hash.hex()
    assert digits not in mask.known(f"found {digits} in memory")
    shown = mask.known("an ordinary Word-00008 stays")
    assert ("Word-00008" in shown) is (count == 2000), "of a long list of words only those that fit are secrets"


def test_what_is_not_compiled_finds_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "analyzer.auth.schemes._sweep", None)
    spec = importlib.util.spec_from_file_location("slow_sweep", ntlm_sweep.__file__)
    assert spec is not None
    assert spec.loader is not None
    slow = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(slow)
    assert not slow.COMPILED
    hashes = os.urandom(16 * 40)
    derived = slow.derived(hashes, "alice", "LAB")
    assert derived == ntlm_sweep.derived(hashes, "alice", "LAB")
    proof = hmac.digest(keys_of(derived)[33], b"message", "md5")
    assert slow.first_fitting(derived, b"message", proof) == ntlm_sweep.first_fitting(derived, b"message", proof) == 33
