"""The benchmark runs, on captures of a megabyte: what it makes is what it says, and its page has every table."""

import argparse
import json
import sys
from pathlib import Path

import pytest

import analyzer
from analyzer.capture.scan import scan
from analyzer.settings import Limits, Scope
from benchmarks import bench, floor, groups, installed, memory, page, profile, rows, sessions, traffic
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
    case = analyzer.analyze(made["winrm"], secrets=made["secrets"])
    assert len(case.evidence.connections) >= 3
    sealed = [message for message in case.evidence.messages.values() if message.protection.value == "sealed"]
    assert sealed
    assert all(message.opened for message in sealed)
    assert case.findings.empty
    sizes = floor.bodies(str(made["winrm"]))
    assert sorted(sizes) == sorted(message.size for message in sealed)
    assert 0 < floor.floor(sizes) < 5


@pytest.mark.parametrize("name", ["winrm", "clear", "giant"])
def test_no_two_sessions_are_alike(name: str, made: dict[str, Path]) -> None:
    case = analyzer.analyze(made[name], secrets=made["secrets"])
    identifiers = [message.message_id for message in case.evidence.messages.values() if message.message_id]
    assert len(identifiers) > 50
    assert len(set(identifiers)) == len(identifiers)
    connections = case.connections
    assert len(case.shells) == len(connections) == case.commands["text"].nunique()
    assert case.issues.empty


def test_both_legs_of_a_copy_hold_the_same_identifiers(made: dict[str, Path]) -> None:
    case = analyzer.analyze(made["plain"])
    assert len(case.hops) > 50
    of = {message.exchange: message.message_id for message in case.evidence.messages.values() if message.from_client}
    assert all(of.get(hop.near) == of.get(hop.far) for hop in case.evidence.hops)
    assert len(set(of.values())) * 2 >= len(case.hops) * 0.9


def test_what_sweeps_and_what_browses(made: dict[str, Path]) -> None:
    assert len(analyzer.analyze(made["scanner"]).connections) > 20
    web = analyzer.analyze(made["web"])
    assert not web.evidence.winrm
    assert len(analyzer.analyze(made["short"]).connections) == 300


def test_a_ring_of_files_holds_the_same_packets(tmp_path: Path) -> None:
    size = 300_000
    files = traffic.rotated(tmp_path / "ring", traffic.mixed(size, 5, sessions.clear), 10, size)
    assert len(files) == 10
    whole = tmp_path / "whole.pcap"
    traffic.write(whole, traffic.mixed(size, 5, sessions.clear))
    assert b"".join(path.read_bytes()[24:] for path in files) == whole.read_bytes()[24:]


def test_small_frames_are_small(made: dict[str, Path]) -> None:
    found = scan(str(made["small"]), 0, "small", Limits(), Scope())
    assert (made["small"].stat().st_size - 24) / found.capture.packets == 80
    assert not found.flows


def test_commands_take_turns_and_failures_are_told() -> None:
    found = paired({"one": [sys.executable, "-c", "pass"], "other": ["true"]}, 3)
    assert found["one"].cpu > found["other"].cpu
    with pytest.raises(RuntimeError, match="ended with 3"):
        paired({"one": [sys.executable, "-c", "raise SystemExit(3)"]}, 1)


def test_what_is_larger_than_memory_is_told_by_process() -> None:
    found = {"cpu": 1.0, "cpu_of_others": 2.0, "analysis": 3.0, "save": 4.0, "all_read": 5, "all_written": 6}
    given = argparse.Namespace(clients=10, memory=512)
    told = "\n".join(f"| {what} | {figure} |" for what, figure in groups._rows(given, 10**9, found, (500, 600, 3), (1_000_000_000, 0), 1.0))
    asks, others, read = rows.large_told(f"| what | measured |\n|---|---|\n{told}\n", "20 GB")
    assert (asks.case, asks.reached, asks.holds) == ("20 GB: the process that asks, at most", 500, True)
    assert (others.case, others.reached, others.holds) == ("20 GB: the largest of 3 others", 600, False)
    assert (read.reached, read.holds) == (1.0, True)
    assert not list(rows.large_told("", "20 GB"))


def test_the_page_has_every_table() -> None:
    cost = Cost(1.0, 2.0, 30.0)
    lines = [rows.row("whole analysis", 2.0, 1.4, 1.9), rows.row("peak memory", 64, 48, 70.0, " MiB")]
    grown = [rows.Grown("gigabytes", [(1.0, cost), (2.0, Cost(1, 3, 30)), (10.0, Cost(10, 11, 30))])]
    made = page.page("installed by pip", lines, [("mixed", "cat", cost)], [("winrm, opened", cost)], grown)
    assert "| whole analysis | 2 | 1.4 | 1.9 | yes |" in made
    assert "| peak memory | 64 MiB | 48 MiB | 70 MiB | missed |" in made
    assert "factor 0.99" in made
    assert ". Installed by pip." in made
    assert "| mixed | 0.2 |  |\n| winrm | 0.1 | 5.0 |" in page.stages([("mixed", {"start": "0.2"}), ("winrm", {"start": "0.1", "open": "5.0"})])
    text = page.between("before\n<!-- bench: begin -->\nold\n<!-- bench: end -->\nafter\n", made)
    assert text.startswith("before\n") and text.endswith("<!-- bench: end -->\nafter\n") and "old" not in text  # noqa: PT018
    assert page.chart([("winrm-analyzer analyze", 0.9), ("tshark", 28.0)]).count("<rect") == 2


SIZES = (1_000, 10_000, 100_000, 1_000_000)
START = 0.3


@pytest.mark.parametrize("each", [1e-8, 1e-7, 3e-7, 1e-6, 1e-5])
@pytest.mark.parametrize("noise", [-0.004, 0.0, 0.004])
def test_linear_growth_is_linear_whatever_the_start_costs(each: float, noise: float) -> None:
    costs = [(float(size), START + each * size + (noise if place % 2 else -noise)) for place, size in enumerate(SIZES)]
    assert rows.growth_factor(costs) <= rows.LINEAR


@pytest.mark.parametrize("last", [0.5, 1.0, 10.0, 100.0])
def test_quadratic_growth_is_not_linear(last: float) -> None:
    """A start of 0.3 s hides nothing of what the last step costs."""
    costs = [(float(size), START + last * (size / SIZES[-1]) ** 2) for size in SIZES]
    assert rows.growth_factor(costs) > rows.LINEAR
    gigabytes = [(size, START + last / 2 * size**2) for size in (0.25, 0.5, 1.0)]
    assert rows.growth_factor(gigabytes) > rows.LINEAR


def test_what_is_measured_may_write_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    written = [sys.executable, "-c", "import sys; sys.exit(3 * sys.dont_write_bytecode)"]
    assert paired({"ours": written}, 1)["ours"].cpu > 0


def test_what_cannot_be_installed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installed, "SOURCES", ("README.md",))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    command, remark = installed.installed(tmp_path)
    assert command == installed.CHECKOUT
    assert "could not be installed (" in remark


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


def test_memory_counts_each_object_once() -> None:
    one, met = ("text" * 9, 1 << 40), set[int]()
    first = list(memory.objects((one, one), met))
    assert sorted(kind for kind, _ in first) == ["int", "str", "tuple", "tuple"]
    assert sum(size for _, size in first) >= 4 * 9 + 28
    assert list(memory.objects(one, met)) == []


def test_memory_of_a_sample_is_told_by_part() -> None:
    count, _, sizes = memory.measured(str(memory._SMALL))
    assert count > 0
    assert sizes["exchanges"]["Exchange"] > 0
    assert sizes["connections"]["array"] > 0
