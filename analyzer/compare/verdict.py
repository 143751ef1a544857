"""What two cases come to next to each other: the first difference, who is responsible for it, and what else differs."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from enum import IntEnum
from statistics import median
from typing import NamedTuple

from analyzer.compare.aligned import Aligned, Pair, aligned
from analyzer.compare.rows import Row, Rows, text
from analyzer.compare.steps import TRAVEL, Step

_LEVELS = ("critical", "high", "medium", "low")
_SLOWER, _SLOWER_S = 2.0, 0.05
"""A median that is so many times, and at least so many seconds, longer is a difference in time."""
_CHARS = 120
_WELL = "answered 200"


class Difference(NamedTuple):
    """Something that both have and that is not the same: its name, the value of each, and how many steps show it."""

    what: str
    left: str
    right: str
    times: int


class Near(IntEnum):
    """What a finding has in common with a step, and how that is told."""

    STEP = 0
    CONNECTION = 1
    CLIENT = 2


_TELLS = {Near.STEP: "names this step", Near.CONNECTION: "is about this connection", Near.CLIENT: "is about the same client"}


class Named(NamedTuple):
    """A finding that has to do with the first difference."""

    case: str
    finding: str
    rule: str
    title: str
    near: Near


class Comparison(NamedTuple):
    """``verdict``: sentences. ``named``: the findings that have to do with the first difference, the one that tells it best first."""

    left: str
    right: str
    pairs: tuple[Pair, ...]
    first: int | None
    verdict: tuple[str, ...]
    named: tuple[Named, ...]
    differences: tuple[Difference, ...]


def comparison(left: Rows, right: Rows) -> Comparison:
    """The second case against the first one."""
    made = _of_substance(aligned(left, right))
    named = tuple(_named(made, left, right))
    differences = (*_details(made.pairs), *_times(made.pairs), *_rules(left, right))
    return Comparison(left.name, right.name, made.pairs, made.first, tuple(_verdict(made, left, right, named)), named, differences)


def _of_substance(made: Aligned) -> Aligned:
    """Where one case only goes on for longer after an answered request, the first difference is the first one in how requests travelled, if there is any."""
    if made.first is None:
        return made._replace(first=next((place for place, pair in enumerate(made.pairs) if _way(pair)), None))
    before = made.pairs[made.first - 1] if made.first else None
    start = made.pairs[made.first]
    only = {side for side in ("left", "right") if _next(made, side) is None}
    if not only or before is None or before.left is None or (before.left_client, before.right_client) != (start.left_client, start.right_client):
        return made
    went_well = before.left.kind == "request" and before.left.outcome.startswith(_WELL)
    first = next((place for place, pair in enumerate(made.pairs[: made.first]) if _way(pair)), None) if went_well else None
    return made if first is None else made._replace(first=first)


def _way(pair: Pair) -> list[tuple[str, str, str]]:
    """What differs in how the requests of two steps travelled: (what, left, right)."""
    if pair.left is None or pair.right is None:
        return []
    other = dict(pair.right.details)
    return [(what, a, other[what]) for what, a in pair.left.details if what in TRAVEL and a != other.get(what, a)]


def _verdict(made: Aligned, left: Rows, right: Rows, named: Sequence[Named]) -> Iterator[str]:
    if not made.pairs:
        yield "Neither case has WinRM traffic of a client, so there is nothing to compare."
        return
    if made.first is None:
        yield f"The clients did the same in both cases, with the same outcome: {len(made.pairs):,} steps."
        yield from _alone(left, right)
        return
    pair = made.pairs[made.first]
    if pair.same:
        yield from _travelled(pair, left, right, named)
        return
    own = [one for one in made.pairs[: made.first] if (one.left_client, one.right_client) == (pair.left_client, pair.right_client)]
    whom = f"Client {pair.right_client or pair.left_client}"
    if pair.left_client is None or pair.right_client is None:
        yield f"{whom} is only in {left.name if pair.right_client is None else right.name}."
    elif own and own[-1].left is not None:
        count = f"{len(own):,} step{'s' if len(own) > 1 else ''}"
        yield f"{whom}: both cases are alike for {count}, up to this one: {_common(own[-1], left.name, right.name)}."
    else:
        yield f"{whom}: the cases differ from the first step on."
    for name, step, rows in ((left.name, _next(made, "left"), left), (right.name, _next(made, "right"), right)):
        yield f"Then in {name}: {_told(step, rows)}." if step is not None else f"Then in {name}: nothing more of this client."
    yield from _finding(named)


def _alone(left: Rows, right: Rows) -> Iterator[str]:
    """Where all steps agree: the most severe finding that only one of them has, of the second case first."""
    for rows, others in ((right, left), (left, right)):
        known = {text(row, "rule") for row in others.table("findings")}
        own = [row for row in rows.table("findings") if row["severity"] in _LEVELS and text(row, "rule") not in known and not row["explained_by"]]
        if own:
            first = min(own, key=_rank)
            yield f"Only {rows.name} has finding {text(first, 'finding_id')}: {text(first, 'title').rstrip('.')}."
            return


def _common(pair: Pair, left: str, right: str) -> str:
    """A step that both have, in words; how often is said of each where it is not the same."""
    if pair.left is None or pair.right is None or pair.left.times == pair.right.times:
        return pair.left.words if pair.left is not None else ""
    return f"{pair.left._replace(times=1).words} ({pair.left.times:,} in {left}, {pair.right.times:,} in {right})"


def _finding(named: Sequence[Named]) -> Iterator[str]:
    if named:
        one = named[0]
        yield f"Finding {one.finding} of {one.case} {_TELLS[one.near]}: {one.title.rstrip('.')}."
    else:
        yield "No finding tells why."


def _travelled(pair: Pair, left: Rows, right: Rows, named: Sequence[Named]) -> Iterator[str]:
    """The steps agree; what happened to the requests on their way does not."""
    if pair.left is None or pair.right is None:
        return
    yield f"Client {pair.right_client or pair.left_client} did the same in both cases, as far as both go."
    yield f"The first difference is on the way of this step: {pair.right._replace(times=1).words}."
    yield f"It begins with packet {_packet(pair.left)} in {left.name}, {_packet(pair.right)} in {right.name}."
    for what, a, b in _way(pair):
        yield f"{what[:1].upper()}{what[1:]}: {a[:_CHARS] or 'none'} in {left.name}, {b[:_CHARS] or 'none'} in {right.name}."
    yield from _finding(named)


def _next(made: Aligned, side: str) -> Step | None:
    """The first step of that side at or after the first difference, of the same client."""
    if made.first is None:
        return None
    start = made.pairs[made.first]
    for pair in made.pairs[made.first :]:
        if (pair.left_client, pair.right_client) != (start.left_client, start.right_client):
            return None
        step = pair.left if side == "left" else pair.right
        if step is not None:
            return step
    return None


def _packet(step: Step) -> str:
    return step.packets.partition(",")[0].partition("..")[0]


def _told(step: Step, rows: Rows) -> str:
    packet = _packet(step)
    of = f" of {step.capture}" if len(rows.table("captures")) > 1 else ""
    return f"{step.words}{f' (packet {packet}{of})' if packet else ''}"


def _named(made: Aligned, left: Rows, right: Rows) -> Iterator[Named]:
    """Findings of low severity and more that have to do with the first difference, of the second case first, then the nearest."""
    if made.first is None:
        return
    start = made.pairs[made.first]
    for rows, side, client in ((right, "right", start.right_client), (left, "left", start.left_client)):
        step = _next(made, side)
        found = [(row, _near(row, step, client)) for row in rows.table("findings") if row["severity"] in _LEVELS]
        about = [(row, near) for row, near in found if near is not None]
        ends = step is None or step.kind == "end"  # what ends connections does so again and again: the most severe finding tells it best
        for row, near in sorted(about, key=lambda item: (bool(item[0]["explained_by"]), *((_rank(item[0]), item[1]) if ends else (item[1], _rank(item[0]))))):
            yield Named(rows.name, text(row, "finding_id"), text(row, "rule"), text(row, "title"), near)


def _near(row: Row, step: Step | None, client: str | None) -> Near | None:
    records = step.records if step is not None else frozenset()
    if records & set(text(row, "exchanges").split(",")):
        return Near.STEP
    if records & set(text(row, "connections").split(",")):
        return Near.CONNECTION
    return Near.CLIENT if client is not None and row["source"] == client else None


def _rank(row: Row) -> int:
    return _LEVELS.index(text(row, "severity"))


def _details(pairs: Sequence[Pair]) -> Iterator[Difference]:
    """What differs in steps of the same kind: offers, versions, header fields, names."""
    found: dict[tuple[str, str, str], int] = defaultdict(int)
    for pair in pairs:
        if pair.left is None or pair.right is None:
            continue
        other = dict(pair.right.details)
        for what, value in pair.left.details:
            if value != other.get(what, value):
                found[what, value, other[what]] += 1
    for (what, a, b), times in sorted(found.items(), key=lambda item: -item[1]):
        yield Difference(what, a[:_CHARS] or "none", b[:_CHARS] or "none", times)


def _times(pairs: Sequence[Pair]) -> Iterator[Difference]:
    """Steps whose usual duration is far longer in one of them."""
    took: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for pair in pairs:
        for side, step in enumerate((pair.left, pair.right)):
            if step is not None:
                took[step.key][side].extend(step.seconds)
    for key, (a, b) in took.items():
        if a and b:
            x, y = median(a), median(b)
            if max(x, y) > _SLOWER * min(x, y) and abs(x - y) >= _SLOWER_S:
                yield Difference(f"median time of {key}", f"{x:.3f} s", f"{y:.3f} s", min(len(a), len(b)))


def _rules(left: Rows, right: Rows) -> Iterator[Difference]:
    """Findings that only one of them has, by rule."""
    own, other = ({text(row, "rule"): text(row, "severity") for row in rows.table("findings")} for rows in (left, right))
    for rule in sorted(own.keys() | other.keys()):
        if (rule in own) != (rule in other):
            yield Difference(f"finding {rule}", own.get(rule, "none"), other.get(rule, "none"), 1)
