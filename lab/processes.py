"""Child processes of a scenario: started here, ended here by their own pid, nothing else is touched."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

START_LIMIT_S = 15.0
STOP_LIMIT_S = 5.0


class LabError(Exception):
    """The lab could not do what a scenario asks for."""


class Child(NamedTuple):
    name: str
    process: subprocess.Popen[bytes]
    output: Path


def start(name: str, argv: list[str], folder: Path, environment: dict[str, str] | None = None) -> Child:
    """Start a child whose stdout and stderr go to NAME.out in `folder`."""
    output = folder / f"{name}.out"
    with output.open("wb") as file:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={**os.environ, **(environment or {})},
        )
    return Child(name, process, output)


def wait_until(what: str, ready: Callable[[], bool], children: list[Child]) -> None:
    """Wait until `ready()`; a child that ended meanwhile or the time limit is an error."""
    deadline = time.monotonic() + START_LIMIT_S
    while not ready():
        for child in children:
            if child.process.poll() is not None:
                msg = f"{child.name} ended: {child.output.read_text(errors='replace')[-2000:]}"
                raise LabError(msg)
        if time.monotonic() > deadline:
            msg = f"{what} took longer than {START_LIMIT_S} s"
            raise LabError(msg)
        time.sleep(0.05)


def stop(child: Child, how: signal.Signals = signal.SIGTERM) -> None:
    """End a child: politely, then for good."""
    if child.process.poll() is None:
        child.process.send_signal(how)
        try:
            child.process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait(STOP_LIMIT_S)
