"""Parts of one thing that a sender multiplies: what four times as many cost is measured where the work is done, in one process."""

import gc
import time
from collections.abc import Callable

import pytest

from analyzer.pseudonyms.blanks import Blanks
from analyzer.pseudonyms.streams import Direction, Part
from analyzer.pseudonyms.texts import Texts
from analyzer.psrp.parts import Place
from analyzer.psrp.shells import shells
from analyzer.records.wsman import Operation, StreamPiece
from tests.unit.psrp.test_fragments import fragments, message
from tests.unit.psrp.test_shells import POWERSHELL, operation, piece

_MORE, _QUADRATIC = 4, 8.0
Work = Callable[[], object]


def _read(operations: list[Operation], listings: list[Operation]) -> Work:
    places = {one.exchange: Place("c1", "10.0.0.1", "10.0.0.9", "alice", 0) for one in (*operations, *listings)}
    return lambda: shells(operations, places.__getitem__, listings=listings)


def listings(count: int) -> Work:
    """Shells of one id, one after the other, and what a server tells of it in between."""
    begun = [operation(number, name) for number in range(count) for name in ("Create", "CreateResponse")]
    told = [operation(count + number, "EnumerateResponse", ts_ns=number * 1000, said=(("0A", (("State", "Connected"),)),)) for number in range(count)]
    return _read(begun, told)


def commands(count: int) -> Work:
    """Commands of one shell, each with answers."""
    found = []
    for number in range(count):
        found.append(operation(2 * number, "Command", command="x", command_id=f"{number:08X}"))
        found += [operation(2 * number + 1, "ReceiveResponse", command_id=f"{number:08X}", state="Running")]
    return _read(found, [])


def without_ids(count: int) -> Work:
    """Commands whose ids are nowhere in the capture, and answers to others."""
    asked = [operation(number, "Command", command="x") for number in range(count)]
    return _read([*asked, *(operation(count + number, "ReceiveResponse", command_id="0B", state="Running") for number in range(count))], [])


def lost_answers(count: int) -> Work:
    """Uses of one id of which the answers are lost."""
    pairs = ((operation(number, "Command", command="x", command_id="0B"), operation(number, "CommandResponse", lost=True)) for number in range(count))
    return _read([one for pair in pairs for one in pair], [])


def begun_objects(count: int) -> Work:
    """Uses of one id in PowerShell, each with an object that never ends."""
    found = []
    for number in range(count):
        found.append(operation(2 * number, "CommandResponse", uri=POWERSHELL, command_id="0B"))
        first = fragments(message("<S>a text that is longer than a fragment</S>"), identity=number + 10, size=40)[0]
        found.append(operation(2 * number + 1, "ReceiveResponse", uri=POWERSHELL, command_id=f"{number + 100:08X}", streams=(piece(first),)))
    return _read(found, [])


def objects_of_one_number(count: int) -> Work:
    """Objects that never end, all under one number, each under a command of its own."""
    first = fragments(message("<S>a text that is longer than a fragment</S>"), identity=10, size=40)[0]
    pieces = (StreamPiece("stdout", f"{number:08X}", first, end=False) for number in range(count))
    asked = [operation(place, "ReceiveResponse", uri=POWERSHELL, command_id=one.command_id, streams=(one,)) for place, one in enumerate(pieces)]
    return _read(asked, [])


def _replaced(parts: list[Part], pieces: list[tuple[int, bytes]]) -> Work:
    def work() -> None:
        direction = Direction(0, parts)
        for at, data in pieces:
            direction.add(at, data)
        direction.close(Texts(b"k" * 16, {}, {}), Blanks(), ())

    return work


def runs_of_messages(count: int) -> Work:
    """Messages with a hole between each and the next."""
    return _replaced([Part(100 * number, 100 * number + 90, "head") for number in range(count)], [(100 * number, b"A: b\r\n") for number in range(count)])


def runs_of_a_body(count: int) -> Work:
    """Chunks of one body with a hole in each."""
    spans = tuple((100 * number, 90) for number in range(count))
    return _replaced([Part(0, 100 * count, "body", spans)], [(100 * number, b"<a>") for number in range(count)])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("make", "few"),
    [
        (listings, 1500),
        (commands, 1000),
        (without_ids, 1500),
        (lost_answers, 1000),
        (begun_objects, 2500),
        (objects_of_one_number, 1500),
        (runs_of_messages, 1500),
        (runs_of_a_body, 1500),
    ],
)
def test_four_times_as_many_cost_four_times(make: Callable[[int], Work], few: int) -> None:
    works = [make(few), make(_MORE * few)]
    spent = [float("inf")] * 2
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            for place, work in enumerate(works):
                begin = time.process_time()
                work()
                spent[place] = min(spent[place], time.process_time() - begin)
    finally:
        gc.enable()
    assert spent[1] / spent[0] < _QUADRATIC
