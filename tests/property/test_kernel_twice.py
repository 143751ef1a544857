"""The compiled kernel and its source, run uncompiled, see the same in damaged captures; and neither ever reads outside of its buffer.

The compiled kernel is built with bounds checks on: a read outside of a buffer would raise IndexError, and fail a case here.
"""

import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from analyzer.capture import kernel, kernels
from analyzer.capture.containers import rows
from analyzer.capture.slow import SlowPath
from analyzer.capture.window import Walk
from analyzer.records.capture import Segments
from analyzer.settings import Limits
from analyzer.system.pages import Pages
from tests.build.packets import FIN, LINKS, SYN, Frame, Line, ethernet, filling, gre, ip4, ip6, pcap, pcapng, tcp, vxlan
from tests.property.damage import SMALL
from tests.property.reading import frames

CASES, CHUNK = 10_000, 250
_HOSTILE = (
    b"\x00",
    b"\xff" * 4,
    b"\x7f\xff\xff\xff",
    b"\x00\x00\x00\x06",
    b"\x45",
    b"\x60",
    b"\x4f",
    b"\x81\x00",
    b"\x50\x02",
    b"\xf0\x18",
    b"\r\n\r\n",
    b"POST /wsman HT",
    b"PROXY TCP4 1",
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c",
    b"\x05\x01\x00\x03\xff",
    b"\x04\x01\x17\x61",
)

pytestmark = pytest.mark.skipif(not kernel.COMPILED, reason="the kernel is not compiled here: there is one form only")


class Seen(NamedTuple):
    """Everything that a reading tells."""

    flows: list[tuple[object, ...]]
    columns: list[bytes]
    counters: tuple[object, ...]
    walk: tuple[object, ...]
    spooled: bytes


def _read(kind: type[kernel.Kernel], data: bytes, dice: random.Random, *, bulk: bool = True, paged: bool = False) -> Seen:
    limits = Limits(
        read_size_bytes=dice.choice((64, 1000, 1 << 16)),
        undecided_prefix_bytes=dice.choice((40, 2048)),
        spool_bytes=dice.choice((500, 1 << 20)),
        record_size_bytes=1 << 20,
    )
    walk, slow, spooled = Walk(), SlowPath(limits), bytearray()
    force = frozenset(dice.sample(range(1, 40), 3)) if dice.random() < 0.2 else frozenset()
    run = kind(1, limits, slow, spooled.extend, in_place=dice.random() < 0.5, all_http=dice.random() < 0.5, force=force)
    if paged:
        run.page(Pages)
    for row in rows(filling(data, dice.choice((100, 1 << 16))), limits, walk, run if bulk else None):
        run.packet(*row)
    slow.finish()
    flows = run.flows(lambda address: address.hex())
    columns = [getattr(flow.segments, name).tobytes() for flow in flows for name in Segments.__struct_fields__]
    counters = (
        run.tcp_packets,
        run.snapped,
        run.undecodable,
        run.unknown_links,
        run.first_ns,
        run.last_ns,
        run.backwards,
        run.late,
        run.datagrams,
        run.datagrams_over,
        run.naming,
        run.naming_over,
        run.icmp,
        run.icmp_over,
        run.spool_full,
    )
    seen = (walk.format, walk.snaplen, walk.packets, walk.links, walk.secrets, walk.comments, walk.problems, slow.problems)
    return Seen([(flow.hosts, flow.ports, flow.verdict, flow.capture) for flow in flows], columns, counters, seen, bytes(spooled))


