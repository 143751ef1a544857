"""What a run may cost: the clock is let run out at each place where it is looked at, and each sum is made small."""

import itertools
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from analyzer import Limits, analyze
from analyzer.cli.start import run
from analyzer.engine import bodies as reading_bodies
from analyzer.engine import budget, opening
from analyzer.http import exchanges
from tests.build.packets import Frame, pcap
from tests.hostile.costly import Talk, bodies, command, created, received

_SECONDS = 10.0
_NO_PROBLEMS = "no capture problems"
_SIGMA = """
title: Reads who is logged on
logsource: {category: process_creation, product: windows}
detection: {selection: {CommandLine|contains: whoami}, condition: selection}
"""


def capture(path: Path, texts: int = 70) -> Path:
    """Two connections: one of many exchanges, one with a command and its output."""
    frames: list[Frame] = []
    plays: list[Callable[[Talk], None]] = [
        bodies(created("S-1"), *(command(f"echo {number}", "S-1", f"C-{number + 2}") for number in range(texts))),
        bodies(command("whoami /all"), received([b"corp\\admin"] * 3)),
    ]
    for number, play in enumerate(plays):
        play(Talk(frames, number))
    path.write_bytes(pcap(frames))
    return path


def _limits(name: str, value: int) -> Limits:
    return msgspec.convert({name: value}, Limits)


class Clock:
    """A clock that stands still until it was looked at so many times, then all the time there is has passed."""

    def __init__(self, looks: int) -> None:
        self.left = looks
        self.looked = 0

    def __call__(self) -> float:
        self.looked += 1
        self.left -= 1
        return 0.0 if self.left >= 0 else 2 * _SECONDS


def _ran(path: Path, looks: int, rules: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> tuple[str, int]:
    clock = Clock(looks)
    monkeypatch.setattr(budget, "process_time", clock)
    assert run(["analyze", str(path), "--limit", f"seconds={_SECONDS}", "--sigma", str(rules)]) == 0
    return capsys.readouterr().out.partition("\nNEXT")[0], clock.looked


def test_whenever_the_time_is_over_it_is_said_what_was_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    path = capture(tmp_path / "a.pcap")
    (tmp_path / "who.yml").write_text(_SIGMA, encoding="utf-8")
    out, looks = _ran(path, 1_000_000, tmp_path, monkeypatch, capsys)
    assert _NO_PROBLEMS in out
    assert "seconds=" not in out
    said = set()
    for place in (*range(2, 40), *range(40, looks, 12)):  # the first look begins to count
        out, _ = _ran(path, place, tmp_path, monkeypatch, capsys)
        assert _NO_PROBLEMS not in out, place
        assert f"seconds={_SECONDS:g}" in out, place
        said |= {code for code in ("tcp.limit", "http.limit", "wsman.limit", "sigma.limit", "rule.limit") if code in out}
    assert said == {"tcp.limit", "http.limit", "wsman.limit", "sigma.limit", "rule.limit"}


def test_what_was_read_before_the_time_was_over_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = capture(tmp_path / "a.pcap")
    counts = []
    for looks in itertools.chain(range(2, 30), (1_000_000,)):
        monkeypatch.setattr(budget, "process_time", Clock(looks))
        case = analyze(path, limits=Limits(seconds=_SECONDS))
        late = any("seconds=" in detail for detail in case.issues["detail"])
        assert late == (looks < 1_000_000)
        assert not [code for code in case.issues["code"] if code in ("http.no-response", "http.orphan-response")]
        counts.append((len(case.exchanges), len(case.commands)))
    assert counts == sorted(counts)
    assert counts[-1] == (73, 71)
    assert len(set(counts)) > 3


@pytest.mark.parametrize("name", ["kept_connection_bytes", "kept_capture_bytes", "kept_run_bytes"])
def test_what_is_kept_of_outputs_has_a_sum(name: str, tmp_path: Path) -> None:
    path = capture(tmp_path / "a.pcap", 1)
    assert list(analyze(path, limits=_limits(name, 30)).issues["detail"]) == []
    case = analyze(path, limits=_limits(name, 29))
    (row,) = case.issues.to_dict("records")
    assert (row["code"], row["repeats"]) == ("wsman.limit", 1)
    assert row["detail"].startswith(f"{name}=29: 30 bytes of output and input in 1 messages were left out")
    assert "whoami /all" in list(case.commands["text"])
    assert sum(case.commands["stdout_bytes"]) == 0


@pytest.mark.parametrize("name", ["apache-pooled-second-client", "direct-long-poll-healthy"])
def test_less_time_claims_less_and_nothing_else(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (exchanges, opening):
        monkeypatch.setattr(module, "_OFTEN", 1)
    monkeypatch.setattr(reading_bodies, "OFTEN", 1)
    (path,) = (Path(__file__).parents[2] / "sample_pcaps" / name).glob("capture.pcap*")
    clock = Clock(1_000_000)
    monkeypatch.setattr(budget, "process_time", clock)
    whole = set(analyze(path, limits=Limits(seconds=_SECONDS)).findings["rule"])
    for looks in range(2, clock.looked, max(clock.looked // 20, 1)):
        monkeypatch.setattr(budget, "process_time", Clock(looks))
        assert set(analyze(path, limits=Limits(seconds=_SECONDS)).findings["rule"]) <= whole, looks
