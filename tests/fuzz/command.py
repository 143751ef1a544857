"""The whole command on damaged and hostile captures: python -m tests.fuzz.command 10000 --built 1000 [--first 0].

Each capture is read by one command in a process of its own (a fork, with what is imported there already) that may take 10 seconds of CPU. What must not be:
a traceback, a signal, an exit code that is none of the contract's, more than 1 GB of memory. Captures are drawn by their number, so each can be made again.
"""

import argparse
import importlib
import os
import pkgutil
import random
import resource
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import analyzer
from analyzer.cli.start import run
from tests.build.packets import Frame, pcap
from tests.fuzz.seeds import SAMPLES, host_logs
from tests.hostile.costly import CASES, CONTROL, Talk, command, created
from tests.property.damage import damaged, damaged_frames
from tests.property.reading import frames

_CPU_S, _RESIDENT_KIB, _LARGEST = 10, 1 << 20, 120_000
_CODES = {0, 2}
"""Finished, and unreadable input; the others (1, 3, 4) need options that are not given here."""
_WAYS: tuple[Callable[[str, str], list[str]], ...] = (
    lambda path, _: ["analyze", path],
    lambda path, _: ["transcript", path],
    lambda path, _: ["show", "commands", path, "-f", "json"],
    lambda path, _: ["findings", path, "-f", "jsonl"],
    lambda path, _: ["info", path],
    lambda path, out: ["report", path, "-o", f"{out}/page.html"],
    lambda path, out: ["analyze", path, "-o", f"{out}/case"],
    lambda path, out: ["analyze", path, "--events", f"{out}/given.log"],
    lambda path, out: ["show", "host_events", path, "--events", f"{out}/given.log", "-f", "json"],
)


class Met(NamedTuple):
    """What one run came to: exit code (negative: ended by that signal), CPU seconds, resident memory in KiB, and what it complained."""

    code: int
    cpu_s: float
    resident_kib: int
    said: str

    @property
    def problem(self) -> str | None:
        """What must not be; None where all is well."""
        if self.code not in _CODES:
            return f"exit code {self.code}"
        if "Traceback" in self.said or "internal error" in self.said:
            return "a traceback"
        return f"{self.resident_kib:,} KiB" if self.resident_kib > _RESIDENT_KIB else None


def mutant(number: int) -> bytes:
    """A sample with damage: in the file, or in the frames that it holds."""
    dice = random.Random(number)
    path = dice.choice([one for one in sorted(SAMPLES.glob("*/*.pcap*")) if one.stat().st_size <= _LARGEST])
    values = [b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\r\n\r\n", bytes(dice.randrange(256) for _ in range(dice.randrange(1, 9)))]
    kinds = ("overwrite", "overwrite", "overwrite", "cut", "double", "exchange", "end")
    todo = [
        (dice.choice(kinds[:6] if step else kinds), dice.random(), dice.random(), dice.randrange(1, 400), dice.choice(values))
        for step in range(dice.randrange(1, 12))
    ]
    if dice.random() < 0.5:
        return damaged(path.read_bytes(), todo)
    held = frames(path.parent.name)
    return pcap(damaged_frames(held, todo)) if held else damaged(path.read_bytes(), todo)


def built(number: int) -> bytes:
    """A capture that is built to cost, of a size drawn by ``number``, with a second one of another kind on the same connection or on its own."""
    dice = random.Random(number)
    listed: list[Frame] = []
    control = Talk(listed, 1)
    for pair in (created("S-0"), command(CONTROL, "S-0", "C-0")):
        control.exchange(*pair)
    talk = Talk(listed, 2)
    for place in range(dice.randrange(1, 3)):
        case = CASES[dice.choice(sorted(CASES))]
        most = max(case.few + 1, case.many // (2 if place == 0 else 20))
        case.play(int(case.few + (most - case.few) * dice.random() ** 3))(talk if dice.random() < 0.5 else Talk(listed, 3 + place))
    return pcap(listed)


def log(number: int) -> bytes:
    """A host's log with damage."""
    dice = random.Random(number)
    todo = [("overwrite", dice.random(), dice.random(), dice.randrange(1, 40), bytes(dice.randrange(256) for _ in range(4))) for _ in range(dice.randrange(4))]
    return damaged(dice.choice(list(host_logs())), todo)


def met(data: bytes, way: Callable[[str, str], list[str]]) -> Met:
    """What the command does with a capture."""
    with tempfile.TemporaryDirectory(prefix="winrm-analyzer-fuzz-") as folder:
        path = Path(folder, "given.pcap")
        path.write_bytes(data)
        Path(folder, "given.log").write_bytes(log(len(data)))
        child = os.fork()
        if child == 0:
            _inside(partial(run, way(str(path), folder)), Path(folder, "out"), Path(folder, "err"))
        _, status, used = os.wait4(child, 0)
        said = Path(folder, "err").read_text(errors="replace") if Path(folder, "err").exists() else ""
        shutil.rmtree(Path(folder, "case"), ignore_errors=True)
    return Met(os.waitstatus_to_exitcode(status), used.ru_utime + used.ru_stime, used.ru_maxrss, said)


def _inside(act: Callable[[], int], out: Path, err: Path) -> None:
    """The forked process; it does not return."""
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S + 1))
    for number, path in ((1, out), (2, err)):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    code = 70
    try:
        code = act()
        sys.stdout.flush()
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else 1
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> int:
    """Runs them all; 1 where something must not be. What broke is kept in ``build/fuzz/command``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("mutants", type=int)
    parser.add_argument("--built", type=int, default=0)
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    for module in pkgutil.walk_packages(analyzer.__path__, "analyzer."):  # once for all
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    for name in ("duckdb", "pandas", "jinja2", "rich.console", "rich.table", "scapy.layers.kerberos"):
        importlib.import_module(name)
    kept = Path("build", "fuzz", "command")
    kept.mkdir(parents=True, exist_ok=True)
    codes: Counter[int] = Counter()
    problems, slowest, largest = 0, 0.0, 0
    jobs = [("mutant", mutant, number) for number in range(given.first, given.first + given.mutants)]
    jobs += [("built", built, number) for number in range(given.first, given.first + given.built)]
    for done, (kind, make, number) in enumerate(jobs, 1):
        data = make(number)
        found = met(data, _WAYS[number % len(_WAYS)])
        codes[found.code] += 1
        slowest, largest = max(slowest, found.cpu_s), max(largest, found.resident_kib)
        if found.problem is not None:
            problems += 1
            (kept / f"{kind}-{number}.pcap").write_bytes(data)
            print(f"{kind} {number}: {found.problem}: {' '.join(_WAYS[number % len(_WAYS)]('CAPTURE', 'OUT'))}\n{found.said[-2000:]}", flush=True)
        if done % 500 == 0 or done == len(jobs):
            told = ", ".join(f"{count:,} with exit code {code}" for code, count in sorted(codes.items()))
            print(f"{done:,} captures: {told}; at most {slowest:.1f} s of CPU and {largest // 1024} MiB; {problems} must not be", flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
