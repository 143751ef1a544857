"""A case folder answers what its captures would: each screen, table and export of samples, out of the folder, equals that of the captures."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import analyzer
from analyzer import api
from analyzer.case.opened import OpenedCase
from analyzer.cli import start
from analyzer.errors import InputError, UsageError
from analyzer.tables.registry import TABLES

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
CHOSEN = (
    "badproxy-close-after-200",
    "background-without-winrm",
    "direct-basic",
    "direct-credssp-healthy",
    "direct-psrp-copy-fetch-healthy",
    "direct-winrs-shell-id-reused-healthy",
    "evil-winrm-py-session",
    "firewall-forgets-reset-both-sides",
    "https-basic-direct",
    "nginx-pooled-second-client",
    "proxy-header-v1-http-healthy",
    "rotated-files",
    "socks5-password",
    "squid-kerberos-healthy",
    "two-legs-clock-offset",
)


def captures_of(name: str) -> list[str]:
    return sorted(str(path) for path in (SAMPLES / name).iterdir() if ".pcap" in path.name)


def keys_of(name: str) -> dict[str, Any]:
    return {"secrets": path} if (path := SAMPLES / name / "secrets.toml").exists() else {}


each_sample = pytest.mark.parametrize("name", CHOSEN)


def tables(case: analyzer.Case | OpenedCase) -> dict[str, list[Any]]:
    return {table.name: list(case.cells(table.name)) for table in TABLES}


def screens(case: analyzer.Case) -> Iterator[tuple[str, str]]:
    case.offered_as("CASE")
    yield "overview", case.overview(full=True, products=True)
    yield "short", case.overview()
    yield "info", case.look()
    yield "transcript", case.transcript()
    yield "ladder", case.ladder()
    yield "findings", case.findings_text(full=True)
    yield "json", "".join(case.machine("json"))
    yield "jsonl", "".join(case.machine("jsonl"))


@each_sample
def test_a_case_says_what_its_captures_say(name: str, tmp_path: Path) -> None:
    made = analyzer.analyze(captures_of(name), **keys_of(name))
    made.save(tmp_path / "case", keep=["all"])
    opened = analyzer.open_case(tmp_path / "case")
    stored = opened.records(again=lambda: pytest.fail("the captures are not needed"))
    assert dict(screens(stored)) == dict(screens(made))
    assert tables(stored) == tables(made) == tables(opened)
    assert stored.hash_lines() == made.hash_lines()
    assert [(one.name, one.data) for one in stored.moved_files()] == [(one.name, one.data) for one in made.moved_files()]
    assert "".join(stored.archive()) == "".join(made.archive())
    assert api.verify(tmp_path / "case") == ()
    for path in (tmp_path / "case").iterdir():
        assert path.stat().st_mode & 0o077 == 0, path


@each_sample
def test_keys_that_come_later_give_what_they_would_have_given(name: str, tmp_path: Path) -> None:
    whole = analyzer.analyze(captures_of(name), **keys_of(name))
    analyzer.analyze(captures_of(name), keeps_places=True).save(tmp_path / "case")
    again = analyzer.analyze(tmp_path / "case", **keys_of(name))
    assert tables(again) == tables(whole)
    assert dict(screens(again)) == dict(screens(whole))
    again.save(tmp_path / "more")
    without = analyzer.analyze(tmp_path / "more")
    assert [(one.id, one.text) for one in without.result.commands] == [(one.id, one.text) for one in again._masked.commands], "what was decrypted stays"
    assert without.coverage()["messages"].sum() == whole.coverage()["messages"].sum()
    assert {row for row in without.cells("messages") if row[4]} >= {row for row in whole.cells("messages") if row[4]}


def test_captures_are_not_scanned_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    capture, keys = captures_of("squid-ntlm-healthy"), keys_of("squid-ntlm-healthy")
    analyzer.analyze(capture, keeps_places=True).save(tmp_path / "case")
    whole = analyzer.analyze(capture, **keys)
    monkeypatch.setattr("analyzer.engine.local.scan_all", lambda *_: pytest.fail("scanned again"))
    assert tables(analyzer.analyze(tmp_path / "case", **keys)) == tables(whole)


def moved(name: str, tmp_path: Path) -> Path:
    """A copy of the sample's captures, which can go away."""
    folder = tmp_path / "evidence"
    folder.mkdir()
    for path in captures_of(name):
        shutil.copy(path, folder)
    return folder


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    capsys.readouterr()
    code = start.run(list(words))
    return (code, *capsys.readouterr())


@pytest.mark.slow
def test_commands_without_captures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "direct-psrp-copy-fetch-healthy"
    evidence, case, keys = moved(name, tmp_path), str(tmp_path / "case"), keys_of(name)
    secrets = ["--secrets", str(keys["secrets"])]
    assert run(capsys, "analyze", str(evidence), *secrets, "-o", case, "-q")[0] == 0
    assert run(capsys, "analyze", str(evidence), *secrets, "-o", f"{case}-all", "--keep", "all", "-q")[0] == 0
    before = {words: run(capsys, *words)[:2] for words in _commands(str(evidence), secrets)}
    shutil.rmtree(evidence)
    for (words, told), same in zip(before.items(), _commands(case, []), strict=True):
        code, out, err = run(capsys, *same)
        assert (code, err) == (0, ""), (words, err)
        assert out.replace(case, str(evidence)).replace(f"{' '.join(secrets)} ", "") == told[1].replace(f"{' '.join(secrets)} ", ""), words
    rest: list[list[str]] = [["extract", "-o", str(tmp_path / "x")], ["hashes", "--show-secrets"], ["export", "-f", "har"]]
    for number, more in enumerate(rest):
        assert run(capsys, *more, f"{case}-all")[0] == 0
        code, _, err = run(capsys, *more, case, *(["-o", str(tmp_path / f"y{number}")] if more[0] == "extract" else []))
        assert (code, "--keep" in err) in ((2, True), (0, False)), more
        assert more[0] == "extract" or code == 2
    code, _, err = run(capsys, "pcap", case, "-o", str(tmp_path / "slice.pcapng"))
    assert code == 2
    assert "is not there any more" in err
    assert run(capsys, "analyze", case, *secrets)[0] == 2


