"""What many machines give: ``python -m benchmarks.scaling FOLDER [--megabytes 200] [--files 200]`` makes the files of a ring buffer in FOLDER, reads them in
jobs by a cluster on loopback with one worker and with two, and prints what each stage cost; then what the plan comes to with more of both (`simulated`).

CPU seconds are compared, not the clock: on a machine that does other work, the clock tells of that. Docs/scaling.md has the figures.
"""

import argparse
import heapq
import json
import resource
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import analyzer
from analyzer.engine import local
from analyzer.engine.grouped import Memory
from analyzer.engine.travelling import Jobs
from analyzer.reports.masking import Mask
from analyzer.settings import Limits, Scope
from benchmarks import traffic
from tests.build.clusters import cluster

if TYPE_CHECKING:
    from distributed import Client

SMALL = Path(__file__).resolve().parents[1] / "sample_pcaps" / "evil-winrm-py-session" / "capture.pcap"
STAGES = ("scan", "rest", "ahead", "points", "talk", "said", "share")


class Costs(NamedTuple):
    """What stages cost: seconds of one processor for each byte of input (``ends``: of the process that asks; ``alone``: of *points* where nothing is read
    ahead), and bytes of reels for each byte of input."""

    scan: float
    alone: float
    ahead: float
    points: float
    talk: float
    share: float
    ends: float
    reels: float


class Run(NamedTuple):
    """One run: workers, seconds by the clock, CPU seconds of who asks, of all workers, and of jobs by stage; bytes read, reels, the largest worker."""

    workers: int
    wall: float
    own: float
    theirs: float
    stages: dict[str, float]
    read: int
    reels: int
    peak_mib: float
    findings: int


def measured(files: Sequence[Path], folder: Path, workers: int, memory: int | None) -> Run:
    """The files read by a cluster of so many workers; within ``memory`` bytes groups of connections are looked at by the workers, too."""
    folder.mkdir(parents=True)
    store = folder / "jobs"
    with cluster(folder, workers) as client:
        for place, worker in enumerate(client.nthreads()):  # the program is loaded then, as it is where another case was looked at before
            local.run([str(SMALL)], Limits(), Scope(), memory=Memory(1, Mask()), jobs=Jobs(_At(client, worker), str(folder / f"first-{place}")))
        before = sum(client.run(time.process_time).values())
        began, own = time.monotonic(), time.process_time()
        case = analyzer.analyze_within(list(files), memory, client=client, jobs=store)
        wall, used = time.monotonic() - began, time.process_time() - own
        theirs = sum(client.run(time.process_time).values()) - before
        peak = max(client.run(_peak).values())
    lines = [json.loads(line) for path in store.glob("jobs-*.jsonl") for line in path.read_text().splitlines()]
    stages = {stage: sum(line["seconds"] for line in lines if line["job"] == stage) for stage in STAGES}
    reels = sum(path.stat().st_size for path in store.glob("*.reel"))
    return Run(workers, wall, used, theirs, stages, sum(line["read_bytes"] for line in lines), reels, peak, len(case.findings))


class _At:
    """Runs jobs at one worker."""

    shares = True

    def __init__(self, client: "Client", worker: str) -> None:
        self.client, self.worker = client, worker

    def run(self, work: Callable[[Any], Any], asks: Sequence[Any], *_: object) -> list[Any]:
        return list(self.client.gather([self.client.submit(work, ask, workers=[self.worker], pure=False) for ask in asks]))


