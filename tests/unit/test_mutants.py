"""The mutants are at edges, one change each, the same for a seed; and the runner tells a change that a test notices from one that no test does."""

import ast
from pathlib import Path

import pytest

from tests.mutants import run
from tests.mutants.edges import Mutant, drawn, mutants

SOURCE = '''"""Ünïcode before 3 < 4."""
from typing import Literal
N: Literal[5] = 7  # a < b
def f(a: int, b: int) -> bool:
    if not a and (b < 3 or a is not None):  # or
        return f"{a == 1}" in ("x", "y")
    return a not in (b,) and 0.5 >= b
'''


def changes() -> list[tuple[str, str]]:
    return [(one.before, one.after) for one in mutants("a.py", SOURCE)]


def test_edges_are_found_and_nothing_else_is() -> None:
    found = changes()
    wanted = [("7", "6"), ("7", "8"), ("not ", ""), ("and", "or"), ("<", "<="), ("3", "2"), ("3", "4"), ("or", "and"), ("is not", "is"), ("in", "not in")]
    assert found[: len(wanted)] == wanted
    assert found[len(wanted) :] == [("not in", "in"), ("and", "or"), ("0.5", "0.495"), ("0.5", "0.505"), (">=", ">")]


def test_every_mutant_is_a_program_with_one_change() -> None:
    whole = ast.dump(ast.parse(SOURCE))
    for one in mutants("a.py", SOURCE):
        changed = one.applied(SOURCE)
        assert ast.dump(ast.parse(changed)) != whole
        assert len(changed) - len(SOURCE) == len(one.after) - len(one.before)
        assert SOURCE.splitlines()[one.line - 1].strip() in one.told(SOURCE)


def test_a_seed_draws_the_same_ones_from_every_folder() -> None:
    once, again, other = (drawn(run.ROOT, run.FOLDERS, 10, seed) for seed in (3, 3, 4))
    assert once == again != other
    assert [sum(one.path.startswith(folder) for one in once) for folder in run.FOLDERS] == [4, 3, 3]


@pytest.mark.parametrize(
    ("path", "tests"),
    [
        ("analyzer/rules/auth/loop.py", ("tests/rules/test_auth_loop.py",)),
        ("analyzer/rules/reading.py", ("tests/rules",)),
        ("analyzer/capture/pcap.py", ("tests/unit/capture", "tests/unit/transport")),
        ("analyzer/auth/schemes/ntlm.py", ("tests/unit/auth", "tests/unit/sealing")),
    ],
)
def test_the_tests_of_a_file(path: str, tests: tuple[str, ...]) -> None:
    assert run.concerning(path) == tests


def test_what_a_family_of_rules_shares_concerns_its_tests() -> None:
    assert len(run.concerning("analyzer/rules/tls/_handshakes.py")) > 3


def test_named_tests_are_there() -> None:
    assert [name for name in (*run.WIDE, *run.NOT_ASKED, *(one for _, names in run.NEAR for one in names)) if not (run.ROOT / name).exists()] == []


@pytest.fixture
def small(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for folder in ("analyzer/rules/auth", "tests/rules"):
        (root / folder).mkdir(parents=True)
    (root / "pyproject.toml").write_text('[tool.pytest.ini_options]\npythonpath = ["."]\n', encoding="utf-8")
    (root / "analyzer/rules/auth/one.py").write_text("LEAST = 3\nMOST = 9\n", encoding="utf-8")
    test = "from analyzer.rules.auth.one import LEAST, MOST\n\ndef test_least():\n    assert LEAST == 3\n"
    (root / "tests/rules/test_auth_one.py").write_text(test, encoding="utf-8")
    return root


def test_survivors_are_told(small: Path, tmp_path: Path) -> None:
    path = "analyzer/rules/auth/one.py"
    text = (small / path).read_text(encoding="utf-8")
    trials = run.Trials(tmp_path / "copies", 1, small)
    verdicts = [trials.verdict(one, ()) for one in mutants(path, text)[1:3]]
    assert [(one.mutant.before, one.mutant.after, one.killed_by) for one in verdicts] == [("3", "4", "near"), ("9", "10", "")]
    assert (small / path).read_text(encoding="utf-8") == text
    told = run.told(verdicts, small)
    assert told.splitlines()[0] == "2 mutants: 1 noticed by the tests of their file, 1 survived"
    assert told.splitlines()[1] == f"survived {path}:2: 9 -> 10: MOST = 9"


def test_tests_that_do_not_end_are_told_apart(small: Path, tmp_path: Path) -> None:
    assert run.copied(small, tmp_path / "copy").tried(None, ("tests",), 0.001) == "time"


def test_tests_that_fail_without_a_mutant_prove_nothing(small: Path, tmp_path: Path) -> None:
    (small / "tests/rules/test_auth_one.py").write_text("def test_it():\n    assert False\n", encoding="utf-8")
    trials = run.Trials(tmp_path / "copies", 1, small)
    assert trials.verdict(Mutant("analyzer/rules/auth/one.py", 1, 8, 9, "3", "2"), ()).killed_by == "untried"
