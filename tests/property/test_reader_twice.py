"""Streams with holes are read alike by the compiled reader and by its source; and both as a list of bytes, some of them missing, says."""

import os
import random
from array import array
from types import ModuleType

import pytest

from analyzer.formats import forms, reader
from analyzer.formats.reader import Fetch, Reader
from analyzer.records.transport import Extents, Stream

CASES = int(os.environ.get("DAMAGED_CASES", "600"))
_STEPS = 40


class _Case:
    """A stream out of pieces of two files that lie in any order, near each other or not; ``whole`` has -1 where a byte is missing."""

    def __init__(self, dice: random.Random) -> None:
        files = [bytearray(dice.randbytes(dice.randrange(3000))) for _ in range(2)]
        rows: list[tuple[int, ...]] = []
        self.whole: list[int] = []
        self.carried: list[tuple[int, int, int]] = []
        for _ in range(dice.randrange(12)):
            if dice.random() < 0.25:
                self.whole += [-1] * dice.choice((1, 3, 400))
                continue
            size = dice.choice((0, 1, 7, 300, 1460, 9000))
            source = int(dice.random() < 0.1)
            file = files[source]
            file += dice.randbytes(dice.choice((0, 54, 54, 3000)))
            content = dice.randbytes(size // 2) + b"\n" + dice.randbytes(size - size // 2 - 1) if size else b""
            row = (len(self.whole), size, source, len(file), dice.randrange(1, 40), dice.randrange(1000), dice.randrange(-1, 500))
            file += content
            rows.append(row)
            self.whole += content
        if dice.random() < 0.2:
            dice.shuffle(rows)
            rows.sort()
        self.rows = rows
        columns = [array("q", column) for column in zip(*rows, strict=True)] or [array("q") for _ in range(7)]
        self.size = len(self.whole) + dice.choice((0, 0, 5))
        self.whole += [-1] * (self.size - len(self.whole))
        self.stream = Stream(Extents(*columns), (), self.size)
        cut = dice.randrange(len(files[0]) + 1) if dice.random() < 0.1 else None
        contents = [bytes(file) for file in files]
        self.short = cut is not None
        if cut is not None:
            contents[0] = contents[0][:cut]
        self.fetch: Fetch = lambda source, at, size: contents[source][at : at + size]

    def captured(self, start: int, end: int) -> bytes:
        """Up to the first byte that is missing."""
        found = bytearray()
        for one in self.whole[start : max(end, start)]:
            if one < 0:
                break
            found.append(one)
        return bytes(found)

    def packets(self, start: int, end: int) -> tuple[int, ...]:
        end = max(end, start + 1)
        return tuple(sorted({row[4] for row in self.rows if row[1] and row[0] < end and row[0] + row[1] > start}))


def _told(work: Reader, module: ModuleType, dice: random.Random, size: int) -> object:
    start, end = dice.randrange(size + 1), dice.randrange(size + 1)
    work.at = dice.choice((work.at, work.at, start))
    name = dice.choice(
        ("peek", "take", "until", "read", "pieces", "missing", "packets", "times", "place", "near_packet", "acked", "next_data", "index", "moved")
    )
    most = dice.choice((0, 1, 5, 700, 5000, 70_000))
    try:
        if name in ("peek", "take"):
            return name, work.at, getattr(work, name)(most), work.at
        if name == "until":
            return name, work.at, work.until(dice.choice((b"\n", b"\x00\x01")), most + 1), work.at
        if name == "read":
            return name, start, end, work.read(start, end)
        if name == "pieces":
            stops = dice.random() < 0.5
            return name, start, end, stops, b"".join(work.pieces(start, end, stop_at_gap=stops))
        if name in ("missing", "packets", "times", "place"):
            return name, start, end, getattr(work, name)(start, end)
        if name == "moved":
            return name, start, work.moved(start).peek(most)
        return name, start, getattr(work, name)(start)
    except (module.Short, module.Hole) as error:
        return name, work.at, type(error).__name__


@pytest.mark.parametrize("number", range(0, CASES, 100))
def test_damaged_streams_are_read_alike(number: int) -> None:
    source = forms.source(reader)
    for each in range(number, number + 100):
        case = _Case(random.Random(each))
        first, second = Reader(case.stream, case.fetch), source.Reader(case.stream, case.fetch)
        dice = random.Random(-each)
        for _ in range(_STEPS):
            step = dice.random()
            told = _told(first, reader, random.Random(step), case.size)
            assert told == _told(second, source, random.Random(step), case.size), f"case {each}"


@pytest.mark.parametrize("number", range(0, CASES, 100))
def test_a_stream_is_read_as_it_lies(number: int) -> None:
    for each in range(number, number + 100):
        case = _Case(random.Random(each))
        if case.short:
            continue
        dice = random.Random(each)
        work = Reader(case.stream, case.fetch)
        for _ in range(_STEPS):
            start, end = dice.randrange(case.size + 1), dice.randrange(case.size + 1)
            assert work.read(start, end) == case.captured(start, end), f"case {each}"
            work.at = start
            assert work.peek(end) == case.captured(start, start + end)
            assert b"".join(work.pieces(start, end)) == bytes(one for one in case.whole[start:end] if one >= 0)
            assert b"".join(work.pieces(start, end, stop_at_gap=True)) == case.captured(start, end)
            assert work.missing(start, end) == sum(one < 0 for one in case.whole[start:end])
            assert work.packets(start, end) == case.packets(start, end)
