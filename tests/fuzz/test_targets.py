"""Each fuzz target, on its seeds, on what once broke it, and on seeds that are damaged: a bounded run that draws the same examples each time."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.targets import TARGETS
from tests.property.budget import whole_run
from tests.property.damage import damaged, edits

INPUTS = Path(__file__).parent / "inputs"
FOUND = [(path.parent.name, path) for path in sorted(INPUTS.glob("*/*"))]


@cache
def begins(name: str) -> tuple[bytes, ...]:
    return tuple(TARGETS[name].begins())


@pytest.mark.parametrize("name", TARGETS)
def test_a_target_has_seeds_and_reads_them(name: str) -> None:
    assert begins(name)
    for data in begins(name):
        TARGETS[name].read(data)


@pytest.mark.parametrize(("name", "path"), FOUND, ids=[f"{name}/{path.name}" for name, path in FOUND])
def test_what_once_broke_a_target_is_read(name: str, path: Path) -> None:
    TARGETS[name].read(path.read_bytes())


@pytest.mark.slow
@pytest.mark.parametrize("name", TARGETS)
@whole_run
@given(data=st.data(), todo=edits)
def test_a_target_reads_damaged_seeds(name: str, data: st.DataObject, todo: list[tuple[str, float, float, int, bytes]]) -> None:
    TARGETS[name].read(damaged(data.draw(st.sampled_from(begins(name))), todo))
