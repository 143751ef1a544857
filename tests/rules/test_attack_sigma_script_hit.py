"""The user's Sigma rules over samples that are opened with their secrets."""

import re
from pathlib import Path

import pytest

import analyzer
from analyzer.cli import start
from analyzer.records.finding import Severity
from analyzer.records.ids import key_number

RULE = "attack.sigma-script-hit"
SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
SIGMA = """
title: {title}
id: 6ff6a2b4-0000-4000-8000-000000000001
level: {level}
tags: [attack.discovery, attack.t1033]
logsource: {{product: windows, category: {category}}}
detection:
  selection: {{{field}|contains: {word}}}
  condition: selection
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    texts = {
        "process.yml": SIGMA.format(title="Who am I", level="high", category="process_creation", field="CommandLine", word="whoami"),
        "script.yml": SIGMA.format(title="Who am I, script", level="informational", category="ps_script", field="ScriptBlockText", word="WHOAMI"),
        "never.yml": SIGMA.format(title="Never", level="critical", category="ps_script", field="ScriptBlockText", word="not-in-any-sample"),
        "odd.yml": "detection: {s: {A|expand: x}, condition: s}",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def _case(folder: Path, *, secrets: bool = True) -> analyzer.Case:
    sample = SAMPLES / "squid-ntlm-healthy"
    return analyzer.analyze(sorted(sample.glob("capture.pcap*")), secrets=sample / "secrets.toml" if secrets else None, sigma_dirs=[folder])


def test_a_rule_that_fits_a_command(folder: Path) -> None:
    case = _case(folder)
    found = [finding for finding in case.result.findings if finding.rule == RULE]
    command = next(command for command in case.result.commands if "whoami" in command.text)
    assert {(finding.title, finding.severity) for finding in found} == {("Sigma: Who am I", Severity.HIGH), ("Sigma: Who am I, script", Severity.INFO)}
    first = found[0]
    assert (first.attack, first.packets, first.user, first.confidence) == (("T1033",), command.packets, command.user, 0.7)
    assert first.first_ns == command.first_ns
    assert command.id in first.why
    assert re.search(rf"\bpacket {key_number(command.packets[0])}\b", first.why)
    assert "6ff6a2b4-0000-4000-8000-000000000001" in first.reference
    assert len(first.exchanges) == 1
    assert [issue.detail.partition(":")[0] for issue in case.evidence.issues if issue.code == "sigma.unsupported"] == ["odd.yml"]


def test_what_cannot_be_read_has_no_hits(folder: Path) -> None:
    assert not [finding for finding in _case(folder, secrets=False).result.findings if finding.rule == RULE]


def test_on_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = SAMPLES / "squid-ntlm-healthy"
    arguments = ["findings", str(sample), "--secrets", str(sample / "secrets.toml"), "--sigma", str(folder), "-f", "jsonl", "--fail-on", "high"]
    assert start.run(arguments) == 1
    assert '"Sigma: Who am I"' in capsys.readouterr().out
