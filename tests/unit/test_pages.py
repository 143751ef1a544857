"""The pages for people name only what exists: links, anchors, rules, tables, columns, commands, options, samples and files; command lines on samples run.

Read are the README and the other pages at the top, docs/ with its decisions, the lab's README and the text of the notebooks. A command line is a line of a
code block, or a span of code, that begins with ``winrm-analyzer``; those on samples are run in a folder of their own, in the order of the page, and have to
end with 0.
"""

import re
import shlex
import unicodedata
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import click
import nbformat
import pytest
from click.testing import CliRunner

from analyzer.cli.commands import cli
from analyzer.records.issues import KINDS
from analyzer.rules.catalogue import FAMILIES, rules
from analyzer.rules.documents import explanation
from analyzer.settings import Limits
from analyzer.tables.registry import TABLES

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted((ROOT / "docs").rglob("*.md")),
    ROOT / "lab" / "README.md",
    *sorted((ROOT / "notebooks").glob("*.ipynb")),
)
TABLE_COLUMNS = {table.name: frozenset(table.names) for table in TABLES}
COLUMNS = frozenset[str]().union(*TABLE_COLUMNS.values())
VALUES = frozenset(word for table in TABLES for column in table.columns for word in re.findall(r"`([a-z_0-9]+)`", column.means))
"""Words that a column's meaning lists, such as `client_leg`."""
OTHER_NAMES = frozenset(
    {"proxy_http_version", "proxy_set_header", "process_creation", "ps_script", "ps_module", "sigma_dirs", "nt_hash", "session_key", "looks_for"}
)
"""Words with an underscore that are names elsewhere: settings of proxies, Sigma's kinds of rules, arguments, keys of secrets.toml."""
PLACEHOLDERS = frozenset({"CAPTURE", "CAPTURE...", "CAPTURE_OR_CASE...", "CASE", "DIR", "FILE", "FILE.html", "RULE", "NAME", "TABLE", "ID", "CODE", "…"})
_FENCE = re.compile(r"^```(?P<kind>[a-z]*)\n(?P<body>.*?)^```$", re.DOTALL | re.MULTILINE)
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *$", re.MULTILINE)
_RULE = re.compile(rf"^(?:{'|'.join(FAMILIES)})\.[a-z0-9][a-z0-9.-]*$")
_DOTTED = re.compile(r"^(?P<table>[a-z]+)\.(?P<column>[a-z_0-9]+)$")
_WORD = re.compile(r"^[a-z0-9]+(?:_[a-z0-9]+)+$")


class Page(NamedTuple):
    """A page: its prose (without code blocks) and its code blocks by kind."""

    path: Path
    prose: str
    blocks: tuple[tuple[str, str], ...]

    @property
    def spans(self) -> list[str]:
        """Spans of code in the prose."""
        return _SPAN.findall(self.prose)


@cache
def _page(path: Path) -> Page:
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = nbformat.reads(text, as_version=4).cells  # type: ignore[no-untyped-call]
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    blocks = tuple((match["kind"], match["body"]) for match in _FENCE.finditer(text))
    return Page(path, _FENCE.sub("", text), blocks)


def _anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as they are made of Markdown: lower case, spaces to dashes, only letters, digits, dashes and underscores kept."""
    found: set[str] = set()
    for match in _HEADING.finditer(_page(path).prose):
        words = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", match["text"]).lower()
        slug = "".join(char for char in words.replace(" ", "-") if char in "-_" or unicodedata.category(char)[0] in "LN")
        found.add(slug)
    return found


def _command_lines(page: Page) -> Iterator[str]:
    for kind, body in page.blocks:
        if kind in {"sh", ""}:
            yield from (line.split("  #")[0].strip() for line in body.splitlines() if line.startswith("winrm-analyzer "))
    yield from (span for span in page.spans if span.startswith("winrm-analyzer "))


def _complaint(command: click.Command, arguments: list[str]) -> str | None:
    """What is wrong with a command line. In running text a command is often named without all it needs, and files are the reader's."""
    try:
        command.make_context(command.name, list(arguments))
    except click.MissingParameter as error:
        return None if len(arguments) <= 2 else error.format_message()
    except click.UsageError as error:
        return None if "does not exist" in error.format_message() else error.format_message()
    return None


