"""Event traces of Windows: the packets that went in come out, in order of time, with their times; drops are told; damage costs what it hits."""

import os
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

import pytest

from analyzer.capture.containers import rows
from analyzer.capture.scan import scan
from analyzer.capture.window import Walk
from analyzer.settings import Limits, Scope
from tests.build import traces
from tests.build.packets import CLIENT, ETHERNET, RAW, SERVER, STEP_NS, T0_NS, Frame, Line, filling, pcap
from tests.build.traces import COUNTER, CYCLES, NDIS, PKTMON, SYSTEM_TIME, WLAN, Clock, Dropped, event, netsh_trace, pktmon_data, pktmon_trace

FORMATS = Path(os.environ.get("WINRM_CAPTURES", "/nowhere")).parent / "formats"
Listed = list[tuple[int, int, int, bytes, int]]


class Read(NamedTuple):
    walk: Walk
    packets: Listed

    @property
    def codes(self) -> list[str]:
        return [code for code, _, _ in self.walk.problems]


def read(data: bytes, limits: Limits | None = None, size: int = 1 << 20) -> Read:
    walk = Walk()
    listed = rows(filling(data, size), limits or Limits(), walk)
    return Read(walk, [(row.number, row.ts_ns, row.link, bytes(row.buffer[row.at : row.at + row.size]), row.wire_size) for row in listed])


def frames(count: int = 0) -> list[Frame]:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, b"POST /wsman HTTP/1.1\r\nHost: srv01\r\nContent-Length: 0\r\n\r\n")
    line.put(SERVER, 0, b"HTTP/1.1 401 \r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n")
    for place in range(count):
        line.put(CLIENT, 100 + 500 * place, bytes([place % 251]) * 500)
    return line.frames


