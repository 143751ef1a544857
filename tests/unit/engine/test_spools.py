"""Bytes out of reels: by the offsets that they have in the capture, also across packets, and behind the object with payload that lies in no file."""

from pathlib import Path

from analyzer.capture.reels import reeled, trailer, whole
from analyzer.engine.spools import Spools
from analyzer.records.capture import Capture
from analyzer.settings import Limits, Scope
from analyzer.system.objects import Objects
from analyzer.system.sums import ReadAt, tail
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
    import pytest

    from analyzer.engine.spools import read_place
    from analyzer.errors import InputError

    _spools(tmp_path, capture_of("https-direct"))
    whole = (tmp_path / "one.reel").read_bytes()
    (tmp_path / "cut.reel").write_bytes(whole[:-20])
    with pytest.raises(InputError, match="no reel"):
        read_place(Objects(str(tmp_path)), "cut.reel")
