import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest

import analyzer
from analyzer.api import Case
from analyzer.engine.work import told
from analyzer.records.finding import Severity
from tests.build import careless
from tests.golden.claims import wrong
from tests.rules.asked import winrs
from tests.rules.judging import Judged, judge_files

RULE = "attack.remote-process"


def _judged(*lines: str, **how: object) -> Judged:
    with tempfile.TemporaryDirectory() as folder:
        return judge_files(careless.called(Path(folder), lines, **how))  # type: ignore[arg-type]


def _case(lines: Sequence[str], folder: Path) -> Case:
    return analyzer.analyze(careless.called(folder, lines))


@pytest.mark.parametrize(("method", "name"), [("Win32_Process/Create", "CommandLine"), ("SCX_OperatingSystem/ExecuteShellCommand", "command")])
def test_calls_are_told_with_their_lines(method: str, name: str) -> None:
    judged = _judged("cmd.exe /c echo a & b > C:\\x.txt", "notepad.exe", method=method, name=name)
    finding = judged.one(RULE)
    assert finding.severity is Severity.LOW
    assert "asked 10.10.1.21 2 times to start a program" in finding.why
    assert "“cmd.exe /c echo a & b > C:\\x.txt”" in finding.why
    assert "“notepad.exe”" in finding.why
    first, second = judged.evidence.commands
    assert finding.packets[0] == first.packets[0]
    assert (first.kind, first.state, first.exchanges) == ("cim", "Done", ("c1.x1",))
    assert first.packets != second.packets
    assert [output.text for output in first.outputs] == ["ProcessId=4001\nReturnValue=0"]
    assert list(wrong(told(judged.evidence), finding)) == []


def test_other_rules_over_lines_see_the_command_line() -> None:
    judged = _judged("vssadmin delete shadows /all /quiet")
    assert "vssadmin delete shadows" in judged.one("attack.shadow-copies").why
    assert _judged("notepad.exe").found("attack.shadow-copies") == []


def test_a_refused_call_and_other_methods_and_shells_are_none() -> None:
    refused = _judged("notepad.exe", status=500)
    assert refused.found(RULE) == []
    assert [command.state for command in refused.evidence.commands] == ["refused"]
    assert _judged("notepad.exe", method="Win32_Process/Terminate").found(RULE) == []
    assert _judged("Automatic", method="Win32_Service/ChangeStartMode", name="StartMode").found(RULE) == []
    assert winrs("wmic process call create notepad.exe").found(RULE) == []


def test_tables_and_transcript_show_it_and_mask_its_secrets(tmp_path: Path) -> None:
    case = _case(["net user bob Ofen9!xyz /add"], tmp_path)
    (row,) = case.listed("commands")
    assert (row["kind"], row["text"], row["command_id"]) == ("cim", "net user bob *** /add", "c1.x1")
    (shell,) = case.listed("shells")
    assert (shell["kind"], shell["shell_id"]) == ("cim", "c1")
    transcript = "".join(case.transcript())
    assert "net user bob *** /add" in transcript
    assert "ProcessId=4001" in transcript
    assert "Ofen9!xyz" not in transcript + case.overview()
