"""Fuzzes targets by coverage, with atheris (Apache-2.0): python -m tests.fuzz.run --seconds 300 [TARGET...].

Each target runs in a process of its own, one after the other, for so many seconds. What raises, takes longer than 10 seconds or more than 2 GB is kept as a
file in ``build/fuzz/TARGET/found``, and the run says so; a file that was mended belongs into ``tests/fuzz/inputs/TARGET``, where the suite reads it.
"""

import argparse
import re
import subprocess
import sys
from pathlib import Path

WORK = Path(__file__).parents[2] / "build" / "fuzz"
_HANG_S, _MEMORY_MB, _SIZE = 10, 2048, 40_000
_DONE = re.compile(r"^(?:Done|#(\d+)\s+DONE|stat::number_of_executed_units:\s+(\d+))", re.MULTILINE)


def main() -> int:
    """Runs the targets; 1 where one found something."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*")
    parser.add_argument("--seconds", type=int, default=240, help="for each target")
    parser.add_argument("--inside", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.inside:
        _fuzz(given.inside, given.seconds)
        return 0
    from tests.fuzz.targets import TARGETS

    failed = 0
    for name in given.targets or sorted(TARGETS):
        folder = WORK / name
        for part in ("corpus", "found"):
            (folder / part).mkdir(parents=True, exist_ok=True)
        for number, data in enumerate(TARGETS[name].begins()):
            (folder / "corpus" / f"seed-{number:03}").write_bytes(data)
        before = set((folder / "found").iterdir())
        command = (sys.executable, "-m", "tests.fuzz.run", "--inside", name, "--seconds", str(given.seconds))
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        (folder / "log").write_text(done.stdout + done.stderr)
        found = sorted(set((folder / "found").iterdir()) - before)
        runs = [first or other for first, other in _DONE.findall(done.stderr) if first or other]
        told = f"{int(runs[-1]):,} inputs" if runs else "stopped early"
        problem = bool(found or done.returncode)
        failed += problem
        print(f"{name}: {told}, {given.seconds} s; {f'FOUND, see {folder}/log' if problem else 'nothing found'}", flush=True)
    return 1 if failed else 0


def _fuzz(name: str, seconds: int) -> None:
    import atheris

    with atheris.instrument_imports(include=["analyzer"]):
        from tests.fuzz.targets import TARGETS
    for data in TARGETS[name].begins():  # loads what is loaded late, which takes longer than a hang may
        TARGETS[name].read(data)
    folder = WORK / name
    options = (
        f"-max_total_time={seconds}",
        f"-timeout={_HANG_S}",
        f"-rss_limit_mb={_MEMORY_MB}",
        f"-max_len={_SIZE}",
        f"-artifact_prefix={folder}/found/",
        "-print_final_stats=1",
        "-seed=1",
    )
    atheris.Setup([sys.argv[0], *options, str(folder / "corpus")], TARGETS[name].read)
    atheris.Fuzz()


if __name__ == "__main__":
    sys.exit(main())
