"""Report and case folder of every sample: small, the same twice, inert, and without any secret that the investigator gave."""

import re
import tomllib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import duckdb
import pytest
from click.testing import CliRunner

import analyzer
from analyzer import api
from analyzer.cli.commands import cli
from analyzer.engine.store import STORED
from analyzer.reports.html.page import MOST_BYTES
from tests.golden.samples import captures, truth

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
FOLDERS = [path.parent for path in sorted(SAMPLES.glob("*/truth.json"))]
WITH_SECRETS = [folder for folder in FOLDERS if (folder / "secrets.toml").exists()]

every_sample = pytest.mark.parametrize("folder", FOLDERS, ids=[folder.name for folder in FOLDERS])


@cache
def case(folder: Path) -> analyzer.Case:
    secrets = folder / "secrets.toml"
    return analyzer.analyze([str(path) for path in captures(folder, truth(folder))], secrets=secrets if secrets.exists() else None)


def secrets_of(folder: Path) -> set[bytes]:
    """Every value of the sample's secrets, in the forms in which it could stand in a file."""
    data = tomllib.loads((folder / "secrets.toml").read_text(encoding="utf-8"))
    values = [str(entry["value"]) for section in ("password", "nt_hash", "session_key", "kerberos_key") for entry in data.get(section, [])]
    values += [
        word
        for name in data.get("files", {}).get("keylogs", [])
        for line in (folder / name).read_text().splitlines()
        if line[:1] != "#"
        for word in line.split()[2:3]
    ]
    forms = {form for value in values for form in (value.encode(), value.upper().encode(), value.lower().encode(), value.encode("utf-16-le"))}
    return {form for form in forms if len(form) >= 4}


def made_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.name, path.read_bytes()
        if path.suffix == ".parquet":
            rows = duckdb.read_parquet(str(path)).fetchall()
            yield f"cells of {path.name}", "\n".join(str(cell) for row in rows for cell in row).encode("utf-8", "surrogatepass")


class Artefacts(NamedTuple):
    """What is made of a sample, once for all tests: a report, a case folder, and a folder that has both."""

    report: Path
    case: Path
    folder: Path


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Artefacts]:
    made: dict[Path, Artefacts] = {}

    def of(folder: Path) -> Artefacts:
        if folder not in made:
            place = tmp_path_factory.mktemp(folder.name)
            made[folder] = Artefacts(place / "one.html", place / "case", place)
            case(folder).report(made[folder].report)
            case(folder).save(made[folder].case)
        return made[folder]

    return of


@every_sample
def test_the_report_of_a_sample(folder: Path, artefacts: Callable[[Path], Artefacts], tmp_path: Path) -> None:
    files = artefacts(folder)
    made = files.report.read_bytes()
    assert 20_000 < len(made) < MOST_BYTES
    analyzer.open_case(files.case).report(tmp_path / "two.html")
    assert made == (tmp_path / "two.html").read_bytes()
    found = case(folder).findings
    assert made.count(b'class="card finding"') == min(400, len(found))
    assert not re.search(rb"<[^>]*\s(?:style|on\w+|src)=", made)
    assert api.verify(files.case) == ()
    assert {path.name for path in files.case.glob("*.parquet")} == {f"{table.name}.parquet" for table in STORED}


@pytest.mark.parametrize("folder", WITH_SECRETS, ids=[folder.name for folder in WITH_SECRETS])
def test_no_secret_is_shown(folder: Path, artefacts: Callable[[Path], Artefacts]) -> None:
    one = case(folder)
    texts = [one.overview(), one.look(), one.transcript(), one.ladder(), one.findings_text(), *one.machine("json"), repr(one), one._repr_html_()]
    texts += [piece for table in STORED[:-1] for form in ("table", "jsonl") for piece in one.text(table.name, form)]
    shown = [("terminal", "\n".join(texts).encode("utf-8", "surrogatepass")), *made_files(artefacts(folder).folder)]
    for secret in secrets_of(folder):
        assert [name for name, data in shown if secret in data] == []


def test_the_command_line_shows_no_secret_and_says_how_it_was_run(tmp_path: Path) -> None:
    folder = SAMPLES / "evil-winrm-py-session"
    arguments = ["report", str(folder), "--secrets", str(folder / "secrets.toml"), "-o", str(tmp_path / "r.html"), "--title", "case 7"]
    result = CliRunner().invoke(cli, arguments)
    assert result.exception is None
    made = (tmp_path / "r.html").read_bytes()
    assert b"<h1>case 7</h1>" in made
    assert b"Invoke-Expression" in made
    assert not [secret for secret in secrets_of(folder) if secret in made + result.output.encode()]
