"""The command line on a terminal: its width, its colours, and what a shell completes."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.cli import commands
from analyzer.tables.registry import TABLES
from tests.build.terminals import on_terminal

ROOT = Path(__file__).parents[2]
SAMPLE = str(ROOT / "sample_pcaps" / "squid-close-after-200")


def bare(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize(
    "words",
    [
        ("analyze", SAMPLE),
        ("info", SAMPLE),
        ("findings", SAMPLE),
        ("show", "exchanges", SAMPLE),
        ("ladder", "--connection", "c1", SAMPLE),
        ("explain", "affinity.shared-authenticated-upstream"),
        ("explain", "tcp.gap"),
        ("rules",),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_lines_fit_the_terminal(columns: int, words: tuple[str, ...]) -> None:
    shown = bare(on_terminal(columns, *words))
    assert shown.strip()
    assert not shown.startswith("\n")
    pasted = ("frame.number in", "winrm-analyzer ", "https://")
    assert [line for line in shown.splitlines() if len(line) > columns and not any(word in line for word in pasted)] == []


def test_a_document_is_filled_anew_and_says_the_same() -> None:
    plain = subprocess.run([sys.executable, "-m", "analyzer", "explain", "tcp.rst-after-2xx"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert max(map(len, plain.splitlines())) > 100
    shown = on_terminal(60, "explain", "tcp.rst-after-2xx")
    assert shown.split() == plain.split()
    assert [line for line in shown.splitlines() if line and not line.startswith(" ")][-5:] == [
        "Detects", "Impact", "False positives", "Requires", "References",
    ]  # fmt: skip


def test_colours_are_for_terminals_that_want_them() -> None:
    assert "\x1b[" in on_terminal(100, "analyze", SAMPLE)
    assert "\x1b[" not in on_terminal(100, "analyze", SAMPLE, NO_COLOR="1")
    assert "\x1b[" not in on_terminal(100, "analyze", SAMPLE, TERM="dumb")
    assert "\x1b[" not in on_terminal(100, "analyze", SAMPLE, NO_COLOR="1", FORCE_COLOR="1")


def test_a_pipe_gets_colours_only_when_forced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    assert "\x1b[" not in CliRunner().invoke(commands.cli, ["rules"], color=True).output
    plain = subprocess.run([sys.executable, "-m", "analyzer", "info", SAMPLE], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "\x1b[" not in plain
    forced = subprocess.run(
        [sys.executable, "-m", "analyzer", "info", SAMPLE], cwd=ROOT, capture_output=True, text=True, check=True, env={**os.environ, "FORCE_COLOR": "1"}
    ).stdout
    assert "\x1b[" in forced
    assert bare(forced) == plain


def completed(*words: str) -> list[str]:
    """What bash is offered after these words; the last one is begun."""
    line = " ".join(["winrm-analyzer", *words])
    environment = {**os.environ, "_WINRM_ANALYZER_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(words))}
    done = subprocess.run([sys.executable, "-m", "analyzer"], cwd=ROOT, capture_output=True, text=True, check=False, env=environment)
    return [one.partition(",")[2] for one in done.stdout.splitlines()]


def test_commands_options_tables_and_rules_are_completed() -> None:
    assert completed("sh") == ["show"]
    assert "--columns" in completed("show", "--co")
    assert completed("show", "exch") == ["exchanges"]
    assert completed("explain", "tcp.rst") == ["tcp.rst-after-2xx"]
    assert "timesketch" in completed("timeline", "--profile", "t")
    assert len(completed("show", "")) == len(TABLES)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_script_is_one(shell: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(commands.cli, ["completion", shell])
    assert done.exit_code == 0
    assert "_WINRM_ANALYZER_COMPLETE" in done.output
    if shutil.which(shell):
        script = tmp_path / "script"
        script.write_text(done.output, encoding="utf-8")
        subprocess.run([shell, "-n", str(script)], check=True, capture_output=True)
