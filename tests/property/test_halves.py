"""A capture scanned in two halves is the capture scanned in one, wherever the middle lies; what cannot be proved is left to one thread."""

import hashlib
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from msgspec.structs import replace

from analyzer.capture import halves, kernel, kernels
from analyzer.capture.containers import rows
from analyzer.capture.scan import scan
from analyzer.capture.slow import SlowPath
from analyzer.capture.window import Walk
from analyzer.records.capture import Flow
from analyzer.settings import Limits, Scope
from tests.build.packets import ACK, SYN, Frame, Line, ethernet, filling, ip4, pcap, pcapng, tcp, udp
from tests.property.damage import SMALL
from tests.property.reading import frames

LIMITS = Limits(read_size_bytes=500)
WSMAN = b"POST /wsman HTTP/1.1\r\nHost: srv01\r\n\r\n"
PLAIN = b"GET / HTTP/1.1\r\nHost: srv01\r\n\r\n"
HELLO = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"


class Told(NamedTuple):
    """What a scan tells."""

    flows: tuple[Flow, ...]
    late: frozenset[int]
    counts: tuple[object, ...]
    walk: tuple[object, ...]


def _kernel() -> kernel.Kernel:
    return kernel.Kernel(3, LIMITS, SlowPath(LIMITS), bytearray().extend, in_place=True, all_http=False, force=frozenset())


def _told(run: kernel.Kernel, walk: Walk, flows: tuple[Flow, ...], late: frozenset[int]) -> Told:
    seen = (run.datagrams, run.datagrams_over, run.naming, run.naming_over, run.icmp)
    counts = (run.tcp_packets, run.snapped, run.undecodable, run.unknown_links, run.first_ns, run.last_ns, run.backwards, *seen)
    return Told(flows, late, counts, (walk.packets, walk.links, walk.problems, walk.format, walk.snaplen, walk.comments, walk.secrets))


def _in_one(data: bytes) -> Told:
    run, walk = _kernel(), Walk()
    for row in rows(filling(data), LIMITS, walk, run):
        run.packet(*row)
    return _told(run, walk, run.flows(bytes.hex), run.late)


def _in_halves(path: Path, middle: int) -> Told | None:
    with path.open("rb", buffering=0) as first, path.open("rb", buffering=0) as second:
        head = halves._head(first, LIMITS)
        assert head is not None
        first.seek(0)
        second.seek(middle)
        try:
            found = halves._both(halves._File(first, second, middle, head), LIMITS, (_kernel(), _kernel()), bytes.hex, lambda _: None)
        except halves._DoubtError:
            return None
    return _told(found.kernel, found.walk, found.flows, found.late)


def _boundaries(data: bytes) -> list[int]:
    """Where records begin, but for the first."""
    walk = Walk()
    places = [row.file_at for row in rows(filling(data), Limits(), walk)]
    return [place - (28 if walk.format == "pcapng" else 16) for place in places[1:]]


def _busy(seed: int) -> list[Frame]:
    """Dozens of short connections of every kind, all at the same time, some cut into small segments, some on 4-tuples used before."""
    dice = random.Random(seed)
    lines = []
    for number in range(24):
        line = Line(client=(f"10.0.1.{number % 20}", 40000 + number), server=("10.0.0.9", dice.choice((80, 443, 5985, 5986))))
        if dice.random() < 0.8:
            line.handshake()
        says = dice.choice((WSMAN, PLAIN, HELLO, b"SSH-2.0-x\r\n", PLAIN * 3 + WSMAN))
        step = dice.choice((5, 40, 1000))
        at = 0
        for begin in range(0, len(says), step):
            line.put(0, at, says[begin : begin + step])
            at += len(says[begin : begin + step])
        for answer in range(dice.randrange(8)):
            line.put(1, answer * 30, b"x" * 30)
            line.put(0, at, b"y" * dice.randrange(3))
        lines.append(list(line.frames))
    asking = Line()
    for port in range(50000, 50012):
        asking.frame(ethernet(ip4("10.0.1.1", "10.0.0.88", 17, udp(port, 88, b"\x6c" + bytes(40)))))
    lines.append(list(asking.frames))
    made: list[Frame] = []
    while any(lines):
        made.append(dice.choice([line for line in lines if line]).pop(0))
    return [one._replace(ts_ns=1_700_000_000_000_000_000 + place * 1000 - dice.choice((0, 0, 0, 3000))) for place, one in enumerate(made)]


def _corpus() -> Iterator[bytes]:
    for name in SMALL:
        yield pcap(frames(name)[:150])
        yield pcapng(frames(name)[:150])
    for seed in range(9):
        yield pcap(_busy(seed))
    for seed in range(3):
        yield pcapng(_busy(20 + seed), order=">" if seed else "<")


