"""The benchmark runs, on captures of a megabyte: what it makes is what it says, and its page has every table."""

import json
import sys
from pathlib import Path

import pytest

import analyzer
from analyzer.capture.scan import scan
from analyzer.settings import Limits, Scope
from benchmarks import bench, profile, traffic
from benchmarks.measure import Cost, paired


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return traffic.captures(tmp_path_factory.mktemp("traffic"), 0.003)


def test_mixed_traffic_holds_one_hundredth_of_winrm(made: dict[str, Path]) -> None:
    found = scan(str(made["mixed"]), 0, "mixed", Limits(), Scope())
    kept = sum(sum(flow.segments.wire_size) for flow in found.flows)
    assert 0 < kept < made["mixed"].stat().st_size * 0.2
    assert found.capture.packets > 2000


def test_containers_hold_the_same(made: dict[str, Path]) -> None:
    counts = {name: scan(str(made[name]), 0, name, Limits(), Scope()) for name in ("mixed", "mixed-gzip", "mixed-zstd", "mixed-pcapng")}
    assert counts["mixed-gzip"].capture.packets == counts["mixed-zstd"].capture.packets > 500
    assert counts["mixed-pcapng"].capture.format == "pcapng"
    assert len(counts["mixed"].flows) >= 1


def test_the_keys_of_sealed_traffic_fit(made: dict[str, Path]) -> None:
    case = analyzer.analyze(made["winrm"], secrets=traffic.SEALED.with_name("secrets.toml"))
    assert len(case.evidence.connections) >= 3
    assert all(message.opened for message in case.evidence.messages.values() if message.protection.value == "sealed")


def test_small_frames_are_small(made: dict[str, Path]) -> None:
    found = scan(str(made["small"]), 0, "small", Limits(), Scope())
    assert (made["small"].stat().st_size - 24) / found.capture.packets == 80
    assert not found.flows


def test_commands_take_turns_and_failures_are_told() -> None:
    found = paired({"one": [sys.executable, "-c", "pass"], "other": ["true"]}, 3)
    assert found["one"].cpu > found["other"].cpu
    with pytest.raises(RuntimeError, match="ended with 3"):
        paired({"one": [sys.executable, "-c", "raise SystemExit(3)"]}, 1)


def test_the_page_has_every_table() -> None:
    cost = Cost(1.0, 2.0, 30.0)
    rows = [bench._row("whole analysis", 2.0, 1.4, 1.9), bench._row("peak memory", 64, 48, 70.0, " MiB")]
    page = bench._page(rows, [("mixed", "cat", cost)], [("winrm, opened", cost)], [("gigabytes", [(1.0, cost), (10.0, Cost(10, 20, 30))])])
    assert "| whole analysis | 2 | 1.4 | 1.9 | yes |" in page
    assert "| peak memory | 64 MiB | 48 MiB | 70 MiB | missed |" in page
    assert "factor 1.00" in page
    assert "| mixed | 0.2 |  |\n| winrm | 0.1 | 5.0 |" in bench._stages([("mixed", {"start": "0.2"}), ("winrm", {"start": "0.1", "open": "5.0"})])
    text = bench._between("before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n", page)
    assert text.startswith("before\n") and text.endswith("<!-- bench: end -->\nafter\n") and "old" not in text  # noqa: PT018
    assert bench.chart([("winrm-analyzer analyze", 0.9), ("tshark", 28.0)]).count("<rect") == 2


def test_the_check_fails_when_a_ratio_is_worse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    numbers = tmp_path / "performance.json"
    monkeypatch.setattr(bench, "NUMBERS", numbers)
    monkeypatch.setattr(bench, "ratios", lambda _made, _runs: {"mixed vs cat": 20.0})
    monkeypatch.setattr(traffic, "captures", lambda _folder, _scale: {})
    for written, expected in ((15.0, 0), (5.0, 1)):
        numbers.write_text(json.dumps({"check": {"mixed vs cat": written}}))
        assert bench.check(tmp_path) == expected


def test_stages_are_told(made: dict[str, Path]) -> None:
    spent = profile.stages(str(made["mixed"]))
    assert {"start", "scan", "decode", "judge", "show"} <= set(spent)
