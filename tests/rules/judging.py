"""Runs the analyzer over a wire's captures, and asks what the rules found."""

import re
import tempfile
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NamedTuple

from analyzer.engine.local import run
from analyzer.engine.work import told
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.ids import key_number
from analyzer.records.proxy import Scorecard
from analyzer.rules.catalogue import rules
from analyzer.settings import Limits, Scope
from tests.build.talks import Wire


class Judged(NamedTuple):
    """What a run gave."""

    evidence: Evidence
    findings: tuple[Finding, ...]
    scorecards: tuple[Scorecard, ...] = ()

    def one(self, rule: str) -> Finding:
        """The only finding of that rule that is reported."""
        (found,) = (finding for finding in self.findings if finding.rule == rule)
        return found

    def found(self, rule: str) -> list[Finding]:
        """What the rule itself finds, before findings that another one explains are left out."""
        (own,) = (known for known in rules() if known.id == rule)
        return list(own.find(told(self.evidence)))

    @property
    def rules(self) -> set[str]:
        """The rules that are reported."""
        return {finding.rule for finding in self.findings}


def judge(lan: Wire, *, hosts: Collection[str] = (), first: int = 1, last: int | None = None, snap: int = 262_144, limits: Limits | None = None) -> Judged:
    """One capture of the wire, taken at ``hosts`` (everywhere, when there are none)."""
    with tempfile.TemporaryDirectory() as folder:
        return judge_files([lan.capture(Path(folder, "wire.pcap"), hosts=hosts, first=first, last=last, snap=snap)], limits)


def judge_files(captures: Sequence[Path], limits: Limits | None = None) -> Judged:
    """These captures together."""
    done = run([str(path) for path in captures], limits or Limits(), Scope())
    done.sources.close()
    return Judged(done.result.evidence, done.result.findings, done.result.scorecards)


def packets(finding: Finding) -> list[int]:
    """The numbers of a finding's packets, as Wireshark counts them."""
    return [key_number(key) for key in finding.packets]


def names(finding: Finding, *numbers: int) -> bool:
    """Whether the finding's reasons name these packets."""
    return all(re.search(rf"\bpacket {number}\b", finding.why) for number in numbers)
