"""A folder of rules is read as far as it is understood; what is not costs itself only, and no rule takes long or stops a run."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analyzer.errors import UsageError
from analyzer.records.wsman import Command
from analyzer.sigma.conditions import condition
from analyzer.sigma.events import events
from analyzer.sigma.hits import hits
from analyzer.sigma.reading import read
from analyzer.sigma.values import UnsupportedError, alternatives

RULE = """
title: Download cradle
id: 11111111-2222-3333-4444-555555555555
level: {level}
tags: [attack.execution, attack.t1059.001]
logsource: {{product: windows, category: {category}}}
detection:
  selection: {{ScriptBlockText|contains: DownloadString}}
  condition: {condition}
"""


def rule(*, level: str = "high", category: str = "ps_script", condition: str = "selection") -> str:
    return RULE.format(level=level, category=category, condition=condition)


def command(text: str, *, kind: str = "powershell", decoded: str | None = None) -> Command:
    return Command("B", "A", kind, text, decoded, 1, 2, None, None, (), "LAB\\alice", 0, (5,))


def test_rules_and_what_is_no_rule(tmp_path: Path) -> None:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "er" / "good.yml").write_text(rule() + "---" + rule(level="odd"), encoding="utf-8-sig")
    (tmp_path / "other.yaml").write_text(rule(category="registry_set"), encoding="utf-8")
    (tmp_path / "broken.yml").write_text("a: [", encoding="utf-8")
    (tmp_path / "binary.yml").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "count.yml").write_text(rule(condition="selection | count() > 5"), encoding="utf-8")
    (tmp_path / "list.yml").write_text("- 1\n- 2", encoding="utf-8")
    (tmp_path / "correlation.yml").write_text("title: x\ncorrelation: {}", encoding="utf-8")
    (tmp_path / "python.yml").write_text("a: !!python/object/apply:os.system ['true']", encoding="utf-8")
    (tmp_path / "note.txt").write_text("no rule", encoding="utf-8")
    found = read(str(tmp_path))
    assert [(one.title, one.level, one.attack, one.file) for one in found.rules] == [
        ("Download cradle", "high", ("T1059.001",), "deep/er/good.yml"),
        ("Download cradle", "medium", ("T1059.001",), "deep/er/good.yml"),
    ]
    assert found.elsewhere == 1
    assert [problem.partition(":")[0] for problem in found.problems] == ["binary.yml", "broken.yml", "correlation.yml", "count.yml", "list.yml", "python.yml"]
    with pytest.raises(UsageError):
        read(str(tmp_path / "missing"))


def test_hits_in_texts_and_decoded_layers(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(rule(), encoding="utf-8")
    plain, encoded, other = command("IEX downloadstring('x')"), command("powershell -enc AAAA", decoded="x.DownloadString('y')"), command("Get-Date")
    found = hits([str(tmp_path)], [plain, encoded, other])
    assert [(one.title, one.level, one.field) for one in found.hits] == [("Download cradle", "high", "script"), ("Download cradle", "high", "decoded layer")]
    assert found.issues == ()


def test_problems_are_issues(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(rule(condition="nothing"), encoding="utf-8")
    (tmp_path / "b.yml").write_text(rule(category="dns_query"), encoding="utf-8")
    found = hits([str(tmp_path)], [command("x")])
    assert [issue.code for issue in found.issues] == ["sigma.unsupported", "sigma.other-source"]
    assert "a.yml" in found.issues[0].detail


@pytest.mark.parametrize(
    ("text", "kind", "image", "parent"),
    [
        ("whoami /all", "winrs", "C:\\Windows\\System32\\whoami.exe", "C:\\Windows\\System32\\winrshost.exe"),
        ("PowerShell -NoP", "winrs", "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe", "C:\\Windows\\System32\\winrshost.exe"),
        ('"C:\\Program Files\\x.exe" -a', "powershell", "C:\\Program Files\\x.exe", "C:\\Windows\\System32\\wsmprovhost.exe"),
    ],
)
def test_events(text: str, kind: str, image: str, parent: str) -> None:
    (event,) = events(command(text, kind=kind), "10.0.0.9")
    assert (event["image"], event["parentimage"], event["commandline"]) == ((image,), (parent,), (text,))
    assert (event["user"], event["targetusername"], event["computer"]) == (("LAB\\alice",), ("alice",), ("10.0.0.9",))


@pytest.mark.parametrize("pattern", ["(?!b)(a+)+$", "(?=c)(a*)*b", "(?!c)(a|a)*b", "(?<=x)((ab)+c)+", "(x+x+)+y(?!z)", "(", "a" * 2000, "(?!a)" + "[a-z]+" * 9])
def test_expressions_that_may_take_long_are_refused(pattern: str) -> None:
    with pytest.raises(UnsupportedError):
        alternatives(pattern, ["re"])


@pytest.mark.parametrize("pattern", [r"(?:Get|Set)-[A-Z]+", r"\w+\s+/[a-z]{2,5}", r"[(+*]+x", r"\(\+\)+", "(ab){2,3}", r"(?i)\bwhoami\b"])
def test_usual_expressions_are_taken(pattern: str) -> None:
    assert len(alternatives(pattern, ["re"])) == 1


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)*b", "(a*)*b", "(x+x+)+y", "(.*,){5,}x", "a*" * 12 + "b"])
def test_an_expression_is_bounded(pattern: str) -> None:
    """Each of these takes longer than a life with an engine that goes back."""
    (test,) = alternatives(pattern, ["re"])
    assert not test("ax," * 100_000 + "!")


def test_a_long_text_is_searched_whole() -> None:
    (test,) = alternatives("begin.*end", ["re"])
    assert test("begin" + "x" * 300_000 + "end")
    (wild,) = alternatives("*needle*", [])
    assert wild("x" * 300_000 + "needle")


def test_wildcards_take_no_long_time() -> None:
    (test,) = alternatives("*".join("a" * 200) + "b", ["contains"])
    assert not test("a" * 60_000)


@pytest.mark.parametrize(
    "detection",
    [
        {"s": {"A|fieldref": "B"}, "condition": "s"},
        {"s": {"A|expand": "%x%"}, "condition": "s"},
        {"s": {"A|base64": "x*"}, "condition": "s"},
        {"s": {"A|cidr": "no"}, "condition": "s"},
        {"s": {"A|lt": "no"}, "condition": "s"},
        {"s": {"A": {"b": 1}}, "condition": "s"},
        {"s": 5.5j, "condition": "s"},
        {"s": {"A": 1}, "condition": "s and"},
        {"s": {"A": 1}, "condition": "(s"},
        {"s": {"A": 1}, "condition": "s s"},
        {"s": {"A": 1}, "condition": "2 of s*"},
        {"s": {"A": 1}, "condition": "1 of t*"},
        {"s": {"A": 1}, "condition": None},
        {"s": {"A": 1}, "condition": "not " * 10_000 + "s"},
        {"s": {"A|windash": "-a -b -c -d"}, "condition": "s"},
    ],
    ids=str,
)
def test_what_is_not_supported_is_said(detection: dict[str, object]) -> None:
    with pytest.raises(UnsupportedError):
        condition(detection, detection["condition"])


names = st.sampled_from(["A", "A|re", "A|contains|all", "A|base64offset", "A|windash", "|all", "A|cidr", "A|gt", "A|exists", "condition", "x|y"])
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=8))
values = st.recursive(scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(names, inner, max_size=3)))


@given(st.one_of(st.text(max_size=60), st.dictionaries(st.sampled_from(["s", "condition", "t"]), values).map(lambda found: f"detection: {found!r}")))
def test_any_file_is_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "any.yml").write_text(text, encoding="utf-8", errors="replace")
    found = hits([str(tmp_path)], [command("whoami")])
    assert len(found.hits) <= 1
