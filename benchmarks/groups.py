"""A capture larger than memory: ``python -m benchmarks.groups FOLDER --gigabytes 2 --memory 512`` makes mixed traffic of which a fifth is WinRM in clear text,
analyzes it within so many MiB, and prints a table: what every process had at most, the seconds, what was read, and how long the case takes to open. It fails
where a process had more, where captures were read more than once, or where the case takes long to open.

The sessions are those of ``--clients`` machines, each with a server of its own, one after the other.
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import sessions
from benchmarks.frames import Tcp
from benchmarks.traffic import mixed, write

_EACH_S = 0.05
_READ, _OPEN_S = 1.1, 2.0
"""How often the bytes of captures may be read, and seconds in which the case has to be open, with its first screen."""
_CODE = """
import json, os, resource, struct, sys, time
from pathlib import Path
from analyzer import api
from analyzer.capture.open import Opened
from analyzer.engine import sources
capture, memory, case, log = sys.argv[1:]
told = os.open(log, os.O_CREAT | os.O_TRUNC | os.O_WRONLY | os.O_APPEND, 0o600)  # also of the processes that are forked
own = os.stat(capture).st_ino
fill, read_at = Opened.fill, sources.read_at
def filled(self, buffer):
    got = fill(self, buffer)
    os.write(told, struct.pack("<2q", 0, got))
    return got
def read(file, size, at):
    data = read_at(file, size, at)
    of_capture = os.fstat(file.fileno()).st_ino == own
    os.write(told, struct.pack("<2q", 0 if of_capture else 1, len(data)))
    return data
Opened.fill, sources.read_at = filled, read
began = time.monotonic()
found = api.analyze_within(capture, int(memory))
analyzed = time.monotonic()
found.save(case, clobber=True)
saved = time.monotonic()
at_most, of_others = (resource.getrusage(one) for one in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
io = dict(line.split(": ") for line in Path("/proc/self/io").read_text().splitlines())
print(json.dumps({
    "analysis": analyzed - began, "save": saved - analyzed,
    "cpu": at_most.ru_utime + at_most.ru_stime, "cpu_of_others": of_others.ru_utime + of_others.ru_stime,
    "others_kib": of_others.ru_maxrss, "all_read": int(io["rchar"]), "all_written": int(io["wchar"]),
}))
"""
_OPEN = """
import sys, time
began = time.monotonic()
from analyzer import api
case = api.open_case(sys.argv[1])
text = case.overview()
print(time.monotonic() - began)
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


def _read(log: Path) -> tuple[int, int]:
    """Bytes that were read of captures, and of the temporary file."""
    words = array("q")
    words.frombytes(log.read_bytes())
    sums = [0, 0]
    for place in range(0, len(words), 2):
        sums[words[place]] += words[place + 1]
    return sums[0], sums[1]


def _rows(
    given: argparse.Namespace, size: int, found: dict[str, Any], peak: tuple[int, int, int], read: tuple[int, int], opened: float
) -> Iterator[tuple[str, str]]:
    yield "captures", f"{size / 1e9:.1f} GB, {given.clients:,} clients"
    yield "limit of a process", f"{given.memory} MiB"
    yield "the process that asks, at most", f"{peak[0]} MiB"
    yield f"the largest of {peak[2]} others", f"{peak[1]} MiB"
    yield "CPU: the process that asks, all others", f"{found['cpu']:.0f} s, {found['cpu_of_others']:.0f} s"
    yield "analysis, case written", f"{found['analysis']:.0f} s, {found['save']:.0f} s"
    yield "bytes of captures read", f"{read[0] / 1e9:.2f} GB, {read[0] / size:.2f} times"
    yield "bytes of kept payload read from the temporary file", f"{read[1] / 1e9:.2f} GB"
    yield "all that was read, and written", f"{found['all_read'] / 1e9:.2f} GB, {found['all_written'] / 1e9:.2f} GB"
    yield "the case opens, with its first screen", f"{opened:.2f} s"


def main() -> int:
    """Prints what was measured; 1 where it is more than it may be."""
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
    case, log = given.folder / f"case-{given.gigabytes:g}", given.folder / f"read-{given.gigabytes:g}"
    shutil.rmtree(case, ignore_errors=True)
    command = [sys.executable, "-P", "-c", _CODE, str(capture), str(given.memory << 20), str(case), str(log)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        found = peaks(process)
        told = process.stdout.read() if process.stdout else ""
    if process.returncode:
        return process.returncode
    measured = json.loads(told.splitlines()[-1])
    peak = found[0] >> 10, max(measured["others_kib"], *found[1:], 0) >> 10, len(found) - 1
    opened = float(subprocess.run([sys.executable, "-P", "-c", _OPEN, str(case)], check=True, stdout=subprocess.PIPE, text=True).stdout)
    size, read = capture.stat().st_size, _read(log)
    log.unlink()
    print("| what | measured |\n|---|---|")
    for what, figure in _rows(given, size, measured, peak, read, opened):
        print(f"| {what} | {figure} |")
    over = {
        f"a process had more than {given.memory} MiB": max(peak[:2]) > given.memory,
        f"captures were read more than {_READ} times": read[0] > _READ * size,
        f"the case took more than {_OPEN_S:g} s to open": opened > _OPEN_S,
    }
    print("".join(f"FAILED: {why}\n" for why, is_so in over.items() if is_so), end="")
    return int(any(over.values()))


if __name__ == "__main__":
    sys.exit(main())
