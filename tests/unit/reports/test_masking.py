"""Secrets are taken out of every text, in every spelling, and nothing else is."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from analyzer.api import Case
from analyzer.records.http import Header
from analyzer.records.result import Result
from analyzer.records.wsman import Command, Output, Shell
from analyzer.reports.drawings import LADDERS
from analyzer.reports.look import look
from analyzer.reports.machine import document
from analyzer.reports.masking import Mask, masked
from analyzer.reports.terminal import overview
from analyzer.reports.typed_json import NAMES, OURS, TYPED
from analyzer.tables.column import Dtype
from analyzer.tables.registry import TABLES
from tests.build import evidence as build

PASSWORD = "Zinnober!Ofen9"
KEY = bytes(range(16))
passwords = st.text(st.characters(codec="utf-8"), min_size=4, max_size=20).filter(lambda text: len(text.encode()) >= 4)


@given(passwords, st.binary(max_size=7), st.binary(max_size=7), st.sampled_from(["utf-8", "utf-16-le"]))
def test_a_password_within_base64_is_gone(password: str, before: bytes, after: bytes, encoding: str) -> None:
    data = password.encode(encoding)
    text = base64.b64encode(before + data + after).decode()
    shown = Mask([password]).known(text)
    assert "***" in shown
    assert len(shown.partition("***")[0]) <= len(before) * 8 // 6
    assert text[(len(before) + 1) * 8 // 6 : (len(before) + len(data) - 1) * 8 // 6] not in shown


@given(passwords, st.text("xyz .", max_size=5))
def test_a_password_as_it_is_is_gone(password: str, around: str) -> None:
    assert Mask([password]).known(around + password + around).count("***") >= 1
    assert password not in Mask([password]).known(around + password + around).replace("***", "\x00")


@given(st.binary(min_size=8, max_size=32), st.booleans())
def test_a_key_in_hexadecimal_digits_is_gone(key: bytes, upper: bool) -> None:  # noqa: FBT001 (drawn)
    digits = key.hex().upper() if upper else key.hex()
    for mask in (Mask(keys=[key]), Mask(logged=[key])):
        assert digits not in mask.known(f"key 0x00{digits}ff.")
        assert digits not in mask.known(f"{'text ' * 300}key 0x00{digits}ff.")


def test_nothing_else_is_taken_out() -> None:
    text = "Zinnober Ofen " + base64.b64encode(bytes(200)).decode() + " 00112233445566778899aabbccddeeff"
    assert Mask([PASSWORD], [KEY]).known(text) == text
    assert Mask(["abc"]).known("abc") == "abc", "too short a value would blot out half of every text"
    assert PASSWORD not in repr(Mask([PASSWORD]))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("net user bob Geheim1 /add", "net user bob *** /add"),
        ("Set-It -Password 'a b' -Force", "Set-It -Password *** -Force"),
        ("Set-It -Password P@ss&word", "Set-It -Password ***"),
        ("$password = 'a b'; x", "$password = ***; x"),
        ("/wsman?user=a&password=b%20c&d=e", "/wsman?user=a&password=***&d=e"),
        ("http://alice:geheim@srv01:5985/wsman", "http://alice:***@srv01:5985/wsman"),
        ("http://srv01:5985/wsman", "http://srv01:5985/wsman"),
        ("Get-Password", "Get-Password"),
    ],
)
def test_what_looks_like_a_password(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("Authorization", "Basic YWxpY2U6cHc=", "Basic ***"),
        ("proxy-authorization", "NTLM TlRMTVNTUAAB", "NTLM ***"),
        ("Authorization", "YWxpY2U6cHc=", "***"),
        ("WWW-Authenticate", "Negotiate", "Negotiate"),
        ("WWW-Authenticate", "Negotiate oYG2MIGz", "Negotiate ***"),
        ("WWW-Authenticate", 'Basic realm="WSMAN"', 'Basic realm="WSMAN"'),
        ("Set-Cookie", "a=b", "***"),
        ("X-Remark", f"pw {PASSWORD}", "pw ***"),
        ("User-Agent", "Microsoft WinRM Client", "Microsoft WinRM Client"),
    ],
)
def test_of_credentials_only_the_scheme_is_shown(name: str, value: str, shown: str) -> None:
    found = Mask([PASSWORD]).fields((Header(name, value, 7), Header(name, value, 9)))
    assert found == (Header(name, shown, 7), Header(name, shown, 9))
    if PASSWORD not in value:
        assert Mask().fields((Header(name, value, 7),)) == found[:1]


def test_overlapping_secrets_leave_nothing() -> None:
    assert Mask(["abcdef", "defghi", "bcde"]).known("x abcdefghi y") == "x *** y"


def test_a_secret_astride_two_pieces() -> None:
    assert Mask([PASSWORD]).across(["one Zinno", "ber!Of", "en9 two"]) == ["one ***", "", " two"]
    assert Mask([PASSWORD]).across(["one", "two"]) == ["one", "two"]


def test_a_user_whose_name_is_the_password_keeps_the_name() -> None:
    mask = Mask(["vagrant"], names=["Vagrant"])
    assert mask.named("vagrant") == "vagrant"
    assert mask.known("net use vagrant") == "net use ***"
    assert Mask(["vagrant"], names=["bob"]).named("vagrant") == "***", "somebody typed the password where the name goes"


def test_every_column_is_judged() -> None:
    """A new text column is masked unless it is named as one of ours, and no name is left over."""
    texts = {column.name for table in (*TABLES, LADDERS) for column in table.columns if column.dtype is Dtype.TEXT}
    assert sorted(OURS - texts) == []
    assert sorted(NAMES - texts) == []
    assert not NAMES & OURS
    assert {name for names in TYPED.values() for name in names} <= texts - OURS
    judged = {"why", "title", "advice", "detail", "text", "text_decoded", "target", "message", "head", "details", "user_agent", "via", "operation"}
    assert judged <= texts - OURS


def _typed_into_everything() -> Result:
    """`build.hostile` with the password in every field, and a shell in which it was typed."""
    made = build.hostile(f"<{PASSWORD}>")
    outputs = tuple(Output("stdout", place, build.T0, (12,), piece, len(piece)) for place, piece in enumerate(("say Zinno", "ber!Ofen9 loud")))
    command = Command("C1", "S1", "winrs", f"run {PASSWORD}", f"more {PASSWORD}", build.T0, build.T0 + 5, 0, "Done", outputs, f"<{PASSWORD}>", 0, (10,))
    shell = Shell("S1", "winrs", f"<{PASSWORD}>", "10.0.0.1", "10.0.0.9", build.T0, build.T0 + 9, ("c1",), ("C1",), f"<{PASSWORD}>", 0, (10,))
    return replace(made, shells=(shell,), commands=(command,))


@pytest.mark.parametrize(
    "text",
    ["PA\u017f\u017fWORD=", "passwd: ", "-AdminPassword ", "PWD=", "net  user bob ", "ConvertTo-\u017fecure\u017ftr\u0131ng ", "https://bob:", "?xSecret="],
)
def test_what_looks_like_a_password_is_found_however_it_is_spelt(text: str) -> None:
    assert masked(f"{text}{PASSWORD}@") != f"{text}{PASSWORD}@"


def test_a_masked_result_says_it_nowhere() -> None:
    """File names, rules' own words and ids are not captured text: they are told apart by their brackets."""
    made = _typed_into_everything()
    shown = Mask([PASSWORD]).result(made)
    for talk in shown.evidence.conversations:
        assert PASSWORD not in repr((talk.client, talk.spn, talk.realm, talk.target_name, talk.server_name))
    assert PASSWORD not in repr([(one.title, one.why, one.advice, one.user) for one in shown.findings])
    assert PASSWORD not in repr([one.detail for one in shown.evidence.issues])
    assert PASSWORD not in repr(list(shown.evidence.exchanges.values()))
    assert PASSWORD not in repr([(one.operation, one.action, one.fault_code) for one in shown.evidence.messages.values()])
    assert PASSWORD not in repr(shown.commands) + repr(shown.shells)
    assert [output.text for output in shown.commands[0].outputs] == ["say ***", " loud"]
    assert shown.evidence.commands == shown.commands


