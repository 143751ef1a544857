"""How a process ends: its records go with it, not one by one."""

import subprocess
import sys
from typing import Any, cast

import pytest

from analyzer.api import Case
from analyzer.cli import analysis

ENDS = """
import sys
from analyzer.api import Case
from analyzer.cli import analysis, start

class Told:
    def __del__(self):
        print("freed")

def run(_):
    case = Case.__new__(Case)
    case.result = Told()
    analysis._stay(case)
    return 0

start.run = run
start.main()
"""


class _Counted:
    def __init__(self, gone: list[int], number: int) -> None:
        self.gone, self.number = gone, number

    def __del__(self) -> None:
        self.gone.append(self.number)


def test_the_last_records_are_not_freed_before_the_process_is_gone() -> None:
    ended = subprocess.run([sys.executable, "-c", ENDS], capture_output=True, text=True, check=True)
    assert ended.stdout == ""


def test_in_a_process_that_goes_on_they_are_gone_once_there_are_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "_LAST", [])
    gone: list[int] = []
    for number in range(3):
        case = Case.__new__(Case)
        case.result = cast("Any", _Counted(gone, number))
        analysis._stay(case)
        del case
    assert gone == [0, 1]
