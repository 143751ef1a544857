"""Detections and the condition over them (Sigma specification 2, "Detection" and "Condition"), as functions of an event."""

import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase

from analyzer.sigma.values import KNOWN, Test, UnsupportedError, alternatives

Event = Mapping[str, tuple[str, ...]]
"""Field name in lower case to its values; a field that is not there is absent."""
Check = Callable[[Event], bool]

_TOKEN = re.compile(r"([()]|[^\s()]+)")
_CONDITION = 4096
_OPERANDS = 512


def every(checks: Sequence[Check]) -> Check:
    """All of them."""
    return lambda event: all(check(event) for check in checks)


def some(checks: Sequence[Check]) -> Check:
    """At least one of them."""
    return lambda event: any(check(event) for check in checks)


def negated(check: Check) -> Check:
    """Not this one."""
    return lambda event: not check(event)


def detection(value: object) -> Check:
    """A map: every field; a list of maps or of words: any of them; a word: somewhere in the event."""
    if isinstance(value, dict):
        return every([_item(str(name), wanted) for name, wanted in value.items()])
    if isinstance(value, list):
        return some([detection(one) for one in value])
    if isinstance(value, str | int | float):
        return _keyword(value, ())
    msg = f"a detection that is neither a map nor a list ({type(value).__name__})"
    raise UnsupportedError(msg)


def _item(name: str, wanted: object) -> Check:
    field, *modifiers = name.split("|")
    unknown = [modifier for modifier in modifiers if modifier not in KNOWN]
    if unknown:
        msg = f"the modifier {unknown[0]!r}"
        raise UnsupportedError(msg)
    values = wanted if isinstance(wanted, list) else [wanted]
    if any(isinstance(value, dict | list) for value in values):
        msg = f"the values of {name!r}"
        raise UnsupportedError(msg)
    checks = [_value(field.lower(), value, modifiers) for value in values]
    found = every(checks) if "all" in modifiers else some(checks)
    return negated(found) if "neq" in modifiers else found


def _value(field: str, value: object, modifiers: Sequence[str]) -> Check:
    if "exists" in modifiers:
        return lambda event: (field in event) is bool(value)
    if value is None:
        return lambda event: not event.get(field)
    if not field:
        return _keyword(value, modifiers)
    wanted = alternatives(value, modifiers)
    return lambda event: any(test(text) for test in wanted for text in event.get(field, ()))


def _keyword(value: object, modifiers: Sequence[str]) -> Check:
    """A word without a field is looked for anywhere in the texts of the event."""
    wanted: list[Test] = alternatives(value, modifiers if "re" in modifiers else ["contains", *modifiers])
    return lambda event: any(test(text) for test in wanted for texts in event.values() for text in texts)


class _Parser:
    """``not`` binds closer than ``and``, that closer than ``or``."""

    def __init__(self, text: str, named: Mapping[str, Check]) -> None:
        self._words = _TOKEN.findall(text[:_CONDITION])
        self._named = named
        self._at = 0
        self._operands = 0

    def condition(self) -> Check:
        made = self._any()
        if self._at < len(self._words):
            msg = f"the condition from {self._words[self._at]!r} on"
            raise UnsupportedError(msg)
        return made

    def _next(self) -> str:
        return self._words[self._at] if self._at < len(self._words) else ""

    def _take(self) -> str:
        word = self._next()
        self._at += 1
        return word

    def _any(self) -> Check:
        checks = [self._all()]
        while self._next().lower() == "or":
            self._take()
            checks.append(self._all())
        return checks[0] if len(checks) == 1 else some(checks)

    def _all(self) -> Check:
        checks = [self._one()]
        while self._next().lower() == "and":
            self._take()
            checks.append(self._one())
        return checks[0] if len(checks) == 1 else every(checks)

    def _one(self) -> Check:
        self._operands += 1
        if self._operands > _OPERANDS:
            msg = "a condition that long"
            raise UnsupportedError(msg)
        word = self._take()
        if word.lower() == "not":
            return negated(self._one())
        if word == "(":
            made = self._any()
            if self._take() != ")":
                msg = "a condition with a parenthesis that is not closed"
                raise UnsupportedError(msg)
            return made
        if self._next().lower() == "of":
            self._take()
            return self._of(word.lower(), self._take())
        if word in self._named:
            return self._named[word]
        msg = f"the condition at {word!r}"
        raise UnsupportedError(msg)

    def _of(self, count: str, names: str) -> Check:
        """``1 of selection*``, ``all of them``: names with an underscore before them count only when they are asked for."""
        chosen = [
            check
            for name, check in self._named.items()
            if (not name.startswith("_") or names.startswith("_")) and (names == "them" or fnmatchcase(name, names))
        ]
        if not chosen or count not in ("1", "any", "all"):
            msg = f"the condition {count!r} of {names!r}"
            raise UnsupportedError(msg)
        return every(chosen) if count == "all" else some(chosen)


def condition(detections: Mapping[str, object], wanted: object) -> Check:
    """The condition, or any of a list of them. `UnsupportedError`: what in it is not known here."""
    texts = [text for text in (wanted if isinstance(wanted, list) else [wanted]) if isinstance(text, str)]
    if not texts:
        msg = "a rule without a condition"
        raise UnsupportedError(msg)
    named = {name: detection(value) for name, value in detections.items() if name not in ("condition", "timeframe")}
    checks = [_Parser(text, named).condition() for text in texts]
    return checks[0] if len(checks) == 1 else some(checks)