def test_no_table_and_no_text_says_it() -> None:
    made = _typed_into_everything()
    made = replace(made, evidence=replace(made.evidence, captures=(build.capture(),)))
    case = Case(made, lambda *_: b"", None, Mask([PASSWORD]))
    for table in (*TABLES, LADDERS):
        ours = [place for place, name in enumerate(table.names) if name in OURS]
        for row in case.cells(table.name):
            assert PASSWORD not in repr([cell for place, cell in enumerate(row) if place not in ours]), table.name
    frames = [case.commands[["text", "text_decoded", "user"]], case.streams[["text"]], case.findings[["why"]]]
    assert not [frame for frame in frames if PASSWORD in frame.to_string()]
    assert PASSWORD in case.show_secrets().commands[["text"]].to_string()
    assert PASSWORD not in case.transcript()
    assert PASSWORD in case.transcript(show_secrets=True)
    assert "***" in case.overview()


def test_what_only_counts_shows_the_same_of_a_result_that_is_masked_only_in_part() -> None:
    made = _typed_into_everything()
    made = replace(made, evidence=replace(made.evidence, captures=(build.capture(),)))
    mask = Mask([PASSWORD])
    assert (
        list(overview(mask.told(made), (), 100, full=True)) == list(overview(mask.result(made), (), 100, full=True)) != list(overview(made, (), 100, full=True))
    )
    assert list(look(mask.told(made), 100)) == list(look(mask.result(made), 100))
    assert list(document(mask.told(made), "1")) == list(document(mask.result(made), "1"))
