"""Remains of captures: a few packets out of the middle of one, beside those of another that has nothing to do with it. Nothing raises, and nothing of the two
is joined."""

import os
import random
from pathlib import Path

import pytest

import analyzer
from analyzer.errors import AnalyzerError
from tests.build.pieces import cuttable

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
TRIES = int(os.environ.get("WINRM_REMAINS", "120"))


def _remains(folder: Path, draw: random.Random, path: Path) -> Path | None:
    files = sorted(file for file in folder.iterdir() if file.suffix in (".pcap", ".pcapng"))
    whole = cuttable(draw.choice(files).read_bytes()) if files else None
    if whole is None:
        return None
    begin = draw.randint(2, max(whole.packets, 2))
    made = path.with_suffix(".pcapng" if not whole.head else ".pcap")
    made.write_bytes(whole.piece(begin, begin + draw.choice((0, 2, 7, 20, 1000))))
    return made


@pytest.mark.slow
def test_remains_are_read_and_never_joined(tmp_path: Path) -> None:
    draw = random.Random(7)
    folders = sorted(folder for folder in SAMPLES.iterdir() if folder.is_dir())
    kept = 0
    for number in range(TRIES):
        one, other = draw.sample(folders, 2)
        files = [_remains(folder, draw, tmp_path / f"{name}{number}") for folder, name in ((one, "left"), (other, "right"))]
        given = [file for file in files if file is not None]
        try:
            evidence = analyzer.analyze(given).evidence
        except AnalyzerError:
            continue
        kept += len(evidence.connections)
        point = {identity: connection.point for identity, connection in evidence.connections.items()}
        for hop in evidence.hops:
            assert point[hop.near_connection] == point[hop.far_connection], f"{one.name} and {other.name}: {hop}"
        for route in evidence.routes:
            assert {point[route.client_connection]} == {point[far] for far in route.upstream_connections}, f"{one.name} and {other.name}: {route}"
        assert all(connection.twin_of is None or point[connection.twin_of] == connection.point for connection in evidence.connections.values())
    assert kept > TRIES
