"""A rotating capture of thousands of files: read with few of them open, named once on the first screen."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.build.pieces import Cuttable, cuttable

SAMPLE = Path(__file__).resolve().parents[3] / "sample_pcaps" / "direct-ntlm-healthy" / "capture.pcap"
FILES, OPEN = 3000, 256
_SOURCE, _TARGET = 16 + 14 + 12, 16 + 14 + 16
"""Where a record of Ethernet has its IPv4 addresses."""


def _again(whole: Cuttable, times: int, second: int) -> list[bytes]:
    """The records of a capture ``times`` times, each time by another client and later."""
    found = []
    client = whole.records[0][2][_SOURCE : _SOURCE + 4]
    for turn in range(times):
        other = client[:1] + bytes((100 + turn // 250, turn % 250 + 1)) + client[3:]
        for number, (_, _, record) in enumerate(whole.records):
            head = struct.pack("<II", second + turn, number * 1000) + record[8:_SOURCE]
            ends = [other if end == client else end for end in (record[_SOURCE:_TARGET], record[_TARGET : _TARGET + 4])]
            found.append(head + b"".join(ends) + record[_TARGET + 4 :])
    return found


def _run(folder: Path, *options: str) -> str:
    code = f"import resource, sys; resource.setrlimit(resource.RLIMIT_NOFILE, ({OPEN}, {OPEN})); from analyzer.cli.start import main; main()"
    given = [sys.executable, "-c", code, "analyze", str(folder), *options]
    done = subprocess.run(given, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "100"})
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_thousands_of_files_with_few_open(tmp_path: Path) -> None:
    whole = cuttable(SAMPLE.read_bytes())
    assert whole is not None
    times = FILES * 3 // whole.packets
    records = _again(whole, times, 1_800_000_000)
    for place in range(FILES):
        some = records[place * len(records) // FILES : (place + 1) * len(records) // FILES]
        (tmp_path / f"ring_{place:05d}.pcap").write_bytes(whole.head + b"".join(some))
    told = json.loads(_run(tmp_path, "-f", "json"))
    assert {row["capture_point"] for row in told["captures"]} == {"ring_00000.pcap"}
    assert sum(row["winrm_connections"] for row in told["captures"]) == times
    assert {row["code"] for row in told["issues"]} == {row["code"] for row in json.loads(_run(SAMPLE, "-f", "json"))["issues"]}
    screen = _run(tmp_path)
    assert "ring_00000.pcap to ring_02999.pcap  3,000 files, pcap" in screen
    assert len(screen.splitlines()) < 80
