"""What the program loads before it answers, and that an answer given without click is the one that click would give."""

import inspect
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from analyzer.cli import analysis as work
from analyzer.cli import commands, names, start
from tests.build.terminals import on_terminal

SLOW = {"dataclasses", "tomllib", "statistics"}
"""Of Python itself: each takes as long to load as a dozen modules of ours."""
ROOT = Path(__file__).resolve().parents[2]
QUIET = str(ROOT / "sample_pcaps" / "background-without-winrm" / "capture.pcap.gz")
HEAVY = {
    "pandas",
    "numpy",
    "scapy",
    "dpkt",
    "spnego",
    "duckdb",
    "rich",
    "cryptography",
    "lxml",
    "jinja2",
    "yaml",
    "asyncio",
    "ssl",
    "multiprocessing",
    "unittest",
}


def loaded(*arguments: str) -> set[str]:
    """The modules that a command line has loaded when it ends."""
    script = (
        "import sys; before = set(sys.modules); from analyzer.cli import start; start.run(sys.argv[1:]); print(*set(sys.modules) - before, file=sys.stderr)"
    )
    variables = {**os.environ, "COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True, check=True, env=variables)
    return set(done.stderr.split())


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] == "analyzer"}


def test_help_loads_next_to_nothing() -> None:
    found = loaded("--help")
    assert ours(found) == {
        "analyzer",
        "analyzer.cli",
        "analyzer.cli.names",
        "analyzer.cli.start",
        "analyzer.cli.printing",
        "analyzer.errors",
        "analyzer.version",
    }
    assert not found & {*HEAVY, "click", "typing", "re", "enum", "inspect", "collections", "pathlib", "json"}


def test_importing_the_package_loads_only_its_version() -> None:
    script = "import sys, analyzer; print(*[name for name in sys.modules if name.startswith('analyzer.')])"
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "analyzer.version\n"


@pytest.mark.parametrize("columns", [40, 60, 80, 81, 100, 109, 110, 111, 200])
def test_the_stored_help_is_that_of_click(columns: int) -> None:
    """What is asked for twice is left to click."""
    assert on_terminal(columns, "--help") == on_terminal(columns, "--help", "--help")


@pytest.mark.parametrize("told", [None, "", "0", "-3", "wide", "79", "80", "110", "500"])
def test_the_stored_help_is_as_wide_as_click_makes_it(told: str | None) -> None:
    command = [sys.executable, "-m", "analyzer", "-h"]
    variables = {name: value for name, value in os.environ.items() if name != "COLUMNS"} | ({} if told is None else {"COLUMNS": told})
    one, other = (subprocess.run([*command, *more], cwd=ROOT, capture_output=True, check=True, env=variables).stdout for more in ([], ["-h"]))
    assert one == other != b""


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["analyze", "a.pcap"], True),
        (["analyze", "a.pcap", "b c.pcap", ""], True),
        (["analyze"], False),
        (["analyze", "-"], False),
        (["analyze", "--", "a.pcap"], False),
        (["analyze", "a.pcap", "--full"], False),
        (["info", "a.pcap"], False),
        (["README.md"], True),
        (["README.md", "not-there.pcap"], True),
        (["not-there.pcap"], False),
        (["README.md", "-q"], False),
        (["docs"], False),
        ([], False),
    ],
)
def test_only_captures_need_no_parser(words: list[str], expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    captures = tuple(words[words[:1] == ["analyze"] :])
    assert start.plain(words) == (captures if expected and os.name == "posix" else ())


def test_settings_in_the_working_folder_need_the_parser(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path(names.CONFIG).touch()
    assert not start.plain(["analyze", "a.pcap"])


def test_every_command_is_known_before_click_is() -> None:
    assert set(commands.cli.commands) == names.COMMANDS


def test_what_is_not_parsed_is_what_click_would_have_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[dict[str, object]] = []
    signature = inspect.signature(work.analysis)

    def analysis(*captures: object, **options: object) -> int:
        bound = signature.bind(*captures, **options)
        bound.apply_defaults()
        calls.append(bound.arguments | {"given": bound.arguments["given"] or work.Given()})
        return 0

    monkeypatch.setattr(commands, "analysis", analysis)
    monkeypatch.setattr(work, "analysis", analysis)
    words: Sequence[str] = ["analyze", "a.pcap", "b.pcap"]
    assert start.plain(words)
    assert start.run(words) == commands.parsed(words) == 0
    assert calls[0] == calls[1]
    assert calls[0]["captures"] == ("a.pcap", "b.pcap")


def test_a_capture_without_winrm_loads_no_decoder() -> None:
    found = loaded("analyze", QUIET)
    parts = {name.split(".")[1] for name in ours(found) if "." in name}
    assert "analyzer.cli.commands" not in found
    assert not parts & {"transport", "http", "proxy", "auth", "sealing", "wsman", "psrp", "sigma", "exports"}
    assert len(ours(found)) <= 99, sorted(ours(found))
    assert not found & {*HEAVY, *SLOW, "click", "inspect", "typing_extensions", "html", "json", "threading", "pickle", "xml"}


def test_a_capture_with_winrm_loads_no_parser_and_nothing_for_other_commands() -> None:
    found = loaded("analyze", str(ROOT / "sample_pcaps" / "squid-close-after-200"))
    parts = {name.split(".")[1] for name in ours(found) if "." in name}
    assert {"http", "rules", "auth"} <= parts
    assert "analyzer.cli.commands" not in found
    assert not parts & {"sigma", "exports"}
    assert not ours(found) & {"analyzer.reports.html", "analyzer.tables.registry", "analyzer.capture.halves", "analyzer.engine.store"}
    assert not found & {*HEAVY, *SLOW, "click"}
