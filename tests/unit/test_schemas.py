"""JSON Schemas: what the program prints of real captures is as they say, and has nothing that they do not name."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest

from analyzer import api
from analyzer.cli import start
from analyzer.exports.registry import EXPORTS
from analyzer.tables.registry import TABLES

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
OURS = ("analyze", "analyze-line", "compare", "extract", "hashes", "native", *(table.name for table in TABLES))
"""Outputs whose names are all our own: what is not named in the schema must not be there."""
OPENED = ("squid-ntlm-healthy", "direct-psrp-copy-fetch-healthy")


def closed(schema: object) -> object:
    """The same schema, without room for what it does not name."""
    if isinstance(schema, list):
        return [closed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: closed(value) for name, value in schema.items()}
    return made | {"additionalProperties": False} if isinstance(schema.get("properties"), dict) else made


def checker(name: str) -> jsonschema.Draft202012Validator:
    made = api.schema(name)
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(cast("dict[str, Any]", closed(made)) if name in OURS else made)


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture(params=OPENED)
def given(request: pytest.FixtureRequest) -> list[str]:
    folder = SAMPLES / request.param
    capture = next(path for path in folder.iterdir() if ".pcap" in path.name)
    return [str(capture), "--secrets", str(folder / "secrets.toml")]


def printed(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    capsys.readouterr()
    assert start.run(list(words)) == 0
    return capsys.readouterr().out


def outputs(capsys: pytest.CaptureFixture[str], given: list[str], tmp_path: Path) -> Iterator[tuple[str, list[Any]]]:
    yield "analyze", [json.loads(printed(capsys, "analyze", *given, "-f", "json"))]
    yield "analyze-line", lines(printed(capsys, "analyze", *given, "-f", "jsonl"))
    yield "findings", json.loads(printed(capsys, "findings", *given, "-f", "json"))
    yield "streams", lines(printed(capsys, "transcript", *given, "-f", "jsonl"))
    yield "hashes", lines(printed(capsys, "hashes", *given, "-f", "jsonl", "--show-secrets"))
    yield "extract", lines(printed(capsys, "extract", *given, "-f", "jsonl", "-o", str(tmp_path / "files")))
    yield "compare", [json.loads(printed(capsys, "compare", given[0], str(SAMPLES / "wrong-password"), *given[1:], "-f", "json"))]
    yield "har", [json.loads(printed(capsys, "export", *given, "-f", "har"))]
    case = str(tmp_path / "case")
    printed(capsys, "analyze", *given, "-o", case)
    yield "manifest", [json.loads(Path(case, "manifest.json").read_text(encoding="utf-8"))]
    yield "navigator", [json.loads(printed(capsys, "export", case, "-f", "navigator"))]
    for form in ("winlogbeat", "nxlog"):
        yield form, lines(printed(capsys, "export", case, "-f", form))
    yield "sql", json.loads(printed(capsys, "sql", "select rule, count(*) as times from findings group by 1", case, "-f", "json"))
    for profile in ("native", "timesketch", "ecs"):
        yield profile, lines(printed(capsys, "timeline", case, "--profile", profile))
    for table in TABLES:
        yield table.name, lines(printed(capsys, "show", table.name, case, "-f", "jsonl"))
        yield table.name, json.loads(printed(capsys, "show", table.name, case, "-f", "json"))


@pytest.mark.slow
def test_what_is_printed_is_as_its_schema_says(capsys: pytest.CaptureFixture[str], given: list[str], tmp_path: Path) -> None:
    met, rows = set(), 0
    for name, found in outputs(capsys, given, tmp_path):
        check = checker(name)
        for one in found:
            check.validate(one)
            assert name not in OURS or one["schema_version"] == 1
        met.add(name)
        rows += len(found)
    assert met == set(api.schemas()), "each schema was held against an output"
    assert rows > 300


def test_a_schema_refuses_what_is_not_so() -> None:
    check = checker("exchanges")
    assert check.is_valid({"schema_version": 1, "status": 200, "request_time": "2026-01-02T03:04:05.123456789Z"})
    for bad in (
        {},
        {"schema_version": 2},
        {"schema_version": 1, "status": "200"},
        {"schema_version": 1, "request_time": "2026-01-02"},
        {"schema_version": 1, "x": 1},
    ):
        assert not check.is_valid(bad), bad


def test_every_json_export_has_a_schema() -> None:
    assert {row.name for row in EXPORTS if {"json", "jsonl"} & set(row.forms)} <= set(api.schemas())


def test_the_command_lists_and_prints(capsys: pytest.CaptureFixture[str]) -> None:
    listed = [line.split()[0] for line in printed(capsys, "schema").splitlines()]
    assert listed == list(api.schemas())
    for name in listed:
        assert json.loads(printed(capsys, "schema", name)) == api.schema(name)
    assert start.run(["schema", "nothing"]) == 2
    assert "there is no schema 'nothing'" in capsys.readouterr().err
