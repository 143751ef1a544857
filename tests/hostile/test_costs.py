"""Captures that are built to cost: each command ends in bounded time and memory, says what was cut, and still shows the command on the other connection."""

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.costly import CASES, CONTROL, make

pytestmark = pytest.mark.skipif("WINRM_HOSTILE" not in os.environ, reason="asks for seconds, which depend on the machine: make hostile")

_CPU_S, _ADDRESS_BYTES = 10, 4 << 30
"""Addresses are not memory: libraries reserve some two gigabytes of them. What was resident is looked at besides."""
_RESIDENT_KIB = 1 << 20
_LIMITS = ("http.limit", "wsman.limit", "tcp.limit", "capture.limit")


def _bounded() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S + 1))
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESS_BYTES, _ADDRESS_BYTES))


def ran(*words: str) -> str:
    """What a command prints within the limits; a process that goes beyond them is ended, and has no return code of ours."""
    done = subprocess.run(
        (sys.executable, "-c", _WITH_SIZE, *words),
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_bounded,
    )
    assert done.returncode == 0, f"{words[0]}: {done.returncode} {done.stderr[-500:]}"
    assert "Traceback" not in done.stderr
    assert "internal error" not in done.stderr
    resident = int(done.stderr.rpartition("resident ")[2])
    assert resident < _RESIDENT_KIB, f"{words[0]}: {resident} KiB"
    return done.stdout


_WITH_SIZE = """
import atexit, os, resource, sys
def told():
    used = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    os.write(2, b"resident %d" % used)
atexit.register(told)
from analyzer.cli.start import run
sys.exit(run(sys.argv[1:]))
"""


def _issues(path: Path) -> set[str]:
    return {row["code"] for row in map(json.loads, ran("show", "issues", str(path), "-f", "jsonl").splitlines())}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_what_is_built_to_cost_is_bounded(name: str, tmp_path: Path) -> None:
    path = make(name, tmp_path / "hostile.pcap")
    texts = [row["text"] for row in json.loads(ran("show", "commands", str(path), "-f", "json"))]
    assert CONTROL in texts
    assert CONTROL in ran("transcript", str(path))
    if CASES[name].says is not None:
        assert CASES[name].says in _issues(path)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_the_harmless_form_reaches_no_limit(name: str, tmp_path: Path) -> None:
    path = make(name, tmp_path / "harmless.pcap", harmless=True)
    assert _issues(path).isdisjoint(_LIMITS)