def _corpus() -> list[bytes]:
    """Small captures of every kind: what the samples hold, every link type, tunnels, fragments, both containers in both byte orders."""
    made = []
    for name in SMALL:
        some = frames(name)[:36]
        made += [pcap(some), pcapng(some), pcap(some, order=">", nanoseconds=False)]
    for link, wrap in LINKS.values():
        for ends in (("10.0.0.1", "10.0.0.9"), ("fd00::1", "fd00::9")):
            line = Line(client=(ends[0], 50000), server=(ends[1], 5985), link=link, wrap=wrap)
            line.handshake()
            for at in range(3):
                line.put(0, at * 40, b"POST /wsman HTTP/1.1\r\nHost: srv01\r\n\r\n"[:38] + b"..")
                line.put(1, at * 40, b"HTTP/1.1 401 \r\nWWW-Authenticate: Negotiate\r\n\r\n"[:40])
            line.put(0, 120, b"", flags=FIN)
            if ":" not in ends[0]:
                line.frame(wrap(ip4("10.0.0.254", ends[0], 1, bytes((3, 13)) + bytes(6) + line.packet(0, 0, b"POST"))))
            scaled = tcp((ends[0], 50001), (ends[1], 5985), 1, None, SYN, options=b"\x02\x04\x05\xb4\x01\x03\x03\x07")
            line.frame(wrap(ip6(*ends, 6, scaled) if ":" in ends[0] else ip4(*ends, 6, scaled)))
            line.put(0, 0, b"", flags=SYN)
            made += [pcap(line.frames), pcapng(line.frames, order=">")]
            if link == LINKS["ethernet"][0]:
                inner = [one.data for one in line.frames]
                tunnels = [ethernet(ip4("192.0.2.1", "192.0.2.2", 47, gre(data[14:]))) for data in inner]
                tunnels += [ethernet(ip4("192.0.2.1", "192.0.2.2", 17, bytes((0xC0, 0, 0x12, 0xB5, 0, 0, 0, 0)) + vxlan(data))) for data in inner]
                made.append(pcap([Frame(place * 1000, data) for place, data in enumerate(tunnels)]))
    return made


def _damaged(data: bytes, dice: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(dice.randrange(1, 7)):
        at = dice.randrange(len(changed))
        what = dice.randrange(5)
        if what == 0:
            changed[at] ^= 1 << dice.randrange(8)
        elif what == 1:
            value = dice.choice(_HOSTILE)
            changed[at : at + len(value)] = value
        elif what == 2:
            del changed[at : at + dice.randrange(1, 60)]
        elif what == 3:
            changed[at:at] = changed[at : at + dice.randrange(1, 200)]
        elif len(changed) > 200:
            del changed[max(at, 100) :]
        if not changed:
            break
    return bytes(changed)


def _cases(chunk: int) -> Iterator[tuple[int, bytes]]:
    corpus = _corpus()
    for case in range(chunk * CHUNK, (chunk + 1) * CHUNK):
        dice = random.Random(case)
        yield case, _damaged(dice.choice(corpus), dice)


@pytest.mark.parametrize("chunk", range(CASES // CHUNK))
def test_damaged_captures_look_the_same(chunk: int) -> None:
    for case, data in _cases(chunk):
        compiled = _read(kernel.Kernel, data, random.Random(case))
        assert compiled == _read(kernels.source(), data, random.Random(case)), f"case {case}"


@pytest.mark.parametrize("chunk", range(2))
def test_a_bulk_sees_what_single_packets_show(chunk: int) -> None:
    """Ordinary records taken by the thousand give what the same records give one at a time."""
    for case, data in _cases(chunk):
        together, single = (_read(kernel.Kernel, data, random.Random(case), bulk=bulk) for bulk in (True, False))
        assert together == single, f"case {case}"


@pytest.mark.parametrize("chunk", range(2))
def test_paged_rows_look_the_same_in_both_forms(chunk: int) -> None:
    """With rows that are read when they are asked for, and payload that is spooled until there is no room."""
    for case, data in _cases(chunk):
        compiled = _read(kernel.Kernel, data, random.Random(case), paged=True)
        assert compiled == _read(kernels.source(), data, random.Random(case), paged=True), f"case {case}"


def test_a_read_outside_of_the_buffer_is_refused() -> None:
    """What the cases above rest on: bounds checks are on."""
    run = kernel.Kernel(0, Limits(), SlowPath(Limits()), bytearray().extend, in_place=True, all_http=False, force=frozenset())
    with pytest.raises(IndexError):
        run.packet(1, 0, 1, bytes(13), 0, 100, 100, 0)


def test_whole_captures_look_the_same() -> None:
    for place, data in enumerate(_corpus()):
        compiled = _read(kernel.Kernel, data, random.Random(place))
        assert compiled == _read(kernels.source(), data, random.Random(place))
    assert any(_read(kernel.Kernel, data, random.Random(1)).flows for data in _corpus())
