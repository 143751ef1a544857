"""Connections on both sides of an address translation, where the bytes of one cannot be read any more."""

from pathlib import Path

from msgspec.structs import replace

from analyzer import analyze
from analyzer.transport.translation import translated
from tests.build.packets import Frame, pcap
from tests.build.scenes import REAL, copied


def test_bytes_that_are_gone_end_the_comparison(tmp_path: Path) -> None:
    frames: list[Frame] = []
    copied(REAL)(frames)
    (tmp_path / "capture.pcap").write_bytes(pcap(frames))
    case = analyze(tmp_path / "capture.pcap")
    assert "tcp.translated" in set(case.issues["code"])
    connections = [replace(one, twin_of=None) for one in case.evidence.connections.values()]
    assert len(connections) == 2
    assert len(translated(connections, lambda *_: b"")) == 1
