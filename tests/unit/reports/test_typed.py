"""Secrets in what people type: every form of `tests.build.typed` is masked, what looks alike stays, and no text costs more than its length."""

import base64
import gzip
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.records.wsman import Command, Output
from analyzer.reports import typed
from analyzer.reports.masking import Mask, masked
from analyzer.reports.typed import Dialect, arguments_in, programs, secrets_in
from analyzer.reports.typed.table import SHAPES
from analyzer.reports.typed.words import statements
from tests.build.typed import NEAR, UNITS, Form, forms

FORMS = forms()
MORE_IS_HIDDEN = re.compile(r"changepassword|/aes256|:aad3b435|-hashes|@'|Encoded|Cookie: ")
"""Forms of which more than the secret itself goes: another secret, both hashes, a here-string's quotes, base64 of the secret."""


def plain(text: str) -> str:
    """Without quotes and escapes, which go with the secret or stay."""
    return re.sub(r"[\"'\\`]", "", text)


def test_there_are_enough_forms() -> None:
    assert len({one.line for one in FORMS}) == len(FORMS) > 200
    assert {one.kind for one in FORMS} == {"winrs", "powershell"}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.line[:60])
def test_a_form_is_masked_and_nothing_else_in_it(form: Form) -> None:
    for shown in (Mask().line(form.line, form.kind), masked(form.line)):
        assert not [part for secret in form.secrets for part in (secret[:4], secret[-4:]) if part in shown]
        if not MORE_IS_HIDDEN.search(form.line):
            wanted = form.line
            for secret in form.secrets:
                wanted = wanted.replace(secret, "***")
            assert plain(shown) == plain(wanted)
        assert masked(shown) == shown, "a masked text stays as it is"


@pytest.mark.parametrize(
    "form", [one for one in FORMS if one.kind == "winrs" and "\n" not in one.line and "Encoded" not in one.line], ids=lambda form: form.line[:60]
)
def test_a_form_in_other_surroundings(form: Form) -> None:
    """After another command, and in JSON and XML, as exports and envelopes carry it."""
    import html
    import json

    for text in (f"cd C:\\x & {form.line}", html.escape(form.line), f"<rsp:Command>{html.escape(form.line)}</rsp:Command>"):
        shown = masked(text)
        assert not [secret for secret in form.secrets if secret in html.unescape(shown)], shown
    encoded = base64.b64encode(json.dumps({"line": form.line}).encode()).decode()
    shown = masked(f"FromBase64String('{encoded}')")
    assert shown.count("***") >= 1


@pytest.mark.parametrize("line", NEAR)
def test_what_looks_alike_stays(line: str) -> None:
    assert masked(line) == line
    assert Mask().line(line, "powershell") == line
    if "$" not in line:
        assert Mask().line(line, "winrs") == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("net user bob 'a b' /add", "net user bob *** /add"),
        ('cmd /c "net use \\\\h\\s ""a b"" /user:x" & echo "c"', 'cmd /c "net use \\\\h\\s "*** /user:x" & echo "c"'),
        ("psexec \\\\h -p -P4ss! cmd", "psexec \\\\h -p *** cmd"),
        ("psexec \\\\h -p -s cmd", "psexec \\\\h -p -s cmd"),
        ("net user bob P^&ss^!1 /add", "net user bob *** /add"),
        ('net user bob "not closed /add', "net user bob ***"),
        ("net user bob %PW% /add", "net user bob %PW% /add"),
        ("net user bob $ecret1 /add", "net user bob *** /add"),
    ],
)
def test_the_quoting_rules_of_cmd(text: str, shown: str) -> None:
    assert Mask().line(text, "winrs") == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("net user bob 'it''s a' /add", "net user bob *** /add"),
        ('net user bob "a `" b" /add', "net user bob *** /add"),
        ("net user bob \u2018a b\u2019 /add", "net user bob *** /add"),
        ("net user bob $pw /add", "net user bob $pw /add"),
        ("net user bob (Get-It 'x') /add; net user al Ab1!", "net user bob (Get-It 'x') /add; net user al ***"),
        ("$password = 'a' + 'b'; x", "$password = ***; x"),
        ("Invoke-It -Password ('a b') -Force", "Invoke-It -Password (***) -Force"),
    ],
)
def test_the_quoting_rules_of_powershell(text: str, shown: str) -> None:
    assert Mask().line(text, "powershell") == shown


def test_arguments_of_an_envelope_are_one_command_line() -> None:
    text = "<c>net</c><rsp:Arguments>user</rsp:Arguments><rsp:Arguments>bob</rsp:Arguments><rsp:Arguments>a b&amp;c</rsp:Arguments>"
    assert masked(text) == "<c>net</c><rsp:Arguments>user</rsp:Arguments><rsp:Arguments>bob</rsp:Arguments><rsp:Arguments>***</rsp:Arguments>"


