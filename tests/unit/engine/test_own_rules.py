"""Rules of the user's own folders: they find, explain and are listed like ours, and a broken one costs its own issue row and nothing else."""

import re
from pathlib import Path

import pytest

from analyzer import api
from analyzer.cli import start
from analyzer.engine import forks
from analyzer.errors import UsageError
from analyzer.settings import Limits

ROOT = Path(__file__).parents[3]
SAMPLE = ROOT / "sample_pcaps" / "badproxy-close-after-200" / "capture.pcap"
EXAMPLE = re.search(r"```python\n(.*?)```", (ROOT / "docs" / "developers.md").read_text(encoding="utf-8"), re.DOTALL)
FRAME = "from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell\n\n\n"
OPINION = (
    "OPINION = Opinion(title={title}, severity=Severity.LOW, confidence=1.0, owner=Owner.CLIENT, "
    'reference="none", advice="none", see=see, why=lambda tell: "x")\n'
)
SEES_ONE = "def see(evidence):\n    yield Sign(None, (next(iter(evidence.exchanges)),))\n\n\n"
BROKEN = {
    "syntax": "def see(:\n",
    "import": "import no_such_module_anywhere\n",
    "exit": "raise SystemExit(3)\n",
    "dies": "import os\n\nos._exit(0)\n",
    "killed": "import os\n\nos.kill(os.getpid(), 9)\n",
    "nothing": "TITLE = 'no opinion'\n",
    "raises": FRAME + "def see(evidence):\n    raise KeyError('x')\n\n\n" + OPINION.format(title='"A"'),
    "yields": FRAME + "def see(evidence):\n    yield 'no sign'\n\n\n" + OPINION.format(title='"A"'),
    "words": FRAME + SEES_ONE + OPINION.format(title="lambda tell: 7"),
    "foreign": FRAME + "def see(evidence):\n    yield Sign(None, ('c99.x1',))\n\n\n" + OPINION.format(title='"A"'),
    "loops": FRAME + "def see(evidence):\n    while True:\n        pass\n\n\n" + OPINION.format(title='"A"'),
    "loops_at_import": "while True:\n    pass\n",
    "stubborn": FRAME + "def see(evidence):\n    while True:\n        try:\n            import time\n            time.sleep(1)\n        except BaseException:\n"
    "            pass\n\n\n" + OPINION.format(title='"A"'),
}  # fmt: skip


def folder(tmp_path: Path, **files: str) -> Path:
    for name, text in files.items():
        (tmp_path / f"{name}.py").write_text(text, encoding="utf-8")
    return tmp_path


def test_the_example_of_the_documents_finds_and_is_told(tmp_path: Path) -> None:
    assert EXAMPLE is not None
    (tmp_path / "http").mkdir()
    (tmp_path / "http" / "slow_answer.py").write_text(EXAMPLE[1], encoding="utf-8")
    imports = re.findall(r"^(?:from|import) (\S+)", EXAMPLE[1], re.MULTILINE)
    assert set(imports) <= {"analyzer.rules.telling", "analyzer.rules.reading"}
    config = tmp_path / "c.toml"
    config.write_text('[rules."http.slow-answer"]\nleast_ms = 0\n', encoding="utf-8")
    ours = {row.rule for row in api.analyze(SAMPLE).result.findings}
    case = api.analyze(SAMPLE, rules_dirs=[tmp_path], config=config)
    found = [one for one in case.result.findings if one.rule == "http.slow-answer"]
    assert found
    assert found[0].packets
    assert found[0].why in case.overview(full=True, width=2000)
    assert {one.rule for one in case.result.findings} == ours | {"http.slow-answer"}
    assert not case.failures
    assert not [one for one in api.analyze(SAMPLE, rules_dirs=[tmp_path]).result.findings if one.rule == "http.slow-answer"], "no answer takes ten seconds"


def test_a_rule_of_the_user_is_listed_and_explained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert EXAMPLE is not None
    folder(tmp_path, slow_answer=EXAMPLE[1])
    assert start.run(["rules", "--rules", str(tmp_path)]) == 0
    assert "local.slow-answer" in capsys.readouterr().out
    assert start.run(["explain", "local.slow-answer", "--rules", str(tmp_path)]) == 0
    told = capsys.readouterr().out
    assert "Detects" in told
    assert "least_ms = 10000 (milliseconds)" in told
    assert start.run(["explain", "local.slow-answer"]) == 2


@pytest.mark.parametrize("forked", [True, False])
@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_costs_its_own_issue_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, forked: bool) -> None:
    if not forked:
        monkeypatch.setattr(forks, "may_fork", lambda: False)
    folder(tmp_path, **{name: BROKEN[name]}, works=FRAME + SEES_ONE + OPINION.format(title='"It works"'))
    case = api.analyze(SAMPLE, rules_dirs=[tmp_path], limits=Limits(own_rule_s=4.0))
    alone = api.analyze(SAMPLE)
    assert [one.title for one in case.result.findings if one.rule == "local.works"] == ["It works"]
    assert [one for one in case.result.findings if not one.rule.startswith("local.")] == list(alone.result.findings)
    (issue,) = (one for one in case.evidence.issues if one.code == "rule.failed")
    assert f"local.{name.replace('_', '-')}" in issue.detail
    assert f"{name}.py" in issue.detail


def test_more_findings_than_the_limit_are_named(tmp_path: Path) -> None:
    many = FRAME + "def see(evidence):\n    for exchange in evidence.exchanges:\n        yield Sign(exchange, (exchange,))\n\n\n"
    folder(tmp_path, many="from analyzer.rules.telling import alone\n" + many + OPINION.format(title='"A"').replace("see=see", "see=see, each=alone"))
    case = api.analyze(SAMPLE, rules_dirs=[tmp_path], limits=Limits(own_rule_findings=2))
    assert len([one for one in case.result.findings if one.rule == "local.many"]) == 2
    assert [one.detail for one in case.evidence.issues if one.code == "rule.limit"]


def test_what_a_rule_of_the_user_explains_is_left_out(tmp_path: Path) -> None:
    cause = OPINION.format(title='"The cause"').replace("see=see", 'see=see, explains=("tcp.close-after-auth-2xx",)')
    sees_all = "def see(evidence):\n    yield Sign(None, tuple(evidence.exchanges))\n\n\n"
    folder(tmp_path, cause=FRAME + sees_all + cause)
    assert "tcp.close-after-auth-2xx" in {one.rule for one in api.analyze(SAMPLE).result.findings}
    case = api.analyze(SAMPLE, rules_dirs=[tmp_path])
    assert "tcp.close-after-auth-2xx" not in {one.rule for one in case.result.findings}
    assert "local.cause" in {one.rule for one in case.result.findings}


def test_the_manifest_names_the_rules_of_the_user_without_running_them(tmp_path: Path) -> None:
    folder(tmp_path, dies='"""Its document."""\n' + BROKEN["dies"])
    rules = api.analyze(SAMPLE, rules_dirs=[tmp_path]).manifest()["rules"]
    assert isinstance(rules, list)
    assert rules[-1]["id"] == "local.dies"


def test_a_folder_that_is_not_there_is_the_callers_mistake() -> None:
    with pytest.raises(UsageError, match="no such folder of rules"):
        api.analyze(SAMPLE, rules_dirs=["/nonexistent"])
