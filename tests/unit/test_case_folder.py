"""The case folder: what is written, what is refused, what a check notices, and that a case opened from it shows the same."""

import json
import shutil
from pathlib import Path

import duckdb
import pandas as pd
import pytest
import zstandard
from msgspec.structs import replace

import analyzer
from analyzer import api
from analyzer.cli import start
from analyzer.engine.store import STORED
from analyzer.errors import InputError, OutputError, UsageError
from analyzer.records.result import Result
from analyzer.records.wsman import Command, Output, Shell
from analyzer.reports.masking import Mask
from analyzer.tables.registry import TABLES
from tests.build import evidence as build

PASSWORD = "Zinnober!Ofen9"


def run_something(result: Result, text: str, output: str) -> Result:
    """The result with a shell in which ``text`` was run."""
    out = Output("stdout", 1, build.T0, (12,), output, len(output))
    command = Command("C1", "S1", "winrs", text, None, build.T0, build.T0 + 5, 0, "Done", (out,), "alice", 0, (10,))
    shell = Shell("S1", "winrs", "alice", "10.0.0.1", "10.0.0.9", build.T0, build.T0 + 9, ("c1",), ("C1",), "uri", 0, (10,))
    return replace(result, shells=(shell,), commands=(command,))


SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"


@pytest.fixture
def evidence_file(tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    folder.mkdir()
    path = folder / "leg-a.pcapng"
    path.write_bytes(b"packets")
    return path


@pytest.fixture
def case(evidence_file: Path) -> analyzer.Case:
    made = run_something(build.proxied(), f"net user bob {PASSWORD}", f"echo: {PASSWORD}\r\n")
    shots = tuple(replace(one, path=str(evidence_file)) for one in made.evidence.captures)
    return analyzer.Case(replace(made, evidence=replace(made.evidence, captures=shots)), lambda *_: b"", None, Mask([PASSWORD]))


@pytest.fixture
def folder(case: analyzer.Case, tmp_path: Path) -> Path:
    case.save(tmp_path / "case")
    return tmp_path / "case"


def test_a_table_a_file_and_a_manifest(folder: Path) -> None:
    stored = {*(f"{one.name}.parquet" for one in STORED), "records.msgpack.zst"}
    assert {path.name for path in folder.iterdir()} == {*stored, "manifest.json", "manifest.json.sha256", "exports"}
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir() if path.is_file()} == {0o600}
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["tool"], manifest["version"], manifest["show_secrets"]) == ("winrm-analyzer", analyzer.__version__, False)
    assert manifest["counters"]["connections"] == 2
    assert set(manifest["outputs"]) == stored
    assert manifest["keeps"] == ["records.msgpack.zst"]
    assert all(len(rule["document_sha256"]) == 64 for rule in manifest["rules"])
    assert manifest["inputs"][0]["size_bytes"] == 1000


