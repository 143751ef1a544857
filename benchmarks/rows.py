"""What the benchmark asks for, case by case: each function measures one kind and gives lines of the table of targets.

Every target is a ratio of commands that took turns in one run, or a limit in megabytes. *Reach* is what is asked for, *aim* what a next version should do.
"""

import itertools
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import traffic
from benchmarks.installed import CHECKOUT, ROOT
from benchmarks.measure import Cost, environment, once, paired, warm

OURS = list(CHECKOUT)
"""The command; `benchmarks.bench` puts the installed one in its place."""
CAPINFOS = ["capinfos", "-csduaeyizx"]
TSHARK = ["-Y", "http", "-T", "fields", "-e", "frame.number"]
QUIET_SAMPLE = ROOT / "sample_pcaps" / "background-without-winrm" / "capture.pcap.gz"
NOISE = 0.01
"""CPU seconds by which medians of the same command differ."""
LINEAR = 5.5 / 4
"""How much more a unit may cost when there are four times as many: that growth is called linear."""
LIMIT, CLIENTS = 512, 10_000
"""MiB that a process may have of the capture that is larger than memory, and the machines whose sessions are in it."""
PER_SESSION = 26
"""Exchanges of a session of `benchmarks.sessions`."""


class Row(NamedTuple):
    """A line of the table of targets. ``reached`` is in the unit of the targets."""

    case: str
    reach: str
    aim: str
    reached: float
    holds: bool
    unit: str = ""


def have(program: str) -> bool:
    """Whether a peer is installed here."""
    return shutil.which(program) is not None


def analyze(path: Path, *options: str) -> list[str]:
    """The command that is measured."""
    return [*OURS, "analyze", str(path), *options]


def tshark(path: Path, *options: str) -> list[str]:
    """What a user without this program would begin with."""
    return ["tshark", "-n", "-r", str(path), *options, *TSHARK]


def row(case: str, reach: float, aim: float, reached: float, unit: str = "") -> Row:
    """A target of which less is better."""
    return Row(case, f"{reach:g}{unit}", f"{aim:g}{unit}", reached, reached <= reach, unit)


def mixed_rows(made: dict[str, Path], runs: int) -> Iterator[Row]:
    """The whole analysis of mixed traffic against cat, capinfos and tshark."""
    path = made["mixed"]
    warm(path)
    cost = paired({"ours": analyze(path), "cat": ["cat", str(path)], "capinfos": [*CAPINFOS, str(path)]}, runs)
    yield row("whole analysis, 1 GB mixed, vs cat (wall)", 2.0, 1.5, cost["ours"].wall / cost["cat"].wall)
    yield row("same (CPU)", 3.0, 2.0, cost["ours"].cpu / cost["cat"].cpu)
    yield row("same vs capinfos without hashes (wall)", 1.3, 1.0, cost["ours"].wall / cost["capinfos"].wall)
    pair = paired({"ours": analyze(path), "tshark": tshark(path)}, 1)
    yield row("same vs tshark -Y http (CPU)", 0.02, 0.012, cost["ours"].cpu / pair["tshark"].cpu)
    yield row("peak memory on 1 GB mixed", 64, 48, cost["ours"].memory, " MiB")


def small_rows(made: dict[str, Path], runs: int) -> Iterator[Row]:
    """Frames of 64 bytes."""
    path = made["small"]
    warm(path)
    cost = paired({"ours": analyze(path), "capinfos": [*CAPINFOS, str(path)]}, runs)
    yield row("64-byte frames, forty in a connection, vs capinfos without hashes (wall)", 0.8, 0.5, cost["ours"].wall / cost["capinfos"].wall)


