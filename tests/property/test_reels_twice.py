"""A reel gives the kernel what one packet at a time gives it, compiled and not, also of damaged captures, and of a reel whose bytes are cut or disturbed."""

import io
import random
from pathlib import Path
from typing import NamedTuple

import pytest

from analyzer.capture import kernel, kernels, reels
from analyzer.capture.links import KINDS
from analyzer.capture.reels import packets, reeled
from analyzer.capture.slow import SlowPath
from analyzer.records.capture import Flow, Segments
from analyzer.settings import Limits, Scope
from tests.build.packets import Frame, Line, pcap
from tests.property.test_kernel_twice import _cases, _corpus

CHUNKS = 8

pytestmark = pytest.mark.skipif(not kernel.COMPILED, reason="the kernel is not compiled here: there is one form only")


class Seen(NamedTuple):
    flows: tuple[Flow, ...]
    columns: list[bytes]
    counters: tuple[object, ...]
    missing: list[int]


def _fed(kind: type[kernel.Kernel], reel: reels.Reel, data: bytes, dice: random.Random, *, single: bool = False) -> Seen:
    limits, spooled = Limits(undecided_prefix_bytes=dice.choice((40, 2048)), spool_bytes=dice.choice((500, 1 << 20))), bytearray()
    slow = SlowPath(limits)
    run = kind(1, limits, slow, spooled.extend, in_place=dice.random() < 0.5, all_http=dice.random() < 0.5, force=frozenset(dice.sample(range(1, 12), 3)))
    run.narrow(Scope(since_ns=dice.choice((None, 15_000))))

    def read(at: int, size: int) -> bytes:
        return data[at : at + size]

    missing = list(_one_by_one(reel, data, run)) if single else list(packets(reel, read, run))
    slow.finish()
    flows = run.flows(lambda address: address.hex())
    columns = [getattr(flow.segments, name).tobytes() for flow in flows for name in Segments.__struct_fields__]
    counters = (*run.counted(), run.unknown_links, run.first_ns, run.last_ns, run.backwards, run.late, run.datagrams, run.naming, run.icmp, bytes(spooled))
    return Seen(flows, columns, counters, missing)


def _one_by_one(reel: reels.Reel, data: bytes, run: kernel.Kernel) -> list[int]:
    kinds = {kind: link for link, kind in sorted(KINDS.items(), reverse=True) if kind}
    found, at = [], 0
    rows = zip(*(reel.column(name) for name in ("number", "ts_ns", "link", "size", "wire_size", "file_at", "noted")), strict=True)
    for number, ts_ns, link, size, wire_size, file_at, noted in rows:
        run.packet(number, ts_ns, link if link >= 0 else kinds[-1 - link], data, at, size, wire_size, file_at)
        if noted and not run.idle:
            found.append(noted)
        at += size
    return found


def _reel(path: Path, data: bytes) -> tuple[reels.Reel, bytes]:
    path.write_bytes(data)
    out = io.BytesIO()
    return reeled(str(path), Limits(), Scope(), out), out.getvalue()


def _rejected() -> bytes:
    """Connections that show nothing of interest, and go on."""
    frames = []
    for port in range(50000, 50004):
        line = Line(client=("10.0.0.1", port), server=("10.0.0.9", 5985))
        line.handshake()
        for at in range(12):
            line.put(at & 1, 40 * (at >> 1), bytes([port & 0xFF]) * 40)
        frames += line.frames
    return pcap([Frame(place * 1000, one.data) for place, one in enumerate(frames)])


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_reels_of_damaged_captures_look_the_same(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reels, "_AT_A_TIME", 700)
    seen = 0
    for case, damaged in _cases(chunk):
        reel, data = _reel(tmp_path / "capture.pcap", damaged)
        if case % 5 == 0 and data:  # read back, these bytes could be others
            changed = bytearray(data)
            changed[random.Random(case).randrange(len(data))] ^= 0x41
            data = bytes(changed)
        forms = [_fed(kernel.Kernel, reel, data, random.Random(case), single=single) for single in (False, True)]
        forms.append(_fed(kernels.source(), reel, data, random.Random(case)))
        assert forms[0] == forms[1] == forms[2], f"case {case}"
        seen += len(forms[0].flows)
    assert seen > 50


def test_reels_of_whole_captures_look_the_same(tmp_path: Path) -> None:
    noted = 0
    for place, whole in enumerate([*_corpus(), *[_rejected()] * 8]):
        reel, data = _reel(tmp_path / "capture.pcap", whole)
        forms = [_fed(kernel.Kernel, reel, data, random.Random(place), single=single) for single in (False, True)]
        assert forms[0] == forms[1] == _fed(kernels.source(), reel, data, random.Random(place))
        noted += bool(forms[0].missing)
    assert noted


def test_bytes_that_are_cut_are_refused(tmp_path: Path) -> None:
    """Bounds checks are on: rows that speak of bytes which are not there raise, and read nothing else."""
    reel, data = _reel(tmp_path / "capture.pcap", _corpus()[0])
    run = kernel.Kernel(0, Limits(), SlowPath(Limits()), bytearray().extend, in_place=True, all_http=True, force=frozenset())
    with pytest.raises(IndexError):
        list(packets(reel, lambda at, size: data[at : at + size][:-30], run))
