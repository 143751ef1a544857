"""The scope: packets outside of it are numbered and not looked at, whatever the format, the form of the kernel, and the number of threads or files."""

import gzip
from collections.abc import Sequence
from pathlib import Path

import pytest

import analyzer
from analyzer import Limits, Scope
from analyzer.api import Case, scope
from analyzer.capture.flows import net_words
from analyzer.capture.kernel import Kernel
from analyzer.capture.kernels import source
from analyzer.errors import UsageError
from analyzer.records.capture import Flow
from analyzer.records.ids import key_number
from tests.build.flows import fed
from tests.build.packets import ACK, CLIENT, SERVER, T0_NS, TCP, Frame, Line, ethernet, gre, ip4, ip6, pcap, pcapng, tcp, udp
from tests.build.talk_kdc import tgs_req
from tests.build.talk_proxy import ALICE, ask_sealed, direct, handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire

STEP_NS = 1_000_000
POST = b"POST /wsman HTTP/1.1\r\nHost: srv\r\nContent-Length: 0\r\n\r\n"
V4, V6 = "10.0.0.0/8", "fd00::/8"


def line(client: tuple[str, int] = ("10.0.0.1", 50000), server: tuple[str, int] = ("10.0.0.9", 5985), requests: int = 4) -> Line:
    """A connection with so many requests."""
    made = Line(client, server)
    made.handshake()
    for number in range(requests):
        made.put(CLIENT, number * len(POST), POST)
        made.put(SERVER, 0, flags=ACK)
    return made


def numbers(flows: Sequence[Flow]) -> list[list[int]]:
    return [[key_number(key) for key in flow.segments.key] for flow in flows]


def written(path: Path, frames: Sequence[Frame], form: str) -> Path:
    data = pcapng(frames) if form == "pcapng" else pcap(frames)
    path.write_bytes(gzip.compress(data) if form == "gzip" else data)
    return path


def _told(case: Case) -> list[str]:
    return [str(row["detail"]) for row in case.listed("issues") if row["code"] == "capture.outside-scope"]


