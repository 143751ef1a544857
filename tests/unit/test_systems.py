"""The ways that work everywhere give what those of POSIX systems give; a run without POSIX calls gives the same case."""

import os
import subprocess
import sys
from pathlib import Path
from typing import BinaryIO

import pytest

from analyzer.cli import start
from analyzer.cli.consoles import spelled
from analyzer.cli.printing import ReaderGoneError, print_with
from analyzer.engine.store import STORED
from analyzer.system import files, processes
from tests.emulation import sitecustomize

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_pcaps"
EMULATION = {"PYTHONPATH": str(ROOT / "tests" / "emulation"), "WINRM_ANALYZER_EMULATES": "windows", "PYTHONUTF8": "0", "PYTHONWARNDEFAULTENCODING": "1"}


def emulated(*arguments: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=False, env=os.environ | EMULATION | more, timeout=300)


def test_the_emulation_takes_away_what_it_says() -> None:
    script = "import os; import sitecustomize as s; print([n for n in s.GONE_CALLS if hasattr(os, n)])"
    assert emulated("-c", script).stdout.split() == [b"[]"]
    assert emulated("-c", "import fcntl").returncode == 1
    assert emulated("-c", "from analyzer.system.processes import may_fork; print(may_fork())").stdout.strip() == b"False"
    assert "pread" in sitecustomize.GONE_CALLS


@pytest.mark.slow
@pytest.mark.parametrize("name", ["squid-ntlm-healthy", "https-basic-direct", "rotated-files", "background-without-winrm"])
def test_a_run_without_posix_calls_gives_the_same_case(name: str, tmp_path: Path) -> None:
    captures = sorted(str(path) for path in (SAMPLES / name).iterdir() if ".pcap" in path.name)
    secrets = SAMPLES / name / "secrets.toml"
    words = ["analyze", *captures, *(["--secrets", str(secrets)] if secrets.exists() else []), "-o"]
    assert start.run([*words, str(tmp_path / "here")]) == 0
    done = emulated("-W", "error::EncodingWarning", "-m", "analyzer", *words, str(tmp_path / "there"))
    assert done.returncode == 0, done.stderr
    for file in (*(f"{table.name}.parquet" for table in STORED), "records.msgpack.zst"):
        assert (tmp_path / "here" / file).read_bytes() == (tmp_path / "there" / file).read_bytes(), file
    assert emulated("-m", "analyzer", "verify", str(tmp_path / "there")).returncode == 0


@pytest.mark.parametrize(("encoding", "arrow"), [("cp437", "->"), ("cp1252", "->"), ("ascii", "->"), ("cp932", "→"), ("utf-8", "→")])
def test_consoles_of_every_code_page(encoding: str, arrow: str) -> None:
    done = emulated("-m", "analyzer", "info", str(SAMPLES / "direct-basic" / "capture.pcapng"), PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"10.10.1.11 {arrow} 10.20.2.20 port 5985" in done.stdout.decode(encoding)


def test_characters_that_a_console_does_not_have() -> None:
    assert spelled(UnicodeEncodeError("cp437", "a→\u0431…", 1, 4, "")) == ("->\\u0431...", 4)
    with pytest.raises(UnicodeDecodeError):
        spelled(UnicodeDecodeError("ascii", b"\xff", 0, 1, ""))


def test_reading_at_an_offset_both_ways(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    path.write_bytes(bytes(range(200)))

    def read(file: BinaryIO) -> list[bytes]:
        return [files.read_at(file, size, at) for size, at in ((10, 0), (10, 195), (5, 300), (0, 4), (200, 0))]

    with path.open("rb") as file:
        one = read(file)
        monkeypatch.delattr(os, "pread", raising=False)
        assert read(file) == one
    assert [len(piece) for piece in one] == [10, 5, 0, 0, 200]


@pytest.mark.parametrize(
    ("path", "made"),
    [
        ("C:\\a\\b.pcap", "C:\\a\\b.pcap"),
        ("-", "-"),
        ("C:\\" + "a\\" * 150 + "b.pcap", "\\\\?\\C:\\" + "a\\" * 150 + "b.pcap"),
        ("\\\\server\\share\\" + "a\\" * 150 + "b", "\\\\?\\UNC\\server\\share\\" + "a\\" * 150 + "b"),
        ("\\\\?\\C:\\" + "a\\" * 150, "\\\\?\\C:\\" + "a\\" * 150),
        ("C:/" + "a/" * 150 + "b", "\\\\?\\C:\\" + "a\\" * 150 + "b"),
    ],
)
def test_long_paths_of_windows(path: str, made: str) -> None:
    assert files.reachable(path, windows=True) == made
    assert files.reachable(path, windows=False) == path


def test_processors_where_the_system_does_not_say_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert processes.processors() == (os.cpu_count() or 1)
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert processes.processors() == 1


@pytest.mark.parametrize(("system", "code", "gone"), [("nt", 22, True), ("nt", 32, True), ("posix", 32, True), ("posix", 22, False), ("nt", 28, False)])
def test_a_reader_that_went_away(system: str, code: int, gone: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analyzer.cli.printing._GONE", (32, 22) if system == "nt" else (32,))
    monkeypatch.setattr(os, "dup2", lambda *_: None)

    def fails() -> None:
        raise OSError(code, "no")

    with pytest.raises(ReaderGoneError if gone else OSError, match=r"^$" if gone else "no"):
        print_with(fails)
