"""Captures added to a case: it becomes what one run over all its captures says. What the jobs of earlier runs found is not done again."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from analyzer import api
from analyzer.cli.printing import complain
from analyzer.errors import OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from analyzer.case.tables import CaseTables

_COUNTED = ("captures", "connections", "logons", "shells", "commands", "findings")
_FINDING = ("severity", "title", "source", "destination", "user")
_PARTS = {"--from", "--to", "--host", "--net", "--port"}
"""Options that leave a part of the captures out."""
_SETTINGS = _PARTS | {"-s", "--scope", "--tls-port", "--secrets", "--keylog", "--keytab", "--rules", "--sigma", "--events", "--proxy", "--mask", "--config"}
_SETTINGS |= {"--limit", "--sensor", "--pseudonyms"}
"""Options that change what captures say."""


class Held(NamedTuple):
    """What a case holds: how many rows of the tables, and its findings; how it was made."""

    counts: dict[str, int]
    findings: Counter[tuple[object, ...]]
    manifest: Mapping[str, object]


class Added(NamedTuple):
    """A case that captures are added to, and what it held before; None: it is not there yet."""

    case: str
    before: Held | None

    def check(self) -> None:
        """`OutputError`: another run wrote the case after this one had begun. What that one added would be lost."""
        now = api.open_case(self.case).manifest() if api.is_case(self.case) else None
        if now != (None if self.before is None else self.before.manifest):
            msg = f"{self.case} was written by another run meanwhile, and what that one added would be lost: give the command again (what jobs found stays)"
            raise OutputError(msg)

    def changed(self) -> None:
        """Captures that are not what they were when the case was written are told on stderr: what it says now is of what they hold now."""
        if self.before is None:
            return
        now = _hashes(api.open_case(self.case).manifest())
        for path, then in _hashes(self.before.manifest).items():
            if now.get(path, then) != then:
                complain(f"{path} is not what it was when the case was written (SHA-256 {then} then, {now[path]} now); the case tells of what it is now")

    def news(self, case: CaseTables) -> Iterator[str]:
        """What a case holds now that it did not: a line of counts, and one for each finding."""
        then = self.before
        if then is None:
            return
        now = _held(case)
        yield "Added: " + ", ".join(f"{name} {now.counts[name]:,} ({then.counts[name]:,} before)" for name in _COUNTED) + "\n"
        for (severity, title, source, destination, user), count in (now.findings - then.findings).items():
            where = " to ".join(str(end) for end in (source, destination) if end)
            whose = f", {user}" if user else ""
            yield f"New: {str(severity).upper()}  {title}{f', {where}' if where else ''}{whose}{f' ({count:,} times)' if count > 1 else ''}\n"
        for (severity, title, *_), count in (then.findings - now.findings).items():
            yield f"No longer so: {str(severity).upper()}  {title}{f' ({count:,} times)' if count > 1 else ''}\n"


def added(case: str, opened: Callable[[str], CaseTables], arguments: Sequence[str]) -> Added:
    """The case as it is now, ``opened`` as every command does. What of it was changed after it was written, and settings that it was made with and that are
    not among ``arguments``, are told on stderr."""
    if not api.is_case(case):
        return Added(case, None)
    before = _held(opened(case))
    made, now = _settings(before.manifest.get("arguments")), _settings(arguments)
    if made - now:
        complain(f"{case} was made with {_told(made - now)}; this command is not, and what the case will say is without")
    narrower = {one for one in now - made if one[0] in _PARTS}
    if narrower:
        complain(f"{case} was made without {_told(narrower)}; of its captures, too, it will hold only that part")
    return Added(case, before)


def all_captures(case: str, captures: Sequence[str]) -> tuple[str, ...]:
    """Those of the case, if there is one, and the others, by their whole paths. `InputError`: one of the case is not there any more."""
    there = api.captures_of(case) if api.is_case(case) else ()
    if "-" in captures:
        msg = "standard input cannot be read again, so it is not added to a case: give a file"
        raise UsageError(msg)
    return tuple(dict.fromkeys(one if "://" in one else str(Path(one).absolute()) for one in (*there, *captures)))


def store(case: str) -> str:
    """Where jobs leave what they find: next to the case."""
    return f"{Path(case).absolute()}.jobs"


def _told(settings: set[tuple[str, str]]) -> str:
    return ", ".join(" ".join(one) for one in sorted(settings))


def _settings(arguments: object) -> set[tuple[str, str]]:
    """The options of a recorded command that say how captures are read, with their values."""
    words = [str(one) for one in arguments] if isinstance(arguments, list) else []
    found: set[tuple[str, str]] = set()
    for word, after in zip(words, [*words[1:], ""], strict=False):
        name, equals, value = word.partition("=")
        if name in _SETTINGS:
            found.add((name, value if equals else after))
    return found


def _hashes(manifest: Mapping[str, object]) -> dict[str, str]:
    """The SHA-256 of captures, by their whole paths."""
    inputs = manifest.get("inputs")
    told = [one for one in inputs if isinstance(one, dict)] if isinstance(inputs, list) else []
    return {str(one.get("absolute")): str(one["sha256"]) for one in told if one.get("sha256")}


def _held(case: CaseTables) -> Held:
    findings = case.listed("findings")
    counts = {name: len(case.listed(name)) for name in _COUNTED}
    return Held(counts, Counter(tuple(row[name] for name in _FINDING) for row in findings), case.manifest())
