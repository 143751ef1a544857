"""Two capture points that lost different packets of one connection fill each other's holes: as two files, or merged into one."""

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

import analyzer
from analyzer.api import Case
from analyzer.records.ids import key_capture
from analyzer.tables.column import Value
from tests.build.pieces import cuttable

SAMPLES = Path(__file__).resolve().parents[3] / "sample_pcaps"
NAMES = ("direct-ntlm-healthy", "evil-winrm-py-session")
AHEAD_S = 40
Kept = Callable[[int], bool]


def _records(name: str) -> tuple[bytes, list[bytes]]:
    whole = cuttable((SAMPLES / name / "capture.pcap").read_bytes())
    assert whole is not None
    return whole.head, [record for _, _, record in whole.records]


def _later(record: bytes, seconds: int) -> bytes:
    return struct.pack("<I", struct.unpack_from("<I", record)[0] + seconds) + record[4:]


def _view(path: Path, name: str, kept: Kept, ahead: int = 0) -> Path:
    """What a point saw that lost some packets; its clock is ``ahead`` seconds ahead."""
    head, records = _records(name)
    path.write_bytes(head + b"".join(_later(record, ahead) for number, record in enumerate(records, 1) if kept(number)))
    return path


def _analyzed(name: str, files: Sequence[Path]) -> Case:
    return analyzer.analyze(list(files), secrets=SAMPLES / name / "secrets.toml")


def _said(case: Case) -> list[tuple[object, ...]]:
    """What was run and what came back."""
    return [(row["command_id"], row["text"], row["state"], row["exit_code"]) for row in case.listed("commands")] + [
        (row["command_id"], row["stream"], row["text"]) for row in case.listed("streams")
    ]


def _bodies(case: Case) -> set[Value]:
    return {row["text_sha256"] for row in case.listed("messages")} - {None}


LOSSES: dict[str, tuple[Kept, Kept]] = {
    "every seventh here, other ones there": (lambda number: number % 7 != 0, lambda number: number % 7 != 3),
    "the beginning here, single ones there": (lambda number: number > 14, lambda number: number % 9 != 8 or number <= 14),
    "single ones here, the beginning there": (lambda number: number % 9 != 8 or number <= 14, lambda number: number > 14),
}


@pytest.mark.parametrize("losses", LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_two_views_with_different_losses_tell_what_the_whole_tells(name: str, losses: str, tmp_path: Path) -> None:
    here, there = LOSSES[losses]
    whole = _analyzed(name, [SAMPLES / name / "capture.pcap"])
    files = [_view(tmp_path / "client.pcap", name, here), _view(tmp_path / "server.pcap", name, there, AHEAD_S)]
    alone = [_analyzed(name, [file]) for file in files]
    assert all(_bodies(case) < _bodies(whole) for case in alone), "the losses cost nothing: this shows nothing"
    both = _analyzed(name, files)
    assert _bodies(both) == _bodies(whole)
    assert _said(both) == _said(whole)
    first = {identity: connection for identity, connection in both.evidence.connections.items() if connection.twin_of is None}
    assert all(not connection.to_server.gaps and not connection.to_client.gaps for connection in first.values())
    assert any(issue.code == "tcp.healed" for issue in both.evidence.issues)


def test_each_byte_leads_to_the_packet_that_brought_it_and_times_are_by_one_clock(tmp_path: Path) -> None:
    name = NAMES[0]
    here, there = LOSSES["every seventh here, other ones there"]
    files = [_view(tmp_path / "client.pcap", name, here), _view(tmp_path / "server.pcap", name, there, AHEAD_S)]
    both = _analyzed(name, files)
    seen = set()
    for exchange in both.evidence.exchanges_of["c1"]:
        for half in (exchange.request, exchange.response):
            seen |= {key_capture(key) for key in half.packets}  # type: ignore[union-attr]
            assert abs(half.first_ns - both.evidence.connections["c1"].first_ns) < AHEAD_S * 500_000_000  # type: ignore[union-attr]
            for piece in both.pieces(half.id):  # type: ignore[union-attr]
                capture = both.evidence.captures[key_capture(piece.packet)].name
                assert piece.data in bytes(both.packet(capture, piece.packet & ((1 << 40) - 1)).data)
    assert seen == {0, 1}


@pytest.mark.parametrize("name", NAMES)
def test_merged_into_one_file_the_result_is_the_same(name: str, tmp_path: Path) -> None:
    here, there = LOSSES["every seventh here, other ones there"]
    files = [_view(tmp_path / "client.pcap", name, here), _view(tmp_path / "server.pcap", name, there)]
    head, records = _records(name)
    merged = tmp_path / "merged.pcap"
    merged.write_bytes(head + b"".join(record * (here(number) + there(number)) for number, record in enumerate(records, 1)))
    assert _said(_analyzed(name, files)) == _said(_analyzed(name, [merged]))
    assert _bodies(_analyzed(name, files)) == _bodies(_analyzed(name, [merged]))


def test_bytes_that_differ_are_said_and_each_view_keeps_its_own(tmp_path: Path) -> None:
    name = NAMES[0]
    head, records = _records(name)
    victim = max(range(len(records)), key=lambda place: len(records[place]))
    altered = [*records]
    altered[victim] = records[victim][:-20] + b"#" * 20
    one, other = tmp_path / "client.pcap", tmp_path / "server.pcap"
    one.write_bytes(head + b"".join(records))
    other.write_bytes(head + b"".join(_later(record, AHEAD_S) for record in altered))
    case = _analyzed(name, [one, other])
    (row,) = case.listed("conflicts")
    assert (row["choice"], row["used_packets"], row["other_packets"]) == ("own_capture", f"client.pcap:{victim + 1}", f"server.pcap:{victim + 1}")
    assert _bodies(case) == _bodies(_analyzed(name, [SAMPLES / name / "capture.pcap"]))
    assert case.contents(str(row["conflict_id"]))[1].endswith(b"#" * 20)
