"""Runs a command again and again, each time with a disk that fails at another place, and tells what is there afterwards. A process of its own runs this, under
`disk.c`; each run is a fork of it, as loading all libraries takes longer than the command."""

import ctypes
import hashlib
import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from functools import partial
from pathlib import Path

COUNT, FULL, ERROR, KILLED, HALF = range(5)
MODES = {"full": FULL, "error": ERROR, "killed": KILLED, "half": HALF}


def forked(work: Callable[[], str]) -> tuple[int, str]:
    """What ``work`` says in a copy of this process, and how that ended: its exit status, negative the signal."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.close(reading)
        code = 1
        try:
            told = work()
            code = 0
        except SystemExit as end:
            told, code = "", end.code if isinstance(end.code, int) else 1
        finally:
            if code != 1:
                os.write(writing, told.encode()[:60_000])
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read().decode()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), told


def commanded(words: list[str]) -> tuple[int, str, str]:
    """Exit code, stdout and stderr of a command, run in this process."""
    from analyzer.cli.start import run

    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run(words)
    return code, out.getvalue(), err.getvalue()


def broken(library: ctypes.CDLL, words: list[str], folder: Path, place: int, mode: int) -> tuple[int, dict[str, object]]:
    """The command with a disk that fails at ``place``."""

    def work() -> str:
        library.disk_arm(f"{folder}/".encode(), ctypes.c_long(place), mode)
        code, out, err = commanded(words)
        calls = int(library.disk_calls())
        library.disk_arm(b"", ctypes.c_long(0), -1)
        return json.dumps({"code": code, "stdout": len(out), "stderr": err, "calls": calls})

    status, told = forked(work)
    return status, json.loads(told) if told else {}


def seen(folder: Path) -> dict[str, str]:
    """The files there with their SHA-256, but what a killed run may leave."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".winrm-analyzer-" not in str(path)
    }


def left(folder: Path) -> list[str]:
    """What a run left of what was temporary."""
    return sorted(path.name for path in folder.rglob("*") if path.name.startswith(".winrm-analyzer-"))


def state(folder: Path) -> str:
    """All that is there, temporary or not, without the random part of names: where two runs left the same, looks at it find the same."""
    there = ((re.sub(r"(\.winrm-analyzer-)[^/]*", r"\1", path.relative_to(folder).as_posix()), path) for path in folder.rglob("*"))
    return json.dumps(sorted((name, hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "") for name, path in there))


def looked(words: list[str]) -> dict[str, object]:
    """A command that only reads, in a copy of this process, whole disk."""
    status, told = forked(lambda: json.dumps(commanded(words)))
    code, out, err = json.loads(told) if told else (status, "", "no answer")
    return {"code": code, "stdout": out, "stderr": err}


def main(library_path: str, plan_path: str) -> None:
    """One line of JSON for each run of the plan: ``before`` (words that make the old output, or none), ``words``, ``out``, ``places``, ``modes``, ``looks``;
    ``each`` (or none): where memory is limited, each part is looked at as a group of its own, as if there were more than the memory holds."""
    import duckdb
    import numpy  # noqa: ICN001
    import pandas  # noqa: F401, ICN001

    import analyzer.cli.commands
    import analyzer.engine.reading
    import analyzer.engine.store
    import analyzer.reports.html.page  # noqa: F401

    _ = duckdb, numpy
    library = ctypes.CDLL(library_path)
    plan = json.loads(Path(plan_path).read_text(encoding="utf-8"))
    if plan.get("each"):
        from analyzer.engine import grouped

        grouped.Memory = partial(grouped.Memory, each=True)  # type: ignore[assignment, misc]
    out = Path(plan["out"])
    old = out.with_name("old")
    out.mkdir()
    if plan["before"]:
        assert looked(plan["before"])["code"] == 0
    shutil.copytree(out, old)
    _, counted = broken(library, plan["words"], out, 0, COUNT)
    looks = [looked(words) for words in plan["looks"]]
    print(json.dumps({"mode": "none", "status": 0, **counted, "files": seen(out), "left": left(out), "looks": looks}), flush=True)  # noqa: T201
    total = int(str(counted["calls"]))
    step = max(total / plan["places"], 1)
    places = sorted({1, total, *(int(1 + step * number) for number in range(plan["places"]))} & set(range(1, total + 1)))
    known: dict[str, list[dict[str, object]]] = {}
    for mode in plan["modes"]:
        for place in places:
            shutil.rmtree(out)
            shutil.copytree(old, out)
            status, told = broken(library, plan["words"], out, place, MODES[mode])
            found = {"mode": mode, "place": place, "status": status, **told, "files": seen(out), "left": left(out)}
            there = state(out)
            if there not in known:
                known[there] = [looked(words) for words in plan["looks"]]
            found["looks"] = known[there]
            print(json.dumps(found), flush=True)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
