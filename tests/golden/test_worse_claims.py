"""A wrong picture cannot hide: with packets lost, a side missing or two clocks, no claim becomes false, and a healthy sample stays quiet."""

import random
import tempfile
from pathlib import Path

import pytest

import analyzer
from analyzer.engine.work import told
from analyzer.records.finding import Severity
from tests.golden.claims import wrong
from tests.golden.robustness import DAMAGES, SAMPLES, samples, write
from tests.golden.samples import truth

WHOLE = list(samples())
GRAVE = (Severity.MEDIUM, Severity.HIGH, Severity.CRITICAL)
PLAIN = [damage for damage in DAMAGES if "no address" not in damage]


def damaged(name: str, damage: str) -> analyzer.Case:
    (sample,) = (one for one in WHOLE if one.name == name)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for place, file in enumerate(DAMAGES[damage](sample, random.Random(1))):
            if file:
                paths.append(Path(folder, f"{place}.pcap"))
                write(paths[-1], file)
        return analyzer.analyze(paths)


@pytest.mark.parametrize("damage", PLAIN)
@pytest.mark.parametrize("name", [sample.name for sample in WHOLE])
def test_no_claim_becomes_false_and_no_alarm_is_invented(name: str, damage: str) -> None:
    known = truth(SAMPLES / name)
    result = damaged(name, damage).result
    evidence = told(result.evidence)
    assert [problem for finding in result.findings for problem in wrong(evidence, finding)] == []
    if known["healthy"]:
        allowed = {*known["expected_rules"], *known["open_rules"]}
        assert [(one.rule, one.why) for one in result.findings if one.severity in GRAVE and one.rule not in allowed] == []
