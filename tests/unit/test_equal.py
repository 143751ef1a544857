"""The comparison of two states of the project sees a cell that differs (tests/golden/equal.py)."""

from pathlib import Path

from tests.golden import equal
from tests.golden.equal import Asked, differences

ROOT = Path(__file__).parents[2]


def test_every_cell_counts() -> None:
    old = {"issues": [{"code": "'a'", "detail": "'b'"}, {"code": "'c'", "detail": "'d'"}]}
    assert list(differences(old, old)) == []
    assert list(differences(old, {"issues": [{"code": "'a'", "detail": "'b'"}, {"code": "'c'", "detail": "'e'"}]})) == ["issues row 1 detail: 'd' became 'e'"]
    assert list(differences(old, {"issues": old["issues"][:1]})) == ["issues: 2 rows became 1"]
    assert list(differences(old, {})) == ["issues: no longer there"]


def test_what_is_new_is_no_difference() -> None:
    assert list(differences({"issues": [{"code": "'a'"}]}, {"issues": [{"code": "'a'", "place": "None"}], "files": []})) == []


def test_a_tree_is_asked_with_its_own_sources() -> None:
    sample = next(one for one in equal.samples(ROOT / "sample_pcaps") if one.secrets)
    found = equal.compared(ROOT, [sample, Asked((str(ROOT / "no-such.pcap"),))], "not compiled")
    assert found == {}


def test_the_cells_are_those_of_the_tables() -> None:
    sample = next(equal.samples(ROOT / "sample_pcaps"))
    found = equal.cells(sample)
    assert found["connections"]
    assert found["connections"][0]["client_ip"].startswith("'10.")
    assert list(differences(found, {**found, "connections": []})) == [f"connections: {len(found['connections'])} rows became 0"]
