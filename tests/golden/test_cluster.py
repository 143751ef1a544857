"""A cluster of two workers comes to the tables of one process, also when a worker is killed in each stage, and from an object store.

`WINRM_JOBS=all` takes every sample instead of a dozen.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import analyzer
from analyzer.case.analyzed import Case
from analyzer.engine.local import run
from analyzer.engine.travelling import Jobs
from analyzer.errors import UsageError
from analyzer.settings import Limits, Scope
from tests.build.clusters import cluster, know, s3_server
from tests.build.lost_workers import Losing
from tests.build.rotated import SAMPLES, all_cells, capture_of, differing, rotated

if TYPE_CHECKING:
    from distributed import Client

pytest.importorskip("distributed")
pytest.importorskip("fsspec")

SUFFIXES = (".pcap", ".pcapng", ".gz", ".zst", ".etl", ".cap")
RING = ("px-before-squid-proxyauth", "tls-ended-at-proxy", "evil-winrm-py-session", "squid-connect-proxyauth-ntlm", "https-direct", "tls12-direct-healthy")


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    with cluster(tmp_path_factory.mktemp("cluster")) as connected:
        yield connected


def _captures(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.suffix in SUFFIXES)


def _samples() -> list[str]:
    named = [folder.name for folder in sorted(SAMPLES.iterdir()) if _captures(folder)]
    return named if os.environ.get("WINRM_JOBS") == "all" else named[7::24]


def test_samples_say_the_same_on_a_cluster(tmp_path: Path, client: Client) -> None:
    for name in _samples():
        folder = SAMPLES / name
        secrets = folder / "secrets.toml"
        keys = secrets if secrets.exists() else None
        plain = all_cells(analyzer.analyze(_captures(folder), secrets=keys))
        there = all_cells(analyzer.analyze(_captures(folder), secrets=keys, client=client, jobs=tmp_path / name))
        assert not differing(plain, there), name


def _counts(store: Path) -> Counter[tuple[str, str]]:
    lines = [json.loads(line) for path in store.glob("jobs-*.jsonl") for line in path.read_text().splitlines()]
    return Counter((line["job"], line["state"]) for line in lines)


def test_a_worker_that_is_killed_in_each_stage_changes_nothing(tmp_path: Path, client: Client) -> None:
    from analyzer.engine.on_dask import OnDask

    files = sorted(rotated(RING, 5, tmp_path / "ring"))
    plain = all_cells(analyzer.analyze(files))
    for moment in ("before", "after"):
        marks, store = tmp_path / f"marks-{moment}", tmp_path / f"jobs-{moment}"
        marks.mkdir()
        scheduler = Losing(OnDask(client), marks, moment, ("scan", "points", "talked"))
        finished = run([str(path) for path in files], Limits(), Scope(), jobs=Jobs(scheduler, str(store)))
        case = Case(finished.result, finished.sources.fetch, {}, texts=finished.texts)
        assert {path.name.partition("-")[0] for path in marks.iterdir()} == {"scan", "points", "talked"}
        assert [name for name in ("connections", "exchanges", "messages", "commands", "findings", "issues") if plain[name] != case.cells(name)] == []
        counts = _counts(store)
        assert counts["scan", "done"] + counts["scan", "found"] == len(files)
        if moment == "after":  # the job had left its result: it was found, not done again
            assert counts["scan", "found"] == 1
            assert counts["points", "found"] >= 1
            assert counts["talk", "found"] == 1


def test_a_series_is_read_ahead_also_where_its_worker_is_killed(tmp_path: Path, client: Client) -> None:
    from analyzer.engine.on_dask import OnDask

    files = sorted(rotated(["direct-psrp-large-output"], 60, tmp_path / "ring"))
    plain = all_cells(analyzer.analyze(files))
    client.wait_for_workers(2, timeout=60)  # one may have been killed just now
    assert not differing(plain, all_cells(analyzer.analyze(files, client=client, jobs=tmp_path / "jobs")))
    assert not differing(plain, all_cells(analyzer.analyze(files, client=client, jobs=tmp_path / "jobs")))
    assert _counts(tmp_path / "jobs")["points", "done"] == 1  # and once more when it was found, ahead of which nothing is read
    before = _counts(tmp_path / "jobs")["ahead", "done"]
    assert sum(count for (job, _), count in _counts(tmp_path / "jobs").items() if job == "ahead") == before
    for moment in ("before", "after"):
        marks, store = tmp_path / f"marks-{moment}", tmp_path / f"jobs-{moment}"
        marks.mkdir()
        client.wait_for_workers(2, timeout=60)  # one was killed just now
        scheduler = Losing(OnDask(client), marks, moment, ("ahead",))
        finished = run([str(path) for path in files], Limits(), Scope(), jobs=Jobs(scheduler, str(store)))
        case = Case(finished.result, finished.sources.fetch, {}, texts=finished.texts)
        assert {path.name for path in marks.iterdir()} <= {f"ahead-{moment}"}  # nothing is read ahead where the scans end first, which a busy machine decides
        assert [name for name in ("connections", "exchanges", "messages", "commands", "findings", "issues") if plain[name] != case.cells(name)] == []


def test_groups_on_a_cluster_that_loses_workers(tmp_path: Path, client: Client) -> None:
    from analyzer.engine.on_dask import OnDask
    from tests.golden.test_group_jobs import differing as in_groups
    from tests.golden.test_groups import made

    paths = [made(tmp_path / "sessions.pcap", 12, 2), str(capture_of("evil-winrm-py-session"))]
    for moment in ("before", "after"):
        marks = tmp_path / f"marks-{moment}"
        marks.mkdir()
        wrong, count = in_groups(paths, tmp_path / moment, Losing(OnDask(client), marks, moment, ("said", "shared")))
        assert {path.name.partition("-")[0] for path in marks.iterdir()} == {"said", "shared"}
        assert wrong == []
        assert count >= 6
        done = _counts(tmp_path / moment / "groups")
        assert done["share", "done"] + done["share", "found"] == count
        assert (done["share", "found"], done["said", "found"]) == ((1, 1) if moment == "after" else (0, 0))


def test_an_address_is_enough(tmp_path: Path, client: Client) -> None:
    path = capture_of("evil-winrm-py-session")
    case = analyzer.analyze(path, scheduler=client.scheduler.address, jobs=tmp_path)
    assert not differing(all_cells(analyzer.analyze(path)), all_cells(case))


def test_a_cluster_needs_a_place_that_all_reach(client: Client) -> None:
    with pytest.raises(UsageError, match="--jobs"):
        analyzer.analyze(capture_of("https-direct"), client=client)


def test_captures_and_jobs_in_an_object_store(tmp_path: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    fsspec = pytest.importorskip("fsspec")
    pytest.importorskip("s3fs")
    pytest.importorskip("moto")
    pytest.importorskip("flask_cors")
    with s3_server(tmp_path) as address:
        known = {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": "nothing", "AWS_DEFAULT_REGION": "us-east-1"}
        for name, value in known.items():
            monkeypatch.setenv(name, value)
        client.run(know, known)
        system = fsspec.filesystem("s3", client_kwargs={"endpoint_url": address}, use_listings_cache=False)
        system.mkdir("evidence")
        files = sorted(rotated(["evil-winrm-py-session", "https-direct"], 4, tmp_path / "ring"))
        for path in files:
            system.put_file(str(path), f"evidence/ring/{path.parent.name}/{path.name}")
        case = analyzer.analyze("s3://evidence/ring/", client=client, jobs="s3://evidence/jobs")
        plain, there = all_cells(analyzer.analyze(files)), all_cells(case)
        assert differing(plain, there) == ["captures"]  # their paths
        assert [row[0] for row in plain["captures"]] == [row[0] for row in there["captures"]]
        assert set(case.captures["path"]) == {f"s3://evidence/ring/{path.parent.name}/{path.name}" for path in files}
        assert list(case.captures["sha256"]) == list(analyzer.analyze(files).captures["sha256"])
        logs = [json.loads(line) for name in system.glob("evidence/jobs/jobs-*.jsonl") for line in system.cat_file(name).decode().splitlines()]
        size = sum(path.stat().st_size for path in files)
        assert sum(line["read_bytes"] for line in logs) <= 1.1 * size
        again = analyzer.analyze(["s3://evidence/ring/*/*.pcap", "s3://evidence/ring/*/*.pcapng"], client=client, jobs="s3://evidence/jobs")
        assert not differing(there, all_cells(again))
