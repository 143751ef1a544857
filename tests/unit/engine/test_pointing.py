"""Reels that are read while others are made come to what reading all of them at once comes to; nothing depends on what is held in between."""

import random
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from analyzer.capture.point import Piece, Point, Progress
from analyzer.capture.reels import Missing
from analyzer.engine import pointing
from analyzer.engine.jobs import ScanAsk, scan
from analyzer.engine.pointing import PointsAsk, ahead, goes_ahead, points
from analyzer.errors import InputError
from analyzer.settings import Limits, Scope
from tests.build.packets import CLIENT, T0_NS, Frame, Line, pcap
from tests.build.rotated import rotated

NAMES = ("direct-psrp-large-output", "px-before-squid-proxyauth", "evil-winrm-py-session", "tls-ended-at-proxy")
COUNT = 6


@pytest.fixture(autouse=True)
def nothing_held() -> Iterator[None]:
    pointing._held.clear()
    yield
    pointing._held.clear()


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> PointsAsk:
    """The reels of some captures, each cut into files, that lie in a store."""
    folder = tmp_path_factory.mktemp("pointing")
    files = sorted(rotated(NAMES, COUNT, folder / "ring"))
    assert len(files) == len(NAMES) * COUNT
    return _scanned(files, folder / "jobs")


def _scanned(files: Sequence[Path], store: Path) -> PointsAsk:
    told = [scan(ScanAsk(str(path), Limits(), Scope(), str(store))) for path in files]
    return PointsAsk(tuple((str(path), path.name, one.name, "") for path, one in zip(files, told, strict=True)), Limits(), Scope(), str(store))


def _found(ask: PointsAsk) -> bytes:
    """What *points* leaves, which is gone then."""
    told = points(ask)
    assert not told.found
    names = [Path(ask.store) / f"{told.name}.{kind}" for kind in ("found", "spool")]
    data = b"".join(path.read_bytes() for path in names)
    for path in names:
        path.unlink()
    return data


def _part(ask: PointsAsk, begin: int, end: int) -> PointsAsk:
    return PointsAsk(ask.captures[begin:end], ask.limits, ask.scope, ask.store, begin)


def _goes(ask: PointsAsk, *ends: int) -> bool:
    begins = (0, *ends)
    return all(not ahead(_part(ask, begin, end)).failed for begin, end in zip(begins, ends, strict=False))


@pytest.mark.parametrize("seed", range(12))
def test_any_steps_ahead_come_to_the_same(asked: PointsAsk, seed: int) -> None:
    dice = random.Random(seed)
    ask = asked if seed < 6 else PointsAsk(tuple(dice.sample(asked.captures, dice.randrange(2, 16))), asked.limits, asked.scope, asked.store)
    alone = _found(ask)
    ends = sorted(dice.sample(range(1, len(ask.captures) + 1), dice.randrange(1, min(6, len(ask.captures)))))
    assert _goes(ask, *ends)
    assert len(pointing._held) == 1
    assert _found(ask) == alone
    assert not pointing._held


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> PointsAsk:
    """A series whose first two files overlap, and show different connections; the third one goes on with both, so that they are one point."""
    folder = tmp_path_factory.mktemp("joined")
    one, other = Line(), Line(client=("10.0.0.2", 50001), now_ns=T0_NS + 500_000_000)
    request = b"POST /wsman HTTP/1.1\r\nHost: s\r\nContent-Length: 9\r\n\r\n"
    parts: list[list[Frame]] = [[], [], [], []]
    for line, begin in ((one, 0), (other, 1)):
        line.handshake()
        line.put(CLIENT, 0, request)
        for place in range(6):
            line.put(CLIENT, len(request) + place, b"<")
        parts[begin] += line.frames
    for part in (2, 3):
        for line in (one, other):
            line.now_ns = max(one.now_ns, other.now_ns) + 1_000_000_000
            line.frames.clear()
            line.put(CLIENT, len(request) + 4 + part, b"<")
            parts[part] += line.frames
    files = [folder / f"ring_{place}.pcap" for place in range(len(parts))]
    for path, frames in zip(files, parts, strict=True):
        path.write_bytes(pcap(frames))
    return _scanned(files, folder / "jobs")