def _peak() -> float:
    """MiB that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


class Plan(NamedTuple):
    """A case and the machines for it: bytes, bytes of a file, workers, bytes a second that one worker gets of the store, and all of them together."""

    size: float
    file: float
    workers: int
    each: float = 1e9
    store: float = 20e9


def simulated(plan: Plan, costs: Costs) -> dict[str, float]:
    """Seconds by stage: the jobs of a stage go to the worker that is free first; a job takes its CPU or its reading, whichever is longer. One of several
    workers reads reels besides, while others are made: *ahead* is what that takes longer than the scans."""
    count = max(int(plan.size / plan.file), 1)
    width = min(plan.workers, count)
    bandwidth = min(plan.each, plan.store / width)
    along = 0.0 if plan.workers == 1 else max(plan.size * costs.ahead, plan.size * costs.reels / plan.each)
    scan = _queued(count, plan.workers, max(plan.file * costs.scan, plan.file / bandwidth)) + along / plan.workers
    talk = _queued(max(int(plan.size * costs.reels / (4 << 20)), 1), plan.workers, 0) + plan.size * costs.talk / plan.workers
    share = plan.size * costs.share / plan.workers
    points = plan.size * costs.points if plan.workers > 1 else max(plan.size * costs.alone, plan.size * costs.reels / plan.each)
    return {"scan": scan, "ahead": max(along - scan, 0.0), "points": points, "talk": talk, "share": share, "ends": plan.size * costs.ends}


def _queued(jobs: int, workers: int, seconds: float) -> float:
    """When the last of so many equal jobs ends."""
    free = [0.0] * min(workers, jobs)
    last = 0.0
    for _ in range(jobs):
        last = heapq.heappop(free) + seconds
        heapq.heappush(free, last)
    return last


def costs_of(run: Run, several: Run, size: int) -> Costs:
    """Costs by the figures of a run with one worker; of what is read ahead, by those of one with several."""
    talk = run.stages["talk"] + run.stages["said"]
    scan = run.stages["scan"] + run.stages["rest"]
    alone, ahead, points = run.stages["points"], several.stages["ahead"], several.stages["points"]
    return Costs(scan / size, alone / size, ahead / size, points / size, talk / size, run.stages["share"] / size, run.own / size, run.reels / size)


def told(runs: Sequence[Run], files: int, size: int) -> Iterator[str]:
    """The figures as a page has them."""
    yield f"{files} files, {size / 1e6:.0f} MB."
    yield ""
    yield f"| workers | wall s | CPU s: jobs | CPU s: who asks | of all | {' | '.join(STAGES)} | read / input | reels / input | largest worker MiB |"
    yield f"|{'---|' * (8 + len(STAGES))}"
    for run in runs:
        stages = " | ".join(f"{run.stages[one]:.2f}" for one in STAGES)
        asks = f"{run.own:.2f} | {100 * run.own / (run.own + run.theirs):.1f} %"
        ratio = f"{run.read / size:.3f} | {run.reels / size:.3f}"
        yield f"| {run.workers} | {run.wall:.1f} | {run.theirs:.1f} | {asks} | {stages} | {ratio} | {run.peak_mib:.0f} |"
    costs = costs_of(runs[0], runs[-1], size)
    yield ""
    yield "| workers | measured, jobs one after the other, s | model, s | off by |"
    yield "|---|---|---|---|"
    for run in runs:
        stages = simulated(Plan(size, size / files, run.workers, 1e12, 1e12), costs)
        model = sum(stages.values()) - stages["ends"]
        real = sum(run.stages[one] for one in STAGES if one != "points") / run.workers + run.stages["points"]
        yield f"| {run.workers} | {real:.2f} | {model:.2f} | {100 * (model / real - 1):+.0f} % |"
    yield ""
    yield "| case | file | workers | scan | ahead | points | talk | share | who asks | all | limited by |"
    yield f"|{'---|' * 11}"
    for size_, file in ((1e11, 1e8), (1e12, 1e9), (1e13, 1e9), (1e14, 1e9), (1e15, 1e9)):
        for workers in (1, 10, 100, 1000):
            stages = simulated(Plan(size_, file, workers), costs)
            longest = max(stages, key=lambda one: stages[one])
            cells = " | ".join(_hours(stages[one]) for one in ("scan", "ahead", "points", "talk", "share", "ends"))
            yield f"| {size_ / 1e9:,.0f} GB | {file / 1e9:g} GB | {workers:,} | {cells} | {_hours(sum(stages.values()))} | {longest} |"


def _hours(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:,.1f} h"


def main() -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--megabytes", type=int, default=200)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--memory", type=int, help="MiB: groups of connections are looked at by the workers, too")
    given = parser.parse_args()
    size = given.megabytes * 1_000_000
    ring = given.folder / f"ring-{given.megabytes}-{given.files}"
    files = sorted(ring.iterdir()) if ring.exists() else traffic.rotated(ring, traffic.mixed(size), given.files, size)
    total = sum(path.stat().st_size for path in files)
    runs = []
    for workers in (1, 2):
        folder = given.folder / f"workers-{workers}"
        shutil.rmtree(folder, ignore_errors=True)
        runs.append(measured(files, folder, workers, None if given.memory is None else given.memory << 20))
    print("\n".join(told(runs, len(files), total)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
