"""A compilation that fails is no reason not to install, unless REQUIRE_COMPILED says that it is. Tried with the project's setup.py and a module of one line."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FAILING = {"CC": "false", "LDSHARED": "false"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    text, number = re.subn(r"^COMPILED = \(.*?^\)$", 'COMPILED = ("tiny",)', (ROOT / "setup.py").read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert number == 1
    text, number = re.subn(r"^WRITTEN_IN_C = .*$", "WRITTEN_IN_C = ()", text, flags=re.MULTILINE)
    assert number == 1
    (tmp_path / "setup.py").write_text(text, encoding="utf-8")
    (tmp_path / "tiny.py").write_text("FOUND = 1\n", encoding="utf-8")
    return tmp_path


def built(project: Path, **variables: str) -> tuple[int, bool]:
    """How the build ended, and whether something was compiled."""
    left_out = {"REQUIRE_COMPILED", "WINRM_ANALYZER_NO_COMPILER"}
    environment = {name: value for name, value in os.environ.items() if name not in left_out} | variables
    command = [sys.executable, "setup.py", "--quiet", "build_ext", "--inplace"]
    done = subprocess.run(command, cwd=project, capture_output=True, check=False, env=environment)
    return int(done.returncode != 0), bool(list(project.glob("tiny*.so")))


def test_a_compiler_that_fails_does_not_stop_the_installation(project: Path) -> None:
    assert built(project, **FAILING) == (0, False)
    assert built(project, **FAILING, REQUIRE_COMPILED="0") == (0, False)


def test_a_compiler_that_fails_is_an_error_where_compilation_is_required(project: Path) -> None:
    assert built(project, **FAILING, REQUIRE_COMPILED="1") == (1, False)


def test_nobody_can_require_what_he_forbids(project: Path) -> None:
    assert built(project, WINRM_ANALYZER_NO_COMPILER="1") == (0, False)
    assert built(project, WINRM_ANALYZER_NO_COMPILER="1", REQUIRE_COMPILED="1") == (1, False)


@pytest.mark.skipif(shutil.which("cc") is None and shutil.which("gcc") is None, reason="no C compiler")
def test_where_there_is_a_compiler_the_module_is_compiled(project: Path) -> None:
    assert built(project, REQUIRE_COMPILED="1") == (0, True)


def test_ci_requires_it() -> None:
    text = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "export REQUIRE_COMPILED=1" in text
    assert text.index("export REQUIRE_COMPILED=1") < text.index("make lint")
