"""What starts the project elsewhere (forge, container, commands of the page for developers) starts what is here."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = "sample_pcaps/badproxy-close-after-200"
PAGES = ("CONTRIBUTING.md", "docs/developers.md")
_FENCE = re.compile(r"^```sh\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_STARTS = ("make ", ".venv/bin/", "python ", "winrm-analyzer ", "WINRM_ANALYZER_", "REQUIRE_COMPILED=", ".ci/")
ELSEWHERE = ("git clone ", "cd ")
"""Lines of a block that only lead to where the others run."""


def commands(page: str) -> list[str]:
    """Every command line of a page's blocks, and of its spans what can be told to be one."""
    text = (ROOT / page).read_text(encoding="utf-8")
    lines = [line.split("  #")[0].strip() for match in _FENCE.finditer(text) for line in match["body"].splitlines()]
    spans = [span for span in _SPAN.findall(_FENCE.sub("", text)) if span.startswith(_STARTS) and " " in span]
    return [line for line in dict.fromkeys(lines + spans) if line and not line.startswith(("#", *ELSEWHERE))]


def cheap(line: str, folder: Path) -> tuple[dict[str, str], list[str]]:
    """The variables and words of a command line, made cheap: tests are collected only, targets are only printed, placeholders get a sample."""
    words = shlex.split(line)
    variables = {}
    while "=" in words[0]:
        name, _, variables[name] = words.pop(0).partition("=")
    words = [{"CAPTURE": SAMPLE, "RULE": "auth.loop", "DIR": str(folder), "FOLDER": str(folder)}.get(word, word) for word in words]
    program, rest = words[0], words[1:]
    if rest[:2] == ["-m", "tests.golden.equal"]:
        rest.append("--help")  # test_equal.py compares
    if rest[:2] == ["-m", "tests.property.twice"]:
        rest += ["--cases", "3"]
    python = program in {"python", ".venv/bin/python"}
    if program == "make":
        return variables, ["make", "--dry-run", *rest]
    if program == "winrm-analyzer":
        return variables, [sys.executable, "-m", "analyzer", *rest]
    if program.startswith(".venv/bin/") and not python:
        return variables, [sys.executable, "-m", program.removeprefix(".venv/bin/"), *rest, "--help"]
    if python and rest[:2] == ["-m", "pytest"]:
        narrow = [] if any(word.startswith("tests/") for word in rest) else ["tests/architecture/test_tests.py"]
        return variables, [sys.executable, *(word for word in rest if word != "tests"), *narrow, "--collect-only", "--quiet"]
    if python and rest[0] == "setup.py":
        return variables | {"WINRM_ANALYZER_NO_COMPILER": "1", "REQUIRE_COMPILED": ""}, [sys.executable, *rest]  # test_setup.py compiles
    if python and rest[0] == "docs/refresh.py":
        return variables, [sys.executable, *rest, "--check"]
    if python and rest[0] == "notebooks/run.py":
        return variables, [sys.executable, *rest, "none-of-them"]
    return variables, [sys.executable, *rest] if python else [program, *rest]


@pytest.mark.parametrize(("page", "line"), [(page, line) for page in PAGES for line in commands(page)])
def test_every_command_for_developers_runs(page: str, line: str, tmp_path: Path) -> None:
    variables, words = cheap(line, tmp_path)
    if words[0].startswith(".ci/"):
        assert os.access(ROOT / words[0], os.X_OK)
        words = ["bash", "-n", words[0]]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False, env=os.environ | variables)
    assert "Traceback" not in done.stderr
    stale = "docs/refresh.py" in line and done.returncode == 1  # which documents are stale is another test's business
    assert done.returncode == 0 or stale, done.stderr


@pytest.mark.parametrize("page", PAGES)
def test_pages_for_developers_have_commands(page: str) -> None:
    assert len(commands(page)) >= 5


def test_the_forge_only_calls_the_checks() -> None:
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    runs = [step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    assert runs == [".ci/run"]
    assert os.access(ROOT / ".ci" / "run", os.X_OK)


def test_the_container_has_the_packages_of_the_checks() -> None:
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    checks = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    wanted = {*re.findall(r"^needs \S+ (\S+)$", checks, re.MULTILINE), *re.findall(r"missing\+=\(([a-z0-9-]+)\)", checks)}
    installed = set(container["onCreateCommand"].partition(" install ")[2].split())
    assert len(wanted) >= 6
    assert wanted - installed == set()
    assert "REQUIRE_COMPILED=1" in container["postCreateCommand"]


def test_every_target_says_what_it_does() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = {name for line in re.findall(r"^\.PHONY: (.+)$", text, re.MULTILINE) for name in line.split()}
    targets = set(re.findall(r"^([a-z]+):", text, re.MULTILINE))
    assert phony == targets
