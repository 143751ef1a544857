"""Groups of connections that are looked at in jobs come to the tables of one look at all of them, whoever runs the jobs.

`WINRM_GROUPS=all` takes every sample instead of every thirtieth.
"""

import gzip
import hashlib
import json
import os
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from analyzer.api import Case, analyze, analyze_within, open_case
from analyzer.case.grouped import GroupedCase
from analyzer.cli import start
from analyzer.engine.grouped import Memory
from analyzer.engine.local import run
from analyzer.engine.schedulers import Scheduler, Serial
from analyzer.engine.travelling import Jobs
from analyzer.errors import InputError
from analyzer.reports.drawings import LADDERS
from analyzer.reports.masking import Mask
from analyzer.settings import Limits, Scope
from analyzer.tables.registry import TABLES, table_named
from tests.golden.test_groups import NAMES, Cells, captures, made, of_case

EVERY = 1 if os.environ.get("WINRM_GROUPS") == "all" else 30


def in_jobs(paths: Sequence[str], store: Path, scheduler: Scheduler | None = None) -> tuple[Cells, str, int]:
    """The tables and the diagnosis where each part is a job of its own, and how many there are."""
    found = run(paths, Limits(), Scope(), memory=Memory(1 << 40, Mask(), each=True), jobs=Jobs(scheduler or Serial(), str(store))).whole
    assert found is not None
    return {table.name: list(found.cells(table.name)) for table in (*TABLES, LADDERS)}, "\n".join(found.result.diagnosis), found.groups


def differing(paths: Sequence[str], folder: Path, scheduler: Scheduler | None = None) -> tuple[list[str], int]:
    """The tables that differ from those of a look at all at once, and how many groups there were."""
    case = analyze(paths, scheduler="serial", jobs=folder / "whole")  # in jobs captures have the order of their names
    assert isinstance(case, Case)
    whole = of_case(case)
    found, told, count = in_jobs(paths, folder / "groups", scheduler)
    return [*(name for name in whole if whole[name] != found[name]), *(["diagnosis"] if told != case.diagnosis else [])], count


def counts(store: Path) -> Counter[tuple[str, str]]:
    lines = [json.loads(line) for path in store.glob("jobs-*.jsonl") for line in path.read_text().splitlines()]
    return Counter((line["job"], line["state"]) for line in lines)


@pytest.mark.parametrize("name", NAMES[11::EVERY])
def test_a_sample_in_jobs_comes_to_the_same(name: str, tmp_path: Path) -> None:
    if analyze(captures(name)).cells("connections"):
        assert differing(captures(name), tmp_path)[0] == []


@pytest.mark.parametrize("seed", range(5))
def test_several_captures_at_once_come_to_the_same(seed: int, tmp_path: Path) -> None:
    dice = random.Random(100 + seed)
    paths = [path for name in dice.sample(NAMES, dice.randint(2, 4)) for path in captures(name)]
    apart = [made(tmp_path / f"{place}.pcap", 6, 2, 1000 * place + seed) for place in range(1, dice.randint(2, 3))]
    wrong, count = differing([*paths, *apart], tmp_path)
    assert wrong == []
    assert count > 1


def test_what_had_finished_is_not_done_again(tmp_path: Path) -> None:
    paths = [made(tmp_path / "sessions.pcap", 10, 2)]
    first = in_jobs(paths, tmp_path / "jobs")
    before = counts(tmp_path / "jobs")
    assert before["said", "done"] >= 2
    assert before["share", "done"] == first[2] == 5
    assert in_jobs(paths, tmp_path / "jobs") == first
    after = counts(tmp_path / "jobs")
    assert after["said", "found"] == before["said", "done"]
    assert after["share", "found"] == 5
    assert after["share", "done"] == before["share", "done"]


def test_another_wish_is_another_job(tmp_path: Path) -> None:
    """What was found with other settings is not what is asked for."""
    paths = [made(tmp_path / "sessions.pcap", 6, 2)]
    in_jobs(paths, tmp_path / "jobs")
    strict = Mask(strict=True)
    found = run(paths, Limits(), Scope(), memory=Memory(1 << 40, strict, each=True), jobs=Jobs(Serial(), str(tmp_path / "jobs"))).whole
    plain = analyze(paths, mask="strict")
    assert found is not None
    assert list(found.cells("commands")) == plain.cells("commands") != analyze(paths).cells("commands")
    assert counts(tmp_path / "jobs")["share", "found"] == 0


