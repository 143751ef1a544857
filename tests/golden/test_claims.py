"""Every claim of every finding is asked again of the records: over all samples, and over public captures where there are any."""

from functools import cache
from pathlib import Path

import pytest
from msgspec.structs import replace

import analyzer
from analyzer.engine.work import told
from analyzer.records.result import Result
from tests.golden.claims import CLAIMS, claimed, wrong
from tests.golden.samples import captures, truth
from tests.oracle.captures import PUBLIC, path

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
FOLDERS = [path.parent for path in sorted(SAMPLES.glob("*/truth.json"))]
_LARGEST = 2_000_000


@cache
def analyzed(paths: tuple[str, ...]) -> Result:
    return analyzer.analyze(list(paths)).result


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_finding_of_a_sample_claims_what_no_record_holds(folder: Path) -> None:
    result = analyzed(tuple(captures(folder, truth(folder))))
    evidence = told(result.evidence)
    assert [problem for finding in result.findings for problem in wrong(evidence, finding)] == []


@pytest.mark.parametrize("name", [name for name in PUBLIC if path(name).stat().st_size < _LARGEST])
def test_no_finding_of_a_public_capture_claims_what_no_record_holds(name: str) -> None:
    try:
        result = analyzer.analyze([str(path(name))]).result
    except analyzer.AnalyzerError:
        pytest.skip("not a capture that is read")
    evidence = told(result.evidence)
    assert [problem for finding in result.findings for problem in wrong(evidence, finding)] == []


def test_the_samples_make_claims_of_every_kind() -> None:
    seen = dict.fromkeys((claim.name for claim in CLAIMS), 0)
    for folder in FOLDERS:
        for finding in analyzed(tuple(captures(folder, truth(folder)))).findings:
            for claim in CLAIMS:
                seen[claim.name] += len(claim.pattern.findall(finding.why))
    assert min(seen.values()) > 0, seen


def test_a_false_claim_is_seen() -> None:
    folder = SAMPLES / "badproxy-close-after-200"
    result = analyzed(tuple(captures(folder, truth(folder))))
    finding = next(one for one in result.findings if one.rule == "tcp.close-after-auth-2xx")
    evidence = told(result.evidence)
    assert claimed(evidence, finding) > 3
    for text in (
        "packet 9999",
        "c1.x99",
        "c1 (10.0.0.1:5 to 10.0.0.2:6)",
        "10.99.99.99 did it",
        "status 418",
        "The client closed the connection at once (FIN, packet 23)",
        "as EXAMPLE\\nobody",
    ):
        assert list(wrong(evidence, replace(finding, why=text))), text
