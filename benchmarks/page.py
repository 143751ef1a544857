"""The benchmark's figures as Markdown and as a chart, and what they were measured on."""

import math
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measure import Cost, once
from benchmarks.rows import Grown, Row, growth_factor, have

_IDLE = 0.5
"""Processes that wait for a processor, on average, up to which two of them are called idle."""


def machine() -> str:
    """What the figures were measured on."""
    model = re.findall(r"model name\s*:\s*(.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8")) if Path("/proc/cpuinfo").exists() else []
    versions = []
    for program in ("tshark", "capinfos", "tcpdump", "tcpflow"):
        if have(program):
            said = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
            found = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
            versions.append(f"{program} {found[0] if found else '?'}")
    empty = once([sys.executable, "-c", "pass"]).cpu * 1000
    processor = model[0] if model else platform.processor()
    python = f"Python {platform.python_version()} (an empty program: {empty:.0f} ms of CPU)"
    return f"{os.cpu_count()} x {processor}, {platform.system()}, {python}; {', '.join(versions)}"


def idle() -> str:
    """Whether wall times mean what they say: they need two processors that nobody else uses."""
    load = os.getloadavg()[0]
    return "nothing else ran" if load <= _IDLE else f"a load of {load:.1f} by others when it began, so that wall times are too long"


def chart(costs: Sequence[tuple[str, float]]) -> str:
    """CPU seconds on a logarithmic scale, as SVG."""
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


def targets(rows: Sequence[Row]) -> Iterator[str]:
    """The table of targets, line by line."""
    yield "| case | reach | aim | reached | |"
    yield "|---|---|---|---|---|"
    for row in rows:
        yield f"| {row.case} | {row.reach} | {row.aim} | {row.reached:.3g}{row.unit} | {'yes' if row.holds else 'missed'} |"


def page(remark: str, rows: Sequence[Row], read: Sequence[tuple[str, str, Cost]], rest: Sequence[tuple[str, Cost]], grown: Sequence[Grown]) -> str:
    """All tables but that of stages. ``read``: (capture, program, cost); ``rest``: (capture, cost)."""
    lines = [f"Measured on {machine()}. {remark[0].upper()}{remark[1:]}.", "", *targets(rows), ""]
    lines += ["Peers, side by side (seconds, MiB):", "", "| capture | program | wall | CPU | memory |", "|---|---|---|---|---|"]
    lines += [f"| {name} | {peer} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.memory:.0f} |" for name, peer, cost in read]
    lines += ["", "![CPU seconds on one gigabyte of mixed traffic](performance.svg)"]
    if rest:
        lines += ["", "Other captures:", "", "| capture | wall | CPU | memory |", "|---|---|---|---|"]
        lines += [f"| {name} | {cost.wall:.2f} | {cost.cpu:.2f} | {cost.memory:.0f} |" for name, cost in rest]
    if grown:
        lines += ["", "Growth (factor 1.00: in the last step a unit costs as much as in the steps before; the start of the program is in no step):", ""]
    for what, costs in grown:
        cells = ", ".join(f"{size:,g}: {cost.cpu:.2f} s, {cost.memory:.0f} MiB" for size, cost in costs)
        lines.append(f"- {what}: {cells}; factor {growth_factor([(size, cost.cpu) for size, cost in costs]):.2f}")
    return "\n".join(lines) + "\n"


def stages(found: Sequence[tuple[str, dict[str, str]]]) -> str:
    """A table of CPU seconds by stage; a stage that a capture did not reach has no figure."""
    named = list(dict.fromkeys(stage for _, spent in found for stage in spent))
    lines = ["Where the time goes (CPU seconds by stage, `python -m benchmarks.profile`):", ""]
    lines += ["| capture | " + " | ".join(named) + " |", "|---" * (len(named) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(spent.get(stage, "") for stage in named) + " |" for name, spent in found]
    return "\n".join(lines) + "\n"


def between(text: str, made: str) -> str:
    """A document with what was measured put between its two marks."""
    begin, end = "<!-- bench: begin -->\n", "<!-- bench: end -->"
    before, _, rest = text.partition(begin)
    return before + begin + "\n" + made + "\n" + end + rest.partition(end)[2]
