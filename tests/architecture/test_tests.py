"""The tests do not measure the machine: a clock is read only where two measurements of one run are compared, and no example has a deadline."""

import ast
from pathlib import Path

import pytest
from hypothesis import settings

TESTS = Path(__file__).parents[1]
FILES = sorted(TESTS.rglob("*.py"))
MEASURE = {
    "property/test_growth_within.py": "what four times as many of one thing cost, as a ratio",
    "property/test_growth_events.py": "what four times as many events of host logs cost, as a ratio",
    "property/test_growth_parts.py": "what four times as many parts of one thing cost, as a ratio",
    "rules/test_growth.py": "what four times the evidence costs, as a ratio",
    "unit/reports/test_typed_growth.py": "what four times a hostile text costs, as a ratio",
    "hostile/pumping.py": "what four times the text costs a pattern, as a ratio",
    "unit/wsman/test_structure.py": "what four times an envelope costs, as a ratio",
    "unit/story/test_same_names.py": "what four times as many hosts with one name cost, as a ratio",
    "property/test_format_growth.py": "what four times the bytes of a hostile capture cost, as a ratio",
    "build/clusters.py": "how long a cluster on loopback is waited for; no test of its own",
    "mutants/run.py": "what ends tests that would run without end, as a ratio; no test of its own",
}
"""The files that may read a clock, and why."""
_CLOCKS = {"time", "perf_counter", "perf_counter_ns", "monotonic", "monotonic_ns", "process_time", "process_time_ns", "thread_time", "time_ns", "getrusage"}
_HOMES = {"time", "timeit", "resource"}
_PROFILE = {"deadline", "derandomize", "suppress_health_check", "database"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_no_test_reads_a_clock(path: Path) -> None:
    name = path.relative_to(TESTS).as_posix()
    read = _clocks(path.read_text(encoding="utf-8"))
    assert name in MEASURE or read == [], f"{read}: a test that asks for seconds measures the machine; compare two measurements in {list(MEASURE)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_how_examples_are_drawn_stands_in_the_profile_only(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "settings"]
    own = {word.arg for call in calls for word in call.keywords} & _PROFILE
    assert own == set(), "tests/conftest.py has the profile of all properties"


def test_the_profile_has_no_deadline() -> None:
    assert settings().deadline is None


def test_every_file_that_measures_is_there() -> None:
    assert {name for name in MEASURE if _clocks((TESTS / name).read_text(encoding="utf-8"))} == set(MEASURE)


def test_clocks_are_seen() -> None:
    assert _clocks("import time as t\nfrom time import perf_counter as p\nx = t.monotonic()\n") == ["perf_counter", "monotonic"]
    assert _clocks("import time\ntime.sleep(1)\n") == []


def _clocks(text: str) -> list[str]:
    tree = ast.parse(text)
    homes = {alias.asname or alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names if alias.name in _HOMES}
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in _HOMES:
            found += [alias.name for alias in node.names if alias.name in _CLOCKS]
        if isinstance(node, ast.Attribute) and node.attr in _CLOCKS and isinstance(node.value, ast.Name) and node.value.id in homes:
            found.append(node.attr)
    return found