@pytest.mark.parametrize("form", ["pcap", "pcapng", "gzip"])
@pytest.mark.parametrize("kernel", ["", "python"])
def test_times_belong_to_the_scope_and_numbers_stay(form: str, kernel: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINRM_ANALYZER_KERNEL", kernel)
    frames = line().frames
    path = written(tmp_path / "a.pcap", frames, form)
    asked = Scope(since_ns=frames[3].ts_ns, until_ns=frames[6].ts_ns)
    case = analyzer.analyze(path, scope=asked)
    (one,) = case.evidence.connections.values()
    assert [key_number(key) for key in one.packets] == [4, 5, 6, 7]
    (capture,) = case.evidence.captures
    assert (capture.packets, capture.tcp_packets) == (len(frames), 4)
    assert (capture.first_ns, capture.last_ns) == (asked.since_ns, asked.until_ns)
    assert _told(case) == [f"{len(frames) - 4} of {len(frames)} packets are before or after the times asked for"]


@pytest.mark.parametrize(("since", "until", "kept"), [(0, None, [1, 2, 3]), (1, None, [2, 3]), (None, 1, [1, 2]), (None, -1, []), (3, None, []), (1, 1, [2])])
def test_both_ends_are_included(since: int | None, until: int | None, kept: list[int]) -> None:
    frames = [frame._replace(ts_ns=T0_NS + place) for place, frame in enumerate(line(requests=0).frames)]
    asked = Scope(since_ns=None if since is None else T0_NS + since, until_ns=None if until is None else T0_NS + until)
    assert [number for one in numbers(fed(frames, scope=asked).flows) for number in one] == kept


LINES = (
    line(),
    line(("10.0.0.2", 50001), ("10.0.1.9", 47001)),
    line(("fd00::1", 50002), ("fd00::9", 5985)),
    line(("192.168.7.7", 5985), ("172.16.0.1", 8080)),
)


@pytest.mark.parametrize("kind", [Kernel, source()])
@pytest.mark.parametrize(
    ("nets", "ports", "kept"),
    [
        (["10.0.0.1"], [], [0]),
        (["10.0.0.9"], [], [0]),
        (["10.0.0.1", "10.0.1.9"], [], [0, 1]),
        (["10.0.0.0/16"], [], [0, 1]),
        (["10.0.0.0/24"], [], [0, 1]),
        (["10.0.1.0/24"], [], [1]),
        (["0.0.0.0/0"], [], [0, 1, 3]),
        (["::/0"], [], [2]),
        (["fd00::1"], [], [2]),
        (["fd00::2"], [], []),
        (["fd00::/127", "172.16.0.0/12"], [], [2, 3]),
        ([], [5985], [0, 2, 3]),
        ([], [8080, 47001], [1, 3]),
        ([], [50001], [1]),
        (["10.0.0.0/8"], [47001], [1]),
        (["fd00::9"], [47001], []),
    ],
)
def test_hosts_networks_and_ports(kind: type[Kernel], nets: list[str], ports: list[int], kept: list[int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WINRM_ANALYZER_KERNEL", "python" if kind is not Kernel else "")
    frames = sorted(frame for one in LINES for frame in one.frames)
    found = fed(frames, scope=scope(nets=nets, ports=ports))
    assert sorted(flow.ports for flow in found.flows) == sorted((LINES[place].client[1], LINES[place].server[1]) for place in kept)
    assert found.kernel.elsewhere == sum(len(one.frames) for place, one in enumerate(LINES) if place not in kept)
    assert found.kernel.tcp_packets == len(frames) - found.kernel.elsewhere


def test_a_packet_in_a_tunnel_counts_by_its_own_ends() -> None:
    inner = line(requests=1)
    outer = [frame._replace(data=ethernet(ip4("1.1.1.1", "2.2.2.2", 47, gre(frame.data[14:])))) for frame in inner.frames]
    outer = [frame._replace(wire_size=len(frame.data)) for frame in outer]
    assert numbers(fed(outer, scope=scope(nets=["10.0.0.1"])).flows) == [[1, 2, 3, 4, 5]]
    assert fed(outer, scope=scope(nets=["1.1.1.1"])).flows == ()


def test_kerberos_messages_have_ends_too() -> None:
    asks = (ip4("10.0.0.1", "10.0.0.88", 17, udp(50000, 88, tgs_req("HTTP/srv01"))), ip6("fd00::1", "fd00::88", 17, udp(50000, 88, tgs_req("HTTP/srv01"))))
    frames = [Frame(T0_NS + place, ethernet(packet)) for place, packet in enumerate(asks)]
    for nets, ports, kept in (((V4,), (), [1]), ((V6,), (), [2]), ((), (88,), [1, 2]), ((), (5985,), []), (("10.0.0.88",), (50000,), [1])):
        found = fed(frames, scope=scope(nets=nets, ports=ports)).kernel
        assert [number for number, _, _ in found.datagrams] == kept
    assert [number for number, _, _ in fed(frames, limits=Limits(kdc_datagrams=1), scope=scope(nets=[V6])).kernel.datagrams] == [2]


@pytest.mark.parametrize(("asked", "kept"), [(scope(nets=["10.0.0.1"]), 1), (scope(nets=["10.0.0.254"]), 0), (scope(ports=[5985]), 1), (scope(ports=[80]), 0)])
def test_an_icmp_error_counts_by_the_segment_that_it_quotes(asked: Scope, kept: int, tmp_path: Path) -> None:
    quoted = ip4("10.0.0.1", "10.0.0.9", TCP, tcp(("10.0.0.1", 50000), ("10.0.0.9", 5985), 1000, None, 2))
    error = ip4("10.0.0.254", "10.0.0.1", 1, b"\x03\x03\x00\x00" + bytes(4) + quoted)
    frames = [*line(requests=1).frames[:1], Frame(T0_NS + STEP_NS, ethernet(error))]
    from analyzer.capture.scan import scan

    (tmp_path / "a.pcap").write_bytes(
        pcap([*frames, *(frame._replace(ts_ns=T0_NS + 5 * STEP_NS) for frame in line(("10.0.0.1", 60000), ("10.0.0.254", 80)).frames)])
    )
    assert len(scan(str(tmp_path / "a.pcap"), 0, "a", Limits(), asked).icmp) == kept


def test_two_threads_and_one_see_the_same(tmp_path: Path) -> None:
    frames = sorted(
        frame._replace(ts_ns=frame.ts_ns + place * STEP_NS) for place in range(40) for frame in line(("10.0.0.1", 40_000 + place), requests=30).frames
    )
    path = written(tmp_path / "a.pcap", frames, "pcap")
    for asked in (
        Scope(since_ns=frames[len(frames) // 3].ts_ns),
        Scope(until_ns=frames[len(frames) * 3 // 4].ts_ns),
        scope(nets=["10.0.0.9"], ports=[40_003, 40_017]),
        scope(ports=[1]),
    ):
        one, two = (analyzer.analyze(path, scope=asked, limits=Limits(parallel_bytes=size)) for size in (1 << 40, 1))
        for table in ("captures", "connections", "exchanges", "issues"):
            assert one.listed(table) == two.listed(table)


def test_what_is_asked_for_is_what_a_capture_of_only_that_gives(tmp_path: Path) -> None:
    wire = Wire()
    for place in range(3):
        talk = direct(wire, port=50001 + place)
        handshake(talk, ntlm(number=place))
        trip(talk, ask_sealed(0), sealed_reply(0))
        talk.close_by_client()
        wire.wait(30)
    whole = wire.capture(tmp_path / "whole.pcap")
    every = analyzer.analyze(whole)
    packets = [[key_number(key) for key in one.packets] for one in every.evidence.connections.values()]
    first, last = packets[1][0], packets[1][-1]
    cut = analyzer.analyze(wire.capture(tmp_path / "cut.pcap", first=first, last=last))
    (own,) = cut.evidence.connections.values()
    part = analyzer.analyze(whole, scope=Scope(since_ns=own.first_ns, until_ns=own.last_ns))
    assert [row["rule"] for row in part.listed("findings")] == [row["rule"] for row in cut.listed("findings")]
    for table in ("authentications", "exchanges"):
        rows = [[{name: cell for name, cell in row.items() if "packet" not in name and name != "capture"} for row in one.listed(table)] for one in (part, cut)]
        assert rows[0] == rows[1]
    (kept,) = part.evidence.connections.values()
    assert [key_number(key) for key in kept.packets] == packets[1]


def test_a_connection_that_the_scope_cuts_is_not_told_to_begin_or_end(tmp_path: Path) -> None:
    frames = line(requests=10).frames
    case = analyzer.analyze(written(tmp_path / "a.pcap", frames, "pcap"), scope=Scope(since_ns=frames[7].ts_ns, until_ns=frames[12].ts_ns))
    (one,) = case.evidence.connections.values()
    assert (one.syn, one.end.value) == (None, "open")
    assert "tcp.midstream" in {row["code"] for row in case.listed("issues")}
    assert case.result.diagnosis[-1].endswith("What lies outside of it cannot be told.")


def _minutes(count: int) -> Wire:
    wire = Wire()
    for place in range(count):
        talk = wire.connect(ALICE, 50001 + place, "10.20.2.20", 5985)
        trip(talk, ask_sealed(place), sealed_reply(place))
        talk.close_by_client()
        wire.wait(60)
    return wire


def test_rotated_files_outside_of_the_times_are_not_read(tmp_path: Path) -> None:
    wire = _minutes(4)
    size = len(list(analyzer.analyze(wire.capture(tmp_path / "x.cap")).evidence.connections["c1"].packets))
    files = [wire.capture(tmp_path / f"ring_{place:05}.pcap", first=1 + size * place, last=size * (place + 1)) for place in range(4)]
    begins = [one.first_ns for one in analyzer.analyze(files).evidence.connections.values()]
    asked = Scope(since_ns=begins[2] - 1, until_ns=begins[2] + STEP_NS * 10_000)
    files[0].write_bytes(files[0].read_bytes()[:-10])  # had it been read to its end, this would be told
    case = analyzer.analyze(files, scope=asked)
    assert [one.packets for one in case.evidence.captures] == [0, size, size, 0]
    assert [one.format for one in case.evidence.captures] == ["pcap-ns"] * 4
    told = {str(row["capture"]): row["detail"] for row in case.listed("issues")}
    assert [told[files[place].name] for place in (0, 1, 3)] == [
        "not read: by the times of its first packet and of the file after it, it lies before the times asked for",
        f"{size} of {size} packets are before or after the times asked for",
        "not read: by the times of its first packet and of the file after it, it lies after the times asked for",
    ]
    assert len(case.evidence.connections) == 1
    assert "2 files outside of it were not read" in " ".join(case.overview().split())


def test_nothing_is_left_out_by_time_where_times_do_not_rise(tmp_path: Path) -> None:
    wire = _minutes(2)
    first = analyzer.analyze(wire.capture(tmp_path / "x.cap")).evidence.connections["c1"]
    size = len(first.packets)
    alone = wire.capture(tmp_path / "a.pcap", first=size + 1)
    case = analyzer.analyze([alone, wire.capture(tmp_path / "other.cap", last=size)], scope=Scope(until_ns=first.last_ns))
    assert [one.packets for one in case.evidence.captures] == [size, size], "files of different names are read: nothing tells when they end"


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-11-24T10:24:31Z", 1_795_515_871_000_000_000),
        ("2026-11-24T11:24:31+01:00", 1_795_515_871_000_000_000),
        ("2026-11-24 10:24:31.055803001z", 1_795_515_871_055_803_001),
        ("2026-11-24T10:24:31.5Z", 1_795_515_871_500_000_000),
        ("20261124T102431Z", 1_795_515_871_000_000_000),
        ("2026-11-24T10:24+00:00", 1_795_515_840_000_000_000),
        ("1969-12-31T23:59:59.25Z", -750_000_000),
    ],
)
def test_times_are_read_to_the_nanosecond(text: str, ns: int) -> None:
    assert scope(since=text).since_ns == ns


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"since": "2026-11-24T10:24:31"}, "has no zone"),
        ({"until": "yesterday"}, "is not a time"),
        ({"since": ""}, "is not a time"),
        ({"since": "2026-11-24T10:24:31.1234567890Z"}, "is not a time"),
        ({"since": "2026-11-24T11:00Z", "until": "2026-11-24T10:00Z"}, "ends .* before it begins"),
        ({"nets": ["srv01"]}, "names are not looked up"),
        ({"nets": ["10.0.0.0/33"]}, "neither an address nor a network"),
        ({"ports": [65536]}, "is not a port"),
    ],
)
def test_what_cannot_be_read_is_named(given: dict[str, str], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        scope(**given)  # type: ignore[arg-type]


def test_the_words_of_a_network() -> None:
    assert net_words("10.0.0.5/32") == (1, 0x0A000005, 0, 0xFFFFFFFF, 0)
    assert net_words("fd00::/16") == (0, 0xFD00 << 48, 0, 0xFFFF << 48, 0)
    assert net_words("fd00::1/128") == (0, 0xFD00 << 48, 1, (1 << 64) - 1, (1 << 64) - 1)
