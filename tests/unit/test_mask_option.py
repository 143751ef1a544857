"""``--mask strict``: of command lines, scripts and input nothing but the names of programs is shown, by every way to the texts."""

from pathlib import Path

import pytest
from click.testing import CliRunner

import analyzer
from analyzer.cli.commands import cli
from analyzer.records.wsman import Command, Output
from analyzer.reports.masking import Mask
from tests.build import careless

LINES = {"winrs": ("net user bob Ofen9!x /add", "schtasks /create /tn renew /tr C:\\renew.exe"), "powershell": ("Get-Item C:\\secret | Copy-Item -To D:\\",)}
ARGUMENTS = ("bob", "Ofen9", "/add", "renew", "C:\\secret", "-To")


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return careless.typed(tmp_path_factory.mktemp("evidence"), LINES)[0]


def run(*words: str) -> str:
    done = CliRunner().invoke(cli, list(words))
    assert done.exit_code == 0, done.output
    return done.output


def test_commands_show_names_of_programs_only(capture: Path) -> None:
    usual = run("show", "commands", str(capture), "-f", "jsonl")
    assert "net user bob *** /add" in usual
    strict = run("show", "commands", str(capture), "-f", "jsonl", "--mask", "strict")
    assert [part for part in ARGUMENTS if part in strict] == []
    assert all(text in strict for text in ('"net ***"', '"schtasks ***"', '"Get-Item *** | Copy-Item ***"'))


def test_findings_quote_names_of_programs_only(capture: Path) -> None:
    assert "\u201cschtasks /create /tn renew" in run("findings", str(capture), "-f", "csv")
    strict = run("findings", str(capture), "-f", "csv", "--mask", "strict")
    assert "\u201cschtasks ***\u201d" in strict
    assert "renew" not in strict


def test_bodies_are_left_out_of_archives(capture: Path) -> None:
    assert "rsp:CommandLine" in run("export", str(capture), "-f", "har")
    assert "rsp:CommandLine" not in run("export", str(capture), "-f", "har", "--mask", "strict")


def test_a_case_folder_is_masked_when_it_is_opened(capture: Path, tmp_path: Path) -> None:
    run("analyze", str(capture), "-o", str(tmp_path / "case"))
    assert "bob" in run("show", "commands", str(tmp_path / "case"), "-f", "jsonl")
    strict = run("show", "commands", str(tmp_path / "case"), "-f", "jsonl", "--mask", "strict")
    assert [part for part in ARGUMENTS if part in strict] == []
    timeline = run("show", "timeline", str(tmp_path / "case"), "-f", "jsonl", "--mask", "strict")
    assert [part for part in ARGUMENTS if part in timeline] == []
    run("analyze", str(capture), "-o", str(tmp_path / "strict"), "--mask", "strict")
    assert "bob" not in run("show", "commands", str(tmp_path / "strict"), "-f", "jsonl")


def test_input_is_stripped_and_output_does_not_repeat_arguments() -> None:
    outputs = (Output("stdin", 1, 0, (1,), "copy C:\\secret D:\\\r\n", 9), Output("stdout", 2, 0, (1,), "user bobby: C:\\renew.exe, 4 files", 0))
    command = Command("C", "S", "winrs", "cmd /k bobby C:\\renew.exe", None, 0, 1, 0, "Done", outputs, None, 0, (1,))
    shown = Mask(strict=True)._command(command)
    assert shown.text == "cmd ***"
    assert [one.text for one in shown.outputs] == ["copy ***\r\n", "user ***: ***, 4 files"]


def test_in_python(capture: Path) -> None:
    case = analyzer.analyze(capture, mask="strict")
    assert [row for row in case.cells("commands") if any("bob" in str(cell) for cell in row)] == []
    assert any("bob" in command.text for command in case.result.commands), "records are the evidence itself"
