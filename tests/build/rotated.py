"""Samples cut into the files of a ring buffer, and all that tables say of a set of files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from analyzer.api import Case
from analyzer.tables.registry import TABLES
from tests.build.pieces import cuttable, pieces

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
Cells = dict[str, list[tuple[Any, ...]]]


def capture_of(name: str) -> Path:
    """The first capture of a sample."""
    return next(path for path in sorted((SAMPLES / name).iterdir()) if path.suffix in (".pcap", ".pcapng"))


def rotated(names: Sequence[str], each: int, folder: Path, capture: Path | None = None) -> list[Path]:
    """The captures of these samples (``capture``: this one), each cut into ``each`` files (fewer where it has fewer packets) with numbers in their names."""
    found: list[Path] = []
    for name in names:
        path = capture or capture_of(name)
        whole = cuttable(path.read_bytes())
        assert whole is not None
        step = max(whole.packets / each, 1.0)
        ends = sorted({int(step * place) for place in range(1, each)} & set(range(1, whole.packets)))
        into = folder / name
        into.mkdir(parents=True)
        suffix = path.suffix
        found += [one for one, _ in pieces(whole, ends, into, lambda place, name=name, suffix=suffix: f"{name}_{place:05d}{suffix}")]  # type: ignore[misc]
    return found


def all_cells(case: Case) -> Cells:
    """Every table."""
    return {table.name: case.cells(table.name) for table in TABLES}


def differing(one: Cells, other: Cells) -> list[str]:
    """The tables that are not equal."""
    return [name for name in one if one[name] != other[name]]
