"""Every text that a user reads keeps to the rules of writing: words of the field, short sentences, headlines, nothing that only we can look up.

The texts come from the registries and files that the program itself uses (`tests/writing/texts.py`), the words from lists that say where they come from
(`tests/writing/words.py`).
"""

import re
from collections.abc import Iterator

import pytest

from analyzer.rules.catalogue import Rule, rules
from analyzer.rules.products import Advice
from tests.rules.test_conformance import module
from tests.writing.texts import COLLECTIONS, ROOT, Text, of_pages, of_results, of_rules, of_sources, results
from tests.writing.words import LISTS, found, prose

TITLE_CHARS = 70
WHY_WORDS = 22
LEAD_WORDS = 25
DOCUMENT_WORDS = 45
"""The longest sentence of a rule's document: it names conditions and their exceptions."""
FOR_DEVELOPERS = ("docs/decisions", "docs/architecture", "docs/developers", "docs/performance", "lab/", "CONTRIBUTING")
"""Pages whose reader knows more."""
OTHER_CAPITALS = frozenset(
    # methods of HTTP, words of SQL and SMTP-like protocols; units; names of products, hosts, rights and domains; what a user puts something else for
    [
        "POST",
        "GET",
        "CONNECT",
        "SELECT",
        "PROXY",
        "GB",
        "MB",
        "KB",
        "WSMAN",
        "HKLM",
        "NGINX",
        "IIS",
        "LAB",
        "ATT",
        "CK",
        "MIT",
        "OMIGOD",
        "ATS",
        "PIN",
        "MISS",
        "BYPASS",
        "MZ",
        "PK",
        "CNAME",
        "SLDC",
        "EVE",
        "README",
        "NAME",
        "FILE",
        "CASE",
        "DIR",
        "TABLE",
        "PAGE",
        "TEXT",
        "SERVER",
        "ID",
        "CODE",
        "RULE",
        "NO",
        "OK",
        "EOF",
    ]
)
_CAPITALS = re.compile(r"(?<![\w\\./_-])[A-Z]{2,6}s?(?![\w_-]|\.\w|=)")
_BRACKETS = re.compile(r" ?[(\[][^()\[\]]*[)\]]")
_QUOTED = re.compile(r'"[^"]*"')
_END = re.compile(r"(?<=[.?!])\s+(?=[A-Z0-9\"'*`]|c\d)")
_NUMBERED = re.compile(r"\bsentences? \d|\bP\d{1,3}\b|§")


def sentences(text: str) -> Iterator[str]:
    """The sentences of a text, without ids in brackets; a quotation counts as one word."""
    plain = _QUOTED.sub("QUOTED", text)
    while _BRACKETS.search(plain):
        plain = _BRACKETS.sub("", plain)
    yield from (one for one in _END.split(" ".join(plain.split())) if one)


def long_ones(text: str, most: int) -> list[str]:
    return [one for one in sentences(text) if len(one.split()) > most]


@pytest.mark.parametrize("name", COLLECTIONS)
def test_no_text_has_a_banned_word(name: str) -> None:
    texts = list(COLLECTIONS[name]())
    assert texts
    assert [(text.where, one) for text in texts for one in found(text.text)] == []


@pytest.mark.parametrize("banned", [one for words in LISTS.values() for one in words], ids=lambda one: one.pattern[:24])
def test_every_pattern_matches_something_that_the_lists_would_refuse(banned: object) -> None:
    pattern = getattr(banned, "pattern", "")
    assert re.compile(pattern).pattern
    assert getattr(banned, "instead", "")


@pytest.mark.parametrize(
    "text",
    ["Sealed bodies", "the gravest one", "the upstream leg", "it was not seen", "a secret", "Nobody came", "recognised", "the time-out", "is no finding"],
)
def test_a_banned_word_is_found(text: str) -> None:
    assert found(text)
    assert found(f"`{text}`") == []


@pytest.mark.parametrize("name", COLLECTIONS)
def test_no_text_cites_by_a_number_that_nobody_has(name: str) -> None:
    assert [text for text in COLLECTIONS[name]() if _NUMBERED.search(text.text)] == []


def test_titles_are_headlines() -> None:
    titles = {finding.title for result in results().values() for finding in result.findings} | {rule.title for rule in rules()}
    assert len(titles) > 120
    assert [title for title in titles if len(title) > TITLE_CHARS or title.endswith(".")] == []


def test_sentences_of_reasons_are_short() -> None:
    told = {(finding.rule, finding.why) for result in results().values() for finding in result.findings}
    assert len({rule for rule, _ in told}) > 70
    assert [(rule, one) for rule, why in told for one in long_ones(why, WHY_WORDS)] == []


def test_the_first_sentence_of_advice_says_what_to_do_in_few_words() -> None:
    told = {(finding.rule, finding.advice) for result in results().values() for finding in result.findings}
    told |= {(rule.id, text) for rule in rules() if (text := _advice(rule))}
    assert [(rule, one) for rule, advice in told for one in long_ones(advice, LEAD_WORDS)] == []


def _advice(rule: Rule) -> str | None:
    opinion = getattr(module(rule), "OPINION", None)
    advice = getattr(opinion, "advice", None)
    return advice.text if isinstance(advice, Advice) else advice if isinstance(advice, str) else None


@pytest.mark.parametrize("text", list(of_rules()), ids=lambda text: text.where)
def test_sentences_of_rule_documents_can_be_read_once(text: Text) -> None:
    body = text.text.partition("\nReferences\n")[0]
    assert [one for part in re.split(r"\n(?=\S)|:\n", body) for one in long_ones(part, DOCUMENT_WORDS)] == []


def abbreviations() -> set[str]:
    """Those that docs/concepts.md explains."""
    section = (ROOT / "docs" / "concepts.md").read_text(encoding="utf-8").partition("## Abbreviations")[2]
    return set(re.findall(r"^\| ([A-Z]+) \|", section, re.MULTILINE))


@pytest.mark.parametrize("name", ["of_rules", "of_settings", "of_commands", "of_pages", "of_notebooks", "of_templates", "of_results"])
def test_every_abbreviation_is_explained(name: str) -> None:
    known = abbreviations() | OTHER_CAPITALS
    assert len(known) > 60
    texts = [text for text in COLLECTIONS[name]() if not text.where.startswith(FOR_DEVELOPERS)]
    assert {(text.where, one) for text in texts for one in _CAPITALS.findall(prose(text.text)) if one.rstrip("s") not in known} == set()


def test_the_texts_are_all_there() -> None:
    assert len(list(of_sources())) > 1000
    assert len(list(of_pages())) > 30
    assert len(list(of_results())) > 2000
