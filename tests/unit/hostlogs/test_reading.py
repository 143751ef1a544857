"""Files of host logs: every form gives the same event, and what is damaged costs only itself."""

import gzip
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from analyzer.hostlogs.reading import Read, read_logs
from analyzer.settings import Limits
from tests.build.host_logs import HOST, POWERSHELL, SYSMON, evtx_dump, nxlog, started, winlogbeat, written
from tests.build.talks import T0_NS

FORMS = [winlogbeat, evtx_dump, nxlog]
SECOND = 1_000_000_000


def read(path: Path) -> Read:
    return read_logs([str(path)], Limits())


@pytest.mark.parametrize("form", FORMS)
def test_each_form(form: Callable[..., Mapping[str, object]], tmp_path: Path) -> None:
    log = written(tmp_path / "log.json", [form(4688, started(1280, 896, "C:\\Windows\\System32\\wsmprovhost.exe", "wsmprovhost.exe -Embedding"), at=1.0)])
    found = read(log)
    assert (found.files, found.events, found.issues) == (("log.json",), 1, ())
    [one] = found.kept
    assert (one.event_id, one.computer, one.channel, one.record, one.provider, one.place) == (4688, HOST, "Security", 77, "P", 1)
    assert (one.process_id, one.parent_id, one.image, one.user) == (1280, 896, "C:\\Windows\\System32\\wsmprovhost.exe", "alice")
    assert one.command_line == "wsmprovhost.exe -Embedding"
    assert 0 <= T0_NS + SECOND - one.time_ns < one.unit_ns, "NXLog's has no zone and no parts of seconds"


def test_processes_of_other_logs(tmp_path: Path) -> None:
    log = written(
        tmp_path / "log.jsonl",
        [
            winlogbeat(1, {"ProcessId": "10", "ParentProcessId": "9", "Image": "C:\\a.exe", "UtcTime": "2026-01-02 03:04:09.250"}, channel=SYSMON),
            winlogbeat(4103, {"Payload": "x"}, channel=POWERSHELL, pid=1280),
            nxlog(1, {"Image": "C:\\a.exe", "ParentProcessId": "9", "Message": "Process Create:\r\nProcessId: 11\r\nx"}, channel=SYSMON),
            winlogbeat(5, {"ProcessId": "10"}, channel=SYSMON, at=60),
        ],
    )
    found = {(one.event_id, one.process_id, one.parent_id) for one in read(log).kept}
    assert found == {(1, 10, 9), (4103, 1280, None), (1, 11, 9), (5, 10, None)}
    assert next(one.time_ns for one in read(log).kept if one.process_id == 10 and one.event_id == 1) == T0_NS + 4 * SECOND + SECOND // 4


def test_what_is_not_looked_at_is_counted(tmp_path: Path) -> None:
    found = read(written(tmp_path / "log.json", [winlogbeat(4656, {}), winlogbeat(4688, {}, channel="Application")]))
    assert (found.events, found.kept, found.issues) == (2, (), ())


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    good = written(tmp_path / "good.txt", [winlogbeat(4688, started(1, 2, "a.exe"))]).read_bytes()
    log.write_bytes(b'{"a": \n[1]\n{"x": 1}\n\xff\xfe\n' + good + b'{"winlog": {"event_id": "x"}}\n' + b"[" * 100_000 + b"\n")
    found = read(log)
    assert len(found.kept) == 1
    told = {issue.detail for issue in found.issues}
    assert {issue.code for issue in found.issues} == {"events.unreadable"}
    assert "log.json: lines that are no JSON objects" in told
    assert any(detail.startswith("log.json: lines that are no JSON (") for detail in told)
    assert any(detail.startswith("log.json: lines that are no events of Windows") for detail in told)


@pytest.mark.parametrize("value", [None, [], {}, 7, True, "x" * 10_000, "2026-99-99 99:99:99", -1])
def test_fields_of_any_kind_never_raise(value: object, tmp_path: Path) -> None:
    events = []
    for form in FORMS:
        events += [form(4688, {**started(1, 2, "a.exe"), name: value}) for name in ("NewProcessId", "ProcessId", "CommandLine", "TargetUserName")]
        events.append(form(4688, {}, channel="Security", host="h", at=0) | {"@timestamp": value, "EventTime": value, "EventID": value})
    read(written(tmp_path / "log.json", events))


