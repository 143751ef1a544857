"""Runs commands and tells what they cost: wall and CPU seconds, and the largest resident set of the process."""

import os
import statistics
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """``wall`` and ``cpu`` in seconds (user and system), ``memory`` in MiB."""

    wall: float
    cpu: float
    memory: float


def once(command: Sequence[str], **variables: str) -> Cost:
    """One run, with more environment ``variables``. Raises `RuntimeError` when the command fails."""
    began = time.perf_counter()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL, env={**os.environ, **variables})
    _, status, used = os.wait4(running.pid, 0)
    wall = time.perf_counter() - began
    running.returncode = os.waitstatus_to_exitcode(status)
    if running.returncode not in (0, 1):
        msg = f"{' '.join(command)} ended with {running.returncode}"
        raise RuntimeError(msg)
    return Cost(wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def paired(commands: dict[str, Sequence[str]], runs: int) -> dict[str, Cost]:
    """Medians of each command; the commands take turns (A B A B), so that a busy minute hits them all."""
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            costs[name].append(once(command))
    return {name: Cost(*(statistics.median(column) for column in zip(*found, strict=True))) for name, found in costs.items()}


def warm(path: Path) -> None:
    """Reads a file once, so that it lies in the page cache."""
    with path.open("rb", buffering=0) as file:
        while file.read(1 << 24):
            pass
