"""A case folder that was changed after it was written, or whose writing was interrupted, is said by every command that opens it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import analyzer
from analyzer.cli import start
from analyzer.errors import InputError
from analyzer.system.files import UNFINISHED

SAMPLE = Path(__file__).parents[2] / "sample_pcaps" / "direct-basic" / "capture.pcapng"
COMMANDS: list[list[str]] = [
    ["analyze", "CASE"],
    ["info", "CASE"],
    ["show", "connections", "CASE"],
    ["sql", "select 1 as one", "CASE"],
    ["findings", "CASE"],
    ["ladder", "CASE"],
    ["transcript", "CASE"],
    ["timeline", "CASE"],
    ["export", "CASE", "-f", "navigator"],
    ["report", "CASE", "-o", "OUT/report.html"],
    ["pcap", "CASE", "-o", "OUT/slice.pcapng"],
    ["extract", "CASE", "-o", "OUT/files"],
    ["hashes", "CASE", "--show-secrets"],
    ["notebook", "CASE", "-o", "OUT/case.ipynb", "--no-open"],
    ["compare", "CASE", "CAPTURE"],
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("written") / "case"
    analyzer.analyze(str(SAMPLE)).save(folder)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(written, tmp_path / "case"))


def ran(words: list[str], folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    out = folder.parent / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    code = start.run([word.replace("CASE", str(folder)).replace("OUT", str(out)).replace("CAPTURE", str(SAMPLE)) for word in words])
    return code, *capsys.readouterr()


def other_table(folder: Path) -> None:
    """A table that none of the commands reads."""
    data = (folder / "drops.parquet").read_bytes()
    (folder / "drops.parquet").write_bytes(data[:50] + bytes([data[50] ^ 1]) + data[51:])


def manifest(folder: Path) -> None:
    text = (folder / "manifest.json").read_text(encoding="ascii")
    (folder / "manifest.json").write_text(text.replace('"arguments": [', '"arguments": [ '), encoding="ascii")


def added(folder: Path) -> None:
    (folder / "more.parquet").write_bytes(b"PAR1")


@pytest.mark.parametrize("change", [other_table, manifest, added])
@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_every_command_says_that_it_was_changed(folder: Path, words: list[str], change: Callable[[Path], None], capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = ran(words, folder, capsys)
    assert (code, "was changed" in err) == (0, False), err
    change(folder)
    changed_code, changed_out, changed_err = ran(words, folder, capsys)
    assert changed_code == 4, changed_err
    assert f"{folder} was changed after it was written: " in changed_err
    assert changed_out == out, "what it holds is shown all the same"


@pytest.mark.parametrize("words", [*COMMANDS, ["verify", "CASE"], ["serve", "CASE", "--no-open"]], ids=lambda words: words[0])
def test_every_command_says_that_its_writing_was_interrupted(folder: Path, words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "manifest.json").unlink()
    (folder / f"{UNFINISHED}0123").mkdir()
    code, out, err = ran(words, folder, capsys)
    assert (code, out) == (2, "")
    assert f"{folder} is a case whose writing was interrupted" in err
    assert "--clobber" in err


def test_an_interrupted_case_is_written_again_only_with_clobber(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "exports" / "mine.csv").write_text("mine", encoding="utf-8")
    (folder / "manifest.json").unlink()
    (folder / "hops.parquet").unlink()
    (folder / f"{UNFINISHED}0123").mkdir()
    with pytest.raises(InputError, match="interrupted"):
        analyzer.open_case(folder)
    words = ["analyze", str(SAMPLE), "-o", str(folder)]
    assert start.run(words) == 2
    assert "--clobber writes it again" in capsys.readouterr().err
    assert start.run([*words, "--clobber"]) == 0
    assert start.run(["verify", str(folder)]) == 0
    assert (folder / "exports" / "mine.csv").read_text(encoding="utf-8") == "mine"
    assert not list(folder.glob(".*"))


def test_a_case_that_cannot_be_saved_is_printed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert start.run(["analyze", str(SAMPLE)]) == 0
    shown = capsys.readouterr().out

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("analyzer.system.outputs.os.fsync", full)
    assert start.run(["analyze", str(SAMPLE), "-o", str(tmp_path / "case")]) == 2
    out, err = capsys.readouterr()
    assert out == shown
    assert f"cannot write the case {tmp_path / 'case'}: No space left on device" in err
    assert "the case was not saved" in err
    assert not (tmp_path / "case").exists()


@pytest.mark.parametrize("error", [MemoryError(), OSError(5, "Input/output error")])
def test_what_ends_a_command_is_one_line_without_words_of_the_language(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("analyzer.api.analyze", fails)
    assert start.run(["analyze", str(SAMPLE)]) == 2
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert not any(word in told for word in ("Errno", "Error", "Traceback", "internal"))
