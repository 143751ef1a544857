"""A cluster of two workers, and an S3 server, on loopback, for as long as a test needs them."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_SECONDS = 60


def _environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False"}


def _started(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as errors:
        return subprocess.Popen([sys.executable, *arguments], stdout=errors, stderr=errors, env=_environment(), cwd=ROOT)


def _ended(processes: list[subprocess.Popen[bytes]]) -> None:
    for one in processes:
        one.terminate()
    for one in processes:
        try:
            one.wait(10)
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()


def know(variables: dict[str, str]) -> None:
    """Sets variables of this process's environment: a job for workers."""
    os.environ.update(variables)


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Any]:
    """A client of a scheduler with so many workers of one thread, each begun again by its nanny when it is lost."""
    from distributed import Client

    file = folder / "scheduler.json"
    common = ["--no-dashboard", "--scheduler-file", str(file)]
    processes = [_started(["-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0", *common], folder / "scheduler.log")]
    try:
        for place in range(workers):
            own = ["--nthreads", "1", "--memory-limit", "0", "--host", "127.0.0.1", "--local-directory", str(folder)]
            processes.append(_started(["-m", "distributed.cli.dask_worker", *common, *own], folder / f"worker{place}.log"))
        until = time.monotonic() + _SECONDS
        while not file.exists() and time.monotonic() < until:
            time.sleep(0.1)
        with Client(scheduler_file=str(file), set_as_default=False, timeout=_SECONDS) as client:
            client.wait_for_workers(workers, timeout=_SECONDS)
            yield client
    finally:
        _ended(processes)


@contextmanager
def s3_server(folder: Path) -> Iterator[str]:
    """The address of an S3 server (moto's) on a free port of loopback."""
    import socket
    from urllib.error import URLError
    from urllib.request import urlopen

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"http://127.0.0.1:{port}"
    processes = [_started(["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], folder / "s3.log")]
    try:
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until:
            try:
                urlopen(address, timeout=1).close()
                break
            except (URLError, OSError):
                time.sleep(0.2)
        yield address
    finally:
        _ended(processes)
