"""The benchmark: ``python -m benchmarks.bench FOLDER`` makes captures in FOLDER (4 GB; 45 GB with --large), measures, prints the tables and writes them into
docs/performance.md. It ends with 1 where the capture that is larger than memory took more than its limit. ``--check`` measures a small part and compares its
ratios with those written there.

Every target is a ratio of two commands that took turns in one run, so a slow or busy machine changes little. Files are read once before, so that they lie in
the page cache; with less memory than the file has, the disk is measured. All captures are written in the same way: how large the pieces are in which a file
was written changes what reading it costs.
"""

import argparse
import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks import traffic
from benchmarks.installed import ROOT, installed
from benchmarks.measure import Cost, once, paired, warm
from benchmarks.page import between, chart, idle, page, stages
from benchmarks.rows import (
    CAPINFOS,
    OURS,
    QUIET_SAMPLE,
    analyze,
    growth,
    growth_rows,
    have,
    large_rows,
    mixed_rows,
    output_rows,
    printed,
    small_rows,
    start_rows,
    thread_rows,
    tshark,
    winrm_rows,
)

PAGE, NUMBERS = ROOT / "docs" / "performance.md", ROOT / "docs" / "performance.json"
SLACK = 1.6
"""How much worse than written a ratio may be before the check fails: this is about mistakes, not about noise."""
LARGEST = 20
"""Gigabytes of the capture that is larger than memory is allowed to be."""


def peers(made: dict[str, Path], *, brief: bool = False) -> Iterator[tuple[str, str, Cost]]:
    """(capture, peer, cost): what else reads these captures. Libraries read a twentieth, and their cost is that times twenty."""
    part = made["mixed"].with_name("part.pcap")
    if not part.exists():
        traffic.write(part, traffic.mixed(made["mixed"].stat().st_size // 20))
    for name in ("mixed",) if brief else ("mixed", "winrm", "clear"):
        path = made[name]
        warm(path)
        commands: dict[str, list[str]] = {
            "winrm-analyzer analyze": analyze(path),
            "cat": ["cat", str(path)],
            "capinfos -csduaeyizx": [*CAPINFOS, str(path)],
            "capinfos": ["capinfos", str(path)],
            "tcpdump with a filter": ["tcpdump", "-n", "-r", str(path), "-w", "/dev/null", "tcp port 5985"],
            "tcpflow": ["tcpflow", "-r", str(path), "-o", str(path.with_name("flows"))],
            "tshark -z conv,tcp": ["tshark", "-n", "-q", "-r", str(path), "-z", "conv,tcp"],
            "tshark -Y http": tshark(path),
        }
        for peer, command in commands.items():
            if have(command[0]):
                yield name, peer, once(command)
            shutil.rmtree(path.with_name("flows"), ignore_errors=True)
    for library in () if brief else ("dpkt", "scapy", "nfstream"):
        try:
            cost = once([sys.executable, "-m", "benchmarks.loops", library, str(part)])
        except RuntimeError:
            continue
        yield "mixed", f"{library} (a twentieth, times 20)", Cost(cost.wall * 20, cost.cpu * 20, cost.memory)


def others(made: dict[str, Path]) -> Iterator[tuple[str, Cost]]:
    """Other containers, and what has no peer."""
    for name in ("mixed-pcapng", "mixed-gzip", "mixed-zstd", "small", "many", "plain", "clear", "winrm", "short", "scanner", "web", "giant"):
        warm(made[name])
        yield f"{name} ({made[name].stat().st_size / 1e6:.0f} MB)", once(analyze(made[name]))
    folder = made["mixed"].with_name("rotated")
    size = made["mixed"].stat().st_size // 4
    files = traffic.rotated(folder, traffic.mixed(size), 60, size)
    yield f"a quarter of mixed, in {len(files)} files", once([*OURS, "analyze", *map(str, files)])
    shutil.rmtree(folder)
    part = made["mixed"].with_name("part.pcap")
    yield "a twentieth of mixed", once(analyze(part))
    yield "a twentieth of mixed, kernel not compiled", once(analyze(part), WINRM_ANALYZER_KERNEL="python")
    yield "winrm, decrypted", once(analyze(made["winrm"], "--secrets", str(made["secrets"])))


def profiles(made: dict[str, Path]) -> Iterator[tuple[str, dict[str, str]]]:
    """(capture, {stage: CPU seconds}), each in a process of its own."""
    wanted = {
        "mixed": [str(made["mixed"])],
        "winrm, decrypted": [str(made["winrm"]), str(made["secrets"])],
        "clear": [str(made["clear"])],
        "short": [str(made["short"])],
        "small, without WinRM": [str(QUIET_SAMPLE)],
    }
    for name, arguments in wanted.items():
        warm(Path(arguments[0]))
        told = printed("benchmarks.profile", *arguments)
        yield name, {stage: seconds for stage, seconds, _ in (line.split() for line in told.splitlines())}


def ratios(made: dict[str, Path], runs: int) -> dict[str, float]:
    """What the check compares: CPU, each against cat on the same file."""
    found = {}
    for name in ("mixed", "small", "winrm", "clear"):
        warm(made[name])
        cost = paired({"ours": analyze(made[name]), "cat": ["cat", str(made[name])]}, runs)
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
    parser.add_argument("--large", action="store_true", help=f"growth up to 10 GB and 100,000 exchanges, and a capture of {LARGEST} GB")
    parser.add_argument("--brief", action="store_true", help="without growth, other captures, and peers that are libraries (ten minutes)")
    parser.add_argument("--check", action="store_true", help="compare a few ratios with those in docs/performance.json")
    parser.add_argument("--no-write", action="store_true", help="print only")
    asked = parser.parse_args()
    others_run = idle()  # before anything of ours runs
    OURS[:], remark = installed(asked.folder)
    remark = f"{remark}; {others_run}"
    print(remark)
    if asked.check:
        return check(asked.folder)
    made = traffic.captures(asked.folder, asked.scale)
    rows = [*mixed_rows(made, asked.runs), *small_rows(made, asked.runs), *winrm_rows(made, max(1, asked.runs // 2)), *output_rows(made, asked.runs)]
    rows += [*start_rows(asked.runs), *thread_rows(made, asked.runs)]
    grown = [] if asked.brief else list(growth(asked.folder, asked.scale, large=asked.large))
    rows += growth_rows(grown, large=asked.large) if grown else ()
    largest = list(large_rows(asked.folder, LARGEST)) if asked.large else []
    rows += largest
    read = list(peers(made, brief=asked.brief))
    text = page(remark, rows, read, [] if asked.brief else list(others(made)), grown) + "\n" + stages(list(profiles(made)))
    print(text)
    if not asked.no_write:
        PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
        PAGE.with_suffix(".svg").write_text(chart([(peer, cost.cpu) for name, peer, cost in read if name == "mixed"]), encoding="utf-8")
        NUMBERS.write_text(json.dumps({"check": ratios(traffic.captures(asked.folder / "check", 0.2), 3)}, indent=1) + "\n", encoding="utf-8")
    over = [one.case for one in largest if not one.holds]
    for case in over:
        print(f"NOT KEPT: {case}")
    return 1 if over or (asked.large and not largest) else 0


if __name__ == "__main__":
    sys.exit(main())
