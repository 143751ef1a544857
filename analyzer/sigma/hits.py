"""The rules of folders over commands."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from analyzer.records.issues import Issue
from analyzer.records.sigma import SigmaHit
from analyzer.records.wsman import Command, Shell
from analyzer.sigma.bounds import EVERYTHING, Bounds
from analyzer.sigma.conditions import Event
from analyzer.sigma.events import events
from analyzer.sigma.reading import SigmaRule, read


class Found(NamedTuple):
    """The hits in order of commands and rules; what was not understood of the rules."""

    hits: tuple[SigmaHit, ...]
    issues: tuple[Issue, ...]


def hits(folders: Sequence[str], commands: Sequence[Command], shells: Iterable[Shell], bounds: Bounds = EVERYTHING) -> Found:
    """Each rule at most once for each command."""
    rules: list[SigmaRule] = []
    issues: list[Issue] = []
    for folder in folders:
        found = read(folder)
        rules += found.rules
        issues += [Issue("sigma.unsupported", problem) for problem in found.problems]
        if found.elsewhere:
            issues.append(Issue("sigma.other-source", f"{found.elsewhere} rules of {folder}"))
    servers = {shell.id: shell.server for shell in shells}
    made: list[SigmaHit] = []
    for place, command in enumerate(commands):
        if bounds.over():
            issues.append(bounds.late(len(commands) - place, "Sigma rules"))
            break
        issues += bounds.longer(command)
        known = list(events(command, servers.get(command.shell, ""), bounds.characters))
        for rule in rules:
            event = next((one for one in known if rule.check(one)), None)
            if event is not None:
                made.append(_hit(rule, command, event))
    if len(made) > bounds.most:
        issues.append(Issue("sigma.limit", f"sigma_hits={bounds.most}", repeats=len(made) - bounds.most))
    return Found(tuple(made[: bounds.most]), tuple(issues))


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
    )
