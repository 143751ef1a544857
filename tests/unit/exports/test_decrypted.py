"""A capture with decrypted bodies: made packets that other readers take, with the text that was sent, and without what was not read."""

import io
import shutil
import subprocess
from functools import cache
from pathlib import Path

import dpkt
import pytest

import analyzer
from analyzer.case.analyzed import Case
from analyzer.cli import start
from analyzer.errors import OutputError

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"
SAMPLE = SAMPLES / "squid-ntlm-healthy"
TSHARK = shutil.which("tshark")


@cache
def case(name: str, *, opened: bool = True) -> Case:
    folder = SAMPLES / name
    return analyzer.analyze([str(path) for path in sorted(folder.glob("*.pcap*"))], secrets=folder / "secrets.toml" if opened else None)


def packets(path: Path) -> list[tuple[float, bytes]]:
    return list(dpkt.pcapng.Reader(io.BytesIO(path.read_bytes())))


def test_every_body_is_there_in_clear(tmp_path: Path) -> None:
    made = case("squid-ntlm-healthy")
    count = made.decrypted(tmp_path / "out.pcapng")
    found = packets(tmp_path / "out.pcapng")
    assert count == len(found) > 80
    payload = b"".join(bytes(dpkt.ip.IP(data).data.data) for _, data in found)
    whole = [text.encode() for name, text in made._texts()]
    assert len(whole) > 20
    assert all(text[:400] in payload for text in whole if b"assword" not in text)
    assert b"multipart/encrypted" not in payload
    assert payload.count(b"HTTP/1.1 200") == sum(one.response.status == 200 for one in made.evidence.exchanges.values())  # type: ignore[union-attr]


def test_sequence_numbers_go_on_without_a_gap(tmp_path: Path) -> None:
    case("direct-psrp-copy-fetch-healthy").decrypted(tmp_path / "out.pcapng")
    found = packets(tmp_path / "out.pcapng")
    times = [ts for ts, _ in found]
    assert times == sorted(times)
    following: dict[tuple[bytes, int], int] = {}
    for _, data in found:
        ip = dpkt.ip.IP(data)
        tcp = ip.data
        here, there = (ip.src, tcp.sport), (ip.dst, tcp.dport)
        assert tcp.seq == following.get(here, 0)
        following[here] = tcp.seq + len(tcp.data) + bool(tcp.flags & 3)
        assert not tcp.flags & 16 or tcp.ack == following.get(there, 0)


def test_without_a_key_the_body_is_left_out_and_said(tmp_path: Path) -> None:
    case("squid-ntlm-healthy", opened=False).decrypted(tmp_path / "out.pcapng")
    data = (tmp_path / "out.pcapng").read_bytes()
    assert b"bytes left out, not decrypted (no key for LAB\\alice (NTLM))" in data
    assert b"<s:Envelope" not in data


def test_tokens_are_masked_unless_asked_for(tmp_path: Path) -> None:
    case("squid-ntlm-healthy").decrypted(tmp_path / "out.pcapng")
    case("squid-ntlm-healthy").decrypted(tmp_path / "raw.pcapng", show_secrets=True)
    assert b"TlRMTVNTUAAD" not in (tmp_path / "out.pcapng").read_bytes()
    assert b"X-WinRM-Analyzer: Authorization masked" in (tmp_path / "out.pcapng").read_bytes()
    assert b"TlRMTVNTUAAD" in (tmp_path / "raw.pcapng").read_bytes()


def test_a_connection_brings_its_route(tmp_path: Path) -> None:
    made = case("squid-ntlm-healthy")
    made.decrypted(tmp_path / "out.pcapng", connections=["c1"])
    hosts = {dpkt.ip.IP(data).src for _, data in packets(tmp_path / "out.pcapng")}
    assert len(hosts) == 4, "client, both addresses of the proxy, server"
    with pytest.raises(OutputError):
        made.decrypted(tmp_path / "out.pcapng")


def test_ipv6(tmp_path: Path) -> None:
    made = case("ipv6-direct")
    made.decrypted(tmp_path / "out.pcapng")
    first = dpkt.ip6.IP6(packets(tmp_path / "out.pcapng")[0][1])
    assert (first.data.flags, first.plen) == (2, 20)


@pytest.mark.skipif(TSHARK is None, reason="needs tshark")
@pytest.mark.parametrize("name", ["squid-ntlm-healthy", "ipv6-direct", "evil-winrm-py-session"])
def test_tshark_reads_it(tmp_path: Path, name: str) -> None:
    case(name).decrypted(tmp_path / "out.pcapng", show_secrets=True)
    options = ["-o", "tcp.check_checksum:TRUE", "-o", "ip.check_checksum:TRUE"]
    bad = "_ws.malformed || tcp.checksum.status == 0 || ip.checksum.status == 0 || tcp.analysis.lost_segment || tcp.analysis.retransmission"
    run = subprocess.run([str(TSHARK), "-r", str(tmp_path / "out.pcapng"), *options, "-Y", bad], capture_output=True, text=True, check=True)
    assert run.stdout == ""
    soap = subprocess.run([str(TSHARK), "-r", str(tmp_path / "out.pcapng"), "-Y", "xml"], capture_output=True, text=True, check=True)
    assert len(soap.stdout.splitlines()) == len(case(name).messages.query("protection == 'sealed'"))


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capture, out = str(next(SAMPLE.glob("*.pcap*"))), str(tmp_path / "out.pcapng")
    assert start.run(["pcap", capture, "--secrets", str(SAMPLE / "secrets.toml"), "--decrypted", "-o", out]) == 0
    assert "packets made of what could be read" in capsys.readouterr().err
    assert start.run(["pcap", capture, "--decrypted", "--finding", "f1", "-o", f"{out}2"]) == 2
    assert start.run(["pcap", capture, "--show-secrets", "-o", f"{out}3"]) == 2
