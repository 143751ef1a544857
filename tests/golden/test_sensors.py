"""A capture shared out to two sensors tells what it tells in one piece: which commands ran, who logged on, what each exchange said, what is found.

In time: the first packets of each connection at one sensor, what follows at the other, also in the middle of the handshake and of a logon with NTLM. By
direction. And both: what the client sends stays at one sensor, what the server sends moves to the other. Clocks agree, or one is late or early.
"""

import hashlib
import os
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import analyzer
from analyzer.api import Case
from analyzer.errors import UsageError
from analyzer.settings import Scope
from tests.build.rotated import all_cells, differing
from tests.build.sensors import Frame, frames, shared_out, written

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
NAMES = ("evil-winrm-py-session", "squid-kerberos-healthy", "px-before-squid-proxyauth", "https-direct", "direct-psrp-large-output", "three-clients-at-once")
SECOND = 1_000_000_000
CLOCKS = {"equal": 0, "late": -5 * SECOND // 2, "hours-early": 7300 * SECOND}
TABLES = ("connections", "exchanges", "messages", "logons", "shells", "commands", "hops", "findings", "files", "parties")
OF_PLACE = re.compile(r"time|packet|capture|second|_s$|_ms$|filter|why|evidence|first|last|pause|gap|ahead|incident|^finding_id$")
INSIDE = re.compile(r'"(packets|time)":"[^"]*"')
"""Columns with times and places, or sentences that have some."""
_CHALLENGE = (b"TlRMTVNTUAACAAAA", b"NTLMSSP\0\2\0\0\0")
Cut = Callable[[Frame], str]


def _capture(name: str) -> Path:
    return next(path for path in sorted((SAMPLES / name).iterdir()) if path.suffix in (".pcap", ".pcapng"))


def _analyzed(files: list[Path], name: str, **options: object) -> Case:
    secrets = SAMPLES / name / "secrets.toml"
    return analyzer.analyze(files, secrets=secrets if secrets.exists() else None, **options)  # type: ignore[arg-type]


def _told(case: Case) -> dict[str, list[tuple[tuple[str, object], ...]]]:
    """What tables say, but for times and places."""
    return {
        name: sorted((tuple((key, INSIDE.sub("", str(value))) for key, value in row.items() if not OF_PLACE.search(key)) for row in case.listed(name)), key=str)
        for name in TABLES
    }


@cache
def _whole(name: str) -> dict[str, list[tuple[tuple[str, object], ...]]]:
    return _told(_analyzed([_capture(name)], name))


def _cut(kind: str, name: str) -> Cut:
    all_frames = sorted(frames(_capture(name)), key=lambda frame: frame.ts_ns)
    rank = {frame.number: place for place, frame in enumerate(all_frames)}
    half, third = len(rank) // 2, len(rank) // 3
    challenge = next((rank[frame.number] for frame in all_frames if any(text in frame.data for text in _CHALLENGE)), half)
    return {
        "time": lambda frame: "a" if rank[frame.number] <= half else "b",
        "handshake": lambda frame: "a" if rank[frame.number] < 2 else "b",
        "logon": lambda frame: "a" if rank[frame.number] <= challenge else "b",
        "direction": lambda frame: "a" if frame.to_server else "b",
        "rerouted": lambda frame: "a" if rank[frame.number] < third or frame.to_server else "b",
        "overlap": lambda frame: "a" if rank[frame.number] < half - 4 else "ab" if rank[frame.number] < half + 4 else "b",
    }[kind]


@pytest.mark.slow
@pytest.mark.parametrize("clock", list(CLOCKS))
@pytest.mark.parametrize("kind", ["time", "handshake", "logon", "direction", "rerouted", "overlap"])
@pytest.mark.parametrize("name", NAMES)
def test_two_sensors_tell_what_one_does(tmp_path: Path, name: str, kind: str, clock: str) -> None:
    files = shared_out(_capture(name), _cut(kind, name), tmp_path, {"b": CLOCKS[clock]})
    case = _analyzed(list(files.values()), name)
    found, whole = _told(case), _whole(name)
    assert [table for table in whole if found[table] != whole[table]] == []


@pytest.mark.parametrize("form", ["serial", "processes"])
@pytest.mark.parametrize("kind", ["logon", "direction"])
def test_jobs_tell_the_same(tmp_path: Path, kind: str, form: str) -> None:
    name = "evil-winrm-py-session"
    files = list(shared_out(_capture(name), _cut(kind, name), tmp_path, {"b": CLOCKS["late"]}).values())
    plain, jobs = _analyzed(files, name), _analyzed(files, name, scheduler=form, jobs=tmp_path / "jobs")
    assert not differing(all_cells(plain), all_cells(jobs))
    assert _told(jobs) == _whole(name)


def test_it_is_said_that_a_connection_was_put_together(tmp_path: Path) -> None:
    name = "evil-winrm-py-session"
    files = shared_out(_capture(name), _cut("direction", name), tmp_path, {"b": CLOCKS["late"]})
    case = _analyzed(list(files.values()), name)
    (row,) = [row for row in case.listed("issues") if row["code"] == "tcp.joined"]
    assert (row["record"], row["capture"], row["packet"]) == ("c1", "sensor-b.pcap", 1)
    moved = re.search(r"([0-9.]+) s late", str(row["detail"]))
    assert moved is not None
    assert abs(float(moved[1]) - 2.5) < 0.001
    connection = case.evidence.connections["c1"]
    assert {key >> 40 for key in connection.packets} == {0, 1}
    whole = _analyzed([_capture(name)], name).evidence.connections["c1"]
    assert abs(connection.last_ns - whole.last_ns) < SECOND // 1000


def test_another_network_with_the_same_addresses_is_another_one(tmp_path: Path) -> None:
    """Private addresses and ports are the same at two sensors; the numbers are those of two connections. The second sensor came late: it saw no SYN."""
    name = "evil-winrm-py-session"
    whole = frames(_capture(name))
    half = len(whole) // 2
    moved = [frame._replace(data=_renumbered(frame, 1_000_000_007)) for frame in whole]
    for ahead in (0, 3600 * SECOND, -3600 * SECOND):
        files = [written(tmp_path / "one" / "a.pcap", whole[:half]), written(tmp_path / "two" / "b.pcap", moved[half:], ahead)]
        case = _analyzed(files, name)
        assert len(case.evidence.connections) == 2
        assert [issue for issue in case.evidence.issues if issue.code == "tcp.joined"] == []
        same = [written(tmp_path / "one" / "a.pcap", whole[:half]), written(tmp_path / "two" / "b.pcap", whole[half:], ahead)]
        assert len(_analyzed(same, name).evidence.connections) == 1


def _renumbered(frame: Frame, by: int) -> bytes:
    """The segment with other sequence and acknowledgement numbers."""
    data = bytearray(frame.data)
    at = 14 + 4 * (data[14] & 15)
    for place in (at + 4, at + 8):
        data[place : place + 4] = ((int.from_bytes(data[place : place + 4], "big") + by) % (1 << 32)).to_bytes(4, "big")
    return bytes(data)


def test_ports_that_are_used_again_are_another_connection(tmp_path: Path) -> None:
    name = "evil-winrm-py-session"
    whole = frames(_capture(name))
    end = max(frame.ts_ns for frame in whole) - min(frame.ts_ns for frame in whole)
    again = [frame._replace(data=_renumbered(frame, 77_777), ts_ns=frame.ts_ns + end + SECOND) for frame in whole]
    files = [written(tmp_path / "a.pcap", whole), written(tmp_path / "b.pcap", again[3:])]  # without its SYN
    case = _analyzed(files, name)
    assert len(case.evidence.connections) == 2


def _overlapping(name: str, folder: Path) -> list[Path]:
    """Three files of a sensor, each beginning a third before the one before it ends; and a copy of one. Their names tell no order."""
    own = frames(_capture(name))
    part = len(own) // 4
    files = [written(folder / f"{word}.pcap", own[place * part : place * part + 2 * part + (place == 2) * part]) for place, word in enumerate(("x", "c", "m"))]
    copy = folder / "copy.pcap"
    copy.write_bytes(files[1].read_bytes())
    return [*files, copy]


@pytest.mark.parametrize("name", NAMES)
def test_files_of_a_named_sensor_overlap_and_count_once(tmp_path: Path, name: str) -> None:
    files = _overlapping(name, tmp_path / "dmz")
    case = _analyzed(files, name, sensors={"dmz": str(tmp_path / "dmz" / "*")})
    found, whole = _told(case), dict(_whole(name))
    found["findings"] = [row for row in found["findings"] if dict(row)["rule"] != "capture.duplicates"]
    assert [table for table in whole if table != "connections" and found[table] != whole[table]] == []
    assert len(case.evidence.connections) == len(whole["connections"])
    assert {row["sensor"] for row in case.listed("captures")} == {"dmz"}
    assert len({row["capture_point"] for row in case.listed("captures")}) == 1
    assert ["same bytes" in str(row["detail"]) for row in case.listed("issues") if row["code"] == "capture.passed-over"] == [True]


def test_sensors_that_are_named_are_two_points(tmp_path: Path) -> None:
    """Cut in time by clocks that agree, two files look like those of one sensor; the user knows better."""
    name = "evil-winrm-py-session"
    files = list(shared_out(_capture(name), _cut("time", name), tmp_path, {}).values())
    assert len({capture.point for capture in _analyzed(files, name).evidence.captures}) == 1
    given = {"dmz": "*-a.pcap", "core": "*-b.pcap"}
    case = _analyzed(files, name, sensors=given)
    assert [row["sensor"] for row in case.listed("captures")] == ["dmz", "core"]
    assert _told(case) == _whole(name)
    assert [row["code"] for row in case.listed("issues") if row["code"] == "tcp.joined"] == ["tcp.joined"]
    jobs = _analyzed(files, name, sensors=given, scheduler="serial", jobs=tmp_path / "jobs")
    assert not differing(all_cells(case), all_cells(jobs))


def test_what_is_wrong_with_sensors_is_said(tmp_path: Path) -> None:
    files = [written(tmp_path / name, frames(_capture("https-direct"))) for name in ("a.pcap", "b.pcap")]
    with pytest.raises(UsageError, match=r"--sensor x=\*\.cap: no capture matches; the captures are a\.pcap, b\.pcap"):
        analyzer.analyze(files, sensors={"x": "*.cap"})
    with pytest.raises(UsageError, match=r"a\.pcap is a file of two sensors: --sensor x=\*\.pcap and y=a\.\*"):
        analyzer.analyze(files, sensors=["x=*.pcap", "y=a.*"])
    with pytest.raises(UsageError, match="give a name and a pattern of paths"):
        analyzer.analyze(files, sensors=["*.pcap"])


@pytest.mark.parametrize("pattern", [".", "./", "/", "[", "..", " "])
def test_a_pattern_that_no_path_has_is_said_to_match_none(tmp_path: Path, pattern: str) -> None:
    file = written(tmp_path / "a.pcap", frames(_capture("https-direct"))[:3])
    with pytest.raises(UsageError, match="no capture matches"):
        analyzer.analyze(file, sensors={"x": pattern})


def test_a_path_with_brackets_matches_itself(tmp_path: Path) -> None:
    file = written(tmp_path / "copy [1].pcap", frames(_capture("https-direct"))[:3])
    for pattern in (str(file), file.name, "copy [[]1].pcap"):
        assert [row["sensor"] for row in analyzer.analyze(file, sensors={"x": pattern}).listed("captures")] == ["x"]


def test_what_comes_through_a_pipe_is_a_sensors_too(tmp_path: Path) -> None:
    """A pipe can be read only once: nothing is taken out of it to look for copies."""
    data = written(tmp_path / "a.pcap", frames(_capture("https-direct"))[:20]).read_bytes()
    reading, writing = os.pipe()
    os.write(writing, data)
    os.close(writing)
    (row,) = analyzer.analyze(f"/dev/fd/{reading}", sensors={"x": "/dev/fd/*"}).listed("captures")
    os.close(reading)
    assert (row["sensor"], row["sha256"]) == ("x", hashlib.sha256(data).hexdigest())


def test_a_file_of_a_sensor_that_goes_on_while_the_next_one_begins_is_read(tmp_path: Path) -> None:
    """Files of one name, of which the first has packets of the times asked for, though a second one begins before these."""
    own = frames(_capture("evil-winrm-py-session"))
    third = len(own) // 3
    later = [*own[: 2 * third], *(frame._replace(ts_ns=frame.ts_ns + 7200 * SECOND) for frame in own[2 * third :])]
    early = written(tmp_path / "ring_0.pcap", own[:third], -9000 * SECOND)
    files = [early, written(tmp_path / "ring_1.pcap", later), written(tmp_path / "ring_2.pcap", later[third:])]
    case = analyzer.analyze(files, scope=Scope(since_ns=own[-1].ts_ns + 3600 * SECOND), sensors={"x": "ring_*"})
    unread = {row["capture"]: str(row["detail"]) for row in case.listed("issues") if str(row["detail"]).startswith("not read")}
    assert unread == {"ring_0.pcap": "not read: by the times of its last packets, it lies before the times asked for"}


def test_a_case_that_is_read_again_knows_its_sensors(tmp_path: Path) -> None:
    name = "evil-winrm-py-session"
    files = list(shared_out(_capture(name), _cut("time", name), tmp_path / "files", {}).values())
    case = _analyzed(files, name, sensors=["dmz=*-a.pcap", "core=*-b.pcap"])
    case.save(tmp_path / "case")
    assert [row["sensor"] for row in analyzer.open_case(tmp_path / "case").listed("captures")] == ["dmz", "core"]


def test_the_clock_of_a_sensor_is_told_by_its_name(tmp_path: Path) -> None:
    """Both sides of a proxy, each at a sensor; one clock is 3 s early."""
    name = "squid-kerberos-healthy"
    near = {frame.number for frame in frames(_capture(name)) if frame.ends is not None and 3128 in (frame.ends[0][1], frame.ends[1][1])}
    files = shared_out(_capture(name), lambda frame: "n" if frame.number in near else "f", tmp_path, {"f": 3 * SECOND})
    case = _analyzed(list(files.values()), name, sensors={"inside": "*-n.pcap", "outside": "*-f.pcap"})
    clocks = {row["sensor"]: row["ahead_s"] for row in case.listed("clocks") if row["kind"] == "sensor"}
    assert set(clocks) == {"inside", "outside"}
    assert abs(float(str(clocks["outside"])) - float(str(clocks["inside"])) - 3) < 0.01
    assert {row["sensor"] for row in case.listed("clocks") if row["kind"] == "server"} == {"outside"}
