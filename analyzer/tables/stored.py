"""Findings out of a stored table as records again, so that what prints findings prints stored ones too."""

import json
import re
from collections.abc import Iterator, Sequence

from analyzer.records.capture import Capture
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, ProductSetting, Severity
from analyzer.records.ids import packet_key
from analyzer.records.result import Result
from analyzer.tables.captures import CAPTURES
from analyzer.tables.column import Value
from analyzer.tables.findings import FINDINGS, rank

_SET = re.compile(r"\d{1,12}(?:\.\.\d{1,12})?(?:,\d{1,12}(?:\.\.\d{1,12})?)*")
_MOST_PACKETS = 1_000_000
"""Of one set; a longer range does not come from this program."""


def stored_result(captures: Sequence[tuple[Value, ...]], findings: Sequence[tuple[Value, ...]], least: Severity) -> Result:
    """A result with nothing but captures and the findings of at least that severity."""
    files = tuple(_capture(place, dict(zip(CAPTURES.names, row, strict=True))) for place, row in enumerate(captures))
    made = [_finding(dict(zip(FINDINGS.names, row, strict=True)), files) for row in findings]
    empty = Evidence(files, {}, {}, {}, {}, (), {}, (), {}, {}, (), {}, frozenset(), ())
    return Result(empty, tuple(one for one in made if rank(one.severity) >= rank(least)), {})


def _capture(place: int, row: dict[str, Value]) -> Capture:
    return Capture(place, str(row["path"] or ""), str(row["capture"] or ""), str(row["format"] or ""), int(row["size_bytes"] or 0))


def _finding(row: dict[str, Value], captures: Sequence[Capture]) -> Finding:
    def text(name: str) -> str:
        return str(row[name] or "")

    def listed(name: str) -> tuple[str, ...]:
        return tuple(text(name).split(",")) if row[name] else ()

    level = text("severity")
    return Finding(
        rule=text("rule"), subject=text("subject"), severity=Severity(level) if level in set(Severity) else Severity.INFO,
        confidence=float(row["confidence"] or 0), title=text("title"), why=text("why"), evidence=listed("evidence"),
        packets=tuple(packet_keys(text("packets"), text("capture"), captures)), advice=text("advice"), reference=text("reference"),
        first_ns=int(row["time"] or 0), last_ns=int(row["end_time"] or 0), connections=listed("connections"), exchanges=listed("exchanges"),
        attack=listed("attack"), user=text("user") or None, source=text("source") or None, destination=text("destination") or None,
        owner=text("owner") or None, reference_text=text("reference_text") or None, settings=tuple(_settings(text("settings"))),
    )  # fmt: skip


def _settings(told: str) -> Iterator[ProductSetting]:
    """What cannot be read gives none: a folder may come from anywhere."""
    try:
        found = json.loads(told) if told else []
    except (ValueError, RecursionError):
        return
    for one in found if isinstance(found, list) else []:
        if isinstance(one, dict):
            product, setting, link = (str(one.get(name, "")) for name in ("product", "setting", "link"))
            yield ProductSetting(product, setting, link, bool(one.get("seen")))


def packet_keys(packets: str, capture: str, captures: Sequence[Capture]) -> Iterator[int]:
    """The keys of a set as `packet_set` writes it; ``capture`` is the one that a set without names is of. What cannot be read gives none."""
    ordinals = {one.name: one.ordinal for one in captures}
    if _SET.fullmatch(packets):
        yield from _keys(packets, ordinals.get(capture))
        return
    for name, ordinal in ordinals.items():
        for found in re.finditer(rf"(?:^|;){re.escape(name)}:({_SET.pattern})(?=;|$)", packets):
            yield from _keys(found[1], ordinal)


def _keys(numbers: str, ordinal: int | None) -> Iterator[int]:
    if ordinal is None:
        return
    for piece in numbers.split(","):
        first, _, last = piece.partition("..")
        for number in range(int(first), min(int(last or first), int(first) + _MOST_PACKETS) + 1):
            yield packet_key(ordinal, number)
