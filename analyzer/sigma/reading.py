"""Rule files of a folder as rules (Sigma specification 2, "Rule"). What is not understood is told and left out; nothing stops the others."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from analyzer.errors import UsageError
from analyzer.sigma.conditions import Check, condition
from analyzer.sigma.sources import LogSource, source_of
from analyzer.sigma.values import UnsupportedError
from analyzer.sigma.yaml_adapter import UnreadableError, documents

_FILES = 20_000
_FILE = 1 << 20
_TECHNIQUE = re.compile(r"attack\.(t\d{4}(?:\.\d{3})?)$", re.IGNORECASE)
_LEVELS = ("informational", "low", "medium", "high", "critical")


class SigmaRule(NamedTuple):
    """``check`` tells of an event whether the rule fits it."""

    id: str
    title: str
    level: str
    tags: tuple[str, ...]
    attack: tuple[str, ...]
    file: str
    check: Check
    source: LogSource = LogSource()


class Read(NamedTuple):
    """The rules of a folder in order of files; what could not be read, one line each; how many rules are for sources that are not looked at."""

    rules: tuple[SigmaRule, ...]
    problems: tuple[str, ...]
    elsewhere: int


def read(folder: str, *, events: bool = False) -> Read:
    """The rules below a folder for what commands show; with ``events`` those for events of Windows, too. `UsageError`: there is no such folder."""
    root = Path(folder)
    if not root.is_dir():
        msg = f"{folder}: no such folder of Sigma rules"
        raise UsageError(msg)
    rules: list[SigmaRule] = []
    problems: list[str] = []
    elsewhere = 0
    files = sorted(path for path in root.rglob("*") if path.suffix in (".yml", ".yaml") and path.is_file())
    if len(files) > _FILES:
        problems.append(f"more than {_FILES} files; the first {_FILES} were read")
    for file in files[:_FILES]:
        name = file.relative_to(root).as_posix()
        try:
            for document in _documents(file):
                source = source_of(document)
                if not source.of_commands and not (events and source.of_events):
                    elsewhere += 1
                    continue
                rules.append(_rule(document, name, source))
        except (UnreadableError, UnsupportedError, OSError) as error:
            problems.append(f"{name}: {error}")
    return Read(tuple(rules), tuple(problems), elsewhere)


def _documents(file: Path) -> Iterator[Mapping[str, object]]:
    data = file.read_bytes()
    if len(data) > _FILE:
        msg = f"more than {_FILE} bytes"
        raise UnreadableError(msg)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        msg = "not UTF-8"
        raise UnreadableError(msg) from None
    for document in documents(text):
        if document is None:
            continue
        if not isinstance(document, dict):
            msg = "no Sigma rule"
            raise UnreadableError(msg)
        if "correlation" in document or "filter" in document or "action" in document:
            msg = "correlations, filters and collections of rules"
            raise UnsupportedError(msg)
        yield {str(name): value for name, value in document.items()}


def _rule(document: Mapping[str, object], file: str, source: LogSource) -> SigmaRule:
    detections = document.get("detection")
    if not isinstance(detections, dict):
        msg = "a rule without a detection"
        raise UnsupportedError(msg)
    level = str(document.get("level", "medium")).lower()
    tags = document.get("tags")
    words = tuple(str(tag) for tag in tags) if isinstance(tags, list) else ()
    return SigmaRule(
        id=str(document.get("id") or file),
        title=str(document.get("title") or file),
        level=level if level in _LEVELS else "medium",
        tags=words,
        attack=tuple(match[1].upper() for word in words if (match := _TECHNIQUE.match(word))),
        file=file,
        check=condition({str(name): value for name, value in detections.items()}, detections.get("condition")),
        source=source,
    )