def test_a_damaged_event_log_is_said(tmp_path: Path) -> None:
    pytest.importorskip("evtx")
    (tmp_path / "a.evtx").write_bytes(b"ElfFile\x00" + bytes(200))
    (tmp_path / "b.evtx").write_bytes(b"ElfFile\x00")
    found = read_logs([str(tmp_path)], Limits())
    assert found.files == ("a.evtx", "b.evtx")
    assert found.kept == ()
    assert {issue.code for issue in found.issues} <= {"events.unreadable"}
    assert any("b.evtx" in issue.detail for issue in found.issues)


def test_a_folder_and_its_limit(tmp_path: Path) -> None:
    written(tmp_path / "a.json", [winlogbeat(4688, started(pid, 2, "a.exe"), at=10 - pid) for pid in range(1, 6)])
    written(tmp_path / "notes.txt", [winlogbeat(4688, started(99, 2, "a.exe"))])
    found = read_logs([str(tmp_path)], Limits(host_events=3))
    assert [one.process_id for one in found.kept] == [3, 2, 1], "in order of time"
    assert [issue.detail for issue in found.issues] == ["a.json: host_events=3: later events were not read"]


def zipped(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def test_logs_in_archives_are_read_as_they_are_outside(tmp_path: Path) -> None:
    data = written(tmp_path / "a.json", [winlogbeat(4688, started(1, 2, "a.exe"))]).read_bytes()
    archive = zipped(tmp_path / "all.zip", {"logs/a.json": data, "b.evtx": b"ElfFile\x00", "readme.txt": data, "c.json": data})
    (tmp_path / "d.json.gz").write_bytes(gzip.compress(data))
    found = read(archive)
    assert [(one.file, one.place, one.process_id) for one in found.kept] == [("all.zip/c.json", 1, 1), ("all.zip/logs/a.json", 1, 1)]
    assert [issue.detail for issue in found.issues] == ["all.zip/b.evtx: an event log (EVTX) in an archive: unpack it, and give the file"]
    assert len(read(tmp_path / "d.json.gz").kept) == 1
    assert read_logs([str(tmp_path)], Limits()).files == ("a.json", "all.zip", "d.json.gz")


@pytest.mark.parametrize("cut", [3, 40, 100, -30])
def test_a_damaged_archive_is_said(cut: int, tmp_path: Path) -> None:
    data = written(tmp_path / "a.json", [winlogbeat(4688, started(pid, 2, "a.exe")) for pid in range(1, 50)]).read_bytes()
    whole = zipped(tmp_path / "a.zip", {"a.json": data}).read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:cut])
    (tmp_path / "a.gz").write_bytes(gzip.compress(data)[:cut])
    assert {issue.code for issue in read(tmp_path / "a.zip").issues} == {"events.unreadable"}
    assert {issue.code for issue in read(tmp_path / "a.gz").issues} == {"events.unreadable"}


def test_an_archive_that_becomes_too_large_is_cut(tmp_path: Path) -> None:
    line = written(tmp_path / "a.json", [winlogbeat(4688, started(1, 2, "a.exe"))]).read_bytes()
    archive = zipped(tmp_path / "a.zip", {"a.json": line * 20_000})
    found = read_logs([str(archive)], Limits(packed_bytes=10_000, packed_ratio=2))
    assert 0 < len(found.kept) < 20_000
    assert "packed_bytes, packed_ratio" in found.issues[-1].detail


@pytest.mark.parametrize("raw", [b"\xea\x00\n", b'{"EventID": 9223372036854775808, "Hostname": "h"}\n', b'{"a": "\xed\xa0\x80"}\n', b"\x00" * 50])
def test_bytes_of_any_kind_never_raise(raw: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(raw)
    assert read(tmp_path / "a.json").kept == ()
    assert len(read(tmp_path / "a.json").issues) == 1


def test_a_long_line_is_passed_over(tmp_path: Path) -> None:
    log = tmp_path / "log.json"
    good = written(tmp_path / "good.txt", [winlogbeat(4688, started(1, 2, "a.exe"))]).read_bytes()
    log.write_bytes(b'{"a": "' + b"x" * (9 << 20) + b'"}\n' + good)
    found = read(log)
    assert len(found.kept) == 1
    assert len(found.issues) == 1


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="no"):
        read(tmp_path / "no.json")
    (tmp_path / "x.json").write_bytes(gzip.compress(b"{}"))
    assert read(tmp_path / "x.json").kept == ()
