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
from analyzer.records.wsman import Command, Missing, Output
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


def to_session(
    number: int, data: bytes, *, path: str = "C:\\Program Files (x86)\\x\\a.exe", create: bool, written: int | None = None, known: bool = True
) -> Command:
    """A step of Copy-Item -ToSession with the server's answer; ``known`` false: the step itself is not in the capture."""
    text = f"PSCopyToSessionHelper -copyToFilePath {path} -createFile {create} -b64Fragment {b64(data)}" if known else ""
    answer = f"BytesWritten={len(data) if written is None else written}; ExceptionThrown=False"
    made = command(number, text, [("output", answer)], kind="powershell")
    return made if known else replace(made, missing=(Missing("start", None, number, ()),))


def test_copy_item_tells_how_much_of_each_piece_was_written() -> None:
    parts = pieces(PE)
    (found,) = moved([to_session(number, part, create=number == 1) for number, part in enumerate(parts, 1)])
    assert (found.data, found.name, found.whole, found.verified) == (PE, "C:\\Program Files (x86)\\x\\a.exe", True, True)
    assert len(found.checks) == len(parts)
    (found,) = moved([to_session(number, part, create=number == 1, written=7 if number == 2 else None) for number, part in enumerate(parts, 1)])
    assert (found.whole, found.verified) == (False, False)


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_step_that_is_missing_is_a_hole_of_its_size(lost: int) -> None:
    """Of the last one nobody can tell whose it was: the file may go on, and the piece stands alone."""
    parts = pieces(PE)
    assert len(parts) == 3
    found = moved([to_session(number, part, create=number == 1, known=number != lost) for number, part in enumerate(parts, 1)])
    one = next(file for file in found if file.name)
    assert not one.whole
    at, size = 300 * (lost - 1), len(parts[lost - 1])
    if lost == 3:
        assert (one.data, one.holes, one.missing_bytes) == (PE[:600], ((600, 0),), None)
        assert [(file.name, file.holes) for file in found if not file.name] == [(None, ((0, size), (size, 0)))]
    else:
        assert (one.data, one.holes, one.missing_bytes) == (PE[:at] + bytes(size) + PE[at + size :], ((at, size),), size)
        assert len(found) == 1


def from_session(number: int, at: int, data: bytes | None, *, more: bool) -> Command:
    """A step of Copy-Item -FromSession."""
    answer = [] if data is None else [("output", f"moreAvailable={more}; b64Fragment={b64(data)}; ExceptionThrown=False")]
    made = command(number, f"PSCopyFromSessionHelper -copyFromFilePath C:\\x\\b.bin -copyFromStart {at} -copyFromNumBytes 300", answer, kind="powershell")
    return made if data is not None else replace(made, missing=(Missing("answer", None, number, ()),))


def test_copy_item_from_a_session_tells_where_each_piece_belongs() -> None:
    asked = command(0, "PSCopyFromSessionHelper -getPathItems C:\\x\\b.bin", [("output", f"Exists=True; Items=FullName=C:\\x\\b.bin; FileSize={len(PE)}")])
    steps = [from_session(number, 300 * number, part, more=number < 2) for number, part in enumerate(pieces(PE))]
    (found,) = moved([asked, *steps])
    assert (found.data, found.name, found.to_server, found.whole, found.verified) == (PE, "C:\\x\\b.bin", False, True, True)
    (found,) = moved([asked, steps[0], from_session(1, 300, None, more=True), steps[2]])
    assert (found.whole, found.holes, found.size, found.data[600:]) == (False, ((300, 300),), len(PE), PE[600:])
    (found,) = moved([asked, *steps[:2]])
    assert (found.whole, found.holes, found.missing_bytes) == (False, ((600, len(PE) - 600),), len(PE) - 600)


