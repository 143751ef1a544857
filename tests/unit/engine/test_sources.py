"""Bytes are read back exactly, whatever the blocks that they are read in."""

import random
from pathlib import Path
from typing import BinaryIO

import pytest

from analyzer.engine.sources import Sources
from analyzer.records.capture import Capture
from analyzer.system.files import read_at

_DATA = random.Random(5).randbytes(4_000_000)


def sources(tmp_path: Path, data: bytes = _DATA) -> Sources:
    path = tmp_path / "a.pcap"
    path.write_bytes(data)
    return Sources([Capture(0, str(path), "a.pcap", "pcap", len(data))], None)


def test_any_order_and_size_gives_the_bytes_of_the_file(tmp_path: Path) -> None:
    chosen, opened = random.Random(1), sources(tmp_path)
    for _ in range(3000):
        at, size = chosen.randrange(len(_DATA) + 5000), chosen.choice((0, 1, 60, 1460, 4096, 70_000))
        assert opened.fetch(0, at, size) == _DATA[at : at + size]
    opened.close()


@pytest.mark.parametrize(("step", "most"), [(1460, 1.5), (100_000, 0.1)])
def test_dense_evidence_is_read_once_and_sparse_evidence_without_what_lies_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: int, most: float
) -> None:
    read: list[int] = []

    def counted(file: BinaryIO, size: int, at: int) -> bytes:
        data = read_at(file, size, at)
        read.append(len(data))
        return data

    monkeypatch.setattr("analyzer.engine.sources.read_at", counted)
    opened = sources(tmp_path)
    for at in range(0, len(_DATA), step):
        assert opened.fetch(0, at, 1460) == _DATA[at : at + 1460]
    opened.close()
    assert sum(read) < most * len(_DATA)
    assert len(read) < max(len(_DATA) / step + 1, 20), "one read for each piece at most"


def test_what_is_stored_after_a_look_at_it_is_seen(tmp_path: Path) -> None:
    opened = sources(tmp_path, b"x" * 100)
    source, first = opened.store(0, b"one")
    assert (source, opened.fetch(source, first, 3)) == (1, b"one")
    _, second = opened.store(0, b"two")
    assert opened.fetch(source, second, 3) == b"two"
    assert opened.fetch(source, first, 6) == b"onetwo"
    assert opened.fetch(0, 90, 20) == b"x" * 10
    opened.close()
