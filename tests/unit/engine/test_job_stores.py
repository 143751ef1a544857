"""Job stores and object stores, where they could tell another thing than a plain run: changed captures, other machines, damage, URLs."""

import gzip
import io
import os
from itertools import product
from pathlib import Path

import pytest
from msgspec.structs import replace

import analyzer
from analyzer.capture.identity import identity_at
from analyzer.cli import start
from analyzer.engine import pointing
from analyzer.engine.jobs import as_seen_here, told_input
from analyzer.errors import InputError
from analyzer.records.capture import Capture, Identity
from analyzer.system.files import read_at
from tests.build.rotated import Cells, all_cells, capture_of, differing

SAMPLE = "evil-winrm-py-session"


def _copy(folder: Path, name: str = "capture.pcap") -> Path:
    path = folder / name
    path.write_bytes(capture_of(SAMPLE).read_bytes())
    return path


@pytest.mark.skipif(os.name == "nt", reason="Windows tells no time of the last change of an entry")
def test_bytes_that_were_changed_with_their_time_set_back_are_another_input(tmp_path: Path) -> None:
    path = tmp_path / "large.pcap"
    data = bytearray(capture_of(SAMPLE).read_bytes() + bytes(1 << 18))
    path.write_bytes(data)
    os.utime(path, ns=(10**18, 10**18))
    before = told_input(str(path))
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(10**18, 10**18))
    assert told_input(str(path)) != before


