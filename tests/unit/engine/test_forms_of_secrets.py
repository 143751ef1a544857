"""Every form in which people have secrets is told by its content, read whole, and its mistakes are said by the name of the file."""

from pathlib import Path

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from analyzer.engine.secrets.content import Content
from analyzer.engine.secrets.formats import FORMATS
from analyzer.engine.secrets.load import load
from analyzer.errors import AnalyzerError, InputError, UsageError
from analyzer.records.secrets import NtlmSecret, Password, RsaKey, TicketKey
from tests.build import given
from tests.build.given import ALICE, EXAMPLES, OF_PASSWORD, OTHER, written

NT = bytes.fromhex(ALICE.nt)


@pytest.mark.parametrize("name", [form.name for form in FORMATS])
def test_every_form_has_an_example_that_no_other_form_takes(name: str, tmp_path: Path) -> None:
    assert EXAMPLES.get(name), "write an example in tests/build/given.py"
    for data in EXAMPLES[name]:
        content = Content("given", data)
        assert next(form.name for form in FORMATS if form.knows(content)) == name
        assert {form.name for form in FORMATS if form.knows(content)} <= {name, "list"}  # text may always be a list
        found = load(str(written(tmp_path, data)))
        assert [one.form for one in found.files] == [name]
        assert not found.empty


@pytest.mark.parametrize("name", OF_PASSWORD)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le"])
def test_the_hash_is_found_in_every_form_and_encoding(name: str, encoding: str, tmp_path: Path) -> None:
    text = OF_PASSWORD[name](ALICE)
    if name == "toml" and encoding not in ("utf-8", "utf-16"):
        pytest.skip("TOML is UTF-8")
    found = load(str(written(tmp_path, text, encoding=encoding)))
    assert NT in {bytes(one.nt_hash) for one in found.ntlm}
    assert ALICE.password not in repr(found)
    assert ALICE.nt not in repr(found)
    windows = load(str(written(tmp_path, text.replace("\n", "\r\n"), "windows", encoding)))
    assert [bytes(one.nt_hash) for one in windows.ntlm] == [bytes(one.nt_hash) for one in found.ntlm]


@pytest.mark.parametrize("name", ["toml", "secretsdump", "cleartext", "pypykatz_json", "pypykatz_grep", "pypykatz_text", "mimikatz", "dcsync", "user_hash"])
def test_the_account_is_told_as_the_form_has_it(name: str, tmp_path: Path) -> None:
    found = load(str(written(tmp_path, OF_PASSWORD[name](ALICE))))
    own = {(one.user, one.domain) for one in found.ntlm if bytes(one.nt_hash) == NT}
    assert {user for user, _ in own} == {"alice"}
    assert own <= {("alice", "LAB"), ("alice", "lab.example"), ("alice", None)}


def test_a_dump_of_a_domain_is_read_whole(tmp_path: Path) -> None:
    found = load(str(written(tmp_path, given.secretsdump(ALICE), "ntds.txt")))
    tags = [one.tag for one in found.ntlm]
    assert "nt_hash:ntds.txt:lab.example\\alice" in tags
    assert "nt_hash:ntds.txt:lab.example\\alice_history0" in tags
    assert "nt_hash:ntds.txt:SRV01$" in tags
    former = next(one for one in found.ntlm if one.tag.endswith("_history0"))
    assert (former.user, former.domain) == ("alice", "lab.example")
    assert [(one.etype, one.principal) for one in found.kerberos] == [(18, "alice@lab.example"), (17, "alice@lab.example")]
    assert all(one.lm_hash is None for one in found.ntlm)  # the LM hash of nothing is none


def test_lsa_secrets_of_a_computer(tmp_path: Path) -> None:
    lines = (f"aes256-cts-hmac-sha1-96:{'ab' * 32}", "plain_password_hex:41004200", f"{given.NO_LM}:{OTHER}:::")
    text = "[*] $MACHINE.ACC\n" + "".join(f"LAB\\SRV01$:{line}\n" for line in lines)
    found = load(str(written(tmp_path, text)))
    assert {(one.user, one.domain) for one in found.ntlm} == {("SRV01$", "LAB")}
    assert bytes.fromhex(given.Who("", "", "AB").nt) in {bytes(one.nt_hash) for one in found.ntlm}
    assert [(one.etype, one.principal) for one in found.kerberos] == [(18, "SRV01$@LAB")]


def test_trust_keys_of_mimikatz(tmp_path: Path) -> None:
    text = f"mimikatz # lsadump::trust\n [  In ] LAB.EXAMPLE -> OTHER.EXAMPLE\n\t* aes256_hmac       {'ab' * 32}\n\t* rc4_hmac_nt       {OTHER}\n"
    found = load(str(written(tmp_path, text)))
    assert [one.etype for one in found.kerberos] == [18]
    assert [bytes(one.nt_hash) for one in found.ntlm] == [bytes.fromhex(OTHER)]


def test_tickets_keep_their_session_keys(tmp_path: Path) -> None:
    for name in ("ccache", "kirbi"):
        for data in EXAMPLES[name]:
            (found,) = load(str(written(tmp_path, data))).tickets
            assert isinstance(found, TicketKey)
            assert (found.etype, bytes(found.value), found.client) == (18, b"k" * 32, "alice@LAB.EXAMPLE")
            assert found.service == "HTTP/srv01.lab.example@LAB.EXAMPLE"
            assert found.ticket == __import__("hashlib").sha256(b"c" * 64).digest()


