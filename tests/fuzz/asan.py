"""Damaged captures and pieces of messages through the compiled modules, in one process: make asan builds these with AddressSanitizer before.

An error that it finds ends the process with its report. What is read is drawn by number, as in `tests/fuzz/command.py`.
"""

import random
import sys
from collections.abc import Sequence

from analyzer.capture import flows, kernel, table, verdicts
from analyzer.formats import lz77, reader
from analyzer.http import walk
from analyzer.psrp import strings
from analyzer.transport import columns, plain
from analyzer.wsman import marks, ordinary, shapes
from tests.fuzz.command import mutant
from tests.fuzz.targets import TARGETS
from tests.property.damage import damaged

_COMPILED = (table, verdicts, flows, kernel, lz77, reader, columns, plain, walk, strings, marks, ordinary, shapes)
_PIECES = ("http", "xml", "fragments", "xpress", "raw-tokens")
"""Targets that read through what is compiled besides the kernel."""
_EACH = 4


def main(words: Sequence[str]) -> int:
    """Reads so many captures, and pieces for each; the number is the only argument."""
    for module in _COMPILED:
        if "/asan/" not in (module.__file__ or "") or (module.__file__ or "").endswith(".py"):
            print(f"{module.__name__} is not the one that was compiled for this: {module.__file__}", file=sys.stderr)
            return 2
    most = int(words[0])
    seeds = {name: list(TARGETS[name].begins()) for name in _PIECES}
    pieces = 0
    for number in range(most):
        TARGETS["capture"].read(mutant(number))
        dice = random.Random(number)
        for name in _PIECES * _EACH:
            todo = [
                (dice.choice(("overwrite", "cut", "double", "end")), dice.random(), dice.random(), dice.randrange(1, 60), bytes([dice.randrange(256)]))
                for _ in range(3)
            ]
            TARGETS[name].read(damaged(dice.choice(seeds[name]), todo))
            pieces += 1
        if number % 500 == 499 or number == most - 1:
            print(f"{number + 1:,} damaged captures and {pieces:,} damaged pieces: AddressSanitizer found nothing", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
