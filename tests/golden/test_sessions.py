"""What the lab's server knows of whole sessions, against what their packets tell: properties, who left and who came, errors, objects, calls to hosts."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import analyzer
from analyzer.api import Case

SAMPLES = Path(__file__).parents[2] / "sample_pcaps"
TOLD = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(SAMPLES.glob("*/truth.json"))}
WITH_SESSIONS = [name for name, truth in TOLD.items() if truth.get("sessions")]
_CASES: dict[str, Case] = {}


def case_of(name: str) -> Case:
    """A sample with its secrets, read once."""
    if name not in _CASES:
        folder = SAMPLES / name
        _CASES[name] = analyzer.analyze(sorted(map(str, folder.glob("capture*.pcap*"))), secrets=str(folder / "secrets.toml"))
    return _CASES[name]


def rows(name: str, table: str) -> list[dict[str, Any]]:
    """The rows of a table."""
    found: list[dict[str, Any]] = getattr(case_of(name), table).to_dict("records")
    return found


def _proxied(name: str) -> bool:
    """The client's side of a proxy is in the capture, too."""
    return TOLD[name]["topology"]["proxy"] is not None and not name.endswith("-server-side")


def test_there_are_some() -> None:
    assert len(WITH_SESSIONS) >= 6


@pytest.mark.parametrize("name", WITH_SESSIONS)
def test_shells_have_what_the_server_says(name: str) -> None:
    proxied = _proxied(name)
    known = {row["shell_id"]: row for row in rows(name, "shells")}
    for told in TOLD[name]["shells"]:
        row = known[told["shell_id"]]
        assert (row["owner"], row["process_id"], row["resource_uri"]) == (told["user"], told["process_id"], told["resource_uri"])
        assert row["reported_client_ip"] == told["client_ip"]
        assert (row["client_ip"] != told["client_ip"]) is proxied
        if told["kind"] == "powershell":
            assert row["configuration"] == told["resource_uri"].rpartition("/")[2]


@pytest.mark.parametrize("name", WITH_SESSIONS)
def test_who_did_what_to_a_shell(name: str) -> None:
    """By the server's journal; behind a proxy the addresses are those of the clients, which the server does not see."""
    told = [(one["shell_id"], one["what"], one["user"]) for one in TOLD[name]["sessions"]]
    own = {row["shell_id"]: [one for one in json.loads(row["history"]) if one["outcome"] and "command_id" not in one] for row in rows(name, "shells")}
    # whoever asks without a logon, over a server connection that belongs to somebody else, is taken for that one by the server, and is not
    shared = "affinity.shared-authenticated-upstream" in TOLD[name]["expected_rules"]
    strange = {shell for shell, events in own.items() if shared and all(one["account"] is None for one in events)}
    known = Counter((shell, one["what"], one["account"]) for shell, events in own.items() for one in events if shell not in strange)
    assert known == Counter(one for one in told if one[0] not in strange)
    for shell, events in own.items():
        assert [one["what"] for one in events] == [what for identity, what, _ in told if identity == shell]
        assert all(one["outcome"] == "done" and one["packets"] for one in events)
    if not _proxied(name):
        addresses = [one["client_ip"] for events in own.values() for one in events]
        assert sorted(addresses) == sorted(one["client_ip"] for one in TOLD[name]["sessions"])


@pytest.mark.parametrize("name", ["direct-psrp-taken-over", "squid-psrp-taken-over"])
def test_a_session_that_another_host_takes_over_is_one_shell(name: str) -> None:
    (shell,) = rows(name, "shells")
    history = [(one["what"], one["client_ip"]) for one in json.loads(shell["history"]) if one["outcome"] and "command_id" not in one]
    assert history == [("create", "10.10.1.11"), ("disconnect", "10.10.1.11"), ("connect", "10.10.1.12"), ("delete", "10.10.1.12")]
    assert shell["state"] == "Disconnected"  # as the server said when the second client asked for its shells
    assert [row["text"] for row in rows(name, "commands")] == [row["text"] for row in TOLD[name]["commands"]]
    begun = rows(name, "commands")[1]
    assert begun["state"] == "Completed"
    (output,) = [row for row in rows(name, "streams") if row["command_id"] == begun["command_id"]]
    assert output["text"] == "ran: Start-Sleep -Seconds 2; whoami"
    assert [finding.rule for finding in case_of(name).result.findings].count("attack.session-taken-over") == 1


def _of(name: str, key: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = TOLD[name].get(key, [])
    return found


@pytest.mark.parametrize("name", [name for name in WITH_SESSIONS if any(_of(name, key) for key in ("errors", "objects", "records", "host_calls"))])
def test_errors_objects_records_and_calls(name: str) -> None:
    streams = rows(name, "streams")
    errors = [(row["command_id"], row["error_category"], row["error_id"], row["error_position"]) for row in streams if row["stream"] == "error"]
    assert errors == [
        (one["command_id"], one["category"], one["error_id"], f"{one['script'] or 'line'}:{one['line']} char:{one['column']}") for one in _of(name, "errors")
    ]
    objects = [(row["command_id"], json.loads(row["object"])) for row in streams if row["stream"] == "output" and row["object"]]
    assert objects == [(one["command_id"], one["properties"]) for one in _of(name, "objects")]
    kinds = ("warning", "verbose", "progress", "information")
    assert [(row["command_id"], row["stream"]) for row in streams if row["stream"] in kinds] == [
        (one["command_id"], one["stream"]) for one in _of(name, "records")
    ]
    calls = [(row["command_id"], row["text"].partition("(")[0]) for row in streams if row["stream"] == "host" and " returned " not in row["text"]]
    assert calls == [(one["command_id"], one["method"]) for one in _of(name, "host_calls")]


def test_a_secret_that_is_sent_as_a_secure_string_stays_encrypted() -> None:
    (shell,) = rows("direct-psrp-interactive-healthy", "shells")
    assert shell["key_exchange"] == "complete"
    text = case_of("direct-psrp-interactive-healthy").transcript()
    assert "Set-Secret -Name backup -Value <SecureString, encrypted>" in text
    assert "ReadLine returned Ada" in text


def test_what_a_client_wishes() -> None:
    (shell,) = rows("direct-winrs-environment-healthy", "shells")
    assert (shell["name"], shell["working_directory"], shell["lifetime_s"], shell["idle_timeout_s"]) == ("nightly", "C:\\Tools", 3600, 900)
    assert json.loads(shell["environment"]) == {"STAGE": "test", "OWNER": "helpdesk"}
    (other,) = rows("direct-psrp-jea-healthy", "shells")
    assert json.loads(other["application_arguments"]) == {"ticket": "INC-1007", "attempt": 2}
    said = {(one["name"], one["by"]): one["value"] for one in json.loads(other["facts"])}
    assert (said["Locale", "client"], said["DataLocale", "client"], said["Locale", "server"]) == ("de-DE", "fr-FR", "en-US")
