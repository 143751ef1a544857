"""Scenes that are made to be read wrong: what is hidden is shown, and the harmless twin is not accused."""

from pathlib import Path

import pytest

from analyzer import analyze
from tests.build import growing
from tests.build.deceptions import HIDDEN, SHOWN, length_that_lies


def test_a_length_that_lies_hides_no_command(tmp_path: Path) -> None:
    case = analyze(length_that_lies(tmp_path))
    assert list(case.commands["text"]) == [SHOWN, HIDDEN, "exit"]
    assert "http.framing-conflict" in list(case.issues["code"])
    assert HIDDEN in case.transcript()


def test_a_true_length_is_nothing_odd(tmp_path: Path) -> None:
    case = analyze(length_that_lies(tmp_path, lies=False))
    assert list(case.commands["text"]) == [SHOWN, HIDDEN, "exit"]
    assert list(case.issues["code"]) == []


DUMP = r"reg save HKLM\SAM c:\temp\sam.hiv"
RULE = """title: A registry hive is saved
id: 11111111-2222-4333-8444-555555555555
status: test
logsource: {category: process_creation, product: windows}
detection: {selection: {CommandLine|contains: "reg save"}, condition: selection}
level: high
"""


@pytest.mark.parametrize("guilty", [1, 2, 3])
def test_what_ran_on_one_server_is_not_told_of_another_with_equal_ids(guilty: int, tmp_path: Path) -> None:
    """Who makes a PowerShell session chooses the ids of its shell and commands (MS-WSMV 3.1.4.5.2): equal ones on other servers are no proof."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "hive.yml").write_text(RULE, encoding="utf-8")
    files = growing.same_ids(tmp_path, [DUMP if number == guilty else "hostname" for number in (1, 2, 3)])
    case = analyze(files[0], sigma_dirs=[str(tmp_path / "rules")])
    at = case.commands.set_index("text").loc[DUMP]
    assert at["server_ip"] == f"10.30.0.{guilty}"
    told = case.findings[case.findings["rule"].isin(["attack.credential-dumping", "attack.sigma-script-hit"])]
    assert set(told["rule"]) == {"attack.credential-dumping", "attack.sigma-script-hit"}
    assert {place.partition(":")[0] for place in told["destination"]} == {f"10.30.0.{guilty}"}
    own = set(case.connections.set_index("server_ip").loc[f"10.30.0.{guilty}"]["connection_id"].split())
    assert all(set(connections.split(",")) == own for connections in told["connections"])
    line = next(one for one in case.timeline.astype(object).to_dict("records") if DUMP in one["message"] and one["timestamp_desc"] == "winrm command")
    assert line["destination"] == f"10.30.0.{guilty}"
    shown = " ".join(case.overview().split())
    assert "ran 1 command on 10.30.0.1" in shown
    assert "other accounts or servers: 2 commands" in shown
