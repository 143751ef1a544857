"""Jobs that travel come to the tables of one reading: in this process, in copies of it, in another order of files, over rotated files, in two steps.

`WINRM_JOBS=all` takes every sample instead of every twentieth.
"""

import json
import os
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TypeVar

import pytest

import analyzer
from analyzer.case.analyzed import Case
from analyzer.engine import forks
from analyzer.engine.along import Along
from analyzer.engine.local import run
from analyzer.engine.schedulers import Processes, Serial
from analyzer.engine.travelling import Jobs
from analyzer.errors import UsageError
from analyzer.settings import Limits, Scope
from tests.build.lost_workers import Losing
from tests.build.rotated import SAMPLES, Cells, all_cells, capture_of, differing, rotated

RING = (
    "direct-psrp-large-output",
    "px-before-squid-proxyauth",
    "tls-ended-at-proxy",
    "evil-winrm-py-session",
    "squid-connect-proxyauth-ntlm",
    "https-direct",
    "direct-ansible-copy-fetch-healthy",
    "tls12-direct-healthy",
)
Ask = TypeVar("Ask")
Found = TypeVar("Found")
SUFFIXES = (".pcap", ".pcapng", ".gz", ".zst", ".etl", ".cap")


def _captures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)


def _samples() -> Iterator[str]:
    """Every twentieth sample that holds a capture; all of them with WINRM_JOBS=all."""
    named = [folder.name for folder in sorted(SAMPLES.iterdir()) if _captures(folder)]
    yield from named if os.environ.get("WINRM_JOBS") == "all" else named[::20]


@pytest.mark.parametrize("name", list(_samples()))
def test_every_sample_says_the_same_in_jobs(tmp_path: Path, name: str) -> None:
    folder = SAMPLES / name
    secrets = folder / "secrets.toml"
    keys = secrets if secrets.exists() else None
    plain = all_cells(analyzer.analyze(_captures(folder), secrets=keys))
    for form in ("serial", "processes"):
        jobs = all_cells(analyzer.analyze(_captures(folder), secrets=keys, scheduler=form, jobs=tmp_path / form))
        assert not differing(plain, jobs), form


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    files = sorted(rotated(RING, 25, tmp_path_factory.mktemp("ring")))
    assert len(files) == 200
    return files


@cache
def _plain(files: tuple[Path, ...]) -> Cells:
    return all_cells(analyzer.analyze(list(files)))


def _lines(store: Path) -> Iterator[dict[str, object]]:
    for path in sorted(store.glob("jobs-*.jsonl")):
        yield from (json.loads(line) for line in path.read_text().splitlines())


def _counts(store: Path) -> Counter[tuple[object, object]]:
    return Counter((line["job"], line["state"]) for line in _lines(store))


def test_two_hundred_rotated_files_in_any_order(tmp_path: Path, ring: list[Path]) -> None:
    plain = _plain(tuple(ring))
    assert not differing(plain, all_cells(analyzer.analyze(ring, scheduler="serial", jobs=tmp_path / "one")))
    shuffled = list(ring)
    random.Random(21).shuffle(shuffled)
    assert not differing(plain, all_cells(analyzer.analyze(shuffled, scheduler="processes", jobs=tmp_path / "two")))


def test_what_had_finished_is_not_done_again(tmp_path: Path, ring: list[Path]) -> None:
    first = all_cells(analyzer.analyze(ring, scheduler="serial", jobs=tmp_path))
    before = _counts(tmp_path)
    assert before["scan", "done"] == 200
    assert not before["scan", "found"]
    again = all_cells(analyzer.analyze(ring, scheduler="serial", jobs=tmp_path))
    after = _counts(tmp_path)
    assert not differing(first, again)
    assert {name: count for name, count in after.items() if name[1] == "done"} == {name: count for name, count in before.items() if name[1] == "done"}
    assert after["scan", "found"] == 200
    assert after["talk", "found"] == before["talk", "done"]


def test_a_run_that_was_broken_off_goes_on_where_it_was(tmp_path: Path, ring: list[Path]) -> None:
    class EndedError(Exception):
        pass

    def progress(phase: str, done: int, _: int) -> None:
        if phase == "200 captures" and done == read:
            raise EndedError

    read = sum(path.stat().st_size for path in sorted(ring)[:120])

    with pytest.raises(EndedError):
        analyzer.analyze(ring, scheduler="serial", jobs=tmp_path, progress=progress)
    assert not differing(_plain(tuple(ring)), all_cells(analyzer.analyze(ring, scheduler="serial", jobs=tmp_path)))
    counts = _counts(tmp_path)
    assert (counts["scan", "found"], counts["scan", "done"]) == (120, 80)