def test_of_compressed_layers_all_is_hidden() -> None:
    blob = base64.b64encode(gzip.compress(b"$password = 'Ofen9'")).decode()
    assert masked(f"x {blob} y") == "x *** y"
    assert masked(f"x {base64.b64encode(gzip.compress(b'$name = 9')).decode()} y").count("***") == 0


@pytest.mark.parametrize(
    ("text", "dialect", "shown"),
    [
        ("net user bob Ofen9 /add & whoami /all", Dialect.CMD, "net *** & whoami ***"),
        ("whoami", Dialect.CMD, "whoami"),
        ("'Ofen9' | ConvertTo-SecureString -AsPlainText -Force; Get-Date", Dialect.POWERSHELL, "*** | ConvertTo-SecureString ***; Get-Date"),
        ("$pw='Ofen9'\nGet-Item C:\\x", Dialect.POWERSHELL, "$pw***\nGet-Item ***"),
        ('"C:\\a b\\tool.exe" -x', Dialect.CMD, '"C:\\a b\\tool.exe" ***'),
    ],
)
def test_the_strict_form_shows_names_of_programs_only(text: str, dialect: Dialect, shown: str) -> None:
    kind = "winrs" if dialect is Dialect.CMD else "powershell"
    assert Mask(strict=True).line(text, kind) == shown
    assert list(arguments_in("", dialect)) == []


@pytest.mark.parametrize(
    ("line", "masks"),
    [
        ("runas /user:LAB\\bob cmd", True),
        ("C:\\Windows\\System32\\net.exe user bob * /add", True),
        ("cmdkey /add:srv01 /user:bob /pass", True),
        ("cmdkey /add:srv01 /user:bob /pass:x", False),
        ("net user bob", False),
        ("findstr x", False),
    ],
)
def test_what_a_program_that_asks_for_a_password_gets(line: str, masks: bool) -> None:  # noqa: FBT001 (of the table)
    outputs = (Output("stdin", 1, 0, (1,), "Ofen9!x\r\n", 9), Output("stdout", 2, 0, (2,), "Enter the password:", 0))
    shown = Mask()._command(Command("C", "S", "winrs", line, None, 0, 1, 0, "Done", outputs, None, 0, (1,)))
    assert [one.text for one in shown.outputs] == ["***" if masks else "Ofen9!x\r\n", "Enter the password:"]


def test_a_secret_of_a_command_is_masked_in_what_came_back() -> None:
    outputs = (Output("stdout", 1, 0, (1,), "The password of bob is Ofen9!x now. Word", 0), Output("stdout", 2, 0, (1,), "password", 0))
    command = Command("C", "S", "winrs", "net user bob Ofen9!x & net user al password", None, 0, 1, 0, "Done", outputs, None, 0, (1,))
    shown = Mask()._command(command)
    assert [one.text for one in shown.outputs] == ["The password of bob is *** now. Word", "password"]


@given(st.lists(st.sampled_from([*UNITS, *(one.line for one in FORMS[::7]), "\x00", "\u017f", "\u0130", "\ud800", "\r\n", "|", ";"]), max_size=12).map("".join))
def test_no_text_raises(text: str) -> None:
    for dialect in (None, *Dialect):
        assert all(0 <= begin <= end <= len(text) for begin, end in secrets_in(text, dialect))
    for dialect in Dialect:
        assert all(0 <= word.begin < word.end <= len(text) for told in statements(text, dialect) for word in told.words)
        assert all(begin < end for begin, end in arguments_in(text, dialect))
    Mask(strict=True).line(text, "winrs")


_WORDS = (
    "net",
    "curl",
    "psexec.exe",
    "7z",
    "copy",
    "-p",
    "x=1",
    "certipy-ad",
    "'net",
    'curl"',
    "netuse",
    "$curl",
    "a.curl",
    "curl,",
    "(git)",
    "path\\\\psexec.exe",
)


@given(st.lists(st.sampled_from(_WORDS), max_size=6), st.sampled_from([" ", "\t", ";", ","]))
def test_a_program_that_no_whole_word_names_is_found_nowhere(words: list[str], between: str) -> None:
    """The look-up of whole words that comes before the search may let through too much, never too little."""
    text = between.join(words).lower()
    looked_up = not programs._WHOLE.isdisjoint(programs._TOKEN.findall(text))
    assert looked_up or programs._FOUND.search(text) is None
    assert programs._IN_TOKENS, "each name is one word"


def test_each_shape_is_looked_for_by_each_of_its_hints() -> None:
    by_sign, patterns = typed._shapes()
    found = {(hint, patterns[place].pattern) for _, hints in by_sign for hint, place in hints}
    assert found == {(hint, shape.pattern) for shape in SHAPES for hint in shape.hints}
    assert all(sign in hint for sign, hints in by_sign for hint, _ in hints)
