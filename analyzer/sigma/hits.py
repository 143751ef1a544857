"""The rules of folders over commands, forwarded events and operations."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from analyzer.records.forwarding import ForwardedEvent
from analyzer.records.issues import Issue
from analyzer.records.operations import CimOperation
from analyzer.records.sigma import SigmaEventHit, SigmaHit
from analyzer.records.wsman import Command
from analyzer.sigma.bounds import EVERYTHING, Bounds
from analyzer.sigma.conditions import Event
from analyzer.sigma.events import events
from analyzer.sigma.logged import Logged, asked, logged
from analyzer.sigma.reading import SigmaRule, read


class Found(NamedTuple):
    """The hits in order of commands and rules, those of events in order of rules; what was not understood of the rules."""

    hits: tuple[SigmaHit, ...]
    issues: tuple[Issue, ...]
    events: tuple[SigmaEventHit, ...] = ()


def hits(
    folders: Sequence[str],
    commands: Sequence[Command],
    forwarded: Sequence[ForwardedEvent] = (),
    operations: Sequence[CimOperation] = (),
    bounds: Bounds = EVERYTHING,
) -> Found:
    """Each rule at most once for each command, event and operation."""
    rules: list[SigmaRule] = []
    issues: list[Issue] = []
    seen, longer = _searched([*_forwarded(forwarded), *_asked(operations)], bounds.characters)
    for folder in folders:
        found = read(folder, events=bool(seen))
        rules += found.rules
        issues += [Issue("sigma.unsupported", problem) for problem in found.problems]
        if found.elsewhere:
            issues.append(Issue("sigma.other-source", f"{found.elsewhere} rules of {folder}"))
    if longer and any(rule.source.of_events for rule in rules):
        cut = f"searched_characters={bounds.characters}: later characters of {longer} texts of events and operations were not searched"
        issues.append(Issue("sigma.limit", cut, repeats=longer))
    made: list[SigmaHit] = []
    for place, command in enumerate(commands):
        if bounds.over():
            issues.append(bounds.late(len(commands) - place, "Sigma rules"))
            break
        issues += bounds.longer(command)
        known = list(events(command, command.server, bounds.characters))
        for rule in rules:
            event = next((one for one in known if rule.check(one)), None) if rule.source.of_commands else None
            if event is not None:
                made.append(_hit(rule, command, event))
    told: list[SigmaEventHit] = []
    kinds: dict[tuple[str, int], list[_Seen]] = {}
    for one in seen:
        kinds.setdefault((one.event.channel, one.event.number), []).append(one)
    own = [rule for rule in rules if rule.source.of_events] if seen else []
    for place, rule in enumerate(own):
        if bounds.over():
            issues.append(Issue("sigma.limit", f"{bounds.told}: {len(own) - place} Sigma rules were not asked about events", repeats=len(own) - place))
            break
        told += _in_events(rule, kinds)
    left = max(len(made) - bounds.most, 0) + max(len(told) - bounds.most, 0)
    if left:
        issues.append(Issue("sigma.limit", f"sigma_hits={bounds.most}", repeats=left))
    return Found(tuple(made[: bounds.most]), tuple(issues), tuple(told[: bounds.most]))


class _Seen(NamedTuple):
    subject: str
    forwarded: bool
    event: Logged


def _forwarded(found: Iterable[ForwardedEvent]) -> Iterator[_Seen]:
    """The events that were forwarded, each once."""
    for one in found:
        event = logged(one.event) if one.again is None else None
        if event is not None:
            yield _Seen(one.id, forwarded=True, event=event)


def _asked(found: Iterable[CimOperation]) -> Iterator[_Seen]:
    for one in found:
        for event in asked(one):
            yield _Seen(one.id, forwarded=False, event=event)


def _searched(found: Iterable[_Seen], most: int) -> tuple[list[_Seen], int]:
    """The events with so many characters of each of their texts, and how many texts have more."""
    kept, longer = [], 0
    for one in found:
        cut = {name: tuple(text[:most] for text in texts) for name, texts in one.event.fields.items() if any(len(text) > most for text in texts)}
        longer += sum(len(text) > most for name in cut for text in one.event.fields[name])
        kept.append(one._replace(event=one.event._replace(fields={**one.event.fields, **cut})) if cut else one)
    return kept, longer


def _in_events(rule: SigmaRule, kinds: Mapping[tuple[str, int], Sequence[_Seen]]) -> Iterator[SigmaEventHit]:
    """Once for each event and operation. ``kinds``: by channel and number."""
    told: set[str] = set()
    for (channel, number), own in kinds.items():
        for one in own if rule.source.fits(channel, number) else ():
            if one.subject not in told and rule.check(one.event.fields):
                told.add(one.subject)
                yield SigmaEventHit(
                    rule=rule.id,
                    title=rule.title,
                    level=rule.level,
                    attack=rule.attack,
                    tags=rule.tags,
                    file=rule.file,
                    subject=one.subject,
                    forwarded=one.forwarded,
                    channel=channel,
                    number=number,
                )


def _hit(rule: SigmaRule, command: Command, event: Event) -> SigmaHit:
    own = "script" if command.kind == "powershell" else "command line"
    text = event["commandline"][0]
    field = own if text in command.text else "decoded layer" if text in (command.decoded or "") else "input"
    return SigmaHit(
        rule=rule.id,
        title=rule.title,
        level=rule.level,
        attack=rule.attack,
        tags=rule.tags,
        file=rule.file,
        command=command.id,
        shell=command.shell,
        kind=command.kind,
        capture=command.capture,
        field=field,
        server=command.server,
    )
