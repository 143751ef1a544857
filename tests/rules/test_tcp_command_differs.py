from pathlib import Path

import pytest

from analyzer.records.finding import Severity
from tests.build.deceptions import HIDDEN, SHOWN, second_version
from tests.rules.judging import judge_files, names, packets

RULE = "tcp.command-differs"
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("numbered", [False, True])
def test_both_versions_are_told(tmp_path: Path, numbered: bool) -> None:  # noqa: FBT001
    """Also where the second one has all the numbers of the first: a copy of a packet has its bytes, too."""
    done = judge_files([second_version(tmp_path, numbered=numbered)])

    finding = done.one(RULE)

    assert (finding.severity, packets(finding)) == (Severity.HIGH, [5, 6])
    assert names(finding, 5)
    assert f"\u201c{SHOWN}\u201d in packet 5. Packet 6 has \u201c{HIDDEN}\u201d" in finding.why
    assert [one.text.strip() for one in done.evidence.commands] == [SHOWN]


@pytest.mark.parametrize("numbered", [False, True])
def test_the_same_version_again(tmp_path: Path, numbered: bool) -> None:  # noqa: FBT001
    done = judge_files([second_version(tmp_path, numbered=numbered, differs=False)])
    assert done.found(RULE) == []
    assert not [issue for issue in done.evidence.issues if issue.code == "tcp.conflict"]
    assert [issue.code for issue in done.evidence.issues] == (["capture.duplicate-packets"] if numbered else [])


def test_a_signature_proves_what_was_used() -> None:
    done = judge_files([ROOT / "sample_pcaps/overlap-with-other-content/capture.pcap"])
    assert done.found(RULE) == []


def test_a_head_names_no_command(tmp_path: Path) -> None:
    done = judge_files([second_version(tmp_path, head=True)])
    assert [issue for issue in done.evidence.issues if issue.code == "tcp.conflict"]
    assert done.found(RULE) == []