def expected(given: list[Frame]) -> Listed:
    return [(number, one.ts_ns // 100 * 100, one.link, one.data, one.sent) for number, one in enumerate(given, 1)]


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("processors", [1, 3])
@pytest.mark.parametrize("window", [1, 1000, 1 << 20])
def test_netsh_trace_gives_its_frames_back(*, compressed: bool, processors: int, window: int) -> None:
    given = frames(40)
    found = read(netsh_trace(given, compressed=compressed, processors=processors, size=8192), size=window)
    assert found.packets == expected(given)
    assert (found.walk.format, found.walk.packets, found.walk.problems) == ("etl", len(given), [])


@pytest.mark.parametrize("parts", [2, 3, 5])
@pytest.mark.parametrize("processors", [1, 2])
def test_frames_in_several_events_are_joined(parts: int, processors: int) -> None:
    given = frames(20)
    found = read(netsh_trace(given, parts=parts, processors=processors))
    assert (found.packets, found.codes) == (expected(given), [])


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("processors", [1, 4])
@pytest.mark.parametrize("components", [1, 2, 6])
def test_pktmon_counts_each_packet_once(*, compressed: bool, processors: int, components: int) -> None:
    given = frames(40)
    found = read(pktmon_trace(given, compressed=compressed, processors=processors, components=components, size=8192))
    assert found.packets == expected(given)
    assert found.codes == ([] if components == 1 else ["capture.duplicate-packets"])
    assert found.walk.drops == []


@pytest.mark.parametrize("clock", [Clock(COUNTER), Clock(COUNTER, 3_579_545), Clock(SYSTEM_TIME), Clock(CYCLES, 2_208_000_000)])
def test_every_clock_is_turned_into_utc(clock: Clock) -> None:
    given = frames(5)
    head = traces.trace_header(clock)
    data = netsh_trace(given, clock)
    if clock.kind == COUNTER and clock.rate != traces.RATE:  # the header of the writer has the usual rate
        at = 72 + 32 + 256
        data = data[:at] + struct.pack("<q", clock.rate) + data[at + 8 :]
    assert len(head) % 8 == 0
    off = [abs(ts - one.ts_ns) for (_, ts, _, _, _), one in zip(read(data).packets, given, strict=True)]
    assert max(off) < 400


def test_a_32_bit_header() -> None:
    events = [(0, event(NDIS, 1001, traces.ndis_data(one.data), traces.USUAL.ticks(one.ts_ns), keywords=0xC0000001)) for one in frames()]
    assert read(traces.trace(events, wide=False)).packets == expected(frames())


def test_without_a_header_dates_are_taken_for_dates_and_counters_for_relative() -> None:
    for clock, codes in ((Clock(SYSTEM_TIME), []), (Clock(), ["capture.relative-time"])):
        listed = [(0, event(NDIS, 1001, traces.ndis_data(one.data), clock.ticks(one.ts_ns), keywords=0xC0000001)) for one in frames()]
        head = bytearray(traces.trace(listed, clock))
        head[72 + 32 + 248 : 72 + 32 + 280] = bytes(32)  # boot time, rate, start, kind of clock
        found = read(bytes(head))
        assert found.codes == codes
        assert [ts for _, ts, _, _, _ in found.packets] == [one.ts_ns - (T0_NS if codes else 0) for one in frames()]


def test_wireless_frames_come_decrypted_and_their_flag_goes() -> None:
    ip = frames()[3].data[14:]
    encrypted = b"\x08\x41" + bytes(22) + b"\xaa\xaa\x03\0\0\0\x08\x00" + ip
    plain = b"\x08\x01" + encrypted[2:]
    given = [Frame(T0_NS, encrypted, WLAN), Frame(T0_NS + STEP_NS, ip, RAW)]
    for data in (netsh_trace(given), pktmon_trace(given, components=2)):
        assert [(link, one) for _, _, link, one, _ in read(data).packets] == [(WLAN, plain), (RAW, ip)]


@pytest.mark.parametrize(("destinations", "count"), [(b"", 0), (b"\x07\0\0\0" + "port\0nic\0internal\0".encode("utf-16-le"), 1)])
def test_frames_of_the_virtual_switch(destinations: bytes, count: int) -> None:
    one = frames()[3]
    data = event(NDIS, 1003, traces.switch_data(one.data, destinations, count), traces.USUAL.ticks(one.ts_ns), keywords=0xC0000001)
    assert read(traces.trace([(0, data)])).packets == expected([one])


def test_optional_items_before_the_data() -> None:
    one = frames()[3]
    items = [(12, b"\x0c\0AmsiTrace\0"), (11, bytes(43))]
    data = event(NDIS, 1001, traces.ndis_data(one.data), traces.USUAL.ticks(one.ts_ns), keywords=0xC0000001, items=items)
    assert read(traces.trace([(0, data)])).packets == expected([one])


def test_a_cut_frame_tells_how_long_it_was() -> None:
    one = frames()[3]
    (found,) = read(netsh_trace([Frame(T0_NS, one.data[:60])])).packets
    assert found[3:] == (one.data[:60], len(one.data))
    (found,) = read(pktmon_trace([Frame(T0_NS, one.data[:60], wire_size=900)])).packets
    assert found[3:] == (one.data[:60], 900)


def test_the_end_of_a_frame_is_missing() -> None:
    one = frames()[3]
    events = [(0, event(NDIS, 1001, traces.ndis_data(one.data[:70]), traces.USUAL.ticks(T0_NS), keywords=0x40000001))]
    found = read(traces.trace(events))
    assert found.packets == [(1, T0_NS, ETHERNET, one.data[:70], len(one.data))]
    assert found.codes == ["capture.damaged-record"]
    found = read(traces.trace([(0, event(NDIS, 1001, traces.ndis_data(one.data[70:]), traces.USUAL.ticks(T0_NS), keywords=0x80000001)), *events]))
    assert [data for _, _, _, data, _ in found.packets] == [one.data[:70]]
    assert found.codes == ["capture.damaged-record"] * 2


def test_drops_are_told_with_reason_and_component() -> None:
    given = frames(3)
    found = read(pktmon_trace(given, drops={4: Dropped(1207, 50), 6: Dropped(1207, 50), 7: Dropped(99_999, 77, alone=True)}))
    assert found.packets == expected(given)
    assert [(drop.packet, drop.code, drop.reason, drop.component, drop.name) for drop in found.walk.drops] == [
        (4, 1207, "INET_ReceiveInspection", 50, "WFP"),
        (6, 1207, "INET_ReceiveInspection", 50, "WFP"),
        (7, 99_999, "reason 99999", 77, ""),
    ]
    assert [problem for problem in found.walk.problems if problem[0] == "capture.dropped"] == [
        ("capture.dropped", "2 packets: INET_ReceiveInspection (1207) at WFP (50)", 4),
        ("capture.dropped", "1 packet: reason 99999 (99999) at component (77)", 7),
    ]


def test_drops_beyond_the_limit_are_counted() -> None:
    given = frames(10)
    found = read(pktmon_trace(given, drops={number: Dropped(1204, 49) for number in range(1, 11)}), Limits(dropped_packets=4))
    assert len(found.walk.drops) == 4
    assert [detail for code, detail, _ in found.walk.problems if code == "capture.limit"] == ["dropped_packets=4: 6 later drops are counted only"]


def test_what_is_no_frame_is_counted() -> None:
    one = frames()[0]
    events = [(0, event(PKTMON, 160, pktmon_data(one, place, 1, 1, kind=kind), traces.USUAL.ticks(T0_NS))) for place, kind in enumerate((1, 4, 9))]
    events.append((0, event(PKTMON, 120, bytes(80), traces.USUAL.ticks(T0_NS))))  # goes with a frame
    found = read(traces.trace(events))
    assert len(found.packets) == 1
    assert found.codes == ["capture.unknown-link"]


def test_more_than_is_held_goes_out_earlier() -> None:
    given = frames(200)
    found = read(netsh_trace(given, processors=3, size=4096), Limits(trace_bytes=20_000))
    assert sorted(data for _, _, _, data, _ in found.packets) == sorted(one.data for one in given)
    assert [number for number, _, _, _, _ in found.packets] == list(range(1, len(given) + 1))


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (event(traces.WINRM, 1, b"", 7), "without network packets (1 provider: Microsoft-Windows-WinRM)"),
        (event(UUID(int=7), 1, b"", 7, items=[(12, b"\x0c\0AmsiTrace\0")]), "(1 provider: AmsiTrace)"),
        (event(UUID(int=7), 1, b"", 7), "(1 provider: {00000000-0000-0000-0000-000000000007})"),
        (
            event(PKTMON, 20, b"\1\0\1\0" + "TCPIP\0".encode("utf-16-le"), 7),
            "a trace of pktmon (.etl) without packets: no packet fitted its filters, or it counted only.",
        ),
        (event(PKTMON, 120, bytes(80), 7), "a trace of pktmon (.etl) without packets: of 1 it has the addresses only."),
    ],
)
def test_a_trace_without_packets_says_what_it_has(data: bytes, says: str) -> None:
    found = read(traces.trace([(0, data)]))
    assert (found.packets, found.walk.format) == ([], "")
    assert says in found.walk.instead


