"""No pattern of the package costs more than in proportion to the text that it is tried on: a sender chooses that text."""

import re

import pytest

from tests.hostile.patterns import uses
from tests.hostile.pumping import attacks, growth

_LINEAR = 8.0
"""Four times the text costs four times the time, or somewhat more; sixteen times would be a square."""
ANCHORED_ELSEWHERE = {
    ("reports/typed/programs.py", "(?:[^\\s/:@]{1,128}/)?"): "fullmatch, of one of two patterns that are chosen at the place",
    ("reports/typed/values.py", "[$@][A-Za-z_]"): "fullmatch, by the dialect",
    ("viewer/app.py", "<style>"): "our own page",
    ("sigma/values.py", "\\[\\^"): "a rule of the user's, of 1,024 characters at most",
    ("viewer/pages.py", "c\\d+(?:"): "fullmatch, of an id in an address",
}
PUT_TOGETHER = {
    ("cli/manual.py", "re.escape(text)"): "the user's own word in our manual",
    ("reports/typed/__init__.py", "shape.pattern"): "SHAPES are tried here one by one",
    ("reports/typed/programs.py", "row.skipped"): "PROGRAMS are tried here one by one",
    ("reports/typed/programs.py", "if dialect is Dialect.CMD else"): "one character",
    ("rules/attack/config_weakening.py", "known.text"): "PATTERNS are tried here one by one",
    ("rules/products.py", "product.seen"): "PRODUCTS are tried here one by one",
    ("sigma/sightings.py", "'|'.join(sorted("): "words without any repetition",
    ("sigma/values.py", "''.join(piece)"): "the user's rules; see test_an_expression_is_bounded",
    ("sigma/values.py", "text"): "the user's rules; see test_an_expression_is_bounded",
    ("sigma/values.py", "shortened"): "the user's rules; see test_an_expression_is_bounded",
    ("tables/stored.py", "f'(?:^|;){re.escape(name)}"): "a name of ours before digits",
    ("wsman/elements.py", "PREFIX + name + INSIDE + content"): "every element is found where it is made",
}
USES = tuple(uses())


def _named(table: dict[tuple[str, str], str], place: str, source: str) -> bool:
    return any(place == known and words in source for known, words in table)


def test_every_pattern_is_known() -> None:
    unknown = [(use.place, use.source) for use in USES if use.pattern is None and not _named(PUT_TOGETHER, use.place, use.source)]
    assert unknown == []
    assert len([use for use in USES if use.pattern is not None]) > 150


def _worst(pattern: "re.Pattern[str]", ways: "frozenset[str]") -> tuple[float, object]:
    for attack in attacks(pattern):
        for way in ways:
            found = growth(pattern, attack, way)
            if found >= _LINEAR and growth(pattern, attack, way) >= _LINEAR:  # twice, as another process may have had the processor
                return found, (way, attack)
    return 0.0, None


@pytest.mark.slow
def test_no_pattern_is_slow_on_its_own_pieces() -> None:
    slow = []
    for use in USES:
        if use.pattern is None or _named(ANCHORED_ELSEWHERE, use.place, use.pattern.pattern if isinstance(use.pattern.pattern, str) else ""):
            continue
        ratio, how = _worst(use.pattern, use.ways)
        if how is not None:
            slow.append((use.place, use.pattern.pattern, how, ratio))
    assert slow == []


@pytest.mark.parametrize(
    ("pattern", "way"),
    [
        (r"(?:a|a)*b", "match"),
        (r"(?:\w+\s?)+$", "match"),
        (r"<Selector\s[^<>]*Name='ShellId'[^<>]*>", "match"),
        (r"\s*(\S.*?) +HTTP", "match"),
        (r"((?:<!\[CDATA\[.*?\]\]>|[^<]++)*)</", "match"),
        (r"\s+$", "search"),
        (r"<!--.*?-->", "search"),
        (r"[A-Za-z]+:", "search"),
    ],
)
def test_what_is_slow_is_found(pattern: str, way: str) -> None:
    assert _worst(re.compile(pattern, re.DOTALL), frozenset((way,)))[1] is not None


@pytest.mark.parametrize(
    ("pattern", "way"), [(r"a*+b", "match"), (r"<[^<>]*>", "search"), (r"(?:[^<]++|<!--(?>.*?-->))*+</", "match"), (r"[A-Z]{1,8}:", "search")]
)
def test_what_is_linear_is_not_accused(pattern: str, way: str) -> None:
    assert _worst(re.compile(pattern), frozenset((way,)))[1] is None


def test_an_attempt_that_does_not_end_is_stopped() -> None:
    assert _worst(re.compile(r"(?:a+)+b"), frozenset(("match",)))[0] == float("inf")
