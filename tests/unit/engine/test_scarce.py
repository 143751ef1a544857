"""A full disk, no room for one more open file, too little memory: what could not be kept or read is said, the rest is read."""

import errno
import gzip
import io
import os
import tempfile
from pathlib import Path
from typing import Any

import pytest

from analyzer import analyze
from analyzer.cli.start import run
from analyzer.engine import plan
from analyzer.engine.sources import Sources
from analyzer.records.capture import Capture
from tests.build.packets import Frame, pcap
from tests.hostile.costly import CONTROL, Talk, bodies, command, created, request, response


def _packed(path: Path) -> Path:
    frames: list[Frame] = []
    bodies(created("S-0"), command(CONTROL, "S-0", "C-0"))(Talk(frames, 1))
    bodies((request(os.urandom(300_000)), response()))(Talk(frames, 2))
    path.write_bytes(gzip.compress(pcap(frames)))
    return path


class _Full(io.BytesIO):
    """Takes so many bytes."""

    def __init__(self, room: int) -> None:
        super().__init__()
        self._room = room

    def write(self, data: Any) -> int:  # noqa: ANN401  as the file has it
        room = self._room - self.tell()
        if room <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(bytes(data)[:room])


def test_a_full_disk_leaves_holes_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _packed(tmp_path / "a.pcap.gz")
    whole = analyze(path)
    assert CONTROL in list(whole.commands["text"])
    assert not any("temporary" in detail for detail in whole.issues["detail"])
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: _Full(100_000))
    monkeypatch.setattr("analyzer.engine.sources.read_at", lambda file, size, at: file.getvalue()[at : at + size])
    cut = analyze(path)
    assert CONTROL in list(cut.commands["text"])
    told = "the temporary file for payload of compressed captures: No space left on device; later payload was not kept"
    assert told in list(cut.issues["detail"])
    assert "tcp.gap" in list(cut.issues["code"])
    assert len(cut.connections) == len(whole.connections)


def test_no_folder_for_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(**_: object) -> None:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    path = _packed(tmp_path / "a.pcap.gz")
    monkeypatch.setattr(tempfile, "TemporaryFile", none)
    case = analyze(path)
    assert any("No usable temporary directory found" in detail for detail in case.issues["detail"])
    assert list(case.captures["packets"]) == list(analyze(path).captures["packets"])


def _capture(path: Path, ordinal: int) -> Capture:
    return Capture(
        ordinal=ordinal,
        path=str(path),
        name=path.name,
        format="pcap",
        size=4,
        link_types=(),
        packets=0,
        tcp_packets=0,
        first_ns=None,
        last_ns=None,
        snaplen=None,
    )


def test_where_too_many_files_are_open_the_oldest_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    captures = []
    for ordinal in range(6):
        path = tmp_path / f"{ordinal}.pcap"
        path.write_bytes(bytes([ordinal]) * 4)
        captures.append(_capture(path, ordinal))
    sources = Sources(captures, None)
    real = Path.open
    opened: list[Any] = []

    def scarce(self: Path, *words: Any, **named: Any) -> Any:  # noqa: ANN401  as Path.open
        if sum(not one.closed for one in opened) >= 2:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        opened.append(real(self, *words, **named))
        return opened[-1]

    monkeypatch.setattr(Path, "open", scarce)
    for ordinal in (0, 1, 2, 3, 4, 5, 0):
        assert sources.fetch(2 * ordinal, 0, 4) == bytes([ordinal]) * 4
    sources.close()


def test_a_connection_that_takes_too_much_memory_costs_only_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    frames: list[Frame] = []
    bodies(created("S-0"), command(CONTROL, "S-0", "C-0"))(Talk(frames, 1))
    bodies(created("S-1"), command("ipconfig", "S-1", "C-1"))(Talk(frames, 2))
    path = tmp_path / "a.pcap"
    path.write_bytes(pcap(frames))
    real: Any = plan.connection  # type: ignore[attr-defined]

    def heavy(identity: str, *words: Any) -> Any:  # noqa: ANN401  as plan.connection
        if identity == "c2":
            raise MemoryError
        return real(identity, *words)

    monkeypatch.setattr(plan, "connection", heavy)
    case = analyze(path)
    assert "out of memory: 1 of 2 connections were not read" in list(case.issues["detail"])
    assert list(case.connections["connection_id"]) == ["c1"]
    assert list(case.commands["text"]) == [CONTROL]
    assert "out of memory: 1 of 2 connections were not read" in list(case.issues["detail"])


def test_out_of_memory_elsewhere_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def heavy(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("analyzer.api.analyze", heavy)
    assert run(["analyze", str(_packed(tmp_path / "a.pcap.gz"))]) == 2
    told = capsys.readouterr().err
    assert "out of memory; --limit connections=NUMBER" in told
    assert "internal error" not in told
