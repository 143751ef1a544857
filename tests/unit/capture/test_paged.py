"""What lies in files while captures are scanned is what would be in memory: the same flows, the same rows, the same payload."""

import errno
import io
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from analyzer.capture.point import Piece, Spool
from analyzer.capture.points import scan_all
from analyzer.capture.scan import Scanned
from analyzer.records.capture import Flow, PagedFlow, Segments, Verdict, paged
from analyzer.settings import Limits, Scope
from benchmarks.groups import session
from benchmarks.traffic import rotated, together

SAMPLES = Path(__file__).resolve().parents[3] / "sample_pcaps"
SUFFIXES = (".pcap", ".pcapng", ".gz", ".zst", ".etl", ".cap")
NAMES = sorted(path.name for path in SAMPLES.iterdir() if path.is_dir())[::9]
ELSEWHERE = ("source", "file_at")


def _scan(paths: Sequence[Path], limits: Limits | None = None, *, paged: bool) -> list[Scanned]:
    pieces = [Piece(str(path), ordinal, path.name) for ordinal, path in enumerate(paths)]
    return scan_all(pieces, limits or Limits(), Scope(), paged=paged)


def _payload(found: Sequence[Scanned], paths: Sequence[Path], flow: Flow) -> Iterator[bytes]:
    spool = next((one.spool for one in found if one.spool is not None), io.BytesIO())
    rows = flow.segments
    for source, at, size in zip(rows.source, rows.file_at, rows.size, strict=True):
        if not size:
            continue
        if source & 1:
            spool.seek(at)
            yield spool.read(size)
        else:
            with paths[source >> 1].open("rb") as file:
                file.seek(at)
                yield file.read(size)


def _told(found: Sequence[Scanned], paths: Sequence[Path]) -> list[object]:
    out: list[object] = []
    for one in found:
        out.append((one.capture, one.issues, one.kdc, one.icmp, one.names))
        for flow in one.flows:
            columns = [getattr(flow.segments, name) for name in Segments.__struct_fields__ if name not in ELSEWHERE]
            out.append((flow.capture, flow.point, flow.hosts, flow.ports, flow.verdict, columns, b"".join(_payload(found, paths, flow))))
    return out


def _same(paths: Sequence[Path], limits: Limits | None = None) -> list[Scanned]:
    plain, in_files = (_scan(paths, limits, paged=way) for way in (False, True))
    assert _told(plain, paths) == _told(in_files, paths)
    assert not any(isinstance(flow, PagedFlow) for one in plain for flow in one.flows)
    assert all(isinstance(flow, PagedFlow) for one in in_files for flow in one.flows)
    return in_files


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Five files of one point, with connections that go on from file to file, many at a time."""
    return rotated(tmp_path_factory.mktemp("ring"), together(lambda number: session(number, 50), 3_000_000), 5, 3_000_000)


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_scanned_alike(name: str) -> None:
    _same([path for path in sorted((SAMPLES / name).iterdir()) if path.suffix in SUFFIXES])


def test_rotated_files_are_scanned_alike(ring: list[Path]) -> None:
    found = _same(ring)
    assert {one.capture.point for one in found} == {0}
    several = [flow for one in found for flow in one.flows if len({source >> 1 for source in flow.segments.source}) > 1]
    assert several, "no connection goes on in the next file"
    assert sum(len(flow.segments.key) for one in found for flow in one.flows) > 1 << 10, "rows that never had to lie in a file"


def test_what_the_spool_has_no_room_for_is_read_from_the_capture(ring: list[Path]) -> None:
    found = _same(ring, replace(Limits(), spool_bytes=1_000_000))
    places = {source & 1 for one in found for flow in one.flows for source, size in zip(flow.segments.source, flow.segments.size, strict=True) if size}
    assert places == {0, 1}
    assert not any(issue.code == "capture.limit" for one in found for issue in one.issues)


def test_a_disk_that_is_full_costs_what_was_on_its_way(ring: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """Payload that comes later is read from the captures again; what was to be written is a hole, and an issue says so."""
    write = Spool._write

    def full(self: Spool, payload: bytes) -> None:
        if self.kept > 1_000_000:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(self, payload)

    whole = sum(len(data) for one in [_scan(ring, paged=False)] for item in one for flow in item.flows for data in _payload(one, ring, flow))
    monkeypatch.setattr(Spool, "_write", full)
    found = _scan(ring, paged=True)
    had = sum(len(data) for item in found for flow in item.flows for data in _payload(found, ring, flow))
    assert whole - (1 << 17) < had < whole
    told = "the temporary file for payload that is kept: No space left on device; some of it was not kept"
    assert [issue.detail for one in found for issue in one.issues if issue.code == "capture.limit"] == [told]


def test_segments_that_replace_those_in_a_file_are_kept() -> None:
    flow = Flow(0, ("10.0.0.1", "10.0.0.9"), (50000, 5985), Verdict.HTTP, Segments())
    own, other = Segments(), Segments()
    own.key.append(5)
    made = paged(flow, lambda: other)
    assert made.segments is other
    assert replace(made, segments=own).segments is own
    assert replace(replace(made, segments=own), point=7).segments is own
