"""The four headers' text: hits, near misses and hostile text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.auth.headers import Challenge, challenges, credentials, decoded, lines
from analyzer.records.http import Header
from analyzer.records.quality import Absent


def _shown(*values: str) -> list[tuple[str, str | None, tuple[tuple[str, str], ...]]]:
    found, complaints = challenges(values)
    assert complaints == ()
    return [(one.scheme, one.text, one.params) for one in found]


def test_several_challenges_in_one_line_with_a_comma_in_a_quoted_string() -> None:
    assert _shown('Negotiate, Basic realm="x, y", Kerberos') == [
        ("Negotiate", None, ()),
        ("Basic", None, (("realm", "x, y"),)),
        ("Kerberos", None, ()),
    ]


def test_several_lines_keep_their_order() -> None:
    assert [one[0] for one in _shown("Negotiate", "NTLM", 'Basic realm="WSMAN"')] == ["Negotiate", "NTLM", "Basic"]


def test_example_of_rfc_9110_11_6_1() -> None:
    value = 'Basic realm="simple", Newauth realm="apps", type=1, title="Login to \\"apps\\""'
    assert _shown(value) == [
        ("Basic", None, (("realm", "simple"),)),
        ("Newauth", None, (("realm", "apps"), ("type", "1"), ("title", 'Login to "apps"'))),
    ]


@pytest.mark.parametrize("value", ["Negotiate TlRMTVNTUAAC==", "Negotiate   TlRMTVNTUAAC==  ", "Negotiate TlRMTVNTUAAC==, Basic realm=x"])
def test_a_token68_is_no_parameter(value: str) -> None:
    assert _shown(value)[0] == ("Negotiate", "TlRMTVNTUAAC==", ())


def test_a_token_after_parameters_of_another_scheme() -> None:
    assert _shown('Digest realm="a", nonce="b" , qop="auth,auth-int", negotiate oQc=') == [
        ("Digest", None, (("realm", "a"), ("nonce", "b"), ("qop", "auth,auth-int"))),
        ("negotiate", "oQc=", ()),
    ]


def test_blanks_around_the_equals_sign_and_empty_list_elements() -> None:
    assert _shown(' , Basic realm = "x" ,, ,NTLM,') == [("Basic", None, (("realm", "x"),)), ("NTLM", None, ())]


def test_a_parameter_without_value_is_no_token() -> None:
    assert _shown("Basic realm=") == [("Basic", None, (("realm", ""),))]


def test_the_certificate_scheme_is_a_url() -> None:
    word = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
    assert [one[0] for one in _shown(f"Negotiate, {word}")] == ["Negotiate", word]


def test_an_unterminated_quoted_string_reaches_to_the_end() -> None:
    assert _shown('Basic realm="x, Negotiate') == [("Basic", None, (("realm", "x, Negotiate"),))]


@pytest.mark.parametrize("value", ['"nothing"', '="x", Basic realm="y"', 'Basic realm="x" junk, NTLM'])
def test_text_that_is_no_challenge_is_reported(value: str) -> None:
    _, complaints = challenges([value])
    assert len(complaints) == 1


def test_what_follows_the_junk_is_read() -> None:
    found, _ = challenges(['Basic realm="x" junk, NTLM'])
    assert [one.scheme for one in found] == ["Basic", "NTLM"]


def test_only_headers_of_that_name_are_read_whatever_the_case() -> None:
    headers = [Header("WWW-Authenticate", "a", 0), Header("www-authenticate", "b", 0), Header("X-WWW-Authenticate", "c", 0)]
    assert lines(headers, "www-authenticate") == ("a", "b")


def _sent(value: str) -> Challenge:
    read = credentials(value)
    assert not isinstance(read, Absent)
    return read


def test_basic_credentials_with_extra_space() -> None:
    assert _sent("Basic   dXNlcjpw  ") == Challenge("Basic", "dXNlcjpw", (), "dXNlcjpw")


def test_digest_credentials_are_parameters() -> None:
    read = _sent('Digest username="LAB\\alice", realm="r", nc=00000001, uri="/wsman, x"')
    assert read.params == (("username", "LAB\\alice"), ("realm", "r"), ("nc", "00000001"), ("uri", "/wsman, x"))
    assert read.text is None


def test_padded_base64_is_no_parameter_in_credentials_either() -> None:
    assert _sent("Negotiate TlRMTVNTUAAB=").text == "TlRMTVNTUAAB="


def test_a_bare_scheme_has_no_token() -> None:
    assert _sent("Kerberos") == Challenge("Kerberos", None, (), "")


@pytest.mark.parametrize("value", ["", "   ", "=", '"x"'])
def test_no_scheme_at_all(value: str) -> None:
    assert isinstance(credentials(value), Absent)


@pytest.mark.parametrize("text", ["YWI=", "YWI", "Y W\tI=", "YWI=="])
def test_missing_padding_and_blanks_are_forgiven(text: str) -> None:
    assert decoded(text) == b"ab"


@pytest.mark.parametrize("text", ["YWI$", "A", "ÄÄÄÄ", "YW=I"])
def test_what_is_no_base64_is_absent(text: str) -> None:
    assert isinstance(decoded(text), Absent)


@pytest.mark.parametrize("part", [" ", "a ", "a=", ",", '"', "\\", "a b,", "= ", 'a=" '])
def test_long_hostile_headers_are_read_in_linear_time(part: str) -> None:
    value = "Basic a=" + part * (400_000 // len(part)) + "b c"
    challenges([value])
    credentials(value)


@given(st.lists(st.text(st.characters(max_codepoint=255))))
def test_any_text_gives_challenges(values: list[str]) -> None:
    found, _ = challenges(values)
    assert all(one.scheme and one.scheme in "".join(values) for one in found)


@given(st.text(alphabet='Basic realm="x\\, =,'))
def test_any_text_of_the_grammars_letters_gives_challenges(value: str) -> None:
    challenges([value])
    credentials(value)
    decoded(value)


_NAMES = st.text(alphabet="abcdefgh", min_size=1)
_VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126))


@given(st.lists(st.tuples(_NAMES, st.lists(st.tuples(_NAMES, _VALUES))), min_size=1))
def test_written_challenges_are_read_back(written: list[tuple[str, list[tuple[str, str]]]]) -> None:
    parts = [(scheme, ", ".join(f'{name}="{_quoted(value)}"' for name, value in params)) for scheme, params in written]
    found, complaints = challenges([", ".join(f"{scheme} {params}".rstrip() for scheme, params in parts)])
    assert complaints == ()
    assert [(one.scheme, list(one.params)) for one in found] == written


def _quoted(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
