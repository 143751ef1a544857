"""Do the tests notice a change at an edge? ``make mutants``, or ``python -m tests.mutants.run --number 40 --seed 1``.

Mutants are drawn by a seed (tests/mutants/edges.py). Each is tried in a copy of the sources: first with the tests that concern its file, and where it
survives these, with a wider part of the suite. Printed are the survivors: each is a missing test, or a change that makes no difference.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import NamedTuple

from tests.mutants.edges import Mutant, drawn

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("analyzer/rules", "analyzer/auth/schemes", "analyzer/capture")
COPIED = ("analyzer", "tests")
"""What is copied for each worker; the rest is linked."""
NOT_LINKED = {".git", ".venv", "build", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", *COPIED}
NEAR: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("analyzer/auth/schemes/", ("tests/unit/auth", "tests/unit/sealing")),
    ("analyzer/capture/icmp.py", ("tests/unit/capture", "tests/unit/story/test_icmp_joins.py", "tests/rules/test_tcp_icmp_error.py")),
    ("analyzer/capture/", ("tests/unit/capture", "tests/unit/transport")),
    ("analyzer/rules/", ("tests/rules",)),
)
"""Begin of a path, and the tests that concern it; the first row that fits. Rules have tests by their names before."""
WIDE = (
    *(f"tests/unit/{part}" for part in ("auth", "capture", "http", "proxy", "sealing", "story", "transport", "wsman")),
    *("tests/rules", "tests/property/test_never_raises.py", "tests/golden/test_samples.py", "tests/golden/test_scorecards.py", "tests/golden/test_opened.py"),
)
NOT_ASKED = (
    "tests/rules/test_growth.py",
    "tests/unit/test_benchmarks.py",
    "tests/unit/test_mutants.py",
    "tests/unit/test_setup.py",
    "tests/unit/test_house.py",
)
"""Tests of time and of the house: a busy machine must not kill a mutant."""
SLOWER = 5
"""A mutant that takes so many times as long as the tests take without it does not end."""
_LEAST_S = 60


class Verdict(NamedTuple):
    """``killed_by``: near, wide, time, untried (the tests fail without any mutant), or nothing."""

    mutant: Mutant
    killed_by: str


class Copy(NamedTuple):
    """A copy of the sources, and the lock-free counter of its changes (each gets a time stamp of its own, so no compiled file is stale)."""

    root: Path
    changes: list[int]

    def tried(self, mutant: Mutant | None, tests: Iterable[str], timeout: float | None) -> str:
        """``survives``, ``killed``, or ``time`` when the tests did not end."""
        path = self.root / mutant.path if mutant else None
        text = path.read_text(encoding="utf-8") if path else ""
        compiled = [] if path is None else [(one, one.with_suffix(".away")) for one in path.parent.glob("*.so")]  # they may rest on each other
        for one, away in compiled:
            one.rename(away)
        try:
            if path and mutant:
                self._write(path, mutant.applied(text))
            return self._tests(tests, timeout)
        finally:
            if path:
                self._write(path, text)
            for one, away in compiled:
                away.rename(one)

    def _write(self, path: Path, text: str) -> None:
        path.write_text(text, encoding="utf-8")
        self.changes.append(1)
        stamp = path.stat().st_mtime + 10 * len(self.changes)
        os.utime(path, (stamp, stamp))

    def _tests(self, tests: Iterable[str], timeout: float | None) -> str:
        leave = [f"--ignore={name}" for name in NOT_ASKED]
        command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "-p", "no:cacheprovider", "-p", "no:xdist", *leave, *tests]
        try:
            done = subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False, timeout=timeout)
        except subprocess.TimeoutExpired:
            return "time"
        if done.returncode not in {0, 1, 2, 3, 4}:  # 2: not even collected, which a change of a constant can bring about
            msg = f"pytest ended with {done.returncode}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
            raise RuntimeError(msg)
        return "survives" if done.returncode == 0 else "killed"


class Trials:
    """Copies that wait for work, and how long each set of tests takes without a mutant."""

    def __init__(self, folder: Path, workers: int, root: Path = ROOT) -> None:
        self._root = root
        self._free: SimpleQueue[Copy] = SimpleQueue()
        self._seconds: dict[tuple[str, ...], float | None] = {}
        self._lock = Lock()
        for place in range(workers):
            self._free.put(copied(root, folder / str(place)))

    def verdict(self, mutant: Mutant, wide: tuple[str, ...]) -> Verdict:
        """Tries the near tests, then the wide ones."""
        copy = self._free.get()
        try:
            for name, tests in (("near", concerning(mutant.path, self._root)), ("wide", wide)):
                if not tests:
                    continue
                alone = self._alone(copy, tests)
                if alone is None:
                    return Verdict(mutant, "untried")
                how = copy.tried(mutant, tests, SLOWER * alone + _LEAST_S)
                if how != "survives":
                    return Verdict(mutant, name if how == "killed" else "time")
            return Verdict(mutant, "")
        finally:
            self._free.put(copy)

    def _alone(self, copy: Copy, tests: tuple[str, ...]) -> float | None:
        """Seconds without a mutant; None when they fail even so, and prove nothing."""
        with self._lock:
            if tests not in self._seconds:
                begin = time.monotonic()
                passed = copy.tried(None, tests, None) == "survives"
                self._seconds[tests] = time.monotonic() - begin if passed else None
            return self._seconds[tests]


def copied(root: Path, target: Path) -> Copy:
    """The sources and tests, copied; samples and documents, linked."""
    target.mkdir(parents=True)
    for one in root.iterdir():
        if one.name in COPIED:
            shutil.copytree(one, target / one.name)
        elif one.name not in NOT_LINKED and not one.name.endswith(".egg-info"):
            (target / one.name).symlink_to(one)
    return Copy(target, [])


def concerning(path: str, root: Path = ROOT) -> tuple[str, ...]:
    """The tests that concern a file: a rule's own by its name, those of a family for what a family shares, else those of `NEAR`."""
    parts = Path(path).with_suffix("").parts
    if path.startswith("analyzer/rules/") and len(parts) == 4:
        family, name = parts[2:]
        own = f"tests/rules/test_{family}_{name}.py"
        if (root / own).exists():
            return (own,)
        shared = tuple(sorted(f"tests/rules/{one.name}" for one in (root / "tests/rules").glob(f"test_{family}_*.py")))
        if shared:
            return shared
    return next((tests for begin, tests in NEAR if path.startswith(begin)), ())


