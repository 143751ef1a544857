"""The table of codes: complete, without contradictions, and found by all the ways in which people write a number."""

import pytest

from analyzer.codes.table import (
    KINDS,
    SOURCES,
    SUBCODES,
    WORDS,
    codes,
    fault,
    in_hex,
    kerberos,
    looked_up,
    ntstatus,
    status,
)

WINRM = 0x80338000


def test_every_code_of_winrm_s_message_file_is_there_in_order() -> None:
    numbers = [code.number for code in codes() if code.space == "winrm"]
    assert numbers == list(range(WINRM, WINRM + 0x200))


def test_codes_are_whole_and_unique() -> None:
    assert len({(code.space, code.number) for code in codes()}) == len(codes())
    assert {code.kind for code in codes()} <= KINDS.keys()
    assert set(SUBCODES.values()) <= KINDS.keys()
    assert {code.space for code in codes()} == SOURCES.keys() == WORDS.keys()
    for code in codes():
        assert code.symbol
        assert code.meaning.endswith(".")
        assert len(code.remedy) > 4


@pytest.mark.parametrize(
    ("number", "symbol"),
    [
        (0x80338000, "ERROR_WSMAN_RESOURCE_NOT_FOUND"),
        (0x80338012, "ERROR_WSMAN_DESTINATION_UNREACHABLE"),
        (0x80338029, "ERROR_WSMAN_OPERATION_TIMEDOUT"),
        (0x8033805B, "ERROR_WSMAN_UNEXPECTED_SELECTORS"),
        (0x80338113, "ERROR_WSMAN_HTTP_NOT_FOUND_STATUS"),
        (0x80338126, "ERROR_WSMAN_NETWORK_TIMEDOUT"),
        (0x803381A5, "ERROR_WSMAN_QUOTA_MAX_SHELLS"),
        (0x803381E4, "ERROR_WSMAN_QUOTA_MAX_SHELLS_PPQ"),
        (0x803381FF, "ERROR_WSMAN_EVENTING_PUSH_SUBSCRIPTION_NOACTIVATE_EVENTSOURCE"),
    ],
)
def test_winrm_s_codes_have_their_names(number: int, symbol: str) -> None:
    found = fault(number)
    assert found is not None
    assert found.symbol == symbol


@pytest.mark.parametrize("number", ["5", 5, "2147942405", 0x80070005, "-2147024891"])
def test_a_windows_error_and_the_hresult_that_wraps_it(number: str | int) -> None:
    found = fault(number)
    assert found is not None
    assert (found.symbol, found.hex) == ("ERROR_ACCESS_DENIED", "0x5")


@pytest.mark.parametrize("number", [None, "", "x", "1" * 13, 4711, "0x5"])
def test_what_is_not_known(number: str | int | None) -> None:
    assert fault(number) is None


@pytest.mark.parametrize(
    ("word", "symbol"),
    [
        ("413", "Content Too Large"),
        ("0x80338012", "ERROR_WSMAN_DESTINATION_UNREACHABLE"),
        ("80338029", "ERROR_WSMAN_OPERATION_TIMEDOUT"),
        ("2150859173", "ERROR_WSMAN_QUOTA_MAX_SHELLS"),
        ("-2144108123", "ERROR_WSMAN_QUOTA_MAX_SHELLS"),
        ("krb_ap_err_skew", "KRB_AP_ERR_SKEW"),
        ("QUOTA_MAX_SHELLS", "ERROR_WSMAN_QUOTA_MAX_SHELLS"),
        ("0xC000006D", "STATUS_LOGON_FAILURE"),
        ("0x80070005", "ERROR_ACCESS_DENIED"),
        ("5", "ERROR_ACCESS_DENIED"),
    ],
)
def test_codes_are_found_as_people_write_them(word: str, symbol: str) -> None:
    assert symbol in {code.symbol for code in looked_up(word)}


@pytest.mark.parametrize("word", ["", "-", "0x", "nonsense", "99999", "0xFFFFFFFFF", "http.redirect", "tcp.gap"])
def test_other_words_are_no_codes(word: str) -> None:
    assert looked_up(word) == ()


def test_other_spaces() -> None:
    assert kerberos(37) == looked_up("KRB_AP_ERR_SKEW")[0]
    assert ntstatus(-0x3FFFFF93) == looked_up("STATUS_LOGON_FAILURE")[0]
    assert status(503) == looked_up("503")[0]
    assert status(None) is None
    assert in_hex("5") == "0x00000005"
    assert in_hex(None) is None
