"""With the secrets of a sample its sealed bodies open to what the server read and answered, and its transcript is what the server ran; on both legs.

The truth files hold the SHA-256 of every plain SOAP message and every command, from the server's own log.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import analyzer
from analyzer.api import Case
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
OPENABLE = sorted(path.parent.name for path in SAMPLES.glob("*/secrets.toml"))
INCOMPLETE = {
    "badproxy-cut-request": "the proxy sends on a part of a request",
    "badproxy-truncate": "the proxy cuts a response on the client's leg",
    "lost-by-the-capture": "packets are missing from the capture",
    "midstream-start": "the handshake is not in the capture",
    "server-never-answers": "the server ran a command without ever saying so",
    "snaplen-400": "packets are cut",
    "snaplen-96": "packets are cut",
}
"""Samples of which nobody can open some bodies, or see what the server did, and why."""
NEVER_ANSWERED = {
    "badproxy-gateway-502": "ping",
    "badproxy-gateway-504": "ping",
    "client-gives-up": "ping",
    "fault-envelope-too-large": "dir",
    "haproxy-504-waiting-receive": "ping",
    "haproxy-504-waiting-receive-client-side": "ping",
    "nginx-504-waiting-receive": "ping",
    "router-resets-waiting-receive": "ping",
    "router-resets-waiting-receive-client-side": "ping",
    "server-503": "hostname",
    "varnish-503-waiting-receive": "ping",
}
"""Samples in which somebody gave up before the server had answered, and the command whose end never travelled."""


def _truth(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / name / "truth.json").read_text(encoding="utf-8"))
    return found


def _case(name: str, secrets: str | Path | None = "secrets.toml") -> Case:
    captures = [SAMPLES / name / file for file in _truth(name)["captures"]]
    return analyzer.analyze(captures, secrets=None if secrets is None else SAMPLES / name / secrets)


def _rules(case: Case) -> list[str]:
    return [finding.rule for finding in case.result.findings]


def _by_place(case: Case) -> Mapping[tuple[str, int], tuple[Message | None, Message | None]]:
    """The messages of an exchange by (client endpoint, with ``.t`` for what is inside a tunnel; position)."""
    places = {}
    evidence = case.evidence
    for exchange in evidence.exchanges.values():
        connection = evidence.connections[exchange.connection]
        endpoint = f"{connection.client.host}:{connection.client.port}{'.t' if connection.tunnel_of else ''}"
        halves = [None if isinstance(half, Absent) else evidence.messages.get(half.id) for half in (exchange.request, exchange.response)]
        places[endpoint, exchange.position] = (halves[0], halves[1])
    return places


@pytest.mark.parametrize("name", [name for name in OPENABLE if name not in INCOMPLETE])
def test_every_sealed_body_opens_on_both_legs(name: str) -> None:
    sealed = [message for message in _case(name).evidence.messages.values() if message.protection is Protection.SEALED]
    closed = {message.id: message.opened_detail for message in sealed if not message.opened}
    assert closed == {}
    assert all(message.check == "good" and message.secret for message in sealed)


@pytest.mark.parametrize("name", [name for name in OPENABLE if name not in INCOMPLETE])
def test_the_plain_text_is_what_the_server_read_and_answered(name: str) -> None:
    places = _by_place(_case(name))
    compared = 0
    for told in _truth(name)["messages"]:
        request, response = places[told["connection"], told["position"]]
        for half, digest in ((request, told.get("request_plain_sha256")), (response, told.get("response_plain_sha256"))):
            if digest is not None and half is not None and half.text_digest is not None:
                assert half.text_digest.hex() == digest, (told["connection"], told["position"])
                compared += 1
    sealed = sum(bool(told["sealed"]) for told in _truth(name)["messages"])
    assert compared >= sealed


@pytest.mark.parametrize("name", [name for name in OPENABLE if name not in INCOMPLETE])
def test_the_commands_are_those_that_the_server_ran(name: str) -> None:
    case = _case(name)
    truth = _truth(name)
    readable = {told.get("command_id") for told in truth["commands"]}
    # A command without an id of the server's is one that the server never took.
    taken = [command for command in case.result.commands if command.state != "refused" and command.id not in case.evidence.exchanges]
    ours = {command.id: command for command in taken}
    assert set(ours) == readable
    for told in truth["commands"]:
        command = ours[told["command_id"]]
        assert command.text == told["text"] or command.text.startswith(f"{told['text']} ")  # the server's log has a pipeline without its arguments
        assert command.shell == told["shell_id"]
        if name in NEVER_ANSWERED and told["text"].startswith(NEVER_ANSWERED[name]):
            assert (command.exit_code, command.outputs) == (None, ())
        elif "exit_code" in told:
            assert command.exit_code == told["exit_code"]
            assert sum(output.size for output in command.outputs if output.stream == "stdout") == told["stdout_bytes"]
        else:
            assert sum(output.stream == "output" for output in command.outputs) == told["output_objects"]


@pytest.mark.parametrize("name", [name for name in OPENABLE if name not in INCOMPLETE])
def test_a_wrong_secret_opens_nothing_and_none_changes_nothing(name: str, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    users = {told["user"] for told in _truth(name)["authentications"] if told["user"]} or {"alice"}
    wrong.write_text("".join(f'[[password]]\nuser = "{user}"\nvalue = "not it"\n' for user in sorted(users)), encoding="utf-8")
    without, with_wrong = _case(name, None), _case(name, wrong)
    for case in (without, with_wrong):
        sealed = [message for message in case.evidence.messages.values() if message.protection is Protection.SEALED]
        assert not any(message.opened or message.action or message.text_digest for message in sealed)
    assert [rule for rule in _rules(with_wrong) if rule != "capture.secret-did-not-open"] == _rules(without)
    assert list(with_wrong.evidence.exchanges) == list(without.evidence.exchanges)


@pytest.mark.parametrize("name", sorted(set(OPENABLE) & set(INCOMPLETE)))
def test_what_is_missing_is_said_and_nothing_else_is_lost(name: str) -> None:
    sealed = [message for message in _case(name).evidence.messages.values() if message.protection is Protection.SEALED]
    for message in sealed:
        assert message.opened or message.opened_detail
    if name in ("badproxy-truncate", "lost-by-the-capture"):
        assert sum(not message.opened for message in sealed) == 1
