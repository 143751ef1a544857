"""The file for --config: what it sets is set, and a name or value that would do nothing is refused by name."""

import re
from pathlib import Path

import pytest

from analyzer import api
from analyzer.cli import start
from analyzer.engine.configuration import configuration
from analyzer.errors import UsageError
from analyzer.settings import Limits

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "winrm-analyzer.toml"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_limits_and_thresholds(tmp_path: Path) -> None:
    found = configuration(written(tmp_path, '[limits]\nkdc_messages = 7\ntls_ports = [5986, 443]\n[rules."attack.spray"]\nleast = 6\n'))
    assert (found.limits.kdc_messages, found.limits.tls_ports) == (7, (5986, 443))
    assert found.limits.headers == Limits().headers
    assert found.thresholds == {"attack.spray": {"least": 6.0}}


def test_nothing_is_set_by_an_empty_file(tmp_path: Path) -> None:
    assert configuration(written(tmp_path, "")) == (Limits(), {})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[limit]\n", "there is no section 'limit'; did you mean limits"),
        ("[limits]\nkdc_message = 7\n", "there is no limit 'kdc_message'; did you mean kdc_messages"),
        ('[limits]\nkdc_messages = "many"\n', "kdc_messages"),
        ("limits = 3\n", "limits has to be a table"),
        ('[rules."attack.spry"]\nleast = 6\n', "there is no rule 'attack.spry'; did you mean attack.spray"),
        ('[rules."attack.spray"]\nlest = 6\n', "there is no threshold of attack.spray 'lest'; did you mean least"),
        ('[rules."http.forbidden"]\nleast = 6\n', "there is no threshold of http.forbidden 'least'; it has none"),
        ('[rules."attack.spray"]\nleast = "6"\n', "it has to be a number"),
        ('[rules."attack.spray"]\nleast = true\n', "it has to be a number"),
        ('[rules."attack.spray"]\nleast = nan\n', "it has to be a number"),
        ('[rules."attack.spray"]\nleast = -1\n', "it has to be a number"),
        ("[rules]\nspray = 3\n", "there is no rule 'spray'"),
        ("[[[\n", "winrm-analyzer.toml"),
    ],
)
def test_what_would_do_nothing_is_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(UsageError, match=r"(?s).*" + re.escape(told)):
        configuration(written(tmp_path, text))


def test_a_threshold_changes_what_is_found_and_stands_in_the_manifest(tmp_path: Path) -> None:
    sample, config = SAMPLES / "direct-password-spray", written(tmp_path, '[rules."attack.spray"]\nleast = 1000\n')
    assert "attack.spray" in {one.rule for one in api.analyze(sample).result.findings}
    case = api.analyze(sample, config=config)
    assert "attack.spray" not in {one.rule for one in case.result.findings}
    assert case.manifest()["thresholds"] == {"attack.spray": {"least": 1000.0}}


def test_the_option(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sample = str(SAMPLES / "direct-password-spray")
    assert start.run(["findings", sample, "--config", written(tmp_path, '[rules."attack.spray"]\nleast = 1000\n')]) == 0
    assert "attack.spray" not in capsys.readouterr().out
    assert start.run(["findings", sample, "--config", written(tmp_path, "[[[")]) == 2
    assert "winrm-analyzer.toml" in capsys.readouterr().err
