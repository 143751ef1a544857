"""The command line on evidence made by hand; the engine is not asked. What the engine gives for real captures is tested elsewhere."""

import json
import re
import subprocess
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path

import pytest

import analyzer
from analyzer import api
from analyzer.cli import start
from analyzer.errors import InputError
from analyzer.records.issues import Issue
from analyzer.records.result import Result
from analyzer.tables.registry import TABLES
from tests.build import evidence as build

COMMANDS = ("analyze", "info", "show", "findings", "explain", "rules", "ladder", "report", "verify")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command line on a result (default: `build.direct`); exit code, stdout, stderr."""

    def call(*arguments: str, on: Result | BaseException | None = None) -> tuple[int, str, str]:
        def made(*_inputs: object, **_options: object) -> analyzer.Case:
            if isinstance(on, BaseException):
                raise on
            return build.case(on or build.direct())

        monkeypatch.setattr(api, "analyze", made)
        code = start.run(list(arguments))
        out, err = capsys.readouterr()
        return code, out, err

    return call


def damaged(code: str = "capture.damaged-record") -> Result:
    made = build.direct().evidence
    broken = build.evidence(made.captures, list(made.connections.values()), issues=[Issue(code, "at offset 24", None, 0, 7)])
    return Result(broken, (), {})


def test_analyze_prints_the_first_screen(run: Run) -> None:
    code, out, err = run("analyze", "a.pcap")
    assert (code, err) == (0, "")
    assert "EVIDENCE" in out
    assert "FINDINGS  1 high" in out
    assert "\x1b" not in out


def test_analyze_json(run: Run) -> None:
    code, out, _ = run("analyze", "a.pcap", "-f", "json", on=build.proxied())
    value = json.loads(out)
    assert code == 0
    assert (value["tool"], value["schema"], value["version"]) == ("winrm-analyzer", 1, analyzer.__version__)
    assert [row["finding_id"] for row in value["findings"]] == ["f1", "f2", "f3"]
    assert value["routes"][0]["upstream_connection_ids"] == ["c2"]
    assert value["coverage"]["bodies"]["clear"] == 2


def test_analyze_jsonl(run: Run) -> None:
    _, out, _ = run("analyze", "a.pcap", "-f", "jsonl")
    assert [json.loads(line)["table"] for line in out.splitlines()] == ["run", "diagnosis", "coverage", "captures", "findings", "issues"]


@pytest.mark.parametrize(("level", "code"), [("info", 1), ("high", 1), ("critical", 0)])
@pytest.mark.parametrize("command", ["analyze", "findings"])
def test_fail_on(run: Run, command: str, level: str, code: int) -> None:
    assert run(command, "a.pcap", "--fail-on", level)[0] == code
    assert run(command, "a.pcap")[0] == 0


def test_a_partial_result_is_told_and_fails_only_when_strict(run: Run) -> None:
    code, _, err = run("analyze", "a.pcap", on=damaged())
    assert code == 0
    assert err == "winrm-analyzer: leg-a.pcapng: capture.damaged-record: at offset 24\n"
    assert run("analyze", "a.pcap", "--strict", on=damaged())[0] == 3
    assert run("analyze", "a.pcap", "--strict")[0] == 0


def test_nothing_readable_is_2(run: Run) -> None:
    code, out, err = run("analyze", "a.pcap", on=damaged("capture.unreadable"))
    assert (code, out) == (2, "")
    assert "none of the inputs could be read" in err


@pytest.mark.parametrize(
    ("raised", "code", "words"),
    [
        (InputError("no such file: a.pcap"), 2, "no such file: a.pcap"),
        (PermissionError(13, "Permission denied", "a.pcap"), 2, "Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ZeroDivisionError("oops"), 2, "internal error: ZeroDivisionError: oops"),
        (InputError("evil \x1b]0;x\x07 name"), 2, "evil \\x1b]0;x\\x07 name"),
    ],
)
def test_no_traceback_reaches_a_user(run: Run, raised: BaseException, code: int, words: str) -> None:
    got, out, err = run("analyze", "a.pcap", on=raised)
    assert (got, out) == (code, "")
    assert words in err
    assert "Traceback" not in err
    assert len(err.strip().splitlines()) == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze",),
        ("analyze", "a.pcap", "--fail-on", "terrible"),
        ("nonsense",),
        ("show", "nonsense", "a.pcap"),
        ("show", "exchanges", "a.pcap", "--columns", "nonsense"),
        ("show", "exchanges", "a.pcap", "--where", "nonsense = 1"),
        ("explain", "nonsense"),
        ("ladder", "a.pcap", "--connection", "c99"),
        ("analyze", "a.pcap", "--rules", "/nonexistent"),
        (),
    ],
)
def test_mistakes_of_the_caller_are_2(run: Run, arguments: tuple[str, ...]) -> None:
    code, out, err = run(*arguments)
    assert code == 2
    assert out == ""
    assert err


def test_show_formats(run: Run, tmp_path: Path) -> None:
    assert run("show", "connections", "a.pcap", "-f", "csv")[1].splitlines()[0].startswith("connection_id,capture,community_id,client_ip,")
    assert json.loads(run("show", "connections", "a.pcap", "-f", "json")[1])[0]["close"] == "fin"
    assert json.loads(run("show", "connections", "a.pcap", "-f", "jsonl")[1])["first_time"] == "2026-01-02T03:04:05.000000000Z"
    assert "c1" in run("show", "connections", "a.pcap")[1]
    path = tmp_path / "c.parquet"
    assert run("show", "connections", "a.pcap", "-f", "parquet", "-o", str(path))[0] == 0
    assert path.read_bytes()[:4] == b"PAR1"


def test_show_columns_and_where(run: Run) -> None:
    arguments = ("show", "exchanges", "a.pcap", "-f", "csv", "--columns", "status,exchange_id", "--where", "status = 401")
    assert run(*arguments) == (0, 'status,exchange_id\n401,"c1.x1"\n', "")


def test_nothing_is_overwritten_unasked(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text("mine", encoding="utf-8")
    arguments = ("show", "connections", "a.pcap", "-f", "csv", "-o", str(path))
    assert run(*arguments)[0] == 2
    assert path.read_text(encoding="utf-8") == "mine"
    assert run(*arguments, "--clobber")[0] == 0
    assert path.read_text(encoding="utf-8").startswith("connection_id,")


def test_findings_below_a_level_are_left_out_and_ids_stay(run: Run) -> None:
    _, out, _ = run("findings", "a.pcap", "-f", "jsonl", "-m", "high", on=build.proxied())
    assert [json.loads(line)["finding_id"] for line in out.splitlines()] == ["f1", "f2"]


def test_explain_an_issue(run: Run) -> None:
    code, out, _ = run("explain", "tcp.gap")
    assert code == 0
    assert out.startswith("tcp.gap (issue, warning)")


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("413", "413 Content Too Large (HTTP status)"),
        ("0x80338012", "ERROR_WSMAN_DESTINATION_UNREACHABLE, 0x80338012, 2150858770 (WinRM error)"),
        ("-2144108123", "ERROR_WSMAN_QUOTA_MAX_SHELLS, "),
        ("KRB_AP_ERR_SKEW", "KRB_AP_ERR_SKEW, 37 (Kerberos error)"),
    ],
)
def test_explain_a_code(run: Run, name: str, begins: str) -> None:
    code, out, _ = run("explain", name)
    assert code == 0
    assert out.startswith(begins)
    assert "What to do: " in out
    assert "Source: " in out


def test_explain_a_finding_of_a_capture(run: Run) -> None:
    code, out, _ = run("explain", "f1", "a.pcap")
    assert code == 0
    assert out.startswith("f1  ")
    assert "Wireshark filter: frame.number in {" in out
    code, _, err = run("explain", "f99", "a.pcap")
    assert code == 2
    assert "there is no finding 'f99' in this capture; it has: f1" in err


def test_ladder(run: Run) -> None:
    assert "FIN of c1" in run("ladder", "a.pcap")[1]
    assert run("ladder", "a.pcap", "--format", "mermaid", "--connection", "c1")[1].startswith("sequenceDiagram")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Run, command: str) -> None:
    code, out, _ = run(command, "--help")
    assert code == 0
    assert "Usage: winrm-analyzer" in out


def test_help_promises_no_network_that_is_not_named(run: Run) -> None:
    _, out, _ = run("--help")
    assert "opens no network connection but to a cluster or an object store that you name" in " ".join(out.split())
    assert api.kernel() in run("--version")[1]
    assert run("--version")[1].strip() in {f"winrm-analyzer, version {analyzer.__version__} (packet kernel {form})" for form in ("compiled", "not compiled")}


HOSTILE = "=\x1b]0;pwn\x07\x1b[31m\x9b31m\u202egnp\u2066\u200b\x7f\r\n\x00[red]x[/red]<script>"


@pytest.mark.parametrize(
    "arguments",
    [
        ("analyze", "a.pcap"),
        ("analyze", "a.pcap", "-f", "json"),
        ("analyze", "a.pcap", "-f", "jsonl"),
        ("info", "a.pcap"),
        ("findings", "a.pcap"),
        ("ladder", "a.pcap"),
        ("ladder", "a.pcap", "--format", "mermaid"),
        ("transcript", "a.pcap"),
        ("transcript", "a.pcap", "-f", "jsonl"),
        *(("timeline", "a.pcap", "--profile", profile) for profile in ("native", "timesketch", "ecs")),
        ("timeline", "a.pcap", "--profile", "timesketch", "-f", "csv"),
        ("export", "a.pcap", "-f", "har"),
        ("export", "a.pcap", "-f", "navigator"),
        ("analyze", "a.pcap", "--full"),
        ("show", "exchanges", "a.pcap", "--full"),
        *(("show", table.name, "a.pcap", "-f", form) for table in TABLES for form in ("table", "csv", "json", "jsonl")),
        ("explain", HOSTILE.replace("\x00", "")),
        ("analyze", "a.pcap", HOSTILE.replace("\x00", "")),
    ],
)  # fmt: skip
def test_captured_text_never_steers_the_terminal(run: Run, arguments: tuple[str, ...]) -> None:
    _, out, err = run(*arguments, on=build.hostile(HOSTILE))
    assert out or err
    left = {char for char in out + err if char != "\n" and unicodedata.category(char) in {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}}
    assert not left


def test_colours_bring_only_our_own_sequences() -> None:
    case = build.case(build.hostile(HOSTILE))
    for shown in (case.overview(colour=True), case.ladder(colour=True), "".join(case.text("findings", colour=True))):
        assert "\x1b" not in re.sub(r"\x1b\[[0-9;]*m", "", shown)
    assert "[red]x[/red]" in case.overview(colour=True)


def test_a_reader_that_goes_away_is_no_error() -> None:
    script = """if True:
        from analyzer import api
        from analyzer.cli import start
        from tests.build import evidence
        api.analyze = lambda *a, **k: evidence.case(evidence.direct())
        start.main(['analyze', 'x'])
    """
    shell = f"'{sys.executable}' -c \"{script}\" | true; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
