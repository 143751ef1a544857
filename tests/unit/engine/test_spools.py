"""Bytes out of reels: by the offsets that they have in the capture, also across packets, and behind the object with payload that lies in no file."""

from collections import Counter
from pathlib import Path

import pytest

from analyzer.capture.reels import reeled, trailer, whole
from analyzer.capture.scan import scan
from analyzer.engine import spools as of_spools
from analyzer.engine.spools import Spools, read_place
from analyzer.errors import InputError
from analyzer.records.capture import Capture, Flow
from analyzer.settings import Limits, Scope
from analyzer.system.objects import Objects
from analyzer.system.sums import BLOCK, ReadAt, tail
from tests.build.rotated import capture_of

DATA = b"0123456789"


def _reads(path: Path) -> ReadAt:
    return lambda at, size: path.read_bytes()[at : at + size]


def _spools(folder: Path, path: Path) -> Spools:
    with (folder / "one.reel").open("wb") as file:
        file.write(trailer(whole(reeled(str(path), Limits(), Scope(), file), Limits(), Scope(), _reads(folder / "one.reel"))))
    (folder / "one.spool").write_bytes(DATA + tail(lambda at, size: DATA[at : at + size], len(DATA)))
    return Spools([Capture(0, str(path), path.name, "pcap", 0)], Objects(str(folder)), ["one.reel"], "one.spool", 10)


def test_what_lies_in_packets_is_as_in_the_capture(tmp_path: Path) -> None:
    path = capture_of("evil-winrm-py-session")
    data, spools = path.read_bytes(), _spools(tmp_path, path)
    at, seen = 24, 0
    while at + 16 <= len(data):
        size = int.from_bytes(data[at + 8 : at + 12], "little")
        found = spools.fetch(0, at + 16, size)
        assert found in (b"", data[at + 16 : at + 16 + size])
        assert not found or spools.fetch(0, at + 16 + size // 2, 10) == data[at + 16 + size // 2 : at + 16 + min(size // 2 + 10, size)]
        seen += bool(found)
        at += 16 + size
    assert seen > 20
    spools.close()


def test_a_run_over_several_packets_has_each_at_its_place(tmp_path: Path) -> None:
    path = capture_of("evil-winrm-py-session")
    data, spools = path.read_bytes(), _spools(tmp_path, path)
    first = int.from_bytes(data[32:36], "little")
    second = int.from_bytes(data[24 + 16 + first + 8 : 24 + 16 + first + 12], "little")
    found = spools.fetch(0, 40, first + 16 + second)
    assert found[:first] == data[40 : 40 + first]
    assert found[first + 16 :] == data[40 + first + 16 : 40 + first + 16 + second]


def test_plaintext_follows_the_spool(tmp_path: Path) -> None:
    spools = _spools(tmp_path, capture_of("evil-winrm-py-session"))
    assert spools.store(0, b"plain") == (1, 10)
    assert spools.fetch(1, 8, 5) == b"89pla"
    assert spools.fetch(1, 2, 3) == b"234"
    assert spools.fetch(1, 10, 5) == b"plain"
    spools.close()


def test_a_reel_that_was_cut_is_said(tmp_path: Path) -> None:
    _spools(tmp_path, capture_of("https-direct"))
    whole = (tmp_path / "one.reel").read_bytes()
    (tmp_path / "cut.reel").write_bytes(whole[:-20])
    with pytest.raises(InputError, match="no reel"):
        read_place(Objects(str(tmp_path)), "cut.reel")


def _flows(path: Path) -> tuple[Flow, ...]:
    flows = scan(str(path), 0, path.name, Limits(), Scope()).flows
    assert flows
    return flows


def _payload(flows: tuple[Flow, ...]) -> list[tuple[int, int]]:
    return [(at, size) for flow in flows for at, size in zip(flow.segments.file_at, flow.segments.size, strict=True) if size]


def _reading(monkeypatch: pytest.MonkeyPatch) -> Counter[int]:
    """How often bytes at each place of the reel are read."""
    seen: Counter[int] = Counter()
    real = Objects.read

    def read(self: Objects, name: str, at: int, size: int) -> bytes:
        seen[at // BLOCK] += 1
        return real(self, name, at, size)

    monkeypatch.setattr(Objects, "read", read)
    return seen


def test_what_is_expected_is_read_once_and_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = capture_of("direct-psrp-large-output")
    data, spools, flows = path.read_bytes(), _spools(tmp_path, path), _flows(path)
    spools.expect(flows)
    for at, size in _payload(flows):
        assert spools.fetch(0, at, size) == data[at : at + size]
    seen = _reading(monkeypatch)
    for at, size in reversed(_payload(flows)):
        assert spools.fetch(0, at, size) == data[at : at + size]
        assert spools.fetch(0, at + size // 2, size - size // 2) == data[at + size // 2 : at + size]
    assert not seen
    at, size = _payload(flows)[0]
    assert spools.fetch(0, at - 14, 14) == data[at - 14 : at]  # what is not expected is read as ever
    assert spools.fetch(0, at, size + 1)[:size] == data[at : at + size]
    assert spools.fetch(0, 24, 8) == b""
    assert seen
    spools.close()


def test_too_much_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = capture_of("direct-psrp-large-output")
    data, spools, flows = path.read_bytes(), _spools(tmp_path, path), _flows(path)
    monkeypatch.setattr(of_spools, "_EXPECTED", 10)
    spools.expect(flows)
    assert not spools._expected
    for at, size in _payload(flows):
        assert spools.fetch(0, at, size) == data[at : at + size]


def test_expected_bytes_that_are_damaged_are_told_to_who_asks_for_them(tmp_path: Path) -> None:
    path = capture_of("direct-psrp-large-output")
    data, spools, flows = path.read_bytes(), _spools(tmp_path, path), _flows(path)
    reel = tmp_path / "one.reel"
    held = reel.read_bytes()
    place = held.index(data[_payload(flows)[-1][0] :][: _payload(flows)[-1][1]])
    reel.write_bytes(held[:place] + bytes([held[place] ^ 1]) + held[place + 1 :])
    spools.expect(flows)
    refused = 0
    for at, size in _payload(flows):
        try:
            found = spools.fetch(0, at, size)
        except InputError as error:
            refused += "one.reel: this is damaged" in str(error)
        else:
            assert found == data[at : at + size]
    assert refused


def test_what_lies_in_no_file_is_not_expected_of_a_reel(tmp_path: Path) -> None:
    import gzip

    path = tmp_path / "capture.pcap.gz"
    path.write_bytes(gzip.compress(capture_of("evil-winrm-py-session").read_bytes()))
    spools = _spools(tmp_path, capture_of("evil-winrm-py-session"))
    spools.expect(_flows(path))
    assert not spools._expected
