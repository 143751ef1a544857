"""Events of host logs are joined to what the packets show in time that grows with both, not with their product: four times as many of both cost four times."""

import gc
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

import analyzer
from analyzer.hostlogs.joining import joined
from analyzer.hostlogs.reading import read_logs
from analyzer.settings import Limits
from tests.build import growing
from tests.build.host_logs import CLIENT_HOST, passed, started, winlogbeat, written
from tests.build.talk_proxy import SERVER, WINRM_PORT

_MORE, _QUADRATIC = 4, 8.0
_LOG = "Microsoft-Windows-WinRM/Operational"
_CLIENT = "10.10.1.11"
_CMD = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/cmd"


class Told(NamedTuple):
    """A capture with so many things, and the events, as many, that may be about any of them; how far the server's clock is ahead is measured."""

    capture: Callable[[int, Path], list[Path]]
    many: int
    event: Callable[[int, float], Mapping[str, object]]


def _named() -> Iterator[Mapping[str, object]]:
    """What tells which address a host has."""
    for port in (1024, 50_000, 50_001):
        yield winlogbeat(5156, passed((_CLIENT, port), (SERVER, WINRM_PORT)), at=0.1)
        yield winlogbeat(5156, passed((_CLIENT, port), (SERVER, WINRM_PORT), inbound=False), at=0.1, host=CLIENT_HOST)


TOLD = {
    "shells by kind": Told(growing.shells, 400, lambda place, _: winlogbeat(91, {"resourceUri": _CMD}, channel=_LOG, at=1 + place / 1e5)),
    "shells by id": Told(
        growing.servers, 400, lambda place, _: winlogbeat(91, {"shellId": "00000001-0000-4000-8000-000000000001"}, channel=_LOG, at=1, host=f"S{place}")
    ),
    "sessions": Told(
        growing.connections, 400, lambda place, _: winlogbeat(6, {"connection": f"http://{SERVER}/wsman"}, channel=_LOG, at=1 + place / 1e5, host=CLIENT_HOST)
    ),
    "logons that were refused": Told(growing.refusals, 400, lambda place, ahead: winlogbeat(161, {}, channel=_LOG, at=1 + ahead + place / 1e5)),
    "logons that succeed": Told(
        growing.handshakes,
        400,
        lambda place, ahead: winlogbeat(
            4624, {"LogonType": "3", "TargetUserName": "alice", "IpAddress": _CLIENT, "IpPort": str(place)}, at=1 + ahead + place / 1e5
        ),
    ),
    "processes": Told(growing.shells, 400, lambda place, _: winlogbeat(4688, started(1000 + place, 4, "C:\\x\\winrshost.exe"), at=1 + place / 1e5)),
    "connections on equal ports": Told(
        growing.uses, 400, lambda place, _: winlogbeat(5156, passed((_CLIENT, 50_000), (SERVER, WINRM_PORT)), at=1 + place / 1e5)
    ),
}


def _spent(told: Told, count: int, folder: Path) -> float:
    """CPU seconds of joining so many events to so many things, the least of some tries."""
    folder.mkdir()
    evidence = analyzer.analyze(told.capture(count, folder), limits=Limits(fork_bytes=1 << 60)).result.evidence
    ahead = max((one.ahead_ns / 1e9 for one in evidence.story.clocks), default=0.0)
    log = written(folder / "log.json", [*_named(), *(told.event(place, ahead) for place in range(count))])
    events = read_logs([str(log)], Limits()).kept
    spent = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(3):
            begin = time.process_time()
            found = joined(evidence, events)
            spent = min(spent, time.process_time() - begin)
    finally:
        gc.enable()
    assert len(found) >= count // 4, "the events are about something in the capture"
    return spent


@pytest.mark.slow
@pytest.mark.parametrize("name", TOLD)
def test_four_times_as_many_cost_four_times(name: str, tmp_path: Path) -> None:
    told = TOLD[name]
    few = _spent(told, told.many, tmp_path / "few")
    many = _spent(told, _MORE * told.many, tmp_path / "many")
    assert many / few < _QUADRATIC
