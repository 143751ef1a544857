"""Every text that a user reads, from the program's own registries and files."""

import ast
import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import click

from analyzer.cli.commands import cli
from analyzer.codes.table import codes
from analyzer.engine.local import run
from analyzer.records.issues import KINDS
from analyzer.records.result import Result
from analyzer.rules.catalogue import rules
from analyzer.rules.products import PAST_THE_PROXY, PRODUCTS, Topic
from analyzer.settings import Limits, Scope
from analyzer.tables.proxies import REQUIREMENTS
from analyzer.tables.registry import TABLES

ROOT = Path(__file__).resolve().parents[2]
PAGES = (
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name not in {"rules.md", "tables.md", "commands.md"}),
    ROOT / "lab" / "README.md",
)
"""Pages that people write; the others are made of what is collected here."""


class Text(NamedTuple):
    """A text and where it stands."""

    where: str
    text: str


def of_rules() -> Iterator[Text]:
    for rule in rules():
        yield Text(rule.id, rule.title)
        yield Text(rule.id, rule.document)


def of_settings() -> Iterator[Text]:
    for product in PRODUCTS:
        yield from (Text(product.name, setting.text) for setting in product.settings.values())
    yield from (Text("past the proxy", setting.text) for setting in PAST_THE_PROXY)
    yield from (Text("topic", topic.value) for topic in Topic)


def of_registries() -> Iterator[Text]:
    yield from (Text(f"issue {code}", kind.means) for code, kind in KINDS.items())
    yield from (Text(f"code {code.symbol}", f"{code.meaning} {code.remedy}") for code in codes())
    yield from (Text(f"requirement {name}", means) for name, means in REQUIREMENTS.items())
    for table in TABLES:
        yield Text(f"table {table.name}", table.means)
        yield from (Text(f"column {table.name}.{column.name}", column.means) for column in table.columns)


def of_commands(group: click.Group = cli) -> Iterator[Text]:
    yield Text("command winrm-analyzer", group.help or "")
    for name, command in group.commands.items():
        yield Text(f"command {name}", command.help or "")
        for parameter in command.params:
            yield Text(f"command {name} {parameter.name}", getattr(parameter, "help", None) or "")


def of_pages() -> Iterator[Text]:
    yield from (Text(str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")) for path in PAGES)


def of_notebooks() -> Iterator[Text]:
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        yield from (Text(path.name, "".join(cell["source"])) for cell in cells if cell["cell_type"] == "markdown")


def of_templates() -> Iterator[Text]:
    for path in sorted((ROOT / "analyzer").rglob("*.j2")):
        yield Text(path.name, re.sub(r"\{%.*?%\}|\{\{.*?\}\}|<[^>]*>", " ", path.read_text(encoding="utf-8")))


def of_sources() -> Iterator[Text]:
    """Every text constant of the program with a space in it, f-strings whole with ``{}`` for what is filled in; no docstrings."""
    for path in sorted((ROOT / "analyzer").rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        skipped = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                skipped.update(id(part) for part in node.values)
        for node in ast.walk(tree):
            text = _constant(node)
            if text and " " in text and id(node) not in skipped:
                yield Text(f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}", text)


def _constant(node: ast.AST) -> str | None:
    if isinstance(node, ast.JoinedStr):
        return "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


@cache
def results() -> dict[str, Result]:
    """Every sample, analyzed."""
    made = {}
    for file in sorted((ROOT / "sample_pcaps").glob("*/truth.json")):
        done = run([str(file.parent / name) for name in json.loads(file.read_text(encoding="utf-8"))["captures"]], Limits(), Scope())
        done.sources.close()
        made[file.parent.name] = done.result
    return made


def of_results() -> Iterator[Text]:
    """What is said of the samples: findings, incidents, diagnosis."""
    for name, result in results().items():
        for finding in result.findings:
            yield from (Text(f"{name} {finding.rule}", text) for text in (finding.title, finding.why, finding.advice))
        yield from (Text(f"{name} {incident.id}", f"{incident.title}. {incident.change}") for incident in result.incidents)
        yield from (Text(f"{name} diagnosis", sentence) for sentence in result.diagnosis)
        yield from (Text(f"{name} scorecard", check.detail) for card in result.scorecards for check in card.checks)


COLLECTIONS = {one.__name__: one for one in (of_rules, of_settings, of_registries, of_commands, of_pages, of_notebooks, of_templates, of_sources, of_results)}
