"""How far commands are searched: how many places are kept, how much of each text is looked at, and when the time is over."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from analyzer.records.issues import Issue
from analyzer.records.wsman import Command
from analyzer.sigma.events import texts_of


def _never() -> bool:
    return False


class Bounds(NamedTuple):
    """``most`` hits, ``characters`` of each text, until ``over``; ``told`` names the limit of time as issues do."""

    most: int = 10_000
    characters: int = 4 << 20
    over: Callable[[], bool] = _never
    told: str = "seconds"

    def longer(self, command: Command) -> Iterator[Issue]:
        """An issue for each text of a command that is not searched whole."""
        for text in texts_of(command):
            if len(text) > self.characters:
                told = f"searched_characters={self.characters}: {len(text) - self.characters} later characters of a text of {command.id} were not searched"
                yield Issue("sigma.limit", told, command.id, command.capture)

    def late(self, left: int, rules: str) -> Issue:
        """The issue of commands that there was no time for."""
        return Issue("sigma.limit", f"{self.told}: {left} commands were not searched by {rules}", repeats=left)


EVERYTHING = Bounds()
