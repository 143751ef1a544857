"""Runs commands and tells what they cost: wall and CPU seconds, and the largest resident set of the process."""

import os
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


class Cost(NamedTuple):
    """``wall`` and ``cpu`` in seconds (user and system), ``memory`` in MiB (what is less than 10 MiB is told as 10)."""

    wall: float
    cpu: float
    memory: float


def environment(**variables: str) -> dict[str, str]:
    """The variables of this process and these; not the one that keeps Python from writing bytecode: what is measured runs with it."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"} | variables


def once(command: Sequence[str], **variables: str) -> Cost:
    """One run, with more environment ``variables``. Raises `RuntimeError` when the command fails."""
    launched = [sys.executable, "-I", "-S", str(Path(__file__).with_name("launch.py")), *command]
    told = subprocess.run(launched, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True, env=environment(**variables)).stdout.split()
    wall, cpu, memory = (float(word) for word in told[:3])
    if told[3] not in ("0", "1"):
        msg = f"{' '.join(command)} ended with {told[3]}"
        raise RuntimeError(msg)
    return Cost(wall, cpu, memory)


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