def test_equal_input_gives_equal_bytes(case: analyzer.Case, folder: Path, tmp_path: Path) -> None:
    case.save(tmp_path / "again")
    for name in (*(f"{table.name}.parquet" for table in STORED), "records.msgpack.zst"):
        assert (folder / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


@pytest.mark.parametrize("make", [build.direct, build.proxied, build.nothing])
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_opened_case_has_the_same_tables(make: object, table: object, tmp_path: Path) -> None:
    assert callable(make)
    written = build.case(make())
    opened = written.save(tmp_path / "case")
    name = getattr(table, "name", "")
    pd.testing.assert_frame_equal(opened.table(name), written.table(name))


def test_an_opened_case_answers_sql_and_shows_its_findings(case: analyzer.Case, folder: Path) -> None:
    opened = analyzer.open_case(folder)
    assert opened.sql("select count(*) as n from connections")["n"].tolist() == [2]
    assert opened.coverage().equals(case.coverage())
    assert opened.findings_text() == case.findings_text()
    assert opened.at_least("critical").findings["finding_id"].tolist() == case.at_least("critical").findings["finding_id"].tolist()
    assert list(opened.text("hops", "jsonl")) == list(case.text("hops", "jsonl"))
    assert not opened.failures


def test_an_opened_case_has_the_records_and_screens(case: analyzer.Case, folder: Path) -> None:
    opened = analyzer.open_case(folder)
    assert opened["c1"] == case["c1"]
    assert opened.transcript() == case.transcript()
    assert opened.ladder() == case.ladder()
    assert opened.overview().partition("NEXT")[0] == case.overview().partition("NEXT")[0]
    with pytest.raises(UsageError, match="already"):
        opened.save()
    for ask in (lambda: opened.show_secrets().transcript(), lambda: opened.transcript(show_secrets=True), lambda: opened.records().show_secrets()):
        with pytest.raises(UsageError, match="masked"):
            ask()


def test_what_needs_the_captures_says_so(folder: Path) -> None:
    opened = analyzer.open_case(folder)
    for path in (folder.parent / "evidence").iterdir():
        path.unlink()
    for ask in (lambda: opened.bytes("c1.x1.q"), lambda: opened.packet("leg-a.pcapng", 1), lambda: opened.slice(folder.parent / "x.pcapng")):
        with pytest.raises((InputError, OSError), match=r"is not there any more|No such file"):
            ask()


def test_records_that_are_not_ours(folder: Path) -> None:
    """Whatever lies there: an error by name, or records; never an object of another kind."""
    path = folder / "records.msgpack.zst"
    whole = path.read_bytes()
    plain = zstandard.ZstdDecompressor().decompress(whole)
    pack = zstandard.ZstdCompressor().compress
    bad = [b"", b"\x28", whole[:-20], whole[:40], b"PK\x03\x04" + whole, pack(b""), pack(b"\x80"), pack(plain[:-1]), pack(b"\x93" * 5000), pack(b"\xc1")]
    bad += [pack(plain.replace(b"connections", b"connectionz", 1)), pack(plain.replace(b"\xa5ports", b"\xa5porty"))]
    for data in bad[:-1]:
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"records\.msgpack\.zst"):
            analyzer.open_case(folder).records()
    bomb = zstandard.ZstdCompressor(write_content_size=True).compress(bytes(1 << 20))
    path.write_bytes(bomb)
    with pytest.raises(InputError):
        analyzer.open_case(folder).records()
    path.unlink()
    with pytest.raises(InputError, match="No such file"):
        analyzer.open_case(folder).records()


def test_texts_that_utf_8_does_not_have(tmp_path: Path) -> None:
    made = build.direct()
    odd = build.case(replace(made, diagnosis=("lone \ud800 surrogate", "plain")))
    odd.save(tmp_path / "case")
    assert analyzer.open_case(tmp_path / "case").records().result.diagnosis == ("lone \ufffd surrogate", "plain")


@pytest.mark.parametrize("name", ["secret", "files,texts", ""])
def test_what_a_case_cannot_keep(case: analyzer.Case, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="can keep files, hashes, texts or all"):
        case.save(tmp_path / "x", keep=[name])


def test_names_with_pattern_characters_are_names(case: analyzer.Case, tmp_path: Path) -> None:
    case.save(tmp_path / "case [1]*?")
    (tmp_path / "case 1").mkdir()
    assert len(analyzer.open_case(tmp_path / "case [1]*?").connections) == 2


def test_nothing_is_overwritten_unasked(case: analyzer.Case, folder: Path) -> None:
    (folder / "exports" / "mine.csv").write_text("mine")
    with pytest.raises(OutputError, match="clobber"):
        case.save(folder)
    case.save(folder, clobber=True)
    assert (folder / "exports" / "mine.csv").read_text() == "mine"
    assert api.verify(folder) == ()


