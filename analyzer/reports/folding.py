"""Repeated polls drawn as one: a client that waits for output asks again and again, and the asking hides everything else.

A round is what one poll looks like on all lanes: a request and its response on each leg. Rounds that follow one another without anything between them,
on the same connections, are drawn as one round that tells how many they are, from which packet to which, and how long they took. Only what is known to be
harmless is folded: reading operations that ended well (or with OperationTimeout, which is how WinRM waits), and sealed bodies of which only the size is
known. So an error, an authentication, a hole or a close is never folded, and none lies inside a fold: each ends the run of rounds.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import TypeAlias, TypeVar

from analyzer.reports.drawings import Ladder, Step
from analyzer.reports.sequence import WAITED, Arrow
from analyzer.reports.sequence import Sequence as Drawing

LEAST = 3
"""Rounds; fewer are drawn as they are."""
_ROUND_SIZES = (2, 4, 6, 8)
"""Arrows of a round: a request and a response for each leg, or for each capture point."""
_POLLS = "Receive|ReceiveResponse|Pull|PullResponse"
_OPERATION = re.compile(rf"{_POLLS}|{WAITED}")
_HARMLESS = re.compile(rf"(?:{_POLLS}|{WAITED}|(?:encrypted|clear|TLS)(?: [\d,]+ bytes?)?|empty)")
_SIZE = re.compile(r" [\d,]+ bytes?")
_NUMBERS = re.compile(r"\d+")


Drawn: TypeAlias = Arrow | Step
One = TypeVar("One", Arrow, Step)


def folded_drawing(drawn: Drawing) -> Drawing:
    """The drawing with its repeated polls as one."""
    return drawn._replace(arrows=tuple(_folded(drawn.arrows, _arrow)))


def folded_ladder(drawn: Ladder) -> Ladder:
    """The same for a drawing out of the table."""
    return drawn._replace(steps=tuple(_folded(drawn.steps, _step)))


def _arrow(one: Arrow, head: str, details: str, packets: str, record: str) -> Arrow:
    return one._replace(head=head, details=details, packets=packets, record=record, text=f"#{packets} {head}, {details} [{record}]")


def _step(one: Step, head: str, details: str, packets: str, record: str) -> Step:
    return one._replace(head=head, details=details, packets=packets, record=record)


def _folded(arrows: Sequence[One], remade: Callable[[One, str, str, str, str], One]) -> list[One]:
    marks = [_mark(one) for one in arrows]
    made: list[One] = []
    at = 0
    while at < len(arrows):
        size, rounds = _run(arrows, marks, at)
        if rounds < LEAST:
            made.append(arrows[at])
            at += 1
            continue
        end = at + size * rounds
        took = arrows[end - 1].time_ns - arrows[at].time_ns
        for place in range(size):
            own = arrows[at + place : end : size]
            made.append(_many(own, took, _median(arrows[at:end], own), remade))
        at = end
    return made


def _mark(one: Drawn) -> tuple[object, ...] | None:
    """What makes an arrow of one round equal to that of the next; None for one that is never folded."""
    if one.kind != "message" or one.tone in {"refused", "reset"} or not one.packets:
        return None
    parts = one.details.split(", ")
    if not all(_HARMLESS.fullmatch(part) for part in parts):
        return None
    connection = one.record.rpartition(".x")[0]
    kinds = tuple(_SIZE.sub("", part) for part in parts)
    said = "answer" if not one.rightward else one.head  # a poll may end with output or with a timeout
    return one.left, one.rightward, said, connection, () if not one.rightward else kinds


def _run(arrows: Sequence[Drawn], marks: Sequence[tuple[object, ...] | None], at: int) -> tuple[int, int]:
    """(arrows of a round, rounds) of the longest run that begins here."""
    best = (1, 1)
    for size in _ROUND_SIZES:
        if at + size > len(arrows) or None in marks[at : at + size] or not _is_round(arrows[at : at + size]):
            continue
        rounds = 1
        while True:
            begin = at + size * rounds
            if marks[begin : begin + size] != marks[at : at + size] or not _is_round(arrows[begin : begin + size]):
                break
            rounds += 1
        if size * rounds > best[0] * best[1]:
            best = (size, rounds)
    return best


def _is_round(arrows: Sequence[Drawn]) -> bool:
    """Each exchange in it has its request and its response, and the first thing is a request."""
    asked = Counter(one.record for one in arrows if one.rightward)
    answered = Counter(one.record for one in arrows if not one.rightward)
    return arrows[0].rightward and asked == answered and set(asked.values()) == {1}


def _median(arrows: Sequence[One], answers: Sequence[One]) -> int | None:
    """From the requests of all rounds to their answers; None for arrows that are no answers."""
    asked = {one.record: one.time_ns for one in arrows if one.rightward}
    times = [one.time_ns - asked[one.record] for one in answers if not one.rightward and one.record in asked]
    return round(median(times)) if times else None


def _many(arrows: Sequence[One], took_ns: int, median_ns: int | None, remade: Callable[[One, str, str, str, str], One]) -> One:
    """The arrows of one place in all rounds as one; ``median_ns`` where they are answers."""
    first, last = arrows[0], arrows[-1]
    head, details = _told([one.head for one in arrows], [part for one in arrows for part in one.details.split(", ")])
    numbers = (_NUMBERS.findall(first.packets) or ["?"])[0], (_NUMBERS.findall(last.packets) or ["?"])[-1]
    each = f", median {median_ns / 1e6:,.1f} ms" if median_ns is not None else ""
    return remade(first, head, f"{details}, in {took_ns / 1e9:,.3f} s{each}", f"{numbers[0]} to #{numbers[1]}", f"{first.record} to {last.record}")


def _told(heads: list[str], parts: list[str]) -> tuple[str, str]:
    """Start line and details: how often each stands with the operation, where that is known, or with the start line."""
    starts = Counter(heads)
    operations = Counter(part for part in parts if _OPERATION.fullmatch(part))
    others = dict.fromkeys(_SIZE.sub("", part) for part in parts if not _OPERATION.fullmatch(part))
    alone = heads[0] if operations else f"{heads[0]} ×{len(heads):,}"
    head = alone if len(starts) == 1 else ", ".join(f"{word} ×{number:,}" for word, number in starts.items())
    return head, ", ".join((*(f"{word} ×{number:,}" for word, number in operations.items()), *others))
