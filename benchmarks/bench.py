"""The benchmark: ``python -m benchmarks.bench FOLDER`` makes the captures in FOLDER (16 GB; 3 GB without --large), measures, prints the tables and writes them
into docs/performance.md. ``--check`` measures a small part and compares its ratios with those written there.

Every target is a ratio of two commands that took turns in one run, so a slow or busy machine changes little. Files are read once before, so that they lie in
the page cache; with less memory than the file has, the disk is measured.
"""

import argparse
import itertools
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks import traffic
from benchmarks.installed import CHECKOUT, ROOT, installed
from benchmarks.measure import Cost, environment, once, paired, warm

PAGE, NUMBERS = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.json"
OURS = list(CHECKOUT)
"""The command; `main` puts the installed one in its place."""
CAPINFOS = ["capinfos", "-csduaeyizx"]
QUIET_SAMPLE = ROOT / "sample_pcaps" / "background-without-winrm" / "capture.pcap.gz"
NOISE = 0.01
"""CPU seconds by which medians of the same command differ."""
LINEAR = 1.2
"""The growth factor up to which growth is called linear."""
SLACK = 1.6
"""How much worse than written a ratio may be before the check fails: this is about mistakes, not about noise."""


class Row(NamedTuple):
    """A line of the table of targets. ``reached`` is in the unit of the targets."""

    case: str
    reach: str
    aim: str
    reached: float
    holds: bool
    unit: str = ""


def _have(program: str) -> bool:
    return shutil.which(program) is not None


def _analyze(path: Path, *options: str) -> list[str]:
    return [*OURS, "analyze", str(path), *options]


def _row(case: str, reach: float, aim: float, reached: float, unit: str = "") -> Row:
    return Row(case, f"{reach:g}{unit}", f"{aim:g}{unit}", reached, reached <= reach, unit)


def mixed_rows(made: dict[str, Path], runs: int) -> Iterator[Row]:
    """The whole analysis of mixed traffic against cat, capinfos and tshark."""
    path = made["mixed"]
    warm(path)
    cost = paired({"ours": _analyze(path), "cat": ["cat", str(path)], "capinfos": [*CAPINFOS, str(path)]}, runs)
    yield _row("whole analysis, 1 GB mixed, vs cat (wall)", 2.0, 1.4, cost["ours"].wall / cost["cat"].wall)
    yield _row("same vs capinfos without hashes (wall)", 1.0, 0.75, cost["ours"].wall / cost["capinfos"].wall)
    pair = paired({"ours": _analyze(path), "tshark": ["tshark", "-n", "-r", str(path), "-Y", "http", "-T", "fields", "-e", "frame.number"]}, 1)
    yield _row("same vs tshark -Y http -T fields (CPU)", 0.015, 0.007, cost["ours"].cpu / pair["tshark"].cpu)
    yield _row("peak memory on 1 GB mixed", 64, 48, cost["ours"].memory, " MiB")


def small_rows(made: dict[str, Path], runs: int) -> Iterator[Row]:
    """Frames of 64 bytes."""
    path = made["small"]
    warm(path)
    cost = paired({"ours": _analyze(path), "capinfos": [*CAPINFOS, str(path)]}, runs)
    yield _row("12.5 M frames of 64 bytes vs capinfos without hashes (wall)", 0.35, 0.25, cost["ours"].wall / cost["capinfos"].wall)


def sealed_rows(made: dict[str, Path], runs: int) -> Iterator[Row]:
    """Sealed traffic, opened to commands and text; tshark has the password and opens no body."""
    path = made["winrm"]
    secrets = traffic.SEALED.with_name("secrets.toml")
    password = tomllib.loads(secrets.read_text(encoding="utf-8"))["password"][0]["value"]
    warm(path)
    theirs = ["tshark", "-n", "-r", str(path), "-o", f"ntlmssp.nt_password:{password}", "-Y", "http", "-T", "fields", "-e", "frame.number"]
    cost = paired({"ours": _analyze(path, "--secrets", str(secrets)), "tshark": theirs}, runs)
    yield _row("200 MB sealed WinRM, opened to commands and text, vs tshark http with the password (wall)", 0.12, 0.06, cost["ours"].wall / cost["tshark"].wall)


def start_rows(runs: int) -> Iterator[Row]:
    """What a call costs that has nothing to do."""
    cost = paired({"help": [*OURS, "--help"], "small": _analyze(QUIET_SAMPLE)}, runs * 3)
    yield _row("--help (CPU)", 40, 25, cost["help"].cpu * 1000, " ms")
    yield _row("a small capture without WinRM (CPU)", 40, 25, cost["small"].cpu * 1000, " ms")


