"""What a scheduler (`analyzer.engine.schedulers`) may do while the jobs of a stage are done."""

from collections.abc import Callable, Sequence
from typing import Any, Protocol

Done = Callable[[int, int], None]
"""Told how many of how many jobs are done."""


class Along(Protocol):
    """A job that goes along with the jobs of a stage: one worker does it again and again with what is there by then, and holds what that came to."""

    @property
    def work(self) -> Callable[[Any], Any]:
        """The job."""
        ...

    def ask(self, found: Sequence[Any]) -> object | None:
        """What it is asked when these results are there, those of the first jobs in order; None: nothing."""
        ...

    @property
    def told(self) -> Callable[[Any], bool]:
        """Takes what it gave; whether its worker holds what that came to."""
        ...
