"""Commands by what their texts say: many short texts are searched at a time, since nearly none has what somebody looks for."""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from analyzer.records.wsman import Command

_MANY, _LONG = 256, 1 << 16
"""Commands of a block, and the characters after which it ends."""


def texts_of(command: Command) -> list[str]:
    """Its command line or script, and what is encoded in it."""
    return [text for text in (command.text, command.decoded) if text]


def blocks(commands: Sequence[Command], texts: Callable[[Command], list[str]] = texts_of) -> Iterator[tuple[int, str]]:
    """(number of commands, all of their texts in lines), in order."""
    rest = iter(commands)
    while some := list(islice(rest, _MANY)):
        found: list[str] = []
        number = size = 0
        for command in some:
            own = texts(command)
            found += own
            number += 1
            size += sum(map(len, own))
            if size > _LONG:
                yield number, "\n".join(found)
                found, number, size = [], 0, 0
        if number:
            yield number, "\n".join(found)


def saying(commands: Sequence[Command], words: Sequence[str], texts: Callable[[Command], list[str]] = texts_of) -> Iterator[Command]:
    """Those that stand beside one of these words (lower case, ASCII), whatever its case: others have none. Where a text is not ASCII, all are given: other
    letters can be the same as these where case does not count."""
    place = 0
    for number, whole in blocks(commands, texts):
        low = whole.lower()
        if not whole.isascii() or any(word in low for word in words):
            yield from commands[place : place + number]
        place += number