def _scan(path: Path, threads: int) -> float:
    return float(_printed("benchmarks.scan", str(path), str(threads)))


def _printed(module: str, *arguments: str) -> str:
    """What a module of this folder prints."""
    command = [sys.executable, "-m", module, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT, env=environment()).stdout


def thread_rows(made: dict[str, Path], runs: int) -> Iterator[Row]:
    """Two threads against one: the scan alone, wall."""
    for name in ("mixed", "small"):
        found = [(_scan(made[name], 1), _scan(made[name], 2)) for _ in range(runs)]
        gain = sorted(one / two for one, two in found)[len(found) // 2]
        yield Row(f"two threads vs one, scan of {name} (wall)", "1.6", "1.8", gain, gain >= 1.6, " times")


def growth_factor(costs: Sequence[tuple[float, float]]) -> float:
    """How much more a unit costs in the largest step than in an earlier one (the worst of them): 1 is linear, and to grow tenfold at quadratic cost is 10.

    ``costs``: (size, CPU seconds), by size. Steps are differences between neighbours, so what the start of the program costs is in none of them. Each earlier
    step has the benefit of the doubt: it may have cost more than was measured, by `NOISE`.
    """
    steps = [(cost - before, size - smaller) for (smaller, before), (size, cost) in itertools.pairwise(costs)]
    *earlier, (last, units) = steps
    return max(last / units * few / max(cost + NOISE, NOISE) for cost, few in earlier)


def growth(folder: Path, scale: float, *, large: bool) -> Iterator[tuple[str, list[tuple[float, Cost]]]]:
    """(what grows, [(size, cost)])."""
    sizes = (1, 2, 4, 8, 10) if large else (0.25, 0.5, 1)
    yield "gigabytes of mixed traffic", [(size, _grown(folder, "mixed", traffic.mixed, int(size * 1e9))) for size in sizes]
    yield "connections (none of them WinRM)", [(size, _grown(folder, "many", traffic.many, size * 1000)) for size in _counts(scale, 6)]
    per_copy = 26
    counts = _counts(scale, 5 if large else 4)
    bytes_of = traffic.CLEAR.stat().st_size
    yield "exchanges (clear text, through a proxy)", [(size, _grown(folder, "plain", traffic.plain, size // per_copy * bytes_of)) for size in counts]


def _counts(scale: float, digits: int) -> list[int]:
    return [int(10**power * min(scale, 1)) for power in range(3, digits + 1)]


def _grown(folder: Path, name: str, recipe: Callable[[int], Iterator[bytes]], size: int) -> Cost:
    path = folder / f"growth-{name}-{size}.pcap"
    if not path.exists():
        traffic.write(path, recipe(size))
    warm(path)
    first = once(_analyze(path))
    runs = 5 if first.cpu < 2 else 1  # the steps between small sizes are small
    cost = paired({"ours": _analyze(path)}, runs)["ours"] if runs > 1 else first
    path.unlink()
    return cost


def peers(made: dict[str, Path]) -> Iterator[tuple[str, str, Cost]]:
    """(capture, peer, cost): what else reads these captures. Libraries read a twentieth, and their cost is that times twenty."""
    part = made["mixed"].with_name("part.pcap")
    if not part.exists():
        traffic.write(part, traffic.mixed(made["mixed"].stat().st_size // 20))
    for name in ("mixed", "winrm"):
        path = made[name]
        warm(path)
        commands: dict[str, list[str]] = {
            "winrm-analyzer analyze": _analyze(path),
            "cat": ["cat", str(path)],
            "capinfos -csduaeyizx": [*CAPINFOS, str(path)],
            "capinfos": ["capinfos", str(path)],
            "tcpdump with a filter": ["tcpdump", "-n", "-r", str(path), "-w", "/dev/null", "tcp port 5985"],
            "tcpflow": ["tcpflow", "-r", str(path), "-o", str(path.with_name("flows"))],
            "tshark -z conv,tcp": ["tshark", "-n", "-q", "-r", str(path), "-z", "conv,tcp"],
            "tshark -Y http": ["tshark", "-n", "-r", str(path), "-Y", "http", "-T", "fields", "-e", "frame.number"],
        }
        for peer, command in commands.items():
            if _have(command[0]):
                yield name, peer, once(command)
            shutil.rmtree(path.with_name("flows"), ignore_errors=True)
    for library in ("dpkt", "scapy", "nfstream"):
        try:
            cost = once([sys.executable, "-m", "benchmarks.loops", library, str(part)])
        except RuntimeError:
            continue
        yield "mixed", f"{library} (a twentieth, times 20)", Cost(cost.wall * 20, cost.cpu * 20, cost.memory)


def others(made: dict[str, Path]) -> Iterator[tuple[str, Cost]]:
    """Other containers, and what has no peer."""
    for name in ("mixed-pcapng", "mixed-gzip", "mixed-zstd", "small", "many", "plain", "winrm"):
        warm(made[name])
        yield f"{name} ({made[name].stat().st_size / 1e6:.0f} MB)", once(_analyze(made[name]))
    secrets = traffic.SEALED.with_name("secrets.toml")
    part = made["mixed"].with_name("part.pcap")
    yield "a twentieth of mixed", once(_analyze(part))
    yield "a twentieth of mixed, kernel not compiled", once(_analyze(part), WINRM_ANALYZER_KERNEL="python")
    yield "winrm, opened", once(_analyze(made["winrm"], "--secrets", str(secrets)))


def profiles(made: dict[str, Path]) -> Iterator[tuple[str, dict[str, str]]]:
    """(capture, {stage: CPU seconds}), each in a process of its own."""
    secrets = str(traffic.SEALED.with_name("secrets.toml"))
    for name, arguments in (("mixed", [str(made["mixed"])]), ("winrm, opened", [str(made["winrm"]), secrets]), ("small, without WinRM", [str(QUIET_SAMPLE)])):
        warm(Path(arguments[0]))
        told = _printed("benchmarks.profile", *arguments)
        yield name, {stage: seconds for stage, seconds, _ in (line.split() for line in told.splitlines())}


def machine() -> str:
    """What the figures were measured on."""
    model = re.findall(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8")) if Path("/proc/cpuinfo").exists() else []
    versions = []
    for program in ("tshark", "capinfos", "tcpdump", "tcpflow"):
        if _have(program):
            said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
            found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
            versions.append(f"{program} {found[0] if found else '?'}")
    empty = once([sys.executable, "-c", "pass"]).cpu * 1000
    processor = model[0] if model else platform.processor()
    python = f"Python {platform.python_version()} (an empty program: {empty:.0f} ms of CPU)"
    return f"{os.cpu_count()} x {processor}, {platform.system()}, {python}; {', '.join(versions)}"


def chart(costs: Sequence[tuple[str, float]]) -> str:
    """CPU seconds on a logarithmic scale, as SVG."""
    import math

    low, high = 0.05, max(value for _, value in costs) * 1.5
    lines = []
    for place, (name, value) in enumerate(costs):
        width = 420 * math.log(max(value, low) / low) / math.log(high / low)
        colour = "#0b6e4f" if name.startswith("winrm-analyzer") else "#9aa5b1"
        y = 8 + 26 * place
        lines.append(f'<rect x="220" y="{y}" width="{width:.1f}" height="18" fill="{colour}"/>')
        lines.append(f'<text x="212" y="{y + 14}" text-anchor="end">{name}</text><text x="{226 + width:.1f}" y="{y + 14}">{value:.2f} s</text>')
    height = 16 + 26 * len(costs)
    style = 'font-family="sans-serif" font-size="13" fill="#52606d"'
    title = "<title>CPU seconds on one gigabyte of mixed traffic (logarithmic)</title>"
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 740 {height}" {style}>{title}{"".join(lines)}</svg>\n'


def _targets(rows: Sequence[Row]) -> Iterator[str]:
    yield "| case | reach | aim | reached | |"
    yield "|---|---|---|---|---|"
    for row in rows:
        yield f"| {row.case} | {row.reach} | {row.aim} | {row.reached:.3g}{row.unit} | {'yes' if row.holds else 'missed'} |"


def _page(
    remark: str,
    rows: Sequence[Row],
    read: Sequence[tuple[str, str, Cost]],
    rest: Sequence[tuple[str, Cost]],
    grown: Sequence[tuple[str, list[tuple[float, Cost]]]],
) -> str:
    lines = [f"Measured on {machine()}. {remark[0].upper()}{remark[1:]}.", "", *_targets(rows), ""]
    lines += ["Peers, side by side (seconds, MiB):", "", "| capture | program | wall | CPU | memory |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {peer} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.memory:.0f} |" for name, peer, cost in read]
    lines += [
        "",
        "![CPU seconds on one gigabyte of mixed traffic](performance.svg)",
        "",
        "Other captures:",
        "",
        "| capture | wall | CPU | memory |",
        "|---|---|---|---|",
    ]
    lines += [f"| {name} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.memory:.0f} |" for name, cost in rest]
    lines += ["", "Growth (factor 1.00: in the last step a unit costs as much as in the steps before; the start of the program is in no step):", ""]
    for what, costs in grown:
        cells = ", ".join(f"{size:,g}: {cost.cpu:.2f} s, {cost.memory:.0f} MiB" for size, cost in costs)
        lines.append(f"- {what}: {cells}; factor {growth_factor([(size, cost.cpu) for size, cost in costs]):.2f}")
    return "\n".join(lines) + "\n"


def _stages(found: Sequence[tuple[str, dict[str, str]]]) -> str:
    """A table of `profiles`; a stage that a capture did not reach has no figure."""
    stages = list(dict.fromkeys(stage for _, spent in found for stage in spent))
    lines = ["Where the time goes (CPU seconds by stage, `python -m benchmarks.profile`):", ""]
    lines += ["| capture | " + " | ".join(stages) + " |", "|---" * (len(stages) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(spent.get(stage, "") for stage in stages) + " |" for name, spent in found]
    return "\n".join(lines) + "\n"


def _between(text: str, made: str) -> str:
    begin, end = "<!-- bench: begin -->\n", "<!-- bench: end -->"
    before, _, rest = text.partition(begin)
    return before + begin + "\n" + made + "\n" + end + rest.partition(end)[2]


def ratios(made: dict[str, Path], runs: int) -> dict[str, float]:
    """What the check compares: CPU, each against cat on the same file."""
    found = {}
    for name in ("mixed", "small", "winrm"):
        warm(made[name])
        cost = paired({"ours": _analyze(made[name]), "cat": ["cat", str(made[name])]}, runs)
        found[f"{name} vs cat"] = cost["ours"].cpu / cost["cat"].wall
    return found


def check(folder: Path) -> int:
    """1 when a ratio is much worse than the one written down."""
    now = ratios(traffic.captures(folder, 0.2), 3)
    known = json.loads(NUMBERS.read_text(encoding="utf-8"))["check"]
    worse = {name: (known[name], value) for name, value in now.items() if value > known[name] * SLACK}
    for name, value in now.items():
        print(f"{name:20} {value:7.1f} (written: {known[name]:.1f}){'  WORSE' if name in worse else ''}")
    return 1 if worse else 0


def main() -> int:
    """Measures and writes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--large", action="store_true", help="growth up to 10 GB and 100,000 exchanges")
    parser.add_argument("--check", action="store_true", help="compare a few ratios with those in docs/performance.json")
    parser.add_argument("--no-write", action="store_true", help="print only")
    asked = parser.parse_args()
    OURS[:], remark = installed(asked.folder)
    print(remark)
    if asked.check:
        return check(asked.folder)
    made = traffic.captures(asked.folder, asked.scale)
    rows = [*mixed_rows(made, asked.runs), *small_rows(made, asked.runs), *sealed_rows(made, max(1, asked.runs // 2))]
    rows += [*start_rows(asked.runs), *thread_rows(made, asked.runs)]
    grown = list(growth(asked.folder, asked.scale, large=asked.large))
    last = grown[0][1][-1]
    if asked.large:
        rows.append(_row(f"peak memory on {last[0]:g} GB mixed", 64, 48, last[1].memory, " MiB"))
    for what, costs in grown:
        factor = growth_factor([(size, cost.cpu) for size, cost in costs])
        rows.append(Row(f"growth by {what}", "linear", "linear", factor, factor <= LINEAR, " times for each unit"))
    read = list(peers(made))
    page = _page(remark, rows, read, list(others(made)), grown) + "\n" + _stages(list(profiles(made)))
    print(page)
    if not asked.no_write:
        PAGE.write_text(_between(PAGE.read_text(encoding="utf-8"), page), encoding="utf-8")
        PAGE.with_suffix(".svg").write_text(chart([(peer, cost.cpu) for name, peer, cost in read if name == "mixed"]), encoding="utf-8")
        NUMBERS.write_text(json.dumps({"check": ratios(traffic.captures(asked.folder / "check", 0.2), 3)}, indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
