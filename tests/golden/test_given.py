"""With each form in which people have secrets a sample decrypts completely; wrong ones decrypt nothing, and are named with the reason."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

import analyzer
from analyzer.api import Case
from analyzer.auth.schemes.scapy_adapter import Key, decrypt, ticket_part
from analyzer.engine.local import run
from analyzer.engine.secrets.load import load
from analyzer.records.sealing import Protection
from analyzer.sealing.contexts import tokens
from analyzer.sealing.tickets import service_ticket
from analyzer.settings import Limits, Scope
from tests.build import given
from tests.build.given import OF_PASSWORD, Who, written
from tests.golden.test_secrets import keytab_keys

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
NTLM, KERBEROS, HTTPS = "direct-ntlm-healthy", "kdc-ticket-healthy", "https-direct"


def _captures(name: str) -> list[Path]:
    return sorted(path for path in (SAMPLES / name).iterdir() if "pcap" in path.suffix)


def _case(name: str, secrets: Path | None) -> Case:
    return analyzer.analyze(_captures(name), secrets=secrets)


@cache
def _alice() -> Who:
    (password,) = load(str(SAMPLES / NTLM / "secrets.toml")).passwords
    return Who(str(password.user), str(password.domain), password.value.decode())


@cache
def _whole(name: str) -> Mapping[str, tuple[bool, bytes | None]]:
    return _texts(_case(name, SAMPLES / name / "secrets.toml"))


def _texts(case: Case) -> dict[str, tuple[bool, bytes | None]]:
    return {message.id: (message.opened, message.text_digest) for message in case.evidence.messages.values()}


def _decrypts_whole(name: str, secrets: Path) -> Case:
    case = _case(name, secrets)
    assert _texts(case) == _whole(name)
    sealed = [message for message in case.evidence.messages.values() if message.protection is Protection.SEALED]
    assert sealed
    assert all(message.opened and message.check == "good" for message in sealed)
    assert sum(use.messages for use in case.evidence.keys) == len(sealed)
    return case


def _decrypts_nothing(name: str, secrets: Path) -> Case:
    case = _case(name, secrets)
    assert not any(message.opened for message in case.evidence.messages.values())
    assert case.evidence.keys
    assert not any(use.fits for use in case.evidence.keys)
    assert all(use.why for use in case.evidence.keys)
    return case


@pytest.mark.parametrize("form", OF_PASSWORD)
def test_every_form_of_a_password_or_hash(form: str, tmp_path: Path) -> None:
    case = _decrypts_whole(NTLM, written(tmp_path, OF_PASSWORD[form](_alice())))
    assert any(use.fits and use.logons == ("c1.a1",) for use in case.evidence.keys)


@pytest.mark.parametrize("form", OF_PASSWORD)
def test_a_wrong_one_decrypts_nothing_and_is_named(form: str, tmp_path: Path) -> None:
    wrong = Who(_alice().user, _alice().domain, "not her password")
    case = _decrypts_nothing(NTLM, written(tmp_path, OF_PASSWORD[form](wrong)))
    reasons = {use.why for use in case.evidence.keys if use.account and use.account.endswith(wrong.user)}
    no_ticket = {f"no Kerberos ticket of encryption type {etype} is in the captures" for etype in (17, 18)}
    assert reasons <= {"alice logged on with another password", *no_ticket}


def test_names_are_hints_only(tmp_path: Path) -> None:
    stranger = _alice()._replace(user="someone-else", domain="ELSEWHERE")
    _decrypts_whole(NTLM, written(tmp_path, given.user_hash(stranger)))


def test_a_logon_that_is_not_there_is_said(tmp_path: Path) -> None:
    case = _decrypts_nothing(NTLM, written(tmp_path, f"bob:{given.OTHER}\n"))
    (use,) = case.evidence.keys
    assert use.why == "no NTLM logon of bob in the captures; it fits no NTLM logon (1 tried)"


def test_bytes_that_are_missing_are_said(tmp_path: Path) -> None:
    case = _case("midstream-start", written(tmp_path, given.user_hash(_alice())))
    assert not any(use.fits for use in case.evidence.keys)
    assert all("whole" in (use.why or "") or "is in the captures" in (use.why or "") for use in case.evidence.keys)


def _service_key() -> bytes:
    """The key of the sample's ticket, by trying those of its keytab."""
    request, keys = _request(), list(keytab_keys(SAMPLES / KERBEROS / "http.keytab"))
    found = service_ticket(request)
    assert found is not None
    return next(key for key in keys if decrypt(Key(18, key), 2, found.encrypted.cipher) is not None)  # type: ignore[arg-type]