def test_two_steps_come_to_what_one_comes_to(tmp_path: Path, ring: list[Path]) -> None:
    analyzer.analyze(ring[:150], scheduler="serial", jobs=tmp_path)
    before = _counts(tmp_path)
    both = all_cells(analyzer.analyze(ring, scheduler="serial", jobs=tmp_path))
    counts = _counts(tmp_path)
    assert not differing(_plain(tuple(ring)), both)
    assert before["scan", "done"] == 150
    assert (counts["scan", "found"], counts["scan", "done"]) == (150, 200)
    assert counts["talk", "found"] >= before["talk", "done"] // 2  # what did not change is not read again, though shares of limits are others


def test_a_file_that_changed_is_scanned_again(tmp_path: Path) -> None:
    path = tmp_path / "capture.pcap"
    path.write_bytes(capture_of("https-direct").read_bytes())
    analyzer.analyze(path, scheduler="serial", jobs=tmp_path / "jobs")
    path.write_bytes(capture_of("tls12-direct-healthy").read_bytes())
    case = analyzer.analyze(path, scheduler="serial", jobs=tmp_path / "jobs")
    assert not differing(all_cells(analyzer.analyze(path)), all_cells(case))
    assert _counts(tmp_path / "jobs")["scan", "done"] == 2


def test_other_settings_are_other_jobs(tmp_path: Path) -> None:
    path = capture_of("tls-ended-at-proxy")
    for scope in (Scope(), Scope(all_http=True), Scope(ports=(5985,))):
        case = analyzer.analyze(path, scope=scope, scheduler="serial", jobs=tmp_path)
        assert not differing(all_cells(analyzer.analyze(path, scope=scope)), all_cells(case))
    assert _counts(tmp_path)["scan", "done"] >= 3


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("stage", ["scan", "talked"])
def test_a_process_that_is_killed_changes_nothing(tmp_path: Path, ring: list[Path], stage: str, moment: str) -> None:
    marks, store = tmp_path / "marks", tmp_path / "jobs"
    marks.mkdir()
    files = ring[:60]
    scheduler = Losing(_ForkedAlways(), marks, moment, (stage,))
    finished = run([str(path) for path in files], Limits(), Scope(), jobs=Jobs(scheduler, str(store)))
    assert list(marks.iterdir()), "no process was killed"
    case = Case(finished.result, finished.sources.fetch, {}, texts=finished.texts)
    plain = _plain(tuple(files))
    assert [name for name in ("connections", "exchanges", "messages", "commands", "findings") if plain[name] != case.cells(name)] == []


class _ForkedAlways(Processes):
    """Every job in a copy of this process, whatever this one has running."""

    def run(self, work: Callable[[Ask], Found], asks: Sequence[Ask], done: Callable[[int, int], None] | None = None, _: Along | None = None) -> list[Found]:
        children = [(ask, forks._forked(work, [ask])) for ask in asks]
        found: list[Found] = []
        for ask, child in children:
            results: list[Found] | None = forks._results(child)
            found.append(results[0] if results is not None else work(ask))
            forks._ended(child)
            if done is not None:
                done(len(found), len(asks))
        return found


def test_a_connection_over_five_files_is_one(tmp_path: Path) -> None:
    name = "direct-psrp-large-output"
    files = rotated([name], 5, tmp_path / "files")
    whole = analyzer.analyze(capture_of(name))
    case = analyzer.analyze(files, scheduler="serial", jobs=tmp_path / "jobs")
    assert len(files) == 5
    assert [row.exchanges for row in case.connections.itertuples()] == [row.exchanges for row in whole.connections.itertuples()]
    first = case.evidence.connections["c1"]
    assert len({key >> 40 for key in first.packets}) == 5
    assert list(case.commands["text"]) == list(whole.commands["text"])


def test_two_sensors_with_rotated_files_each(tmp_path: Path) -> None:
    """The legs of a chain of two proxies, each captured by a sensor of its own, each cut into files of its own: hops and routes join them as in two files."""
    name = "px-before-squid-proxyauth"
    files = [path for one in _captures(SAMPLES / name) for path in rotated([name], 6, tmp_path / one.stem, one)]
    assert len(files) == 18
    plain = all_cells(analyzer.analyze(sorted(files)))
    assert plain["hops"]
    jobs = all_cells(analyzer.analyze(sorted(files), scheduler="processes", jobs=tmp_path / "jobs"))
    assert not differing(plain, jobs)
    assert len(plain["hops"]) == len(all_cells(analyzer.analyze(_captures(SAMPLES / name)))["hops"])


def test_standard_input_is_no_input_of_jobs(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="can be read only once"):
        analyzer.analyze("-", scheduler="serial", jobs=tmp_path)


def test_a_scheduler_that_is_none_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="give serial, processes"):
        analyzer.analyze(capture_of("https-direct"), scheduler="many", jobs=tmp_path)


def test_a_serial_run_shares_nothing() -> None:
    assert not Serial.shares
    assert not Processes().shares