@pytest.mark.parametrize("patience", [0, 40, 1 << 16])
@pytest.mark.parametrize("which", range(2 * len(SMALL) + 12))
def test_every_middle_gives_the_same(which: int, patience: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(halves, "_PATIENCE", patience)
    data = list(_corpus())[which]
    path = tmp_path / "a.pcap"
    path.write_bytes(data)
    expected = _in_one(data)
    middles = _boundaries(data)
    proved = 0
    for middle in middles:
        found = _in_halves(path, middle)
        assert found in (None, expected), f"middle {middle}"
        proved += found is not None
    assert proved * 2 > len(middles), "one thread does the work far too often"


@pytest.mark.parametrize("off", [1, 7, 16, 20])
def test_a_middle_that_is_no_boundary_is_noticed(off: int, tmp_path: Path) -> None:
    data = pcap(_busy(1))
    path = tmp_path / "a.pcap"
    path.write_bytes(data)
    assert all(_in_halves(path, middle + off) is None for middle in _boundaries(data)[10:100:9])


def test_sections_of_pcapng(tmp_path: Path) -> None:
    """Two captures behind one another: a second section may begin in the second half, not in the first."""
    one, other = pcapng(_busy(3)), pcapng(frames("direct-basic"), order=">")
    path = tmp_path / "a.pcapng"
    path.write_bytes(one + other)
    expected = _in_one(one + other)
    middles = _boundaries(one + other)
    found = [_in_halves(path, middle) for middle in middles[::7]]
    assert all(told in (None, expected) for told in found)
    assert expected in found
    assert found[-1] is None


@pytest.mark.parametrize("patience", [0, 100, 1 << 16])
def test_a_long_body_over_the_middle_is_kept(patience: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second half sees nothing but the middle of a body, and rejects the flow sooner or later; the first half knows better."""
    monkeypatch.setattr(halves, "_PATIENCE", patience)
    line = Line()
    line.handshake()
    line.put(0, 0, WSMAN)
    for piece in range(300):
        line.put(1, piece * 100, b"z" * 100)
    data = pcap(line.frames)
    path = tmp_path / "a.pcap"
    path.write_bytes(data)
    found = _in_halves(path, _boundaries(data)[150])
    assert found == _in_one(data)
    assert [len(flow.segments.key) for flow in found.flows] == [304]


def test_a_connection_that_begins_in_the_first_half_and_speaks_in_the_second(tmp_path: Path) -> None:
    other = [
        Frame(number, ethernet(ip4("10.0.3.1", "10.0.0.9", 6, tcp(("10.0.3.1", 1000 + number), ("10.0.0.9", 443), 1, None, SYN | (ACK if number & 1 else 0)))))
        for number in range(200)
    ]
    line = Line()
    line.handshake()
    line.put(0, 0, WSMAN)
    data = pcap([*line.frames[:3], *other, *line.frames[3:]])
    path = tmp_path / "a.pcap"
    path.write_bytes(data)
    found = _in_halves(path, _boundaries(data)[100])
    assert found == _in_one(data)
    assert len(found.flows) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_thread_that_dies_is_a_doubt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a capture never passes for all of it."""
    data = pcap(_busy(1))
    path = tmp_path / "a.pcap"
    path.write_bytes(data)
    middle = _boundaries(data)[100]
    assert _in_halves(path, middle) is not None

    def dies(_thread: halves._Later, _buffer: memoryview) -> int:
        raise MemoryError

    monkeypatch.setattr(halves._Later, "_fill", dies)
    assert _in_halves(path, middle) is None


@pytest.mark.parametrize("container", [pcap, pcapng])
def test_large_files_are_scanned_so(container: Callable[[list[Frame]], bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pcap"
    path.write_bytes(container([one for name in SMALL for one in frames(name)]))
    used: list[halves.Halves | None] = []
    whole = halves.scanned

    def noted(path: str, limits: Limits, kernels: Callable[[], kernel.Kernel], host: halves.Host, seen: Callable[[int], None]) -> halves.Halves | None:
        used.append(whole(path, limits, kernels, host, seen))
        return used[-1]

    monkeypatch.setattr(halves, "scanned", noted)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    small = Limits(parallel_bytes=1)
    found = scan(str(path), 0, "a", small, Scope())
    assert kernels.description() != "compiled" or (used and used[0] is not None)  # one thread is as fast where the interpreter's lock is held
    alone = scan(str(path), 0, "a", Limits(), Scope())
    assert alone.capture.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (replace(found.capture, sha256=alone.capture.sha256), *found[1:3]) == alone[:3], "of halves the hash is taken when it is asked for"
    assert found.flows