def test_file_offsets_lead_to_the_bytes_where_they_lie_in_the_file() -> None:
    data = netsh_trace(frames(10))
    listed = list(rows(filling(data, 100), Limits(), Walk()))
    assert all(data[row.file_at : row.file_at + row.size] == row.buffer for row in listed)
    assert all(row.file_at == -1 for row in rows(filling(pktmon_trace(frames(3)), 100), Limits(), Walk()))


@pytest.mark.parametrize("made", [netsh_trace, pktmon_trace, lambda given: netsh_trace(given, parts=2)])
def test_the_scan_finds_the_same_flow(made: Callable[[list[Frame]], bytes], tmp_path: Path) -> None:
    flows = []
    for name, data in (("one.pcap", pcap(frames(9))), ("two.etl", made(frames(9)))):
        (tmp_path / name).write_bytes(data)
        found = scan(str(tmp_path / name), 0, name, Limits(), Scope())
        (flow,) = found.flows
        file, spool = (tmp_path / name).read_bytes(), b""
        if found.spool is not None:
            found.spool.seek(0)
            spool = found.spool.read()
        segments = flow.segments
        payload = [(spool if source & 1 else file)[at : at + size] for source, at, size in zip(segments.source, segments.file_at, segments.size, strict=True)]
        flows.append((flow.hosts, flow.ports, flow.verdict, segments.key, segments.seq, segments.ts_ns, payload))
    assert flows[0] == flows[1]