def _reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ordinals of the files that points read, as they do."""
    seen: list[int] = []
    real = Point.read

    def read(self: Point, piece: Piece, progress: Progress | None, *, alone: bool) -> None:
        seen.append(piece.ordinal)
        real(self, piece, progress, alone=alone)

    monkeypatch.setattr(Point, "read", read)
    return seen


def test_points_goes_on_with_what_was_read_ahead(joined: PointsAsk, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _reads(monkeypatch)
    alone = _found(joined)
    assert sorted(seen) == [0, 0, 1, 1, 2, 2, 3, 3]
    seen.clear()
    assert _goes(joined, 1, 3)
    assert sorted(seen) == [0, 0, 1, 1, 2, 2]  # what is one point was read again as one
    seen.clear()
    assert _found(joined) == alone
    assert seen == [3, 3]


def test_a_file_that_belongs_in_front_of_what_was_read_again(joined: PointsAsk, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was read too early is read from its beginning, and what was missing then is forgotten."""
    alone = _found(joined)
    assert _goes(joined, 3)
    (begun,) = pointing._held
    well = [begun.reading.is_settled_well]
    begun.reading._wholes[0].parts.reverse()
    well.append(begun.reading.is_settled_well)
    assert well == [True, False]
    begun.missing.append(Missing(0, 77))
    assert _found(joined) == alone
    seen = _reads(monkeypatch)
    assert _found(joined) == alone
    assert len(seen) == 8


def test_what_was_read_ahead_in_another_order_is_of_no_use(asked: PointsAsk) -> None:
    """The files are given in the wrong order: it is seen by their names and times when all are there."""
    turned = PointsAsk(asked.captures[::-1], asked.limits, asked.scope, asked.store)
    alone = _found(turned)
    assert _goes(turned, 10, 20)
    assert _found(turned) == alone


def test_who_did_not_read_what_comes_before_does_not_go_on(asked: PointsAsk) -> None:
    assert ahead(_part(asked, 4, 8)).failed
    assert _goes(asked, 4)
    assert ahead(_part(asked, 6, 8)).failed
    assert len(pointing._held) == 1  # what is held is still good
    assert not ahead(_part(asked, 4, 8)).failed


def test_of_another_run_nothing_is_held(asked: PointsAsk) -> None:
    assert _goes(asked, 4)
    other = PointsAsk(asked.captures, Limits(open_files=7), asked.scope, asked.store)
    assert ahead(_part(other, 4, 8)).failed
    assert not pointing._held
    assert _goes(asked, 4)
    assert _goes(other, 3)
    assert ahead(_part(asked, 4, 8)).failed


def test_a_damaged_reel_is_told_by_points(asked: PointsAsk, tmp_path: Path) -> None:
    store = tmp_path / "jobs"
    shutil.copytree(asked.store, store)
    ask = PointsAsk(asked.captures, asked.limits, asked.scope, str(store))
    reel = store / ask.captures[2][2]
    data = reel.read_bytes()
    for changed in (data[:11] + bytes([data[11] ^ 1]) + data[12:], data[:-30]):
        reel.write_bytes(changed)
        assert reel.name in ahead(_part(ask, 0, 5)).failed
        assert not pointing._held
        with pytest.raises(InputError, match=f"{reel.name}: .*delete it"):
            points(ask)
    reel.write_bytes(data)
    assert _found(ask) == _found(asked)


def test_files_are_left_closed(asked: PointsAsk) -> None:
    assert _goes(asked, 4, 8)
    assert not pointing._held[0]._store._open


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a/ring_1.pcap", "a/ring_2.pcap"), True),
        (("a/ring_10.pcap", "a/ring_2.pcap"), False),
        (("a/ring_1.pcap", "b/ring_2.pcap"), False),
        (("a/ring_1.pcap", "a/other_2.pcap"), False),
    ],
)
def test_only_files_of_one_series_are_read_ahead(names: tuple[str, ...], *, expected: bool) -> None:
    assert goes_ahead([(name, "") for name in names], Scope()) is expected
    assert not goes_ahead([(name, "sensor") for name in names], Scope())
    assert not goes_ahead([(name, "") for name in names], Scope(since_ns=1))
