"""A capture larger than memory: ``python -m benchmarks.groups FOLDER --gigabytes 2 --memory 512`` makes mixed traffic of which a fifth is WinRM in clear text,
analyzes it within so many MiB, and tells what every process had at most, the seconds, and how long the case takes to open. It fails where a process had more.

The sessions are those of ``--clients`` machines, each with a server of its own, one after the other.
"""

import argparse
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks import sessions
from benchmarks.frames import Tcp
from benchmarks.traffic import mixed, write

_EACH_S = 0.05
_CODE = """
import resource, sys, time
from analyzer import api
began = time.monotonic()
case = api.analyze_within(sys.argv[1], int(sys.argv[2]))
told = time.monotonic()
case.save(sys.argv[3], clobber=True)
own, of_others = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = own.ru_utime + own.ru_stime + of_others.ru_utime + of_others.ru_stime
print(type(case).__name__, f"analysis {told - began:.0f} s, saved {time.monotonic() - told:.0f} s, CPU {cpu:.0f} s")
"""
_OPEN = """
import sys, time
began = time.monotonic()
from analyzer import api
case = api.open_case(sys.argv[1])
text = case.overview()
print(f"opened, with its first screen, in {time.monotonic() - began:.2f} s")
"""


def session(number: int, clients: int) -> Iterator[bytes]:
    """A session of one of the clients with its own server, whose ports and sequence numbers are those of no other."""
    tcp = Tcp(number % clients, 5985)
    turn = number // clients
    tcp.ports = (1024 + turn % 60000, 5985)
    tcp.sent = [1000 + number * 7919 & 0xFFFFFFFF, 5000 + number * 104729 & 0xFFFFFFFF]
    return sessions.clear(number, tcp=tcp)


def peaks(process: subprocess.Popen[str]) -> list[int]:
    """The most memory (KiB) that the process, and each that it started, had while it ran; the process first."""
    found: dict[int, int] = {process.pid: 0}
    while process.poll() is None:
        for pid in (process.pid, *_children(process.pid)):
            found[pid] = max(found.get(pid, 0), _peak(pid))
        time.sleep(_EACH_S)
    return list(found.values())


def _children(pid: int) -> list[int]:
    try:
        return list(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()))
    except OSError:
        return []


def _peak(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


def main() -> int:
    """Prints what was measured; 1 where a process had more than it may have."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--gigabytes", type=float, default=1.0)
    asked.add_argument("--memory", type=int, default=512, help="MiB of a process")
    asked.add_argument("--clients", type=int, default=1000)
    given = asked.parse_args()
    capture = given.folder / "captures" / f"clear-{given.gigabytes:g}-{given.clients}.pcap"
    if not capture.exists():
        capture.parent.mkdir(parents=True, exist_ok=True)
        write(capture, mixed(int(given.gigabytes * 1e9), 5, lambda number: session(number, given.clients)))
    case = given.folder / "case"
    shutil.rmtree(case, ignore_errors=True)
    command = [sys.executable, "-P", "-c", _CODE, str(capture), str(given.memory << 20), str(case)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        found = peaks(process)
        print(process.stdout.read() if process.stdout else "", end="")
    if process.returncode:
        return process.returncode
    asks, others = found[0] >> 10, max(found[1:], default=0) >> 10
    size, many = capture.stat().st_size / 1e9, len(found) - 1
    print(f"{size:.1f} GB within {given.memory} MiB: the process that asks had {asks} MiB, the largest of {many} others {others}")
    subprocess.run([sys.executable, "-P", "-c", _OPEN, str(case)], check=True)
    return 1 if max(asks, others) > given.memory else 0


if __name__ == "__main__":
    sys.exit(main())
