"""What a change touches (docs/architecture.md): each of the five is made in a copy of the sources, and works there."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.build.packets import Line, pcap
from tests.build.talk_http import post, reply, soap
from tests.build.talk_proxy import direct, trip
from tests.build.talks import Wire

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow


class Change(NamedTuple):
    """New files by their path below analyzer/, with their text; and lines that are added, by the file and the text that they follow."""

    files: dict[str, str]
    lines: dict[str, tuple[str, str]]


BEARER = '''"""Bearer credentials (RFC 6750): a token that only the server can read."""

from analyzer.auth.headers import Credentials
from analyzer.auth.schemes.reading import TokenReading, plain
from analyzer.records.auth import Mechanism

WORD = "bearer"


def token(sent: Credentials) -> TokenReading:
    """The token of an Authorization field."""
    return TokenReading(plain(sent, Mechanism.BEARER), ())
'''
TITLES = '''"""Titles of findings, a line each."""

from collections.abc import Iterator

from analyzer.exports.registry import Source
from analyzer.exports.rows import text


def titles(source: Source) -> Iterator[str]:
    """The titles."""
    for row in source.rows.of("findings"):
        yield text(row, "title") + "\\n"
'''
ROW = '    Export("titles", "timeline", "titles:titles", ("jsonl",), "who reads titles only"),\n'
COLUMN = '    Column("ports", Dtype.TEXT, lambda row: f"{row.connection.client.port}-{row.connection.server.port}", "Both ports."),\n'
MECHANISM = '    BEARER = "bearer", "Bearer", False, "the token", None\n'


def example() -> str:
    """The rule of docs/developers.md."""
    (found,) = re.findall(
        r'^```python\n("""A server takes long.*?)^```', (ROOT / "docs" / "developers.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    return str(found)


CHANGES = {
    "rule": Change({"rules/http/slow_answer.py": example()}, {}),
    "link": Change({}, {"capture/links.py": ("LINKS = (\n", '    Link(147, "user0", "ether", "ether"),\n')}),
    "scheme": Change({"auth/schemes/bearer.py": BEARER}, {"records/auth.py": ('    BASIC = "basic", "Basic", False, "the password", None\n', MECHANISM)}),
    "column": Change({}, {"tables/connections.py": ("_COLUMNS: tuple[Column[ConnectionRow], ...] = (\n", COLUMN)}),
    "export": Change({"exports/titles.py": TITLES}, {"exports/registry.py": ("EXPORTS = (\n", ROW)}),
}
SHOWN = {
    "rule": ("1 file", 1, 0),
    "link": ("a row", 0, 1),
    "scheme": ("1 file (its word and its reader) and 1 line", 1, 1),
    "column": ("1 line", 0, 1),
    "export": ("1 file and 1 row", 1, 1),
}
"""What the table of docs/architecture.md says, and how many files and lines that is."""


def changed(change: Change, folder: Path) -> Path:
    """A copy of the sources with the change."""
    shutil.copytree(ROOT / "analyzer", folder / "analyzer", ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in change.files.items():
        (folder / "analyzer" / name).write_text(text, encoding="utf-8")
    for name, (after, line) in change.lines.items():
        path = folder / "analyzer" / name
        before = path.read_text(encoding="utf-8")
        assert before.count(after) == 1
        path.write_text(before.replace(after, after + line), encoding="utf-8")
    return folder


def printed(tree: Path, *arguments: str) -> str:
    """What the command prints there."""
    command = [sys.executable, "-P", "-m", "analyzer", *arguments]
    done = subprocess.run(command, cwd=tree, env={**os.environ, "PYTHONPATH": str(tree)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def rows(tree: Path, table: str, capture: Path) -> Sequence[dict[str, object]]:
    """A table there."""
    found: list[dict[str, object]] = json.loads(printed(tree, "show", table, str(capture), "-f", "json"))
    return found


def slow(folder: Path) -> Path:
    """A server that takes twelve seconds, and a client with a bearer token."""
    lan = Wire()
    talk = direct(lan)
    talk.send(post("/wsman", ("Authorization", "Bearer abc"), content=soap()))
    lan.wait(12)
    talk.answer(reply(200, content=soap("CreateResponse", 2)))
    trip(direct(lan, port=50002), post(content=soap(number=3)), reply(200, content=soap("CreateResponse", 4)))
    return lan.capture(folder / "slow.pcap")


def test_a_rule_is_one_file(tmp_path: Path) -> None:
    tree = changed(CHANGES["rule"], tmp_path)
    assert "http.slow-answer" in printed(tree, "rules")
    assert "http.slow-answer" in {row["rule"] for row in rows(tree, "findings", slow(tmp_path))}
    assert "A response that began much later" in printed(tree, "explain", "http.slow-answer")


def test_a_link_type_is_one_row(tmp_path: Path) -> None:
    line = Line()
    line.handshake()
    line.put(0, 0, b"POST /wsman HTTP/1.1\r\nHost: srv\r\nContent-Length: 0\r\n\r\n")
    capture = tmp_path / "a.pcap"
    capture.write_bytes(pcap([frame._replace(link=147) for frame in line.frames]))
    assert rows(ROOT, "connections", capture) == []
    assert len(rows(changed(CHANGES["link"], tmp_path), "connections", capture)) == 1


def test_a_scheme_is_one_file_and_one_line(tmp_path: Path) -> None:
    capture = slow(tmp_path)
    assert "bearer" not in {row["mechanism"] for row in rows(ROOT, "authentications", capture)}
    found = rows(changed(CHANGES["scheme"], tmp_path), "authentications", capture)
    assert [(row["mechanism"], row["outcome"]) for row in found] == [("bearer", "accepted")]


def test_a_column_is_one_line(tmp_path: Path) -> None:
    capture = slow(tmp_path)
    found = rows(changed(CHANGES["column"], tmp_path), "connections", capture)
    assert [row["ports"] for row in found] == ["50001-5985", "50002-5985"]


def test_an_export_is_one_file_and_one_row(tmp_path: Path) -> None:
    capture = slow(tmp_path)
    tree = changed(CHANGES["export"], tmp_path)
    titles = {f"{row['title']}" for row in rows(tree, "findings", capture)}
    assert titles
    assert set(printed(tree, "timeline", "--profile", "titles", str(capture)).splitlines()) == titles


@pytest.mark.parametrize("name", CHANGES)
def test_the_page_says_so(name: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    said, files, lines = SHOWN[name]
    (row,) = (line for line in page.splitlines() if line.startswith(f"| {'an' if name == 'export' else 'a'} {name}"))
    assert row.split(" | ")[-1].startswith(said)
    assert (len(CHANGES[name].files), sum(line.count("\n") for _, line in CHANGES[name].lines.values())) == (files, lines)
