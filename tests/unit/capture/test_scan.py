"""One file in, its flows out: second readings, compressed and broken inputs, the spool."""

import gzip
import io
import os
import sys
from pathlib import Path

import pytest
import zstandard

from analyzer.capture.scan import Scanned, scan
from analyzer.errors import InputError
from analyzer.settings import Limits, Scope
from analyzer.system.files import read_at
from tests.build.packets import CLIENT, SERVER, Frame, Line, pcap

WSMAN = b"POST /wsman HTTP/1.1\r\nHost: srv01\r\n\r\n"
PLAIN = b"GET /index.html HTTP/1.1\r\nHost: srv01\r\n\r\n"


def _late() -> list[Frame]:
    """A connection that shows WinRM only in its eleventh request."""
    line = Line(server=("10.0.0.9", 8000))
    line.handshake()
    for place in range(10):
        line.put(CLIENT, place * len(PLAIN), PLAIN)
    line.put(CLIENT, 10 * len(PLAIN), WSMAN)
    return line.frames


def _early() -> list[Frame]:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, WSMAN)
    line.put(SERVER, 0, b"HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n")
    return line.frames


def _scan(path: Path, limits: Limits | None = None) -> Scanned:
    return scan(str(path), 0, path.name, limits or Limits(), Scope())


def _written(folder: Path, data: bytes) -> Path:
    path = folder / "capture"
    path.write_bytes(data)
    return path


def _codes(found: Scanned) -> list[str]:
    return [issue.code for issue in found.issues]


def test_a_flow_that_shows_winrm_late_is_read_whole(tmp_path: Path) -> None:
    found = _scan(_written(tmp_path, pcap(_late())))
    assert [len(flow.segments.key) for flow in found.flows] == [14]
    assert found.issues == ()


def test_standard_input_cannot_be_read_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(pcap(_late())))))
    found = scan("-", 0, "stdin", Limits(), Scope())
    assert found.flows == ()
    assert _codes(found) == ["capture.limit"]


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
def test_compressed_files_are_read_and_spooled(tmp_path: Path, compress: object) -> None:
    assert callable(compress)
    found = _scan(_written(tmp_path, compress(pcap(_early()))))
    rows = found.flows[0].segments
    place = next(place for place, size in enumerate(rows.size) if size)
    assert found.capture.packets == 5
    assert found.spool is not None
    found.spool.flush()
    assert rows.source[place] == 1
    assert read_at(found.spool, rows.size[place], rows.file_at[place]) == WSMAN


@pytest.mark.parametrize("compress", [gzip.compress, zstandard.ZstdCompressor().compress], ids=["gzip", "zstd"])
def test_a_compressed_file_that_is_damaged_gives_what_came_before(tmp_path: Path, compress: object) -> None:
    assert callable(compress)
    whole = compress(pcap([*_early(), *(Frame(0, os.urandom(1400)) for _ in range(200))]))
    damaged = bytearray(whole[: len(whole) * 3 // 4])
    damaged[-2000:-1900] = bytes(100)
    found = _scan(_written(tmp_path, bytes(damaged)), Limits(read_size_bytes=1024))
    assert found.flows
    assert {"capture.decompression", "capture.cut"} & set(_codes(found))


def test_plain_files_are_not_spooled(tmp_path: Path) -> None:
    path = _written(tmp_path, pcap(_early()))
    found = _scan(path)
    rows = found.flows[0].segments
    place = next(place for place, size in enumerate(rows.size) if size)
    assert found.spool is None
    assert path.read_bytes()[rows.file_at[place] : rows.file_at[place] + rows.size[place]] == WSMAN


def test_a_full_spool_is_an_issue(tmp_path: Path) -> None:
    found = _scan(_written(tmp_path, gzip.compress(pcap(_early()))), Limits(spool_bytes=len(WSMAN)))
    assert "capture.limit" in _codes(found)
    rows = found.flows[0].segments
    kept = [(size, wire_size) for size, wire_size in zip(rows.size, rows.wire_size, strict=True) if wire_size]
    assert kept == [(len(WSMAN), len(WSMAN)), (0, 38)]


@pytest.mark.parametrize("data", [b"", b"hello, this is no capture", bytes(5000)])
def test_what_is_no_capture_is_an_issue(tmp_path: Path, data: bytes) -> None:
    found = _scan(_written(tmp_path, data))
    assert (found.capture.format, _codes(found)) == ("unknown", ["capture.unreadable"])


def test_a_file_that_is_not_there_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        _scan(tmp_path / "missing.pcap")


def test_a_folder_is_the_callers_mistake(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        _scan(tmp_path)


def test_many_issues_of_a_kind_are_counted(tmp_path: Path) -> None:
    broken = [Frame(place, bytes(12) + b"\x88\x47\x00") for place in range(10)]
    found = _scan(_written(tmp_path, pcap(broken)), Limits(issues_per_kind=4))
    assert [issue.repeats for issue in found.issues] == [1, 1, 1, 7]
