"""Limits: each is used and described, and what reaches one of a run says so."""

import gzip
import re
from pathlib import Path

import pytest

from analyzer import Limits, analyze
from analyzer.cli.start import run
from docs.refresh import limit_book
from tests.build.packets import Frame, pcap
from tests.hostile.costly import CONTROL, Talk, backwards, bodies, command, created, overlapping, request, response, tiny

_ROOT = Path(__file__).resolve().parents[2]


def test_each_limit_is_used_and_described() -> None:
    source = "\n".join(path.read_text(encoding="utf-8") for path in (_ROOT / "analyzer").rglob("*.py") if path.name != "settings.py")
    rows = dict(re.findall(r"^\| `(\w+)` \| [^|]+ \| (.*) \|$", limit_book(), re.MULTILINE))
    assert set(rows) == set(Limits.__struct_fields__)
    for name, told in rows.items():
        assert re.search(rf"(?:limits|most)\.{name}\b", source), f"{name} is used nowhere"
        assert told.endswith((".", ")")), f"{name} is not described"


def _capture(path: Path, *plays: object) -> Path:
    frames: list[Frame] = []
    for number, play in enumerate((bodies(created("S-0"), command(CONTROL, "S-0", "C-0")), *plays), 1):
        play(Talk(frames, 10_000 + number))  # type: ignore[operator]
    path.write_bytes(pcap(frames))
    return path


def _told(path: Path, limits: Limits) -> dict[str, str]:
    """The details of issues about limits, by code; the command on the first connection is there."""
    case = analyze(path, limits=limits)
    assert CONTROL in list(case.commands["text"])
    return {str(row["code"]): str(row["detail"]) for row in case.issues.to_dict("records") if str(row["code"]).endswith(".limit")}


def _many(talk: Talk) -> None:
    talk.client(b"POST /wsman HTTP/1.1\r\nContent-Length: 0\r\n\r\n" * 300)
    talk.server(b"HTTP/1.1 401 \r\nContent-Length: 0\r\n\r\n" * 300)


def test_exchanges_smaller_than_any_of_winrm_are_read_up_to_a_number(tmp_path: Path) -> None:
    path = _capture(tmp_path / "a.pcap", _many)
    assert _told(path, Limits()) == {}
    told = _told(path, Limits(exchanges=10))
    assert told["http.limit"].endswith("exchange_bytes=256: messages are smaller than that on average; what follows the first 156 was not read (exchanges=10)")
    case = analyze(path, limits=Limits(exchanges=10))
    assert list(case.exchanges["connection_id"]).count("c2") == 156


def test_exchanges_of_winrms_size_are_all_read_however_many(tmp_path: Path) -> None:
    plays = [bodies(created(f"S-{number}"), command(f"echo {number}", f"S-{number}", f"C-{number}")) for number in range(2, 80)]
    assert _told(_capture(tmp_path / "a.pcap", *plays), Limits(exchanges=1, connections=1)) == {}


def test_of_too_many_connections_those_with_the_fewest_bytes_are_left_out(tmp_path: Path) -> None:
    path = _capture(tmp_path / "a.pcap", tiny(50))
    assert _told(path, Limits()) == {}
    told = _told(path, Limits(connections=20))
    assert told["tcp.limit"] == "connections=20, connection_bytes=1000: 32 connections with at most 79 bytes of payload were not read"
    case = analyze(path, limits=Limits(connections=20))
    assert len(case.connections) == 20
    assert "Not all was read" in case.diagnosis


def test_seconds_that_are_over_leave_connections_unread_and_say_so(tmp_path: Path) -> None:
    case = analyze(_capture(tmp_path / "a.pcap"), limits=Limits(seconds=1e-6))
    assert "seconds=1e-06: 1 of 1 connections were not read" in list(case.issues["detail"])
    assert case.diagnosis.startswith("Not all was read: seconds=1e-06: 1 of 1 connections were not read.")
    assert not any("seconds=" in detail for detail in analyze(_capture(tmp_path / "b.pcap"), limits=Limits(seconds=3600)).issues["detail"])


def test_repeats_are_compared_with_so_many_pieces(tmp_path: Path) -> None:
    path = _capture(tmp_path / "a.pcap", overlapping(3))
    assert _told(path, Limits()) == {}
    assert _told(path, Limits(overlaps=500))["tcp.limit"] == "overlaps=500: client: 2 later segments were not compared with what they repeat"


def test_bytes_in_reverse_order_are_read(tmp_path: Path) -> None:
    case = analyze(_capture(tmp_path / "a.pcap", backwards(5000)))
    assert 5000 in list(case.exchanges["request_body_bytes"])


@pytest.mark.parametrize("size", [100_000, 1_000_000])
def test_a_compressed_capture_becomes_so_many_times_larger(size: int, tmp_path: Path) -> None:
    path = _capture(tmp_path / "a.pcap", bodies((request(b"\0" * size), response())))
    packed = tmp_path / "a.pcap.gz"
    packed.write_bytes(gzip.compress(path.read_bytes(), 9))
    assert _told(packed, Limits()) == {}
    told = _told(packed, Limits(packed_bytes=50_000, packed_ratio=2))
    assert told["capture.limit"].startswith("packed_ratio=2: ")


def test_limits_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(_capture(tmp_path / "a.pcap", tiny(50)))
    run(["show", "connections", path, "--limit", "connections=20", "--limit", "exchanges=30_000", "-f", "csv"])
    assert len(capsys.readouterr().out.splitlines()) == 21


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("secnds=1", "there is no limit 'secnds'; did you mean seconds"),
        ("seconds", "a limit is given as NAME=VALUE"),
        ("seconds=-1", "seconds is -1"),
        ("seconds=x", "Expected `float`"),
        ("connections=0.5", "Expected `int`"),
    ],
)
def test_a_limit_that_is_none_is_said(given: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", str(_capture(tmp_path / "a.pcap")), "--limit", given]) == 2
    assert told in capsys.readouterr().err