def _options() -> set[str]:
    commands = [cli, *(command for command in cli.commands.values())]
    return {name for command in commands for parameter in command.params for name in parameter.opts} | {"-h", "--help"}


def test_there_are_pages() -> None:
    assert len(PAGES) > 15
    assert all(path.exists() for path in PAGES)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_links_lead_somewhere(path: Path) -> None:
    bad = []
    for match in _LINK.finditer(_page(path).prose):
        target, _, anchor = match["target"].partition("#")
        if "://" in target:
            continue
        file = (path.parent / target).resolve() if target else path
        if not file.exists() or (anchor and anchor not in _anchors(file)):
            bad.append(match["target"])
    assert bad == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_rules_and_issues_exist(path: Path) -> None:
    known = {rule.id for rule in rules()}
    for span in _page(path).spans:
        if _RULE.match(span) and not _DOTTED.match(span) and span not in known:
            assert explanation(span), span


def test_every_rule_has_its_place_among_the_symptoms() -> None:
    text = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    assert [rule.id for rule in rules() if f"`{rule.id}`" not in text] == [], "name them in docs/troubleshooting.md, where somebody would look for them"


@cache
def _functions() -> frozenset[str]:
    return frozenset(name for path in (ROOT / "analyzer").rglob("*.py") for name in re.findall(r"\bdef (\w+)", path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", [path for path in PAGES if path.parent.name != "lab"], ids=lambda path: path.name)
def test_tables_and_columns_exist(path: Path) -> None:
    page = _page(path)
    known = COLUMNS | VALUES | OTHER_NAMES | _functions() | set(Limits.__struct_fields__)
    bad = []
    rule_ids = {rule.id for rule in rules()}
    for span in page.spans:
        dotted = _DOTTED.match(span)
        if span in rule_ids or span in KINDS:
            continue  # a family of rules, or of kinds of issues, may have the name of a table
        if dotted and dotted["table"] in TABLE_COLUMNS:
            bad += [] if dotted["column"] in TABLE_COLUMNS[dotted["table"]] else [span]
        elif _WORD.match(span):
            bad += [] if span in known else [span]
    bad += [name for name in re.findall(r"\btables? `([a-z_]+)`", page.prose) if name not in TABLE_COLUMNS]
    if path.suffix != ".ipynb" or not bad:
        assert bad == []
    else:
        code = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code")  # type: ignore[no-untyped-call]
        assert [name for name in bad if name not in code] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_commands_and_options_exist(path: Path) -> None:
    page = _page(path)
    for line in _command_lines(page):
        _, name, *arguments = shlex.split(line)
        if name.startswith("-"):
            assert name in _options()
            continue
        if name not in cli.commands and Path(name).suffix:  # a capture alone is analyzed
            name, arguments = "analyze", [name, *arguments]
        assert name in cli.commands, line
        if name == "show" and arguments and arguments[0] not in PLACEHOLDERS:
            assert arguments[0] in TABLE_COLUMNS, line
        assert _complaint(cli.commands[name], arguments) is None, line
    options = _options()
    foreign = {"--pkt-size", "--comp"}
    assert [span for span in page.spans if re.match(r"^--[a-z]", span) and span.split()[0].split("=")[0] not in options | foreign] == []


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_samples_and_files_exist(path: Path) -> None:
    page = _page(path)
    folders = r"(?:sample_pcaps|analyzer|tests|docs|notebooks|lab)/[A-Za-z0-9_./-]*[A-Za-z0-9_/]"
    named = re.findall(rf"(?<![\w/.-]){folders}", page.prose + "\n".join(body for _, body in page.blocks))
    assert [name for name in named if not re.search(r"[A-Z]{4}|\.\.\.", name) and not (ROOT / name).exists()] == []


@pytest.mark.parametrize("path", [path for path in PAGES if path.suffix == ".md"], ids=lambda path: path.name)
def test_command_lines_on_samples_run(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sample_pcaps").symlink_to(ROOT / "sample_pcaps")
    monkeypatch.chdir(tmp_path)
    made: set[str] = set()
    for line in _command_lines(_page(path)):
        _, *arguments = shlex.split(line)
        if any("sample_pcaps/" in argument for argument in arguments) or made & set(arguments):
            result = CliRunner().invoke(cli, arguments)
            assert result.exit_code == 0, f"{line}: {result.output}"
            made |= {after for option, after in pairwise(arguments) if option == "-o"}