def winrm_rows(made: dict[str, Path], runs: int) -> Iterator[Row]:
    """What is all WinRM: encrypted, against the cryptography alone; in clear, against tshark; connections with a request each."""
    path = made["winrm"]
    warm(path)
    cost = paired({"ours": analyze(path, "--secrets", str(made["secrets"]))}, runs)
    floor = float(printed("benchmarks.floor", str(path)))
    yield row("200 MB encrypted WinRM, decrypted to commands and text, vs the cryptography alone (CPU)", 3.0, 1.8, cost["ours"].cpu / floor)
    path = made["clear"]
    warm(path)
    pair = paired({"ours": analyze(path), "tshark": tshark(path)}, max(1, runs // 2))
    yield row("200 MB WinRM in clear text, with rules, vs tshark -Y http (CPU)", 0.5, 0.2, pair["ours"].cpu / pair["tshark"].cpu)
    path = made["short"]
    warm(path)
    alone = paired({"ours": analyze(path)}, 1)["ours"]
    yield row("100,000 short WinRM connections (CPU)", 10, 6, alone.cpu, " s")
    yield row("same, peak memory", 300, 200, alone.memory, " MiB")


def output_rows(made: dict[str, Path], runs: int) -> Iterator[Row]:
    """What a case folder and a report cost beside the analysis."""
    path, folder = made["plain"], Path(tempfile.mkdtemp(prefix="winrm-analyzer-bench-"))  # nothing is written next to evidence
    warm(path)
    alone = paired({"ours": analyze(path)}, max(1, runs // 2))["ours"]
    case = once(analyze(path, "-o", str(folder / "case"), "--clobber"))
    yield row("a case folder, in parts of the analysis (CPU)", 0.3, 0.2, max(case.cpu - alone.cpu, 0) / alone.cpu)
    report = once([*OURS, "report", str(path), "-o", str(folder / "report.html")])
    yield row("a report, in parts of the analysis (CPU)", 0.3, 0.2, max(report.cpu - alone.cpu, 0) / alone.cpu)
    opened = paired({"ours": [*OURS, "findings", str(folder / "case")]}, runs)["ours"]
    yield row("a case is opened (wall)", 2, 1, opened.wall, " s")
    shutil.rmtree(folder, ignore_errors=True)


def start_rows(runs: int) -> Iterator[Row]:
    """What a call costs that has nothing to do."""
    cost = paired({"help": [*OURS, "--help"], "small": analyze(QUIET_SAMPLE)}, runs * 3)
    yield row("--help (CPU)", 25, 15, cost["help"].cpu * 1000, " ms")
    yield row("a small capture without WinRM (CPU)", 40, 30, cost["small"].cpu * 1000, " ms")


def thread_rows(made: dict[str, Path], runs: int) -> Iterator[Row]:
    """Two threads against one: the scan alone, wall."""
    for name in ("mixed", "small"):
        found = [(_scan(made[name], 1), _scan(made[name], 2)) for _ in range(runs)]
        gain = sorted(one / two for one, two in found)[len(found) // 2]
        yield Row(f"two threads vs one, scan of {name} (wall; one thread hashes the file, too)", "1.6", "1.8", gain, gain >= 1.6, " times")


def _scan(path: Path, threads: int) -> float:
    return float(printed("benchmarks.scan", str(path), str(threads)))


def printed(module: str, *arguments: str) -> str:
    """What a module of this folder prints."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment()).stdout


def growth_factor(costs: Sequence[tuple[float, float]]) -> float:
    """How much more a unit costs in the largest step than in an earlier one (the worst of them): 1 is linear, and to grow tenfold at quadratic cost is 10.

    ``costs``: (size, CPU seconds), by size. Steps are differences between neighbours, so what the start of the program costs is in none of them. Each earlier
    step has the benefit of the doubt: it may have cost more than was measured, by `NOISE`.
    """
    steps = [(cost - before, size - smaller) for (smaller, before), (size, cost) in itertools.pairwise(costs)]
    *earlier, (last, units) = steps
    return max(last / units * few / max(cost + NOISE, NOISE) for cost, few in earlier)


class Grown(NamedTuple):
    """What grows, and (size, cost) of each size."""

    what: str
    costs: list[tuple[float, Cost]]


def growth(folder: Path, scale: float, *, large: bool) -> Iterator[Grown]:
    """Gigabytes, connections and exchanges, each in captures of its own that are made and deleted."""
    sizes = (1, 2, 4, 8, 10) if large else (0.25, 0.5, 1)
    yield Grown("gigabytes of mixed traffic", [(size, _grown(folder, "mixed", traffic.mixed, int(size * 1e9))) for size in sizes])
    yield Grown("connections (none of them WinRM)", [(size, _grown(folder, "many", traffic.many, size * 1000)) for size in _counts(scale, 6)])
    digits = 5 if large else 4
    yield Grown("WinRM connections with a request each", [(size, _grown(folder, "short", traffic.short, size)) for size in _counts(scale, digits)])
    bytes_of = traffic.CLEAR.stat().st_size
    counts = _counts(scale, digits)
    yield Grown("exchanges in clear text through a proxy", [(size, _grown(folder, "plain", traffic.plain, size // PER_SESSION * bytes_of)) for size in counts])
    yield Grown("exchanges in clear text on one connection", [(size, _grown(folder, "giant", traffic.giant, size)) for size in counts])


def _counts(scale: float, digits: int) -> list[int]:
    return [int(10**power * min(scale, 1)) for power in range(3, digits + 1)]


def _grown(folder: Path, name: str, recipe: Callable[[int], Iterator[bytes]], size: int) -> Cost:
    path = folder / f"growth-{name}-{size}.pcap"
    if not path.exists():
        traffic.write(path, recipe(size))
    warm(path)
    first = once(analyze(path))
    runs = 5 if first.cpu < 2 else 1  # the steps between small sizes are small
    cost = paired({"ours": analyze(path)}, runs)["ours"] if runs > 1 else first
    path.unlink()
    return cost


def growth_rows(grown: Sequence[Grown], *, large: bool) -> Iterator[Row]:
    """Growth in every direction, and what the largest captures took of memory."""
    if large:
        size, cost = grown[0].costs[-1]
        yield row(f"peak memory on {size:g} GB mixed", 64, 48, cost.memory, " MiB")
    for what, costs in grown:
        factor = growth_factor([(size, cost.cpu) for size, cost in costs])
        yield Row(f"growth by {what}", f"{LINEAR:g}", "1.08", factor, factor <= LINEAR, " times for each unit")
    clear = grown[-1].costs
    (few, small), (more, big) = clear[-2:]
    yield row("memory of an exchange in clear text (of the process, by growth)", 1.2, 0.8, (big.memory - small.memory) * 1024 / (more - few), " KiB")


def large_rows(folder: Path, gigabytes: int) -> Iterator[Row]:
    """A capture that is larger than memory, a fifth of it WinRM in clear text (`benchmarks.groups`): no process has more than its limit."""
    asked = ["--gigabytes", str(gigabytes), "--clients", str(CLIENTS), "--memory", str(LIMIT)]
    command = [sys.executable, "-m", "benchmarks.groups", str(folder), *asked]
    told = subprocess.run(command, check=False, capture_output=True, text=True, cwd=ROOT, env=environment()).stdout
    yield from large_told(told, f"{gigabytes} GB with a fifth of clear WinRM, of {CLIENTS:,} clients, --memory {LIMIT}M")
    shutil.rmtree(folder / "captures", ignore_errors=True)


def large_told(told: str, what: str) -> Iterator[Row]:
    """Its lines, of the table that `benchmarks.groups` prints."""
    measured = dict(line.strip("| ").split(" | ") for line in told.splitlines() if line.startswith("| ") and line.count(" | ") == 1)
    for name, figure in measured.items():
        if name == "the process that asks, at most" or name.startswith("the largest of "):
            yield row(f"{what}: {name}", LIMIT, 256, float(figure.removesuffix(" MiB")), " MiB")
    read = next((figure for name, figure in measured.items() if name == "bytes of captures read"), None)
    if read is not None:
        yield row("same: bytes of captures read, in parts of the capture", 1.1, 1.0, float(read.split(", ")[1].removesuffix(" times")), " times")
