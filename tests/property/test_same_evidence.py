"""The same evidence gives the same facts, however it was captured, stored and read."""

import io
import ipaddress
import struct
import sys
from pathlib import Path

import pytest

from analyzer.settings import Limits
from tests.build.packets import CONTAINERS, ETHERNET, LINKS, TCP, Frame, ethernet, ip6, pcap, tcp
from tests.property.reading import Segment, facts, findings, frames, result, sample, segments, written

SAMPLES = ("wrong-password", "badproxy-close-after-200", "squid-connect-clear-http", "squid-ntlm-healthy", "direct-basic", "nginx-pooled-second-client")
_WRAP = 1 << 32

each_sample = pytest.mark.parametrize("name", SAMPLES)


@pytest.fixture
def whole(name: str, tmp_path: Path) -> Path:
    return written(tmp_path, sample(name), "whole")


@each_sample
@pytest.mark.parametrize("shards", [1, 2, 3, 50])
def test_shards_do_not_matter(whole: Path, shards: int) -> None:
    assert result(whole, Limits(shards=shards)).evidence == result(whole, Limits(shards=8)).evidence


@each_sample
@pytest.mark.parametrize("size", [7, 64, 4096])
def test_the_size_of_reads_does_not_matter(whole: Path, size: int) -> None:
    assert result(whole, Limits(read_size_bytes=size)).evidence == result(whole).evidence


@each_sample
@pytest.mark.parametrize("container", CONTAINERS)
def test_the_container_does_not_matter(name: str, whole: Path, container: str, tmp_path: Path) -> None:
    there = result(written(tmp_path, CONTAINERS[container](frames(name)), "other"))
    here = result(whole)
    assert facts(there) == facts(here)
    assert findings(there) == findings(here)
    assert [one.packets for one in there.findings] == [one.packets for one in here.findings]
    assert [one.first_ns for one in there.evidence.connections.values()] == [one.first_ns for one in here.evidence.connections.values()]


@each_sample
def test_standard_input_gives_the_same(name: str, whole: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(sample(name)))))
    assert facts(result(Path("-"))) == facts(result(whole))


@each_sample
@pytest.mark.parametrize("link", LINKS)
def test_the_link_type_does_not_matter(name: str, whole: Path, link: str, tmp_path: Path) -> None:
    number, wrap = LINKS[link]
    there = result(written(tmp_path, pcap([Frame(one.ts_ns, wrap(one.packet()), number) for one in segments(name)]), "other"))
    assert facts(there) == facts(result(whole))
    assert findings(there) == findings(result(whole))


def _shifted(one: Segment, shifts: dict[tuple[str, int], int]) -> Segment:
    """The segment with each sender's sequence numbers moved on by its shift."""
    seq, ack = struct.unpack_from(">II", one.tcp, 4)
    sender, receiver = one.ends
    moved = struct.pack(">II", (seq + shifts[sender]) % _WRAP, (ack + shifts[receiver]) % _WRAP if one.flags & 16 else ack)
    return one._replace(tcp=one.tcp[:4] + moved + one.tcp[12:])


@each_sample
@pytest.mark.parametrize("early", [0, 1, 700, 5000])
def test_sequence_numbers_may_wrap_anywhere(name: str, whole: Path, early: int, tmp_path: Path) -> None:
    """Every side's sequence numbers are moved so that they wrap ``early`` bytes after its first packet."""
    shifts: dict[tuple[str, int], int] = {}
    for one in segments(name):
        shifts.setdefault(one.ends[0], -early - int(struct.unpack_from(">I", one.tcp, 4)[0]))
    assert set(shifts) >= {one.ends[1] for one in segments(name)}
    there = result(written(tmp_path, pcap([Frame(one.ts_ns, ethernet(_shifted(one, shifts).packet())) for one in segments(name)]), "other"))
    assert facts(there) == facts(result(whole))
    assert findings(there) == findings(result(whole))


def _six(host: str) -> str:
    return str(ipaddress.IPv6Address(0xFD00 << 112 | int(ipaddress.IPv4Address(host))))


@each_sample
def test_ip_version_does_not_matter(name: str, whole: Path, tmp_path: Path) -> None:
    listed = []
    for one in segments(name):
        (source, _), (destination, _) = one.ends
        size = (one.tcp[12] >> 4) * 4
        seq, ack = struct.unpack_from(">II", one.tcp, 4)
        ends = [(_six(host), port) for host, port in one.ends]
        segment = tcp(ends[0], ends[1], seq, ack if one.flags & 16 else None, one.flags & ~16, one.tcp[size:], one.tcp[20:size])
        listed.append(Frame(one.ts_ns, ethernet(ip6(_six(source), _six(destination), TCP, segment)), ETHERNET))
    there = facts(result(written(tmp_path, pcap(listed), "other")))
    here = facts(result(whole), _six)
    assert there == here
