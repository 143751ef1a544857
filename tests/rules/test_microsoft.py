"""What rules quote of Microsoft's page "Proxy Servers and WinRM" stands there, word for word, below the heading that they name; nothing cites it by number."""

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from analyzer.cli.commands import cli
from analyzer.records.finding import ADDRESSES, PROXY_SERVERS, Quotation
from analyzer.rules import microsoft
from analyzer.rules.catalogue import Rule, rules
from analyzer.rules.documents import explanation
from analyzer.rules.scorecard import REQUIREMENTS
from analyzer.tables.findings import reference_url

_PAGE = Path(__file__).with_name("proxy_servers_and_winrm.txt")
QUOTED = tuple(one for one in vars(microsoft).values() if isinstance(one, Quotation))
NAMING = tuple(rule for rule in rules() if PROXY_SERVERS in rule.document)


def page() -> dict[str, list[str]]:
    """The page's sentences by heading; those above the first one under an empty name."""
    made: dict[str, list[str]] = {"": []}
    for line in _PAGE.read_text(encoding="utf-8").splitlines()[2:]:
        if line.startswith("# "):
            made[line[2:]] = []
        else:
            made[next(reversed(made))].append(line)
    return made


def quotations(document: str) -> list[tuple[str, str]]:
    """Heading and text of each quotation in a rule's document."""
    told = " ".join(document.partition("\nReferences\n")[2].split())
    found = []
    for part in re.finditer(rf'{PROXY_SERVERS}(?:, ([^:"]+))?: ((?:"[^"]+" ?)+)', told):
        found += [(part[1] or "", text) for text in re.findall(r'"([^"]+)"', part[2])]
    return found


@pytest.mark.parametrize("quoted", QUOTED, ids=lambda one: one.text[:40])
def test_a_quoted_sentence_stands_on_the_page_below_its_heading(quoted: Quotation) -> None:
    heading = quoted.reference.removeprefix(PROXY_SERVERS).removeprefix(", ")
    assert quoted.text in page()[heading]
    assert reference_url(quoted.reference) == ADDRESSES[PROXY_SERVERS]


@pytest.mark.parametrize("rule", NAMING, ids=lambda rule: rule.id)
def test_a_document_quotes_whole_sentences_and_says_where_they_stand(rule: Rule) -> None:
    found = quotations(rule.document)
    assert found
    assert len(found) == rule.document.count('"') // 2 - rule.document.partition("\nReferences\n")[0].count('"') // 2
    for heading, text in found:
        assert f" {text} " in f" {' '.join(page()[heading])} "
    assert ADDRESSES[PROXY_SERVERS] in explanation(rule.id)


def test_rules_and_requirements_quote() -> None:
    assert len(QUOTED) > 15
    assert len(NAMING) > 40
    assert all(requirement.sentence in QUOTED for requirement in REQUIREMENTS)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.id)
def test_no_document_cites_a_sentence_by_number(rule: Rule) -> None:
    assert not re.search(r"\bsentences? \d|\bP\d+\b", rule.document)


def test_an_explained_finding_quotes_what_it_rests_on() -> None:
    sample = Path(__file__).parents[2] / "sample_pcaps" / "nginx-upstream-idle-close"
    out = CliRunner().invoke(cli, ["explain", "f1", str(sample)]).stdout
    assert f'Reference: {microsoft.SAME_CONNECTION.reference}: "{microsoft.SAME_CONNECTION.text}" ({ADDRESSES[PROXY_SERVERS]})' in out
    assert "Set in nginx: proxy_read_timeout" in out
    told = json.loads(CliRunner().invoke(cli, ["analyze", str(sample), "-f", "json"]).stdout)["findings"][0]
    assert (told["reference_text"], told["reference_url"]) == (microsoft.SAME_CONNECTION.text, ADDRESSES[PROXY_SERVERS])