def told(verdicts: list[Verdict], root: Path = ROOT) -> str:
    """The figures, and the survivors with their lines."""
    counts = Counter(one.killed_by or "survived" for one in verdicts)
    lines = [f"{len(verdicts)} mutants: " + ", ".join(f"{number} {_WORDS[name]}" for name, number in sorted(counts.items()))]
    survivors = [one.mutant for one in verdicts if not one.killed_by]
    lines += ["survived " + one.told((root / one.path).read_text(encoding="utf-8")) for one in survivors]
    return "\n".join(lines)


_WORDS = {
    "near": "noticed by the tests of their file",
    "wide": "noticed by the wider tests only",
    "time": "made the tests run without end",
    "untried": "not tried, since their tests fail without any mutant",
    "survived": "survived",
}


def main() -> int:
    """Draws, tries, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=40)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--near-only", action="store_true", help="leave out the wider tests")
    parser.add_argument("--wide", nargs="+", default=WIDE, help="the wider tests")
    parser.add_argument("--list", action="store_true", help="print the drawn mutants and stop")
    parser.add_argument("folders", nargs="*", default=FOLDERS)
    given = parser.parse_args()
    chosen = drawn(ROOT, tuple(given.folders), given.number, given.seed)
    if given.list:
        print("\n".join(one.told((ROOT / one.path).read_text(encoding="utf-8")) for one in chosen))
        return 0
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder, ThreadPoolExecutor(given.workers) as pool:
        trials = Trials(Path(folder), given.workers)
        verdicts = []
        for verdict in pool.map(lambda one: trials.verdict(one, () if given.near_only else tuple(given.wide)), chosen):
            verdicts.append(verdict)
            state = verdict.killed_by or "SURVIVED"
            print(f"{len(verdicts)}/{len(chosen)} {state}: {verdict.mutant.path}:{verdict.mutant.line}", file=sys.stderr, flush=True)
    print(told(verdicts))
    return 0


if __name__ == "__main__":
    sys.exit(main())