def test_damage_costs_what_it_hits() -> None:
    given = frames(60)
    for compressed in (False, True):
        data = bytearray(netsh_trace(given, size=4096, compressed=compressed))
        second = len(traces.buffer(traces.trace_header(traces.USUAL), 4096, compressed=compressed))
        at = second + int.from_bytes(data[second : second + 4], "little")
        data[at : at + 4] = b"\xff\xff\xff\xff"
        found = read(bytes(data))
        assert "capture.damaged-record" in found.codes
        assert 0 < len(given) - len(found.packets) < 12
    data = bytearray(netsh_trace(given, size=1 << 16))
    at = data.find(NDIS.bytes_le, len(data) // 3) - 24
    data[at : at + 4] = bytes(4)
    found = read(bytes(data))
    assert (len(found.packets), found.codes) == (len(given) - 1, ["capture.damaged-record"])


@pytest.mark.parametrize("part", [0.3, 0.6, 0.95])
def test_a_trace_that_ends_early(part: float) -> None:
    for data in (netsh_trace(frames(60), size=4096), pktmon_trace(frames(60), size=4096)):
        found = read(data[: int(len(data) * part)])
        assert "capture.cut" in found.codes
        assert found.packets


def test_damage_never_raises() -> None:
    whole = [
        netsh_trace(frames(5), size=2048),
        netsh_trace(frames(3), parts=2, compressed=True, size=2048),
        pktmon_trace(frames(5), drops={2: Dropped(1204, 49)}, size=2048),
        pktmon_trace(frames(5), compressed=False, drops={2: Dropped(8, 1, alone=True)}, size=2048),
    ]
    for seed in range(1500):
        dice = random.Random(seed)
        changed = bytearray(dice.choice(whole))
        for _ in range(dice.randrange(1, 8)):
            changed[dice.randrange(len(changed))] = dice.choice((0, 1, 0x7F, 0xFF, dice.randrange(256)))
        read(bytes(changed[: dice.randrange(4, len(changed) + 1)]))


@pytest.mark.captures
def test_a_real_trace_has_the_packets_of_its_twin() -> None:
    """The same ``netsh trace``, as Network Monitor converted it: numbers in order, bytes, times to 100 ns, sizes."""
    path = FORMATS / "mlgualtieri+NTLMRawUnHide__capture.etl"
    if not path.exists():
        pytest.skip("the real trace is not there")
    trace, twin = read(path.read_bytes()), read(path.with_suffix(".cap").read_bytes())
    assert len(trace.packets) == 44
    assert [one[1:] for one in trace.packets] == [one[1:] for one in twin.packets]
    assert trace.walk.problems == []


@pytest.mark.captures
@pytest.mark.parametrize(("name", "provider"), [("AMSITrace", "AmsiTrace"), ("lxcore_kernel", "Microsoft.Windows.Subsystem.LxCore")])
def test_real_traces_without_packets(name: str, provider: str) -> None:
    path = FORMATS / f"tests__example__{name}.etl"
    if not path.exists():
        pytest.skip("the real trace is not there")
    found = read(path.read_bytes())
    assert (found.packets, found.walk.format) == ([], "")
    assert f"1 provider: {provider}" in found.walk.instead
