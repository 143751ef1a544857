"""Lines that rules look for: each with its text, its packets and the form in which it fits; a rule of the user's folder may look for some, too."""

from pathlib import Path

import pytest

from analyzer.errors import UsageError
from analyzer.records.finding import Severity
from analyzer.records.sigma import Detection
from analyzer.records.wsman import Command, Output
from analyzer.sigma.bounds import Bounds
from analyzer.sigma.sightings import sightings

WORD = Detection("word", ("seek",), {"line": {"CommandLine|contains": "seek"}, "condition": "line"}, "seeks", Severity.LOW, ("T1003",))
BOTH = Detection("both", ("one",), {"line": {"CommandLine|contains|all": ["one", "two"]}, "condition": "line"}, "has both", Severity.LOW, ())


def command(text: str, *inputs: str, decoded: str | None = None, kind: str = "winrs") -> Command:
    outputs = tuple(Output("stdin", place, 0, (100 + place,), one, len(one)) for place, one in enumerate(inputs, 1))
    return Command("C", "S", kind, text, decoded, 0, 1, 0, "Done", outputs, None, 0, (7, 8))


def seen(one: Command, *detections: Detection) -> list[tuple[str, str, str, tuple[int, ...], bool]]:
    found = sightings({"attack.x": detections or (WORD,)}, [one]).sightings
    return [(sighting.detection.name, sighting.field, sighting.line, sighting.packets, sighting.plain) for sighting in found]


def test_a_line_and_its_packets() -> None:
    assert seen(command("do SEEK it")) == [("word", "command line", "do SEEK it", (7, 8), True)]
    assert seen(command("a\r\nb seek\r\nseek", kind="powershell")) == [("word", "script", "b seek", (7, 8), True)]
    assert seen(command("x", decoded="a\nthen seek")) == [("word", "decoded layer", "then seek", (7, 8), True)]
    assert seen(command("x", "first\n", "a\nthen se", "ek\n")) == [("word", "input", "then seek", (102,), True)]
    assert seen(command("nothing")) == []


def test_both_words_have_to_stand_on_one_line() -> None:
    assert seen(command("one two"), BOTH)
    assert seen(command("one ^\r\n two"), BOTH), "a line that goes on"
    assert seen(command("one\ntwo"), BOTH) == []


@pytest.mark.parametrize("text", ["s^e^ek", "se`ek", "'se'+'ek'", '"se" + "ek"', "se''ek"])
def test_escapes_are_taken_out(text: str) -> None:
    assert seen(command(text)) == [("word", "command line", text, (7, 8), False)]


def test_a_long_line_is_shown_from_its_statement_on() -> None:
    ((_, _, line, _, _),) = seen(command(f"{'a=1; ' * 200}then 'se'+'ek' it; {'b=2; ' * 200}"))
    assert line.startswith("\u2026then 'se'+'ek' it; b=2;")
    assert line.endswith("\u2026")
    assert len(line) < 200


def test_base64_is_not_looked_at() -> None:
    assert seen(command(f"x {'seek' * 200}")) == []
    assert seen(command(f"x {'A' * 2000} seek"))[0][2].endswith("seek")


def test_a_limit_is_told() -> None:
    found = sightings({"attack.x": (WORD,)}, [command("seek")] * 5, Bounds(most=2))
    assert (len(found.sightings), [(issue.code, issue.detail, issue.repeats) for issue in found.issues]) == (2, [("sigma.limit", "sightings=2", 3)])


def test_what_is_not_understood_is_said() -> None:
    wrong = Detection("wrong", ("a",), {"line": {"CommandLine|re": "(a+)+(?!b)"}, "condition": "line"}, "", Severity.LOW, ())
    with pytest.raises(UsageError, match=r"rule attack.x, what it looks for as wrong"):
        sightings({"attack.x": (wrong,)}, [])


RULE = '''
"""A rule of a user."""
from analyzer.records.finding import Severity
from analyzer.records.sigma import Detection
from analyzer.rules.attack._lines import place, seen, why
from analyzer.rules.telling import Opinion, Owner

SEEN = Detection("own", ("whoami",), {"line": {"CommandLine|contains": "whoami"}, "condition": "line"}, "asks who it is", Severity.LOW, ("T1033",))
OPINION = Opinion(title="Own", severity=Severity.LOW, confidence=0.5, reference="none", advice="none", see=seen("local.own"), why=why, owner=Owner.CLIENT,
                  each=place, looks_for=(SEEN,))
'''


def test_a_rule_of_a_folder(tmp_path: Path) -> None:
    import analyzer

    (tmp_path / "own.py").write_text(RULE, encoding="utf-8")
    sample = Path(__file__).resolve().parents[3] / "sample_pcaps" / "squid-ntlm-healthy"
    case = analyzer.analyze(sorted(sample.glob("capture.pcap*")), secrets=sample / "secrets.toml", rules_dirs=[tmp_path])
    (finding,) = [one for one in case.result.findings if one.rule == "local.own"]
    assert "\u201cwhoami\u201d" in finding.why
    assert "It asks who it is." in finding.why
