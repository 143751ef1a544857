"""The log files of notebooks 08 and 10 are what their script makes of the captures."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MADE = ("conn.log", "eve.json", "events.jsonl", "session.jsonl")


@pytest.mark.tshark
@pytest.mark.skipif(shutil.which("tshark") is None, reason="needs tshark")
def test_the_logs_are_made_of_the_capture(tmp_path: Path) -> None:
    folder = tmp_path / "notebooks" / "data"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "notebooks" / "data" / "make_logs.py", folder)
    (tmp_path / "sample_pcaps").symlink_to(ROOT / "sample_pcaps")
    subprocess.run([sys.executable, str(folder / "make_logs.py")], check=True, timeout=60, stderr=subprocess.DEVNULL)
    assert {name: (folder / name).read_bytes() for name in MADE} == {name: (ROOT / "notebooks" / "data" / name).read_bytes() for name in MADE}
