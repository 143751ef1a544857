"""Work in several processes gives what one process gives, whatever becomes of the others."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from analyzer.engine.forks import processes, spread
from analyzer.system.processes import processors

ROOT = Path(__file__).parents[3]
SAMPLES = ROOT / "sample_pcaps"
pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


def may_fork_alone() -> bool:
    """A process of one thread may fork here."""
    return hasattr(os, "fork") and Path("/proc/self/task").is_dir()


BOTH_WAYS = """
import json, sys
from analyzer import analyze
from analyzer.engine.forks import processes
from analyzer.settings import Limits

assert processes() > 1, "nothing is tested"
paths, secrets = sys.argv[2:], sys.argv[1] or None
one, several = (analyze(paths, secrets=secrets, limits=Limits(fork_bytes=size)).result for size in (1 << 60, 0))
assert one == several
print(len(one.evidence.exchanges), len(one.findings))
"""


def run(script: str, *arguments: str) -> str:
    """A process of one thread, as a command line is; this one may have more."""
    done = subprocess.run([sys.executable, "-c", script, *arguments], cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(not may_fork_alone() or processors() == 1, reason="Linux and two cores are needed")
@pytest.mark.parametrize(
    "sample", ["badproxy-reauth", "two-legs-clock-drift", "direct-psrp-large-output", "https-direct", "squid-connect-clear-http", "rotated-files"]
)
def test_results_are_those_of_one_process(sample: str) -> None:
    folder = SAMPLES / sample
    paths = [str(path) for path in sorted(folder.glob("*.pcap*"))]
    secrets = folder / "secrets.toml"
    exchanges, _ = map(int, run(BOTH_WAYS, str(secrets) if secrets.exists() else "", *paths).split())
    assert exchanges > 0


def test_results_come_in_the_order_of_the_parts_from_several_processes() -> None:
    script = "import json, os\nfrom analyzer.engine.forks import spread\nprint(json.dumps(spread(lambda part: [part * 2, os.getpid()], list(range(7)), 3)))"
    found = json.loads(run(script))
    assert [value for value, _ in found] == [0, 2, 4, 6, 8, 10, 12]
    assert len({pid for _, pid in found}) == 3
    assert spread(str, [], 4) == []


def test_what_comes_back_in_packs_is_what_was_found() -> None:
    script = (
        "import json\nfrom analyzer.engine.forks import spread\n"
        "lists = spread(lambda part: list(range(part)), [0, 1, 4, 5, 9, 8], 3, pack=4)\n"
        "assert lists == [list(range(part)) for part in (0, 1, 4, 5, 9, 8)], lists\n"
        "tuples = spread(lambda part: tuple(range(part)), [9, 0, 5], 3, pack=4)\n"
        "assert tuples == [tuple(range(part)) for part in (9, 0, 5)], tuples\n"
        "print(json.dumps(spread(str, [1, 2, 3], 3, pack=1)))"
    )
    assert json.loads(run(script)) == ["1", "2", "3"]


DYING = """
import json, os, signal, sys
from analyzer.engine.forks import spread
me = os.getpid()

def work(part):
    if os.getpid() != me and part == 3:
        {how}
    return [part, os.getpid() == me]

print(json.dumps(spread(work, [1, 2, 3, 4, 5, 6, 7, 8, 9], 3)))
"""


@pytest.mark.parametrize(
    "how", ["os.kill(os.getpid(), signal.SIGKILL)", "raise ValueError", "return lambda: None", "sys.exit(0)", "os.close(sys.stdout.fileno() + 2)"]
)
def test_what_a_process_leaves_undone_is_done_here(how: str) -> None:
    found = json.loads(run(DYING.format(how=how)))
    assert [part for part, _ in found] == [1, 2, 3, 4, 5, 6, 7, 8, 9]
    done_here = {part for part, here in found if here}
    assert done_here >= {1, 4, 7}
    assert not done_here & {2, 5, 8}, "the other process did its own"


def test_an_error_is_raised_as_one_process_would_and_leaves_nobody_behind() -> None:
    script = """
import os
from analyzer.engine.forks import spread

def work(part):
    raise KeyError(part)

try:
    spread(work, [1, 2, 3], 3)
except KeyError as error:
    print(error.args[0])
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("nobody")
"""
    assert run(script).split() == ["1", "nobody"]


def test_an_interrupt_ends_every_process_that_works_in_turn() -> None:
    """Also the one that is waited for."""
    script = """
import os, signal, time
from analyzer.engine.forks import in_turn

def work(part):
    time.sleep(20)

signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(KeyboardInterrupt()))
signal.setitimer(signal.ITIMER_REAL, 0.5)
try:
    list(in_turn(work, [1, 2, 3], 2))
except KeyboardInterrupt:
    try:
        print(os.waitpid(-1, os.WNOHANG))
    except ChildProcessError:
        print("nobody is left")
"""
    assert run(script) == "nobody is left\n"


def test_a_process_of_several_threads_is_not_forked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "listdir", lambda _path: ["1", "2"])
    assert processes() == 1


def test_where_no_process_can_be_had_the_work_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused() -> int:
        raise BlockingIOError

    monkeypatch.setattr(os, "fork", refused)
    assert spread(lambda part: part + 1, [1, 2, 3], 2) == [2, 3, 4]
