"""Forwarded events as JSON lines: read back as host logs they are the same events; secrets in them are masked everywhere."""

import json
from pathlib import Path

import jsonschema
import pytest
from click.testing import CliRunner

import analyzer
from analyzer import api
from analyzer.cli.commands import cli
from analyzer.hostlogs.reading import read_logs
from analyzer.settings import Limits
from tests.build.forwarding import MACHINE, ack, asking, delivery, event, listing, source_talk, subscribe, tell
from tests.build.forwarding import MANAGER_PATH as MANAGER
from tests.build.talks import Wire

SECRET = "Qx7!vbW3kk"
VALUES = {
    "NewProcessId": "0x7ec",
    "ProcessId": "0x244",
    "NewProcessName": "C:\\Windows\\System32\\net.exe",
    "CommandLine": f"net user bob {SECRET} /add",
    "TargetUserName": "alice",
}


def wire() -> Wire:
    lan = Wire()
    talk = source_talk(lan)
    tell(talk, asking(), listing(subscribe()), path=MANAGER)
    told = f"A new process has been created.\r\n\tProcess Command Line:\tnet user bob {SECRET} /add"
    script = {"ScriptBlockText": f"$c = '{SECRET}' | ConvertTo-SecureString -AsPlainText -Force", "ScriptBlockId": "1"}
    events = [
        event(10, 4688, VALUES, message=told),
        event(3, 4104, script, channel="Microsoft-Windows-PowerShell/Operational", provider="Microsoft-Windows-PowerShell"),
    ]
    tell(talk, delivery(events), ack())
    tell(talk, delivery(events, number=2), ack(2))
    return lan


@pytest.mark.parametrize("form", ["winlogbeat", "nxlog"])
def test_what_is_written_is_read_back(form: str, tmp_path: Path) -> None:
    case = analyzer.analyze(wire().capture(tmp_path / "wire.pcap"))
    path = tmp_path / "events.jsonl"
    path.write_text("".join(case.export(form, show_secrets=True)), encoding="utf-8")
    for line in path.read_text(encoding="utf-8").splitlines():
        jsonschema.Draft202012Validator(api.schema(form)).validate(json.loads(line))
    read = read_logs([str(path)], Limits())
    assert read.issues == ()
    wanted = [one.event for one in case.evidence.forwarding.events if one.again is None]
    assert len(read.kept) == len(wanted) == 2
    for own, event_ in zip(sorted(read.kept, key=lambda one: one.event_id), sorted(wanted, key=lambda one: one.event_id or 0), strict=True):
        assert (own.time_ns, own.computer, own.channel, own.event_id, own.provider, own.record) == (
            event_.time_ns,
            event_.computer,
            event_.channel,
            event_.event_id,
            event_.provider,
            event_.record,
        )
        assert json.loads(event_.data).items() <= json.loads(own.data).items()
    process = next(one for one in read.kept if one.event_id == 4688)
    assert (process.process_id, process.parent_id, process.user, process.command_line) == (0x7EC, 0x244, "alice", VALUES["CommandLine"])


def test_secrets_in_events_are_shown_nowhere(tmp_path: Path) -> None:
    (tmp_path / "evidence").mkdir()
    capture = str(wire().capture(tmp_path / "evidence" / "wire.pcap"))
    folder = str(tmp_path / "case")
    runs = [
        ["analyze", capture, "-o", folder],
        ["transcript", capture],
        ["transcript", folder],
        ["export", capture, "-f", "winlogbeat"],
        ["export", folder, "-f", "winlogbeat"],
        ["export", capture, "-f", "nxlog"],
        ["report", capture, "-o", str(tmp_path / "a.html")],
        ["report", folder, "-o", str(tmp_path / "b.html")],
        *(["show", table, place, "-f", "jsonl"] for table in ("events", "deliveries", "subscriptions") for place in (capture, folder)),
    ]
    for run in runs:
        done = CliRunner().invoke(cli, run)
        assert done.exit_code == 0, done.output
        assert SECRET not in done.output, run
    for page in ("a.html", "b.html"):
        text = (tmp_path / page).read_text(encoding="utf-8")
        assert SECRET not in text
        assert "Event forwarding" in text
        assert MACHINE in text
    shown = CliRunner().invoke(cli, ["show", "events", capture, "-f", "jsonl", "--show-secrets"])
    assert SECRET in shown.output, "the search can fail"


def test_the_first_screen_and_the_transcript(tmp_path: Path) -> None:
    capture = str(wire().capture(tmp_path / "wire.pcap"))
    screen = " ".join(CliRunner().invoke(cli, ["analyze", capture]).output.split())
    assert "event forwarding: 1 source to the collector 10.10.1.21; 1 subscription; 2 events in 2 deliveries" in screen
    assert "2 events sent again" in screen
    told = CliRunner().invoke(cli, ["transcript", capture]).output
    assert f"{MACHINE} 10.10.1.11 → collector 10.10.1.21" in told
    assert "subscription Base, mode Events, heartbeat every 3600 s; selects Security: *" in told
    assert "2 events of Base; acknowledged" in told
    assert "Security 4688 record 10" in told