def test_a_folder_of_something_else_is_left_alone(case: analyzer.Case, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.parquet").write_text("meow")
    with pytest.raises(OutputError, match="no case folder"):
        case.save(tmp_path / "photos", clobber=True)
    assert (tmp_path / "photos" / "cat.parquet").read_text() == "meow"


@pytest.mark.parametrize("place", [".", "case", "deep/er/case", "../evidence/x"])
def test_never_in_a_folder_of_evidence(case: analyzer.Case, evidence_file: Path, place: str) -> None:
    with pytest.raises(OutputError, match="evidence"):
        case.save(evidence_file.parent / place)
    link = evidence_file.parents[1] / "link"
    link.symlink_to(evidence_file.parent)
    with pytest.raises(OutputError, match="evidence"):
        case.save(link / "case")
    assert [path.name for path in evidence_file.parent.iterdir()] == ["leg-a.pcapng"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda folder: (folder / "findings.parquet").write_bytes(b"PAR1"), "findings.parquet: changed"),
        (lambda folder: (folder / "hops.parquet").unlink(), "hops.parquet: missing"),
        (lambda folder: (folder / "more.parquet").write_bytes(b""), "more.parquet: not part"),
        (lambda folder: (folder / "manifest.json").write_text((folder / "manifest.json").read_text() + " "), "manifest.json: its SHA-256"),
        (lambda folder: (folder / "manifest.json.sha256").unlink(), "manifest.json: its SHA-256"),
        (lambda folder: (folder.parent / "evidence" / "leg-a.pcapng").write_bytes(b"other"), "leg-a.pcapng: changed"),
        (lambda folder: (folder.parent / "evidence" / "leg-a.pcapng").unlink(), "leg-a.pcapng: missing"),
    ],
)
def test_a_check_names_what_differs(folder: Path, change: object, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert callable(change)
    assert start.run(["verify", str(folder)]) == 0
    assert capsys.readouterr().out == "everything is as the manifest says\n"
    change(folder)
    assert start.run(["verify", str(folder)]) == 4
    assert told in capsys.readouterr().out


def test_what_is_no_case(tmp_path: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for content in ("", "[]", '{"tool": "other"}', '{"tool": "winrm-analyzer", "schema": 99}', "[" * 100_000):
        (folder / "manifest.json").write_text(content)
        with pytest.raises(InputError):
            analyzer.open_case(folder)
        assert start.run(["verify", str(folder)]) == 2
    assert start.run(["verify", str(tmp_path)]) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_case_from_a_stranger_is_read_with_care(folder: Path) -> None:
    for sql in ("select 1 as connection_id", "select [1, 2] as connection_id, 'x' as first_time, 'many' as exchanges"):
        duckdb.execute(f"copy ({sql}) to '{folder / 'connections.parquet'}' (format parquet)")
        opened = analyzer.open_case(folder)
        assert len(opened.connections) == 1
        assert opened.connections["exchanges"].isna().all()
    (folder / "findings.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError):
        analyzer.open_case(folder).table("findings")
    (folder / "findings.parquet").unlink()
    with pytest.raises(InputError):
        analyzer.open_case(folder).table("findings")


def everything(folder: Path) -> str:
    """All cells of all tables and all other bytes, as one text."""
    cells = [str(row) for table in STORED for row in duckdb.read_parquet(str(folder / f"{table.name}.parquet")).fetchall()]
    return "\n".join([*cells, *(path.read_bytes().decode("latin-1") for path in folder.iterdir() if path.is_file())])


def test_secrets_are_masked_unless_asked_for(case: analyzer.Case, folder: Path, tmp_path: Path) -> None:
    assert PASSWORD not in everything(folder)
    case.save(tmp_path / "shown", show_secrets=True)
    assert PASSWORD in everything(tmp_path / "shown")
    assert json.loads((tmp_path / "shown" / "manifest.json").read_text())["show_secrets"] is True
    assert PASSWORD not in "".join(case.text("streams", "jsonl"))
    assert PASSWORD in "".join(case.text("streams", "jsonl", show_secrets=True))
    assert "net user bob ***" in "".join(analyzer.open_case(tmp_path / "shown").text("commands", "jsonl"))
    with pytest.raises(UsageError, match="masked"):
        analyzer.open_case(folder).text("commands", show_secrets=True)


def test_a_case_with_secrets_shows_them_only_when_asked(case: analyzer.Case, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What looks like a password is masked by itself, what does not (an echo of it) by the file that names it."""
    secrets = tmp_path / "secrets.toml"
    secrets.write_text(f'[[password]]\nuser = "bob"\nvalue = "{PASSWORD}"\n', encoding="utf-8")
    case.save(tmp_path / "shown", show_secrets=True)
    opened = analyzer.open_case(tmp_path / "shown")
    assert PASSWORD not in opened.commands["text"][0]
    assert PASSWORD not in opened.sql("select text from commands")["text"][0]
    assert PASSWORD in opened.show_secrets().commands["text"][0]
    assert PASSWORD in opened.streams["text"][0]
    assert PASSWORD not in opened.hiding(str(secrets)).streams["text"][0]
    assert PASSWORD not in opened.hiding(str(secrets)).at_least("high").streams["text"][0]
    with pytest.raises(UsageError, match="masked"):
        case.save(tmp_path / "masked").show_secrets()
    for words in (["show", "streams", "-f", "csv"], ["show", "commands", "-f", "jsonl"], ["timeline"], ["timeline", "--profile", "ecs"]):
        assert start.run([*words, str(tmp_path / "shown"), "--secrets", str(secrets)]) == 0
        assert PASSWORD not in capsys.readouterr().out
    assert start.run(["show", "streams", "-f", "csv", str(tmp_path / "shown"), "--show-secrets"]) == 0
    assert PASSWORD in capsys.readouterr().out


def test_commands_take_a_case_folder(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert start.run(["show", "connections", str(folder), "-f", "csv", "--columns", "connection_id", "--where", "role = 'client_leg'"]) == 0
    assert capsys.readouterr().out == 'connection_id\n"c1"\n'
    assert start.run(["findings", str(folder), "-m", "critical", "-f", "jsonl", "--fail-on", "critical"]) == 1
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert start.run(["report", str(folder), "-o", str(folder / "exports" / "report.html")]) == 0
    assert start.run(["report", str(folder), "-o", str(folder / "exports" / "report.html")]) == 2
    for command in ("info", "ladder", "transcript", "analyze"):
        capsys.readouterr()
        assert start.run([command, str(folder)]) == 0
        assert capsys.readouterr().out
    for command in ("info", "findings"):
        assert start.run([command, str(folder), str(folder)]) == 2
        assert "has to be the only input" in capsys.readouterr().err
    assert start.run(["analyze", str(folder), "--keep", "files"]) == 2


def test_analyze_writes_a_case_before_anything_is_read_twice(case: analyzer.Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = tmp_path / "s.toml"
    secrets.write_text("")
    asked: list[object] = []

    def made(*_inputs: object, **options: object) -> analyzer.Case:
        asked.append(options["arguments"])
        return case

    monkeypatch.setattr(api, "analyze", made)
    monkeypatch.setattr("sys.argv", ["winrm-analyzer", "analyze", "a.pcap", "--secrets", str(secrets), f"--keylog={secrets}", "-o", "case"])
    assert start.run(["analyze", "a.pcap", "--secrets", str(secrets), "-o", str(tmp_path / "made")]) == 0
    assert (tmp_path / "made" / "manifest.json").exists()
    assert asked == [["winrm-analyzer", "analyze", "a.pcap", "--secrets", "***", "--keylog=***", "-o", "case"]]
    assert start.run(["analyze", "a.pcap", "-o", str(tmp_path / "made")]) == 2
    assert len(asked) == 1, "the folder is looked at before the captures are read"
    assert start.run(["analyze", "a.pcap", "-o", str(tmp_path / "made"), "--clobber"]) == 0


def test_a_moved_case_still_verifies(folder: Path, tmp_path: Path) -> None:
    shutil.move(folder, tmp_path / "elsewhere")
    assert api.verify(tmp_path / "elsewhere") == ()


def test_a_case_moved_together_with_its_captures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever is handed both needs neither the old place nor an option: packets, too, are read where the captures lie now."""
    (tmp_path / "given" / "captures").mkdir(parents=True)
    capture = shutil.copy(SAMPLES / "direct-basic" / "capture.pcapng", tmp_path / "given" / "captures")
    assert start.run(["analyze", str(capture), "-o", str(tmp_path / "given" / "cases" / "one")]) == 0
    shutil.move(tmp_path / "given", tmp_path / "received")
    case = tmp_path / "received" / "cases" / "one"
    assert api.verify(case) == ()
    assert api.captures_of(case) == (str(tmp_path / "received" / "captures" / "capture.pcapng"),)
    assert start.run(["pcap", str(case), "-o", str(tmp_path / "slice.pcapng")]) == 0
    assert (tmp_path / "slice.pcapng").stat().st_size > 1000
    (tmp_path / "given" / "captures").mkdir(parents=True)
    Path(capture).write_bytes(b"another file, now at the old place")
    assert api.verify(case) == (), "the one of its size is the one that was read"
    (tmp_path / "received" / "captures" / "capture.pcapng").write_bytes(b"damaged")
    capsys.readouterr()
    assert start.run(["verify", str(case)]) == 4
    assert "changed since the case was written" in capsys.readouterr().out


def test_a_case_for_sharing_does_not_tell_where_its_captures_lay(tmp_path: Path) -> None:
    case, key = tmp_path / "case", tmp_path / "key"
    assert start.run(["analyze", str(SAMPLES / "direct-basic" / "capture.pcapng"), "--pseudonyms", str(key), "-o", str(case)]) == 0
    (told,) = json.loads((case / "manifest.json").read_text())["inputs"]
    assert told["absolute"] is None
    assert told["relative"] is None