def test_a_cracked_ticket_is_a_password_of_its_account(tmp_path: Path) -> None:
    found = load(str(written(tmp_path, f"$krb5tgs$23$*svc-web$LAB.EXAMPLE$HTTP/srv01*${'ab' * 16}${'cd' * 40}:Geheim-4711\n")))
    (password,) = found.passwords
    assert (password.user, password.domain, bytes(password.value)) == ("svc-web", "LAB.EXAMPLE", b"Geheim-4711")


def test_a_line_with_two_meanings_is_read_in_both(tmp_path: Path) -> None:
    found = load(str(written(tmp_path, "LAB\\alice:se:cret\n")))
    assert [(one.user, one.domain, bytes(one.value)) for one in found.passwords] == [(None, None, b"LAB\\alice:se:cret"), ("alice", "LAB", b"se:cret")]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "the file is empty"),
        (b" \r\n\n", "the file is empty"),
        (b"\x7fELF\x02\x01\x01" + bytes(40), "binary data"),
        (b"\x05\x01" + bytes(20), "not a keytab of format 0x0502"),
        (b"\x05\x02\x00\x00\x00\x09short", "keytab is damaged"),
        (b"\x05\x04\x00", "credential cache is damaged"),
        (EXAMPLES["ccache"][0][:-30], "credential cache is damaged"),  # type: ignore[index]
        (b"\x76\x82\x00\x10" + bytes(16), "KRB-CRED"),
        (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "PEM without a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", "damaged"),
        (b"\x30\x82\x09\x00\x02\x01\x03\x30" + bytes(60), "PKCS #12"),
        (b'{"lsass.DMP": {"logon_sessions": {', "cut or damaged"),
        (b'{"lsass.DMP": {"logon_sessions": {}}}', "no password, hash or key in it"),
        (b"alice::LAB:1122334455667788:" + b"ab" * 16 + b":" + b"cd" * 40 + b"\n", "crack them first"),
    ],
)
def test_wrong_files_are_told_by_name(data: bytes, told: str, tmp_path: Path) -> None:
    path = written(tmp_path, data, "odd.bin")
    with pytest.raises(UsageError) as said:
        load(str(path))
    assert "odd.bin" in str(said.value)
    assert told in str(said.value)


def test_a_key_under_a_passphrase_and_one_that_is_not_rsa(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    kinds = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    locked = given.rsa_key().private_bytes(*kinds, serialization.BestAvailableEncryption(b"x"))
    curve = ec.generate_private_key(ec.SECP256R1()).private_bytes(*kinds, serialization.NoEncryption())
    for data, told in ((locked, "passphrase"), (curve, "not RSA")):
        with pytest.raises(UsageError, match=told):
            load(str(written(tmp_path, data)))


def test_empty_key_logs_and_keytabs_are_errors(tmp_path: Path) -> None:
    empty, words = written(tmp_path, "", "empty"), written(tmp_path, "not a key log\n", "words")
    for arguments in ({"keylogs": [str(empty)]}, {"keytabs": [str(empty)]}, {"keylogs": [str(words)]}):
        with pytest.raises(UsageError, match=r"empty|words"):
            load(None, **arguments)
    with pytest.raises(InputError):
        load(str(tmp_path / "missing"))


def test_a_folder_is_read_whole_and_what_is_not_read_is_named(tmp_path: Path) -> None:
    for name, examples in EXAMPLES.items():
        for place, data in enumerate(examples):
            written(tmp_path, data, f"{name}-{place}.txt")
    written(tmp_path, b"\x89PNG\r\n\x1a\n" + bytes(50), "screen.png")
    written(tmp_path, "Notes of the case, in prose.\n", "README.md")
    found = load(str(tmp_path))
    assert {one.form for one in found.files} == {form.name for form in FORMATS}
    assert {Path(told.partition(":")[0]).name for told in found.passed_over} == {"screen.png", "README.md"}
    assert any(isinstance(one, RsaKey) for one in found.rsa)
    (tmp_path / "nothing").mkdir()
    with pytest.raises(UsageError, match="no file with passwords"):
        load(str(tmp_path / "nothing"))


def test_what_stands_in_two_files_is_one_secret(tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt"):
        written(tmp_path, given.user_hash(ALICE), name)
    assert len(load(str(tmp_path)).ntlm) == 2


@drawn(st.binary(max_size=300), st.sampled_from([data for examples in EXAMPLES.values() for data in examples]), st.integers(0, 400))
def test_no_bytes_raise_anything_else(tmp_path: Path, noise: bytes, data: bytes, at: int) -> None:
    for made in (noise, data[:at], data[:at] + noise + data[at:]):
        try:
            found = load(str(written(tmp_path, made)))
        except AnalyzerError as error:
            assert "given" in str(error)  # noqa: PT017  either is right
        else:
            assert all(isinstance(one, NtlmSecret) for one in found.ntlm)
            assert all(isinstance(one, Password) for one in found.passwords)