@pytest.mark.parametrize("kind", ["said-*.said", "said-*.found", "share-*.rows", "share-*.found", "basis-*.found"])
def test_a_byte_that_changed_is_never_believed(kind: str, tmp_path: Path) -> None:
    paths, store = [made(tmp_path / "sessions.pcap", 6, 2)], tmp_path / "jobs"
    whole = in_jobs(paths, store)
    one = min(store.glob(kind))
    data = one.read_bytes()
    needed = {"said-*.said": "share-*.found", "basis-*.found": "share-*.found"}.get(kind)
    for place in range(3, len(data), max(len(data) // 7, 1)):
        one.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        for other in store.glob(needed) if needed else ():
            other.unlink()
        with pytest.raises(InputError, match="damaged; delete it"):
            in_jobs(paths, store)
    one.unlink()  # as the error says
    assert in_jobs(paths, store) == whole


@pytest.mark.parametrize("kind", ["scan-*.reel", "points-*.found", "points-*.spool", "said-*.said", "said-*.found", "share-*.rows", "share-*.found"])
def test_an_object_that_is_gone_is_made_again(kind: str, tmp_path: Path) -> None:
    """Whichever it is, and whether what was made of it is still there or not."""
    paths, store = [made(tmp_path / "sessions.pcap", 6, 2)], tmp_path / "jobs"
    paths.append(str(tmp_path / "packed.pcap.gz"))
    with gzip.open(paths[1], "wb") as file:
        file.write(Path(made(tmp_path / "other.pcap", 2, 2, 500)).read_bytes())
    whole = in_jobs(paths, store)
    for later in ("", "share-*"):
        for pattern in filter(None, (kind, later)):
            for one in store.glob(pattern):
                one.unlink()
        assert in_jobs(paths, store) == whole
        assert list(store.glob(kind)) != []


def test_by_the_command_with_a_limit_of_memory(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "evidence").mkdir()
    path, case, jobs = made(tmp_path / "evidence" / "sessions.pcap", 12, 2), tmp_path / "case", tmp_path / "jobs"
    assert start.run(["analyze", "--scheduler", "serial", "--jobs", str(jobs), "--memory", "64M", path, "-o", str(case)]) == 0
    shown = capsys.readouterr().out
    assert counts(jobs)["share", "done"] >= 1
    whole = analyze([path])
    assert whole.diagnosis.splitlines()[0] in shown
    again = open_case(case)
    assert {table.name: again.cells(table.name) for table in TABLES if table.name != "captures"} == {
        table.name: whole.cells(table.name) for table in TABLES if table.name != "captures"
    }


@pytest.mark.parametrize("more", [{}, {"scheduler": "serial"}])
def test_every_input_has_its_sum(more: dict[str, Any], tmp_path: Path) -> None:
    """Also those that are no captures, and where none was asked for while they were read."""
    paths = [made(tmp_path / "sessions.pcap", 4, 2), str(tmp_path / "empty.pcap"), str(tmp_path / "junk.pcap")]
    Path(paths[1]).write_bytes(b"")
    Path(paths[2]).write_bytes(b"no capture")
    whole = analyze(paths, **more).cells("captures")
    at = table_named("captures").names.index("sha256")
    assert {row[at] for row in whole} == {hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths}
    for hashes in (True, False):
        case = analyze_within(paths, 1 << 20, hashes=hashes, **more)
        assert isinstance(case, GroupedCase)
        assert case.cells("captures") == whole


def test_with_secrets_groups_are_looked_at_here(tmp_path: Path) -> None:
    """Secrets do not travel, and nothing that was opened with them is left in the place of the jobs."""
    secrets = tmp_path / "secrets.toml"
    secrets.write_text('[[password]]\nuser = "alice"\nvalue = "Benchmark-1"\n')
    path = made(tmp_path / "sessions.pcap", 4, 2)
    case = analyze_within([path], 64 << 20, scheduler="serial", jobs=tmp_path / "jobs", secrets=secrets)
    assert isinstance(case, GroupedCase)
    assert counts(tmp_path / "jobs")["share", "done"] == 0
    assert case.cells("commands") == analyze([path], secrets=secrets).cells("commands")