def _commands(given: str, keys: list[str]) -> list[tuple[str, ...]]:
    return [
        ("analyze", *keys, given, "--full"),
        ("analyze", *keys, given, "-f", "json"),
        ("analyze", *keys, given, "--proxy", "nginx"),
        ("info", *keys, given),
        ("ladder", *keys, given, "--connection", "c1"),
        ("ladder", *keys, given, "--format", "mermaid"),
        ("transcript", *keys, given),
        ("transcript", *keys, given, "-f", "jsonl"),
        ("findings", *keys, given),
        ("show", "commands", *keys, given, "-f", "csv"),
        ("sql", "select kind, count(*) as n from commands group by 1", *keys, given),
        ("export", "-f", "navigator", *keys, given),
        ("timeline", *keys, given),
        ("explain", "f1", *keys, given),
    ]


@pytest.mark.parametrize("name", ["nginx-http10-split", "haproxy-http-server-close", "badproxy-close-after-200"])
def test_a_product_that_is_named_later(name: str, tmp_path: Path) -> None:
    for product in ("nginx", "haproxy", "squid"):
        named = analyzer.analyze(captures_of(name), proxy=product)
        analyzer.analyze(captures_of(name)).save(tmp_path / f"{name}-{product}")
        stored = analyzer.open_case(tmp_path / f"{name}-{product}").records(product=product)
        assert dict(screens(stored)) == dict(screens(named))
        assert tables(stored) == tables(named)
    with pytest.raises(UsageError, match="there are no settings"):
        analyzer.open_case(tmp_path / f"{name}-nginx").records(product="toaster")


def test_a_capture_that_was_changed(tmp_path: Path) -> None:
    evidence = moved("direct-basic", tmp_path)
    analyzer.analyze(str(evidence), keeps_places=True).save(tmp_path / "case")
    path = next(evidence.iterdir())
    path.touch()
    assert tables(analyzer.analyze(tmp_path / "case")), "another time, the same bytes: it is scanned again"
    data = bytearray(path.read_bytes())
    data[-30] ^= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="was changed since the case was written"):
        analyzer.analyze(tmp_path / "case")
    with pytest.raises(InputError, match="was changed since the case was written"):
        analyzer.open_case(tmp_path / "case").slice(tmp_path / "slice.pcapng")


THIRD = ("operations.parquet", "hosts.parquet", "names.parquet", "clocks.parquet", "host_events.parquet")
"""Tables that came with the third schema."""
LATER = (*THIRD, "subscriptions.parquet", "deliveries.parquet", "events.parquet")
"""These, and those that came with the fourth."""


def earlier(folder: Path, schema: int) -> None:
    """Makes the folder one of an earlier schema: without tables that came later, and of the first without records."""
    about = json.loads((folder / "manifest.json").read_text(encoding="ascii"))
    first = ("records.msgpack.zst", "places.msgpack.zst", "drops.parquet", "conflicts.parquet")
    for name in (*LATER, *(first if schema == 1 else ())):
        (folder / name).unlink(missing_ok=True)
        about["outputs"].pop(name, None)
    for name in ("keeps", "schema_version") if schema == 1 else ():
        del about[name]
    about["schema"] = schema
    text = json.dumps(about)
    (folder / "manifest.json").write_text(text, encoding="ascii")
    (folder / "manifest.json.sha256").write_text(f"{hashlib.sha256(text.encode()).hexdigest()}  manifest.json\n", encoding="ascii")


def test_a_case_of_the_second_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence, case = moved("squid-ntlm-healthy", tmp_path), tmp_path / "case"
    analyzer.analyze(str(evidence)).save(case)
    earlier(case, 2)
    assert analyzer.open_case(case).changes == ()
    for words in (("analyze",), ("show", "hosts"), ("ladder",), ("verify",)):
        code, _, err = run(capsys, *words, str(case))
        assert (code, err) == (0, "")
    assert run(capsys, "report", str(case), "-o", str(tmp_path / "r.html"))[0] == 0


def test_a_case_of_the_first_schema(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    evidence, case = moved("squid-ntlm-healthy", tmp_path), tmp_path / "case"
    made = analyzer.analyze(str(evidence))
    made.save(case)
    earlier(case, 1)
    came_later = {name.removesuffix(".parquet") for name in LATER}
    opened = analyzer.open_case(case)
    assert tables(opened) == {name: [] if name in came_later else rows for name, rows in tables(made).items()}
    assert run(capsys, "show", "drops", str(case))[0] == 0
    assert run(capsys, "report", str(case), "-o", str(tmp_path / "r.html"))[0] == 0
    code, out, err = run(capsys, "ladder", str(case))
    assert (code, out) == (0, run(capsys, "ladder", str(evidence))[1])
    assert "an older version wrote it" in err
    shutil.rmtree(evidence)
    code, out, err = run(capsys, "ladder", str(case))
    assert (code, out) == (2, "")
    assert "is not there any more" in err


def test_the_samples_are_there() -> None:
    assert all((SAMPLES / name).is_dir() for name in CHOSEN)
