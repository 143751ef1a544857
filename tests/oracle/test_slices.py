"""An evidence slice as Wireshark's own programs read it: the same bytes, times and sizes as in the original capture, and the comments."""

import shutil
import struct
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

import analyzer
from analyzer.errors import InputError, UsageError
from analyzer.records.ids import key_number
from analyzer.tables.findings import finding_rows
from tests.golden.samples import captures, truth

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
pytestmark = [pytest.mark.tshark, pytest.mark.skipif(not (shutil.which("tshark") and shutil.which("editcap")), reason="Wireshark's programs are not installed")]
_DSB = struct.pack("<I", 0x0000000A)
"""The type of a decryption secrets block."""


class Packet(NamedTuple):
    ts_ns: int
    data: bytes
    wire_size: int


def packets(path: Path, folder: Path) -> list[Packet]:
    """Every packet of a capture, as editcap converts it to plain pcap with nanoseconds (24 bytes, then 16 before each packet)."""
    plain = folder / f"{path.name}.plain"
    subprocess.run(["editcap", "-F", "nsecpcap", str(path), str(plain)], check=True, capture_output=True)
    data, at, found = plain.read_bytes(), 24, []
    assert data[:4] == struct.pack("<I", 0xA1B23C4D)
    while at < len(data):
        seconds, ns, size, wire_size = struct.unpack_from("<IIII", data, at)
        found.append(Packet(seconds * 1_000_000_000 + ns, data[at + 16 : at + 16 + size], wire_size))
        at += 16 + size
    return found


def comments(path: Path, *more: str) -> list[list[str]]:
    """The comments of each packet that tshark shows; it joins those of one packet with the separator that is asked for."""
    command = ["tshark", "-r", str(path), "-T", "fields", "-E", "aggregator=\x1f", "-e", "frame.comment", *more]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return [line.split("\x1f") for line in done.stdout.splitlines()]


def originals(folder: Path, scratch: Path) -> dict[str, list[Packet]]:
    return {Path(path).name: packets(Path(path), scratch) for path in captures(folder, truth(folder))}


@pytest.mark.parametrize("name", ["two-legs-clock-offset", "snaplen-96", "vlan-direct", "ipv6-direct", "rotated-files", "squid-connect-https", "direct-basic"])
def test_a_slice_has_the_original_packets(name: str, tmp_path: Path) -> None:
    folder = SAMPLES / name
    case = analyzer.analyze(captures(folder, truth(folder)))
    out = tmp_path / "slice.pcapng"
    count = case.slice(out)
    made, told, before = packets(out, tmp_path), comments(out), originals(folder, tmp_path)
    assert len(made) == len(told) == count > 10
    for packet, notes in zip(made, told, strict=True):
        _, number, origin = notes[-1].removeprefix("WSM ").replace(" of ", " ").split(" ", 2)
        assert packet == before[origin][int(number) - 1]
    order = [(notes[-1].rpartition(" of ")[2], int(notes[-1].split()[2])) for notes in told]
    for origin in before:
        numbers = [number for name, number in order if name == origin]
        assert numbers == sorted(numbers), "each capture's packets stay in their order"
    assert len(before) == 1 or [packet.ts_ns for packet in made] == sorted(packet.ts_ns for packet in made)
    assert _DSB not in {data[:4] for data in _blocks(out)}


def test_an_embedded_key_log_opens_tls_for_wireshark_and_for_us(tmp_path: Path) -> None:
    folder = SAMPLES / "https-direct"
    other = "CLIENT_RANDOM " + "ab" * 32 + " " + "cd" * 48
    keys = tmp_path / "all.keys"
    keys.write_text(f"{(folder / 'tls.keys').read_text()}{other}\n")
    case = analyzer.analyze(folder / "capture.pcap")
    plain, out = tmp_path / "plain.pcapng", tmp_path / "slice.pcapng"
    case.slice(plain)
    case.slice(out, keylogs=[str(keys)])
    asked = ["tshark", "-o", "tls.keylog_file:", "-d", "tcp.port==5986,tls", "-Y", "http.request", "-T", "fields", "-e", "http.request.uri", "-r"]
    shown = {path: subprocess.run([*asked, str(path)], check=True, capture_output=True, text=True).stdout.split() for path in (plain, out)}
    assert shown[plain] == []
    assert set(shown[out]) == {"/wsman"}
    blocks = [data for data in _blocks(out) if data[:4] == _DSB]
    assert len(blocks) == 1
    assert b"ab" * 32 not in blocks[0], "lines of other connections stay out"
    opened = analyzer.analyze(out)
    assert len(opened.exchanges) == len(analyzer.analyze(folder / "capture.pcap", keylog=folder / "tls.keys").exchanges) > 0
    with pytest.raises(UsageError, match="no line belongs"):
        analyzer.analyze(SAMPLES / "direct-basic" / "capture.pcapng").slice(tmp_path / "x.pcapng", keylogs=[str(keys)])


def _blocks(path: Path) -> list[bytes]:
    data, at, found = path.read_bytes(), 0, []
    while at < len(data):
        size = struct.unpack_from("<I", data, at + 4)[0]
        found.append(data[at : at + size])
        at += size
    return found


def test_a_finding_s_packets_are_marked(tmp_path: Path) -> None:
    folder = SAMPLES / "squid-close-after-200"
    case = analyzer.analyze(captures(folder, truth(folder)))
    out = tmp_path / "slice.pcapng"
    case.slice(out, findings=["f1"])
    row = next(iter(finding_rows(case.result)))
    marked = comments(out, "-Y", f'frame.comment contains "WSM f1 {row.finding.rule}"')
    assert [int(notes[-1].split()[2]) for notes in marked] == [key_number(key) for key in row.finding.packets]
    every = [note for notes in comments(out) for note in notes]
    assert any(note.endswith("NTLM authenticate as alice") and "request POST http://srv01.lab.example:5985/wsman" in note for note in every)
    assert any("FIN sent by the client" in note for note in every)
    assert any("SYN of the client" in note for note in every)
    told = subprocess.run(["capinfos", "-k", "-T", "-r", str(out)], check=True, capture_output=True, text=True).stdout
    assert "Slice of f1 tcp.close-after-auth-2xx" in told
    assert case.captures["sha256"][0] in told


def test_two_runs_give_equal_bytes(tmp_path: Path) -> None:
    folder = SAMPLES / "two-legs-clock-offset"
    for name in ("one", "two"):
        analyzer.analyze(captures(folder, truth(folder))).slice(tmp_path / name, connections=["c1"])
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_what_the_capture_says_of_a_packet_stays(tmp_path: Path) -> None:
    original = SAMPLES / "direct-basic" / "capture.pcapng"
    noted = tmp_path / "noted.pcapng"
    subprocess.run(["editcap", "-a", "4:seen by \x1b[31mme", str(original), str(noted)], check=True)
    out = tmp_path / "slice.pcapng"
    analyzer.analyze(noted).slice(out)
    found = next(notes for notes in comments(out) if notes[-1] == "WSM packet 4 of noted.pcapng")
    assert found[0] == "seen by \\x1b[31mme"


def test_a_capture_that_was_changed_leaves_no_half_file(tmp_path: Path) -> None:
    capture = tmp_path / "capture.pcapng"
    capture.write_bytes((SAMPLES / "direct-basic" / "capture.pcapng").read_bytes())
    case = analyzer.analyze(capture)
    capture.write_bytes(capture.read_bytes()[:9000])
    with pytest.raises(InputError, match="was changed"):
        case.slice(tmp_path / "slice.pcapng")
    assert [path.name for path in tmp_path.iterdir()] == ["capture.pcapng"]
