"""What our own rules look for in what was run, line by line, with the matcher of Sigma rules.

A line is looked at as it stands and, where it holds escape characters that mean nothing to the shell (a backtick, a caret) or a text in pieces (``'a'+'b'``),
without them. Long runs of base64 are left out: what they hold is among the decoded layers, or is a file.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from analyzer.errors import UsageError
from analyzer.records.issues import Issue
from analyzer.records.sigma import Detection, Sighting
from analyzer.records.texts import blocks
from analyzer.records.wsman import Command, Outputs, outputs_of
from analyzer.sigma.bounds import EVERYTHING, Bounds
from analyzer.sigma.conditions import Check, condition
from analyzer.sigma.events import event
from analyzer.sigma.values import UnsupportedError

_LINE = 1 << 16
"""Characters of a line that are looked at; a longer one is looked at in pieces."""
_SHOWN = 180
"""Characters of a line that are shown."""
_BLOB = re.compile(r"[A-Za-z0-9+/=]{512,}+")
_ESCAPES = re.compile(r"[`^]\r?\n|[`^]|(?<=[\"'])[ \t]*\+[ \t]*(?=[\"'])")
_EMPTY = re.compile(r"[\"']{2}")
_SIGNS = ("`", "^", "+", "''", '""')
"""A line without these has no escapes, and no text in pieces."""
_BEGINS = re.compile(r"[;|&{}\n]")
_INPUT = ("input", "stdin")


class Seen(NamedTuple):
    """The sightings in order of commands and rules; an issue where there are more than are kept."""

    sightings: tuple[Sighting, ...]
    issues: tuple[Issue, ...]


class _Asked(NamedTuple):
    rule: str
    detection: Detection
    check: Check


class _Text(NamedTuple):
    """A text of a command, and the packets that brought what begins at each offset."""

    field: str
    text: str
    packets: Sequence[tuple[int, tuple[int, ...]]]


def sightings(asked: Mapping[str, Sequence[Detection]], commands: Sequence[Command], bounds: Bounds = EVERYTHING) -> Seen:
    """Each detection at most once for each text of a command: the first line that fits. `UsageError`: a detection that is not understood."""
    checks = [_asked(rule, one) for rule, detections in asked.items() for one in detections]
    words = re.compile("|".join(sorted({re.escape(word) for one in checks for word in one.detection.words}, key=len, reverse=True)))
    made: list[Sighting] = []
    issues: list[Issue] = []
    for place in _worth(commands, words, bounds):
        command = commands[place]
        if bounds.over():
            issues.append(bounds.late(len(commands) - place, "the rules over commands"))
            break
        issues += bounds.longer(command)
        for text in _texts(command, bounds.characters):
            made += _in_text(command, text, checks, words, command.server)
    if len(made) > bounds.most:
        issues.append(Issue("sigma.limit", f"sightings={bounds.most}", repeats=len(made) - bounds.most))
    return Seen(tuple(made[: bounds.most]), tuple(issues))


def _worth(commands: Sequence[Command], words: re.Pattern[str], bounds: Bounds) -> Iterator[int]:
    """The places of commands, without most of those whose texts have none of the words: many are searched at a time. What has escapes, long base64 or input, or
    more than is looked at, is never left out."""
    begin = 0
    for number, whole in blocks(commands):
        low = whole.lower()
        odd = not whole.isascii() or len(whole) > bounds.characters or any(sign in low for sign in _SIGNS) or _BLOB.search(whole) is not None
        if odd or words.search(low) is not None or any(_has_input(command) for command in commands[begin : begin + number]):
            yield from range(begin, begin + number)
        begin += number


def _has_input(command: Command) -> bool:
    known = command.outputs
    return bool(known.runs) and any(run.stream in _INPUT for run in known.runs) if isinstance(known, Outputs) else bool(known)


def _asked(rule: str, one: Detection) -> _Asked:
    try:
        return _Asked(rule, one, condition(one.selection, one.selection.get("condition")))
    except UnsupportedError as error:
        msg = f"rule {rule}, what it looks for as {one.name}: {error}"
        raise UsageError(msg) from None


def _texts(command: Command, most: int) -> Iterator[_Text]:
    own = "script" if command.kind == "powershell" else "command line"
    yield _Text(own, command.text[:most], ((0, command.packets),))
    if command.decoded:
        yield _Text("decoded layer", command.decoded[:most], ((0, command.packets),))
    pieces, places, at = [], [], 0
    for output in outputs_of(command.outputs, _INPUT):
        pieces.append(output.text)
        places.append((at, output.packets))
        at += len(output.text)
        if at > most:
            break
    if pieces:
        yield _Text("input", "".join(pieces)[:most], places)


def _in_text(command: Command, text: _Text, checks: Sequence[_Asked], words: re.Pattern[str], server: str) -> Iterator[Sighting]:
    left = list(checks)
    for at, line in _lines(text.text):
        plain = line.lower()
        bare = _bare(plain)
        if words.search(bare) is None and words.search(plain) is None:
            continue
        for form in dict.fromkeys((plain, bare)):
            known = event(command, form, server)
            for one in [one for one in left if any(word in form for word in one.detection.words)]:
                if one.check(known):
                    left.remove(one)
                    shown = _shown(text.text[at : at + len(line)], line, one.detection.words, plain=form == plain)
                    yield Sighting(
                        one.rule,
                        one.detection,
                        command.id,
                        command.shell,
                        command.kind,
                        command.capture,
                        text.field,
                        shown,
                        _packets(text, at) or command.packets,
                        form == plain,
                        command.server,
                    )


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """(offset, line without base64, as long as it is); of a line that goes on over its end by a backtick or a caret, all of it."""
    kept = _BLOB.sub(lambda found: " " * len(found[0]), text)
    at = 0
    for line in re.split(r"(?<![`^])(?<![`^]\r)\r?\n", kept):
        for begin in range(0, max(len(line), 1), _LINE):
            yield at + begin, line[begin : begin + _LINE]
        at += len(line) + (2 if kept.startswith("\r\n", at + len(line)) else 1)


def _bare(line: str) -> str:
    """Without escapes and with the pieces of texts put together."""
    if not any(sign in line for sign in _SIGNS):
        return line
    return _EMPTY.sub("", _ESCAPES.sub("", line))


def _bare_places(line: str) -> tuple[str, list[int]]:
    """The same, and where each of its characters stands in the line."""
    places = list(range(len(line)))
    for left_out in (_ESCAPES, _EMPTY):
        at, kept = 0, []
        for found in left_out.finditer(line):
            kept += places[at : found.start()]
            at = found.end()
        places = kept + places[at:]
        line = left_out.sub("", line)
    return line, places


def _shown(line: str, looked_at: str, words: Sequence[str], *, plain: bool) -> str:
    """The line; of a long one, from the beginning of the statement in which a word stands. ``looked_at`` is the line without base64, as long."""
    whole = " ".join(line.split())
    if len(whole) <= _SHOWN:
        return whole
    lower, places = (looked_at.lower(), range(len(looked_at))) if plain else _bare_places(looked_at.lower())
    at = min((places[place] for word in words if 0 <= (place := lower.find(word)) < len(places)), default=0)
    begins = [found.end() for found in _BEGINS.finditer(looked_at, max(0, at - _SHOWN // 2), at)]
    begin = begins[-1] if begins else max(0, at - _SHOWN // 2)
    shown = " ".join(line[begin : begin + _SHOWN].split())
    return f"{'…' if begin else ''}{shown}{'…' if begin + _SHOWN < len(line) else ''}"


def _packets(text: _Text, at: int) -> tuple[int, ...]:
    found: tuple[int, ...] = ()
    for begin, packets in text.packets:
        if begin > at:
            break
        found = packets
    return found
