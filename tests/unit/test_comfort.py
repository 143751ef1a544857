"""What makes the command line easy: a file alone, lines to paste, settings, how much is said, the zone of times, progress, completion."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from analyzer.cli import names, start
from analyzer.cli.commands import cli
from analyzer.cli.program import Program
from analyzer.errors import UsageError
from analyzer.reports.next_steps import quoted
from analyzer.tables.times import on_screen, rfc3339, show_in
from tests.build.terminals import shown_to

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "sample_pcaps"
SEALED = SAMPLES / "squid-ntlm-healthy"
CLEAR = SAMPLES / "direct-basic" / "capture.pcapng"
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        code = start.run(list(words))
        return (code, *capsys.readouterr())

    return call


def offered(screen: str) -> list[str]:
    """The commands below NEXT."""
    return [line.strip() for line in screen.partition("\nNEXT\n")[2].splitlines() if line.startswith("  winrm-analyzer ")]


@pytest.mark.parametrize("words", [(), ("--scope", "http"), ("-q",), ("--full",)])
def test_a_capture_alone_is_analyzed(run: Run, words: Sequence[str]) -> None:
    assert run(str(CLEAR), *words) == run("analyze", str(CLEAR), *words)
    assert run(*words, str(CLEAR))[:2] == run("analyze", *words, str(CLEAR))[:2]


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        (["a.pcap"], True),
        (["*.pcap"], True),
        (["-"], True),
        (["-q", "a.pcap"], True),
        (["analyse"], False),
        (["show", "a.pcap"], False),
        (["-h"], False),
        (["--version"], False),
        ([], False),
    ],
)
def test_what_means_analyze(words: list[str], meant: object) -> None:
    assert isinstance(cli, Program)
    assert cli._means_analyze(words) is meant


def test_a_mistyped_command_is_no_capture(run: Run) -> None:
    code, out, err = run("analyse")
    assert (code, out) == (2, "")
    assert "No such command 'analyse'" in err
    assert "'analyze'" in err


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="pastes into bash")
def test_what_is_offered_next_can_be_pasted(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "it's a $HOME;\t`dir`"
    folder.mkdir()
    shutil.copy(SEALED / "capture.pcap", folder / "-cap ture.pcap")
    shutil.copy(SEALED / "secrets.toml", folder / "my keys.toml")
    monkeypatch.chdir(folder)
    _, screen, _ = run("analyze", "--secrets", str(folder / "my keys.toml"), "--scope", "http", "--", "-cap ture.pcap")
    lines = offered(screen)
    assert [line.split()[1] for line in lines if "explain" not in line] == ["ladder", "transcript", "findings", "report"]
    for line in lines:
        done = subprocess.run(["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False, env=os.environ | {"PATH": PATH})
        assert (done.returncode, done.stderr.replace("report.html", "").strip()) == (0, ""), (line, done.stderr)
        assert done.stdout or "report" in line
    assert (folder / "report.html").stat().st_size > 10_000
    said = subprocess.run(
        ["bash", "-c", next(line for line in lines if " transcript " in line)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PATH": PATH},
    )
    assert "hostname" in said.stdout, "the keys were given again"


def test_what_was_not_decrypted_has_no_transcript_to_offer(run: Run) -> None:
    assert not any(" transcript " in line for line in offered(run("analyze", str(SEALED / "capture.pcap"))[1]))


@pytest.mark.parametrize(
    ("word", "posix", "windows"),
    [
        ("a.pcap", "a.pcap", "a.pcap"),
        (r"C:\traces\a.pcap", r"'C:\traces\a.pcap'", r"C:\traces\a.pcap"),
        ("a b", "'a b'", '"a b"'),
        ("a b\\", "'a b\\'", '"a b\\\\"'),
        ("it's", "'it'\"'\"'s'", '"it\'s"'),
        ("", "''", '""'),
        ("a\x1b[31m", "$'a\\033[31m'", '"a\\x1b[31m"'),
        ("über", "'über'", '"über"'),
    ],
)
def test_quoting(word: str, posix: str, windows: str) -> None:
    assert quoted(word, windows=False) == posix
    assert quoted(word, windows=True) == windows


@pytest.mark.skipif(os.name != "posix", reason="bash")
@pytest.mark.parametrize("word", ["a\x1b]0;x\x07b", "a\nb", "\u202eabc", "x\udcffy", "'\\\t"])
def test_bash_takes_a_quoted_word_for_itself(word: str) -> None:
    told = subprocess.run(["bash", "-c", f"printf %s {quoted(word, windows=False)}"], capture_output=True, check=True).stdout
    assert told == word.encode("utf-8", "surrogateescape")
    assert quoted(word, windows=False).isprintable()


def test_quiet_verbose_and_the_log(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    _, out, err = run("analyze", str(CLEAR))
    assert err == ""
    code, same, told = run("analyze", str(CLEAR), "-v", "--log-file", str(log))
    assert (code, offered(same)) == (0, offered(out))
    phases = ("reading capture.pcapng", "reading connections", "decrypting and reading messages", "looking for problems")
    assert all(re.search(rf"^winrm-analyzer: {phase}: \d+\.\d\d\d s$", told, re.MULTILINE) for phase in phases)
    run("pcap", str(CLEAR), "-q", "-o", str(tmp_path / "x.pcapng"), "--log-file", str(log))
    lines = log.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# log of winrm-analyzer"
    assert all(re.match(r"\d{4}-\d\d-\d\dT\S+Z ", line) for line in lines[1:])
    assert sum("exit code 0" in line for line in lines) == 2
    assert any("x.pcapng: 48 packets" in line for line in lines), "what -q leaves out is in the log"
    assert run("pcap", str(CLEAR), "-q", "-o", str(tmp_path / "y.pcapng")) == (0, "", "")
    assert run("pcap", str(CLEAR), "-o", str(tmp_path / "z.pcapng"))[2].startswith(f"{tmp_path / 'z.pcapng'}: 48 packets")


def test_a_log_is_never_added_to_another_file(run: Run, tmp_path: Path) -> None:
    capture = shutil.copy(CLEAR, tmp_path)
    before = Path(capture).read_bytes()
    code, _, err = run("analyze", capture, "--log-file", capture)
    assert (code, Path(capture).read_bytes()) == (2, before)
    assert "is no log of winrm-analyzer" in err


def test_no_secret_gets_into_the_log(run: Run, tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    assert run("analyze", str(SEALED / "capture.pcap"), "--secrets", str(SEALED / "secrets.toml"), "-v", "--log-file", str(log))[0] == 0
    values = re.findall(r'value = "([^"]+)"', (SEALED / "secrets.toml").read_text(encoding="utf-8"))
    assert values
    assert not [value for value in values if value in log.read_text(encoding="utf-8")]


@pytest.mark.parametrize(("name", "offset"), [("+02:00", "+02:00"), ("-0330", "-03:30"), ("UTC", "+00:00"), ("Europe/Berlin", "+01:00")])
def test_times_of_texts_are_in_the_zone(run: Run, name: str, offset: str) -> None:
    _, out, _ = run("analyze", str(CLEAR), "--tz", name)
    found = re.findall(r"\d{4}-\d\d-\d\dT[\d:]+\.\d{9}(\S+)", out)
    assert set(found) == {offset}
    assert set(re.findall(r"T[\d:]+\.\d{9}([^\s,|]+)", run("show", "exchanges", str(CLEAR), "--tz", name, "--columns", "request_time")[1])) == {offset}


def test_what_programs_read_stays_utc(run: Run) -> None:
    for words in (("show", "exchanges", str(CLEAR), "-f", "csv"), ("show", "exchanges", str(CLEAR), "-f", "jsonl"), ("timeline", str(CLEAR))):
        assert run(*words, "--tz", "+05:30") == run(*words)
    assert re.search(r"\.\d{9}Z", run("analyze", str(CLEAR))[1]), "and the zone of one command line is not that of the next"


def test_an_unknown_zone(run: Run) -> None:
    assert "there is no time zone 'Mars/Base'" in run("info", str(CLEAR), "--tz", "Mars/Base")[2]


def test_the_zone_of_this_computer_and_times_that_it_does_not_know(monkeypatch: pytest.MonkeyPatch) -> None:
    show_in("local")
    try:
        assert on_screen(1_700_000_000_000_000_001).startswith("2023-11-1")
        assert on_screen((1 << 63) - 1)
    finally:
        show_in(None)
    assert on_screen(5) == rfc3339(5)


def settings(folder: Path, text: str, name: str = names.CONFIG) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_of_the_working_folder(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(SEALED / "secrets.toml", tmp_path / "keys.toml")
    settings(tmp_path, '[options]\nsecrets = "keys.toml"\ntz = "+03:00"\n[limits]\nviews = 3\n')
    monkeypatch.chdir(tmp_path)
    capture = str(SEALED / "capture.pcap")
    code, out, err = run(capture)
    assert code == 0
    assert re.search(r"\b([1-9]\d*) of \1 encrypted bodies decrypted", out)
    assert "+03:00" in out
    assert "the settings of winrm-analyzer.toml in this folder are used" in err
    assert run(capture, "-q")[2] == ""
    assert "--secrets" not in "".join(offered(out)), "they are found again by themselves"
    code, out, err = run(capture, "--no-config")
    assert (code, err) == (0, "")
    assert re.search(r"\b0 of [1-9]\d* encrypted bodies decrypted", out)
    other = settings(tmp_path, '[options]\ntz = "-01:00"\n', "other.toml")
    _, out, err = run(capture, "--config", str(other), "--tz", "+04:00")
    assert "+04:00" in out
    assert re.search(r"\b0 of [1-9]\d* encrypted", out)
    assert err == ""


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[options]\nrules = "/tmp"', "'rules' has to be given on the command line"),
        ("[options]\nshow_secrets = true", "'show_secrets' has to be given on the command line"),
        ("[options]\ntz = 3", "tz has to be a text"),
        ("options = 3", "options has to be a table"),
        ("[option]\n", "there is no section 'option'"),
        ("[options\n", "winrm-analyzer.toml: "),
        ('[options]\nmask = "none"', "Invalid value for '--mask'"),
    ],
)
def test_settings_that_are_wrong(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, told: str) -> None:
    settings(tmp_path, text)
    monkeypatch.chdir(tmp_path)
    code, out, err = run(str(CLEAR))
    assert (code, out) == (2, "")
    assert told in err


def test_progress_is_drawn_by_a_process_that_keeps_the_clock_going() -> None:
    """The drawing process alone: it is told something once and draws on for more than a second."""
    script = (
        "import json, subprocess, sys, time; p = subprocess.Popen([sys.executable, '-P', '-m', 'analyzer.cli.drawing'], stdin=subprocess.PIPE, text=True);"
        "p.stdin.write(json.dumps(['reading a.pcap', 20_000_000, 80_000_000, True]) + '\\n'); p.stdin.flush(); time.sleep(2.5);"
        "p.stdin.close(); print('code', p.wait())"
    )
    shown = shown_to(120, [sys.executable, "-c", script], {}, errors=True)
    assert "code 0" in shown
    assert "reading a.pcap" in shown
    assert "25 %" in shown
    assert len(set(re.findall(r"0:00:0\d", shown))) >= 2, "the time goes on"


@pytest.mark.parametrize(
    ("words", "begun", "wanted"), [([], "tran", {"transcript"}), (["show"], "hop", {"hops"}), (["show", "exchanges"], "--whe", {"--where"})]
)
def test_powershell_is_told_what_can_stand_there(words: list[str], begun: str, wanted: set[str]) -> None:
    asked = {"_WINRM_ANALYZER_COMPLETE": "powershell_complete", "WINRM_ANALYZER_WORDS": json.dumps(words), "WINRM_ANALYZER_BEGUN": begun}
    done = subprocess.run([sys.executable, "-m", "analyzer"], cwd=ROOT, capture_output=True, text=True, check=True, env=os.environ | asked)
    found = [line.split("\t") for line in done.stdout.splitlines()]
    assert {kind for kind, *_ in found} == {"plain"}
    assert {value for _, value, _ in found} == wanted


def test_the_script_for_powershell(run: Run) -> None:
    code, out, _ = run("completion", "powershell")
    assert code == 0
    assert out.startswith("Register-ArgumentCompleter -Native -CommandName winrm-analyzer,")
    assert "%(" not in out


def test_zone_names_are_refused_before_anything_is_read() -> None:
    from analyzer.cli.remarks import zone

    for bad in ("+24:00", "../etc/passwd", "", "\x00"):
        with pytest.raises(UsageError):
            zone(bad)
