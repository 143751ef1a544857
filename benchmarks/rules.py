"""What each rule costs: ``python -m benchmarks.rules CAPTURE [SECRETS [RULES]]`` prints CPU milliseconds by rule, the dearest first.

Whoever asks a shared question first (`analyzer.records.candidates`) pays for it: the order of the rules decides, so look at the sum, too.
"""

import sys
import time
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from analyzer import api
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.rules.catalogue import Rule
from analyzer.settings import Limits


class Cost(NamedTuple):
    """CPU seconds of a rule, and its findings."""

    rule: str
    seconds: float
    findings: int


def costs(path: str, secrets: str | None = None) -> tuple[Cost, ...]:
    """What each rule costs in an analysis of ``path``, the dearest first."""
    spent: list[Cost] = []
    find = Rule.find

    def timed(rule: Rule, evidence: Evidence, given: Mapping[str, float] | None = None) -> Iterable[Finding]:
        began = time.process_time()
        found = list(find(rule, evidence, given))
        spent.append(Cost(rule.id, time.process_time() - began, len(found)))
        return found

    Rule.find = timed  # type: ignore[method-assign, assignment]  # a measurement
    try:
        api.analyze(path, secrets=secrets, limits=Limits(fork_bytes=1 << 62))  # in one process: the clock sees no other
    finally:
        Rule.find = find  # type: ignore[method-assign]
    return tuple(sorted(spent, key=lambda cost: -cost.seconds))


if __name__ == "__main__":
    own = costs(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
    for one in own[: int(sys.argv[3]) if len(sys.argv) > 3 else 40]:
        print(f"{one.seconds * 1e3:10.1f} ms {one.findings:7} {one.rule}")
    print(f"{sum(one.seconds for one in own) * 1e3:10.1f} ms {sum(one.findings for one in own):7} of {len(own)} rules")
