"""Forwarded events under ``--mask strict``: nothing of what a process was started with, in the table and in the transcript; and events that nobody can date."""

import json
from pathlib import Path

from click.testing import CliRunner

import analyzer
from analyzer.cli.commands import cli
from analyzer.formats.instants import instant
from analyzer.reports.typed_json import json_without
from analyzer.sigma.logged import _fields
from tests.build.forwarding import ack, delivery, event, source_talk, tell
from tests.build.talks import Wire

SECRET = "hunter2secret"


def captured(path: Path, one: str) -> Path:
    lan = Wire()
    tell(source_talk(lan), delivery([one]), ack())
    return lan.capture(path)


def test_strict_shows_no_arguments_of_an_event(tmp_path: Path) -> None:
    text = f"<RenderingInfo Culture='en-US'><Message>Process Command Line: tool.exe {SECRET}</Message></RenderingInfo>"
    path = captured(tmp_path / "wire.pcap", event(1).replace("</Event>", f"{text}</Event>"))
    assert SECRET in json.dumps(analyzer.analyze(path).show_secrets().listed("events"))
    for command in (["transcript"], ["show", "events", "-f", "json"]):
        done = CliRunner().invoke(cli, [*command, str(path), "--mask", "strict"])
        assert done.exit_code == 0, done.output
        assert SECRET not in done.output
        assert "Security" in done.output


def test_a_time_that_no_table_holds_is_none(tmp_path: Path) -> None:
    assert instant("1601-01-01T00:00:00Z") is None
    assert instant("9999-12-31T00:00:00Z") is None
    assert instant("1700-01-01T00:00:00Z") is not None
    case = analyzer.analyze(captured(tmp_path / "wire.pcap", event(1, time="1601-01-01T00:00:00Z")))
    assert case.events["time"].isna().all()


def test_values_that_are_no_json_or_lie_deep() -> None:
    assert _fields("***") == {}
    deep = "[" * 400 + '"StartPassword=abc"' + "]" * 400
    assert json_without(deep, lambda text: text.replace("abc", "***")).count("***") == 1