def test_a_hash_that_is_sent_along_is_compared() -> None:
    copy = "begin { }\nend {\n[Convert]::FromBase64String($input)\n} C:\\Program Files (x86)\\t.bin False"
    told = hashlib.sha1(PE, usedforsecurity=False).hexdigest()
    inputs = [("input", b64(part)) for part in (*pieces(PE), told.encode())]
    (found,) = moved([command(1, copy, inputs, kind="powershell")])
    assert (found.data, found.name, found.method, found.whole, found.verified) == (PE, "C:\\Program Files (x86)\\t.bin", "pypsrp", True, True)
    (found,) = moved([command(1, copy, [*inputs[:1], *inputs[2:]], kind="powershell")])
    assert (found.whole, found.verified, found.missing_bytes) == (False, False, None)
    fetch = "$hash\n$hash.Replace('-', '').ToLowerInvariant() C:\\x\\r.bin False"
    (found,) = moved([command(1, fetch, [("output", b64(PE)), ("output", told)], kind="powershell")])
    assert (found.data, found.name, found.to_server, found.verified) == (PE, "C:\\x\\r.bin", False, True)


def test_what_is_small_or_has_no_name_or_no_known_beginning() -> None:
    small = command(1, f"[IO.File]::WriteAllBytes('C:\\x\\s.bin', [Convert]::FromBase64String('{b64(b'abc')}'))", kind="powershell")
    nameless = command(2, f"$x = [Convert]::FromBase64String('{b64(bytes(range(128, 256)))}')", kind="powershell")
    given = command(3, "$input | % { [Convert]::FromBase64String($_) }", [("input", b64(b"\x01"))], kind="powershell")
    found = moved([small, nameless, given])
    assert [(one.name, one.data, one.kind) for one in found] == [
        ("C:\\x\\s.bin", b"abc", "text"),
        (None, bytes(range(128, 256)), "data"),
        (None, b"\x01", "data"),
    ]


@pytest.mark.parametrize("text", ["Running", "3f786850e387550fdab836ed7e6dc881de23001b", "A" * 80, "0123456789" * 10, "Administrator"])
def test_a_word_a_number_or_a_hash_is_no_file(text: str) -> None:
    assert moved([command(1, "x", [("output", text)]), command(2, "y", [("stdout", text)])]) == ()


def test_what_is_not_whole_is_written_under_a_name_that_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = build.direct()
    steps = [to_session(number, part, create=number == 1, known=number != 2) for number, part in enumerate(pieces(PE), 1)]
    made = replace(result, evidence=replace(result.evidence, commands=tuple(steps)))
    monkeypatch.setattr(api, "analyze", lambda *_, **__: build.case(made))
    assert start.run(["extract", "x.pcap", "-o", str(tmp_path / "out")]) == 0
    told = capsys.readouterr()
    (one,) = moved(steps)
    assert f"{one.sha256}.incomplete" in told.out
    assert "INCOMPLETE: 300 bytes missing at 300+300; BytesWritten of 3 pieces agrees" in told.out
    assert "1 file written into" in told.err
    assert ", 1 incomplete" in told.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{one.sha256}.incomplete", f"{one.sha256}.incomplete.json"]
    assert (tmp_path / "out" / f"{one.sha256}.incomplete").read_bytes() == one.data
    side = json.loads((tmp_path / "out" / f"{one.sha256}.incomplete.json").read_text(encoding="utf-8"))
    assert (side["whole"], side["missing_bytes"], side["holes"]) == (False, 300, [{"offset": 300, "size": 300}])


def test_a_file_that_is_longer_than_the_limit_is_its_beginning_and_says_so() -> None:
    (found,) = moved(lines(PE), limit=100)
    assert (found.data, found.size, found.whole, found.over_limit, found.holes) == (PE[:100], 100, False, True, ((100, 0),))
    assert found.missing_bytes is None
    (whole,) = moved(lines(PE), limit=len(PE))
    assert (whole.whole, whole.over_limit) == (True, False)
