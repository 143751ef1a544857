"""Scenes that are made to be read wrong: what is hidden is shown, and the harmless twin is not accused."""

from pathlib import Path

from analyzer import analyze
from tests.build.deceptions import HIDDEN, SHOWN, length_that_lies


def test_a_length_that_lies_hides_no_command(tmp_path: Path) -> None:
    case = analyze(length_that_lies(tmp_path))
    assert list(case.commands["text"]) == [SHOWN, HIDDEN, "exit"]
    assert "http.framing-conflict" in list(case.issues["code"])
    assert HIDDEN in case.transcript()


def test_a_true_length_is_nothing_odd(tmp_path: Path) -> None:
    case = analyze(length_that_lies(tmp_path, lies=False))
    assert list(case.commands["text"]) == [SHOWN, HIDDEN, "exit"]
    assert list(case.issues["code"]) == []