def test_a_capture_that_another_machine_scanned_did_not_change(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that is shared has a device of its own on each machine, and the same size and time."""
    path = _copy(tmp_path)
    there = analyzer.analyze(path, scheduler="serial", jobs=tmp_path / "jobs")

    def elsewhere(made: Capture) -> Capture:
        return made if made.identity is None else replace(made, identity=replace(made.identity, device=made.identity.device + 1))

    real = pointing.Described
    monkeypatch.setattr(pointing, "Described", lambda capture, *others: real(elsewhere(capture), *others))
    case = analyzer.analyze(path, scheduler="serial", jobs=tmp_path / "others")
    assert not differing(all_cells(there), all_cells(case))
    assert "capture.changed" not in set(case.issues["code"])


def test_of_a_file_that_is_another_one_now_the_identity_stays(tmp_path: Path) -> None:
    path = _copy(tmp_path)
    now = identity_at(str(path))
    assert now is not None
    for size, expected in ((now.size, now), (now.size + 1, None)):
        scanned = Identity(now.device + 1, now.inode, size, now.modified_ns)
        assert as_seen_here(Capture(0, str(path), path.name, "pcap", 1, identity=scanned)).identity == (expected or scanned)
    gone = Capture(0, str(tmp_path / "gone.pcap"), "gone.pcap", "pcap", 1, identity=now)
    assert as_seen_here(gone).identity is None


@pytest.mark.parametrize("kind", ["scan-*.reel", "points-*.found", "talk-*.found"])
@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_object_is_named(tmp_path: Path, kind: str, damage: str) -> None:
    path, store = _copy(tmp_path), tmp_path / "jobs"
    analyzer.analyze(path, scheduler="serial", jobs=store)
    (one,) = store.glob(kind)
    data = bytearray(one.read_bytes())
    if damage == "cut":
        del data[-20:]
    else:
        data[-60] ^= 1
    one.write_bytes(data)
    if kind.startswith("scan"):
        for other in store.glob("*.found"):
            other.unlink()
    with pytest.raises(InputError, match=f"{one.name}: .*delete it"):
        analyzer.analyze(path, scheduler="serial", jobs=store)
    one.unlink()
    assert not differing(all_cells(analyzer.analyze(path)), all_cells(analyzer.analyze(path, scheduler="serial", jobs=store)))


def test_damage_of_one_reel_is_no_empty_capture(tmp_path: Path) -> None:
    """Not in this run, and not in one after the damaged object was deleted, as the error says."""
    first, store = _copy(tmp_path), tmp_path / "jobs"
    second = tmp_path / "second.pcap"
    second.write_bytes(capture_of("direct-basic").read_bytes())
    paths = [first, second]
    plain = all_cells(analyzer.analyze(paths, scheduler="serial", jobs=store))
    for one in store.glob("*.found"):
        one.unlink()
    for one in store.glob("scan-*.reel"):
        data = one.read_bytes()
        one.write_bytes(data[:11] + bytes([data[11] ^ 1]) + data[12:])
        with pytest.raises(InputError, match=f"{one.name}: this is damaged; delete it"):
            analyzer.analyze(paths, scheduler="serial", jobs=store)
        one.unlink()
        assert not differing(plain, all_cells(analyzer.analyze(paths, scheduler="serial", jobs=store)))
        for other in store.glob("*.found"):
            other.unlink()


def _said(path: Path, store: Path) -> Cells | str:
    try:
        return all_cells(analyzer.analyze(path, scheduler="serial", jobs=store))
    except InputError as error:
        return str(error)


@pytest.mark.parametrize("packed", [False, True])
def test_a_byte_of_the_payload_that_changed_is_never_believed(tmp_path: Path, *, packed: bool) -> None:
    """Of a capture's packets in its reel, and of payload that lies in no file, in the object beside what *points* found."""
    path, store = _copy(tmp_path), tmp_path / "jobs"
    if packed:
        path = tmp_path / "capture.pcap.gz"
        path.write_bytes(gzip.compress(capture_of(SAMPLE).read_bytes()))
    plain = all_cells(analyzer.analyze(path, scheduler="serial", jobs=store))
    found = [*store.glob("scan-*.reel"), *store.glob("points-*.spool")]
    assert len(found) == 2 if packed else 1
    refused = 0
    for one, derived in product(found, ("*.found", "talk-*.found", "")):
        data = one.read_bytes()
        for place in range(11, len(data) // 2, len(data) // 9):
            one.write_bytes(data[:place] + bytes([data[place] ^ 0x20]) + data[place + 1 :])
            kept = {other: other.read_bytes() for other in store.glob(derived or "nothing")}
            for other in kept:
                other.unlink()
            said = _said(path, store)
            assert isinstance(said, dict) or f"{one.name}: this is damaged; delete it" in said
            assert isinstance(said, str) or not differing(plain, said), (one.name, place)
            refused += isinstance(said, str)
            for other, before in kept.items():
                other.write_bytes(before)
        one.write_bytes(data)
    assert refused >= 8


def test_an_object_of_a_store_is_read_without_a_scheduler_too(tmp_path: Path) -> None:
    pytest.importorskip("fsspec")
    path = _copy(tmp_path)
    plain, there = all_cells(analyzer.analyze(path)), all_cells(analyzer.analyze(path.as_uri()))
    assert plain["exchanges"]
    assert differing(plain, there) == ["captures"]  # the path


def test_a_case_of_an_object_reaches_for_no_store(tmp_path: Path) -> None:
    """Who sends a case could have anything opened else."""
    pytest.importorskip("fsspec")
    path = _copy(tmp_path)
    analyzer.analyze(path.as_uri()).save(tmp_path / "case")
    path.unlink()
    assert analyzer.api.verify(tmp_path / "case") == ()
    assert analyzer.open_case(tmp_path / "case").changes == ()


def test_bytes_of_what_is_no_file_of_the_system() -> None:
    assert read_at(io.BytesIO(b"0123456789"), 3, 4) == b"456"


def test_commands_that_are_offered_go_without_who_runs_the_jobs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = _copy(tmp_path)
    assert start.run(["analyze", "--scheduler", "serial", "--jobs", str(tmp_path / "jobs"), str(path)]) == 0
    offered = [line for line in capsys.readouterr().out.splitlines() if line.lstrip().startswith("winrm-analyzer ")]
    assert any("ladder" in line for line in offered)
    assert not [line for line in offered if "--scheduler" in line or "--jobs" in line]
