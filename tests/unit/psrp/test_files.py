"""Files that were moved in pieces are put together again; the command writes them safely."""

import base64
import hashlib
import json
import stat
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from analyzer import api
from analyzer.cli import start
from analyzer.psrp.files import moved
from analyzer.records.wsman import Command, Output
from tests.build import evidence as build

PE = b"MZ\x90\x00" + bytes(range(256)) * 3
SCRIPT = b"param($x)\r\nGet-ChildItem $x | Remove-Item -Force # and some more text to be long enough\r\n"


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def pieces(data: bytes, size: int = 300) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


def command(number: int, text: str, outputs: Sequence[tuple[str, str]] = (), *, kind: str = "winrs") -> Command:
    made = tuple(Output(stream, place, 1000 * number, (10 * number + place,), shown, len(shown)) for place, (stream, shown) in enumerate(outputs, 1))
    return Command(f"B{number}", "A", kind, text, None, number, number, 0, "Done", made, None, 0, (number,))


def lines(data: bytes) -> list[Command]:
    """As tools do it over WinRS: base64 cut anywhere, appended line after line."""
    text = b64(data)
    cut = [text[at : at + 100] for at in range(0, len(text), 100)]
    return [command(number, f'cmd /c echo {piece} >> "%TEMP%\\up load.b64"') for number, piece in enumerate(cut, 1)]


def test_lines_that_are_appended_over_winrs() -> None:
    (found,) = moved(lines(PE))
    assert (found.data, found.kind, found.size, found.name, found.to_server) == (PE, "pe", len(PE), "%TEMP%\\up load.b64", True)
    assert found.sha256 == hashlib.sha256(PE).hexdigest()
    assert len(found.commands) == len(found.packets) == len(lines(PE))
    assert found.whole


def test_a_single_arrow_begins_a_new_file() -> None:
    first = [replace(one, text=one.text.replace(">>", ">")) if one.id == "B1" else one for one in lines(PE)]
    second = [replace(one, first_ns=one.first_ns + 100) for one in first]
    assert [found.data for found in moved([*first, *second])] == [PE, PE]


def test_powershell_that_appends_decoded_pieces() -> None:
    append = "$f=[IO.File]::OpenWrite('C:\\x\\a.exe'); $f.Seek(0,2); $f.Write($b,0,$b.Length)"
    texts = [f"$b=[Convert]::FromBase64String('{b64(piece)}'); {append}" for piece in pieces(PE)]
    (found,) = moved([command(number, text, kind="powershell") for number, text in enumerate(texts, 1)])
    assert (found.data, found.name) == (PE, "C:\\x\\a.exe")


def test_copy_item_to_a_session() -> None:
    texts = [f"PSCopyToSessionHelper -copyToFilePath C:\\x\\a.ps1 -b64Fragment {b64(piece)}" for piece in pieces(SCRIPT, 30)]
    (found,) = moved([command(number, text, kind="powershell") for number, text in enumerate(texts, 1)])
    assert (found.data, found.kind) == (SCRIPT, "script")


@pytest.mark.parametrize(("stream", "to_server"), [("input", True), ("output", False), ("stdin", True), ("stdout", False)])
def test_objects_and_streams_that_are_base64(stream: str, to_server: bool) -> None:  # noqa: FBT001
    for size in (300, 301):
        (found,) = moved([command(1, "x", [(stream, b64(piece)) for piece in pieces(PE, size)])])
        assert (found.data, found.to_server, found.whole) == (PE, to_server, True)
        assert len(found.packets) == len(pieces(PE, size))


def test_what_is_no_file() -> None:
    short = [("output", b64(b"short"))]
    assert moved([command(1, "whoami", [("stdout", "lab\\alice\r\n")]), command(2, "echo hello >> C:\\log.txt"), command(3, "x", short)]) == ()
    assert moved([command(1, "x", [("output", "A" * 100 + "!")])]) == ()


WORDS = ("echo ", "QUJDREVGR0hJSktMTU5P" * 4, " >> ", "C:\\x", "FromBase64String('", "')", "WriteAllBytes('", "==", " | ", "\n")


@given(st.lists(st.sampled_from(WORDS), max_size=12))
def test_any_commands_are_read(words: list[str]) -> None:
    text = "".join(words)
    for found in moved([command(1, text, [("stdout", text), ("input", text)]), command(2, text)]):
        assert hashlib.sha256(found.data).hexdigest() == found.sha256


@pytest.fixture
def extract(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    result = build.direct()
    evil = [replace(one, text=one.text.replace("%TEMP%\\up load.b64", "..\\..\\..\\etc\\cron.d\\x\u202e")) for one in lines(PE)]
    made = replace(result, evidence=replace(result.evidence, commands=tuple(evil)))
    monkeypatch.setattr(api, "analyze", lambda *_, **__: build.case(made))
    return tmp_path / "out"


def test_files_are_written_by_their_hash_and_never_over_others(extract: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = hashlib.sha256(PE).hexdigest()
    assert start.run(["extract", "x.pcap", "-o", str(extract), "-f", "jsonl"]) == 0
    (row,) = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (row["sha256"], row["kind"], row["direction"]) == (name, "pe", "to_server")
    assert [path.name for path in extract.iterdir()] == [name]
    assert (extract / name).read_bytes() == PE
    assert stat.S_IMODE((extract / name).stat().st_mode) == 0o600
    assert stat.S_IMODE(extract.stat().st_mode) == 0o700
    assert start.run(["extract", "x.pcap", "-o", str(extract)]) == 2
    assert "nothing was written" in capsys.readouterr().err


def test_a_link_is_not_followed_and_the_list_is_safe(extract: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extract.mkdir()
    (extract / hashlib.sha256(PE).hexdigest()).symlink_to(tmp_path / "elsewhere")
    assert start.run(["extract", "x.pcap", "-o", str(extract)]) == 2
    assert not (tmp_path / "elsewhere").exists()
    assert start.run(["extract", "x.pcap", "-o", str(tmp_path / "other")]) == 0
    said = capsys.readouterr()
    assert "\u202e" not in said.out + said.err
    assert "to server  pe" in said.out


HOSTILE = ("echo", "echo | set /p=", "FromBase64String((", "WriteAllBytes", "-b64Fragment", "-Path ('")


@pytest.mark.parametrize("word", HOSTILE)
@pytest.mark.parametrize("filler", [" " * 100_000, "A" * 100_000, "'" * 100_000, ""])
def test_hostile_commands_take_no_long_time(word: str, filler: str) -> None:
    text = word + filler if filler else word * 20_000
    assert moved([command(1, text)]) == ()
