"""The rules of folders that the user names. Each file is loaded and run by a process of its own: whatever one does (fails on import, raises, yields something
else, loops, ends its process) costs its own issue and nothing else.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

import msgspec
from msgspec import Struct

from analyzer.engine.forks import apart
from analyzer.engine.sightings import sighted
from analyzer.errors import UsageError
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.issues import Issue
from analyzer.rules.catalogue import File, Rule, loaded, rule_files
from analyzer.settings import Limits

_DETAIL = 300


class Own(Struct, frozen=True, gc=False):
    """What one of the user's rules found, its title, and the rules whose findings it explains."""

    id: str
    title: str
    explains: tuple[str, ...]
    findings: tuple[Finding, ...]
    more: bool = False
    """It found more than the limit, which were left out."""


def own_findings(
    evidence: Evidence, folders: Sequence[str], thresholds: Mapping[str, Mapping[str, float]], limits: Limits
) -> tuple[tuple[Own, ...], tuple[Issue, ...]]:
    """What the rules of these folders found, and an issue for each that failed. `UsageError`: there is no such folder."""
    found: list[Own] = []
    issues: list[Issue] = []
    for file in rule_files(folders):
        done = apart(_run, (file, evidence, thresholds.get(file.id, {}), limits), limits.own_rule_s)
        if isinstance(done, Own):
            found.append(done)
            if done.more:
                issues.append(Issue("rule.limit", f"{file.id}: only the first {limits.own_rule_findings:,} findings are kept ({file.path})"))
        else:
            issues.append(Issue("rule.failed", f"{file.id}: {done or f'it ended its process, or took more than {limits.own_rule_s:g} s'} ({file.path})"))
    return tuple(found), tuple(issues)


def own_rules(folders: Sequence[str]) -> tuple[Rule, ...]:
    """The rules of these folders, loaded to be listed and explained. `UsageError`: no such folder, or one of its files is no rule."""
    found = []
    for file in rule_files(folders):
        try:
            found.append(loaded(file))
        except Exception as error:  # the licensed place, as below
            msg = f"{file.path}: {type(error).__name__}: {error}"
            raise UsageError(msg) from error
    return tuple(found)


def _run(file: File, evidence: Evidence, given: Mapping[str, float], limits: Limits) -> Own | str:
    """What the rule of a file found, or why there is nothing."""
    try:
        rule = loaded(file)
        unknown = sorted(given.keys() - {param.name for param in rule.params})
        if unknown:
            return f"it has no parameter {', '.join(unknown)}"
        evidence = sighted(evidence, {rule.id: rule.looks_for} if rule.looks_for else {}, limits)
        kept = list(islice(_checked(rule.find(evidence, given)), limits.own_rule_findings + 1))
        more = len(kept) > limits.own_rule_findings
        return Own(rule.id, str(rule.title), tuple(map(str, rule.opinion.explains)), tuple(kept[: limits.own_rule_findings]), more)
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  the licensed place: a user's rule must not cost the run
        return f"{type(error).__name__}: {error}"[:_DETAIL]


def _checked(findings: Iterator[Finding]) -> Iterator[Finding]:
    """The findings as they are declared: words that are no text and packets that are no numbers raise `msgspec.ValidationError`."""
    for finding in findings:
        yield msgspec.convert(msgspec.to_builtins(finding), Finding)
