"""A capture that a rotating capture program cut anywhere tells what it tells in one piece.

Each sample is cut into two files behind some of its packets, and into files of ten packets; the tables of the files are those of the whole capture, packet
numbers and names of captures put back. Where to cut is drawn from the sample's name, besides the places where structure ends: behind the handshake, and in the
middle. `WINRM_CUTS=all` cuts behind every packet of every sample (an hour).
"""

import os
import random
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import analyzer
from analyzer.api import Case
from tests.build.pieces import Cuttable, Names, comparable, cuttable, pieces

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
EVERYWHERE = os.environ.get("WINRM_CUTS") == "all"
DRAWN = 1
Tables = dict[str, list[tuple[object, ...]]]


class Sample(NamedTuple):
    """A sample's captures, the one that is cut, and the secrets that open it."""

    files: tuple[Path, ...]
    cut: Path
    secrets: Path | None


def _samples() -> Iterator[str]:
    for folder in sorted(SAMPLES.iterdir()):
        if any(_is_cuttable(file) for file in folder.iterdir()):
            yield folder.name


def _is_cuttable(file: Path) -> bool:
    return file.suffix in (".pcap", ".pcapng")


@cache
def _sample(name: str) -> Sample:
    folder = SAMPLES / name
    files = tuple(sorted(file for file in folder.iterdir() if _is_cuttable(file)))
    secrets = folder / "secrets.toml"
    return Sample(files, random.Random(name).choice(files), secrets if secrets.exists() else None)


def _analyzed(sample: Sample, files: Sequence[Path]) -> Case:
    return analyzer.analyze(list(files), secrets=sample.secrets)


@cache
def _whole(name: str) -> Tables:
    sample = _sample(name)
    return comparable(_analyzed(sample, sample.files), Names({file.name: (file.name, 0) for file in sample.files}))


def _in_pieces(name: str, whole: Cuttable, ends: Sequence[int], folder: Path, named: str) -> Tables:
    """The tables of the sample with its capture in files that end behind the packets ``ends``."""
    sample = _sample(name)
    stem, suffix = sample.cut.stem, sample.cut.suffix
    made = pieces(whole, ends, folder, lambda place: named.format(stem=stem, place=place, letter=chr(96 + place)) + suffix)
    names = {file.name: (file.name, 0) for file in sample.files if file != sample.cut}
    names |= {path.name: (sample.cut.name, before) for path, before in made}
    files = [path for file in sample.files for path in ([piece for piece, _ in made] if file == sample.cut else [file])]
    case = _analyzed(sample, files)
    found = comparable(case, Names(names))
    if len({one.point for one in case.evidence.captures}) > len(sample.files):
        # By names of no series, with no connection open at the cut, nothing tells that two files are of one capture point: each point has clocks of its own.
        assert {row[0] for row in found["clocks"]} == {row[0] for row in _whole(name)["clocks"]}
        found["clocks"] = _whole(name)["clocks"]
    return found


def _cuts(name: str, whole: Cuttable) -> list[int]:
    last = whole.packets - 1
    if EVERYWHERE:
        return list(range(1, last + 1))
    drawn = random.Random(name)
    return sorted({min(3, last), *(drawn.randint(1, last) for _ in range(DRAWN))}) if last > 0 else []


@pytest.mark.slow
@pytest.mark.parametrize("name", list(_samples()))
def test_cut_in_two_anywhere(name: str, tmp_path: Path) -> None:
    whole = cuttable(_sample(name).cut.read_bytes())
    assert whole is not None
    for place, end in enumerate(_cuts(name, whole)):
        named = "{stem}_{place:05d}" if place % 2 else "{letter}-{stem}"
        assert _in_pieces(name, whole, [end], tmp_path, named) == _whole(name), f"cut behind packet {end}"


@pytest.mark.slow
@pytest.mark.parametrize("name", list(_samples()))
def test_in_files_of_ten_packets(name: str, tmp_path: Path) -> None:
    whole = cuttable(_sample(name).cut.read_bytes())
    assert whole is not None
    assert _in_pieces(name, whole, range(10, whole.packets, 10), tmp_path, "{stem}_{place:05d}") == _whole(name)
