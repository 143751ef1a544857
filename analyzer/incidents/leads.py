"""What to change, in one sentence: the lead of a finding's advice."""

import re
from functools import lru_cache

from analyzer.records.finding import Finding

_LONG_BRACKETS = re.compile(r" \((?:[^()]|\([^()]*\)){24,}\)")
"""Settings of products and commands: what to type stands in the advice."""
_WORDS = 28


def lead(finding: Finding) -> str:
    """The lead of the advice: its first sentence, without what stands in brackets, up to a bearable length."""
    told = _told(finding.advice)
    if not finding.settings:
        return told
    own = next((one for one in finding.settings if one.seen), None)
    return f"{told}{f' ({own.product}: {own.text})' if own is not None else ''}"


@lru_cache(maxsize=256)
def _told(advice: str) -> str:
    told = _LONG_BRACKETS.sub("", advice[: _end(advice)]).strip().rstrip(".")
    words = told.split()
    if len(words) > _WORDS:
        for mark in ("; ", ": ", ", or ", ", and ", ", "):
            head = told.partition(mark)[0]
            if _WORDS // 4 <= len(head.split()) <= _WORDS:
                told = head
                break
        else:
            told = " ".join(words[:_WORDS]) + " ..."
    return told


def _end(text: str) -> int:
    """Where the first sentence ends: a full stop before a space, outside of brackets."""
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter == "(") - (letter == ")")
        if letter == "." and depth <= 0 and text[place + 1 : place + 2] in ("", " "):
            return place
    return len(text)