@cache
def _request() -> bytes:
    evidence = _case(KERBEROS, None).evidence
    spoken = next(one for one in evidence.conversations if one.mechanism == "kerberos")
    return next(raw for raw in tokens(spoken, evidence.exchanges) if service_ticket(raw) is not None)


def _ticket() -> tuple[bytes, bytes]:
    """The ticket as it travels in the request, and its session key."""
    found = service_ticket(_request())
    assert found is not None
    plain = decrypt(Key(18, _service_key()), 2, found.encrypted.cipher)  # type: ignore[arg-type]
    part = ticket_part(plain or b"")
    assert part is not None
    whole = given.ticket(found.service, found.realm, 18, found.encrypted.cipher)
    return whole, bytes(part.key.value)


def test_a_computer_s_key_out_of_a_dump_fits_every_service_of_it(tmp_path: Path) -> None:
    text = f"LAB.EXAMPLE\\SRV01$:aes256-cts-hmac-sha1-96:{_service_key().hex()}\nLAB.EXAMPLE\\SRV02$:aes256-cts-hmac-sha1-96:{'ab' * 32}\n"
    case = _decrypts_whole(KERBEROS, written(tmp_path, text))
    assert [(use.account, use.fits) for use in case.evidence.keys] == [("SRV01$@LAB.EXAMPLE", True), ("SRV02$@LAB.EXAMPLE", False)]


@pytest.mark.parametrize("kind", [given.ccache, given.kirbi])
def test_a_ticket_with_its_session_key(kind: type, tmp_path: Path) -> None:
    ticket, key = _ticket()
    names = (("alice", "LAB.EXAMPLE"), ("WSMAN/srv01.lab.example", "LAB.EXAMPLE"), 18)
    _decrypts_whole(KERBEROS, written(tmp_path, kind(*names, key, ticket)))
    case = _decrypts_nothing(KERBEROS, written(tmp_path, kind(*names, bytes(32), ticket)))
    assert case.evidence.keys[0].why == "its key decrypts nothing that came with the ticket for WSMAN/srv01.lab.example@LAB.EXAMPLE"
    case = _decrypts_nothing(KERBEROS, written(tmp_path, kind(*names, bytes(32), given.ticket())))
    assert "is not used in the captures" in str(case.evidence.keys[0].why)


def test_a_keytab_by_itself(tmp_path: Path) -> None:
    _decrypts_whole(KERBEROS, SAMPLES / KERBEROS / "http.keytab")
    _decrypts_nothing(KERBEROS, written(tmp_path, given.keytab("WSMAN/srv01.lab.example", "LAB.EXAMPLE", 18, bytes(32))))


def test_a_key_log_by_itself(tmp_path: Path) -> None:
    case = _case(HTTPS, SAMPLES / HTTPS / "tls.keys")
    assert _texts(case) == _whole(HTTPS)
    assert [(use.kind, use.fits, use.connections) for use in case.evidence.keys] == [("TLS key log", True, ("c1",))]
    wrong = _case(HTTPS, written(tmp_path, given.keylog()))
    assert not wrong.evidence.messages
    assert [use.why for use in wrong.evidence.keys] == ["its lines (1) belong to none of the TLS connections that were read (1)"]


def test_a_folder_of_everything(tmp_path: Path) -> None:
    written(tmp_path, given.secretsdump(_alice()), "ntds.txt")
    written(tmp_path, given.pem(rsa.generate_private_key(65537, 2048)), "server.pem")
    written(tmp_path, given.passwords(_alice()), "words.txt")
    written(tmp_path, b"\x89PNG\r\n\x1a\n" + bytes(40), "screen.png")
    case = _decrypts_whole(NTLM, tmp_path)
    assert [issue.detail for issue in case.evidence.issues if issue.code == "secrets.passed-over"] == [
        "screen.png: binary data that is no keytab, credential cache, ticket or private key"
    ]


def test_a_limit_that_leaves_something_untried_is_an_issue(tmp_path: Path) -> None:
    secrets = load(str(written(tmp_path, given.hashes(_alice()))))
    done = run([str(path) for path in _captures(NTLM)], Limits(hash_tries=1, hash_tries_uncompiled=1), Scope(), secrets=secrets)
    done.sources.close()
    (issue,) = (issue for issue in done.result.evidence.issues if issue.code == "secrets.limit")
    assert issue.detail.startswith("hash_tries")
    assert not any(message.opened for message in done.result.evidence.messages.values())
