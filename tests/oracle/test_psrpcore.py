"""psrpcore reads the PowerShell messages of captures as we do: commands with their arguments, and what came back, object by object.

The plaintexts are those that pypsrp unwrapped (`test_pypsrp.py`), the fragments are taken out of them by Python's XML parser and base64. psrpcore's server side
reads what the client sent; its parser of fragments and messages and its deserializer read what the server sent. Of our reading only the result is looked at.
"""

import base64
import json
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psrpcore
import pytest
from psrpcore._payload import Message, unpack_fragment, unpack_message
from psrpcore.types import PSRPMessageType, deserialize

from analyzer.api import Case
from tests.oracle.test_pypsrp import case_of, texts, users_of

POWERSHELL = {"direct-psrp-large-output": (2, 701), "evil-winrm-py-session": (5, 5), "direct-psrp-offload": (1, 500), "direct-psrp-reconnect-healthy": (2, 2)}
"""Samples, and how many pipelines and objects of output each has."""


class Read(NamedTuple):
    """Pipelines by id: the command line, and the objects of its output."""

    lines: dict[str, str]
    outputs: dict[str, list[str]]


def _fragments(text: bytes) -> bytes:
    """All fragments in an envelope: of creationXml, of a command's arguments, of streams."""
    found = b""
    for element in ET.fromstring(text).iter():  # noqa: S314  of our own lab
        name = element.tag.rpartition("}")[2]
        if name in {"creationXml", "Arguments", "Stream"} and element.text:
            found += base64.b64decode(element.text)
    return found


def _line(event: psrpcore.CreatePipelineEvent) -> str:
    """As PowerShell writes it."""
    commands = []
    for command in event.pipeline.commands:
        words = [str(command.command_text)]
        for name, value in command.parameters:
            words += [word for word in (f"-{name.lstrip('-')}" if name else "", "" if value is None else str(value)) if word]
        commands.append(" ".join(words))
    return " | ".join(commands)


def _messages(data: bytes, objects: dict[int, bytearray]) -> Iterator[Message]:
    """The messages that end in ``data``; ``objects`` keeps those that do not."""
    rest = bytearray(data)
    while rest:
        fragment = unpack_fragment(rest)
        rest = rest[21 + len(fragment.data) :]
        objects[fragment.object_id] += fragment.data
        if fragment.end:
            yield unpack_message(objects.pop(fragment.object_id))


def _read(case: Case, users: Path) -> Read:
    pool = psrpcore.ServerRunspacePool()
    read = Read({}, defaultdict(list))
    sent: dict[int, bytearray] = defaultdict(bytearray)
    received: dict[int, bytearray] = defaultdict(bytearray)
    for message, text in texts(case, users):
        data = _fragments(text)
        if not message.from_client:
            for told in _messages(data, received):
                if told.message_type is PSRPMessageType.PipelineOutput:
                    read.outputs[str(told.pid).upper()].append(str(deserialize(ET.fromstring(told.data.decode()), pool._cipher)))  # noqa: S314
            continue
        for told in _messages(data, sent):
            if told.message_type is PSRPMessageType.CreatePipeline and told.pid is not None:
                psrpcore.ServerPipeline(pool, told.pid)
        pool.receive_data(psrpcore.PSRPPayload(data, psrpcore.StreamType.default, None))
        while event := pool.next_event():
            if isinstance(event, psrpcore.CreatePipelineEvent):
                read.lines[str(event.pipeline_id).upper()] = _line(event)
    return read


@pytest.mark.parametrize("name", POWERSHELL)
def test_pipelines_and_their_output(name: str, tmp_path: Path) -> None:
    case = case_of(name)
    read = _read(case, users_of(name, tmp_path))
    ours = {command.id: command for command in case.result.commands}
    assert {identity: command.text for identity, command in ours.items()} == read.lines
    assert {identity: [output.text for output in command.outputs if output.stream == "output"] for identity, command in ours.items()} == read.outputs
    assert (len(read.lines), sum(len(objects) for objects in read.outputs.values())) == POWERSHELL[name]


def test_objects(tmp_path: Path) -> None:
    """Their properties."""
    name = "direct-psrp-jea-healthy"
    case = case_of(name)
    pool = psrpcore.ServerRunspacePool()
    objects: list[dict[str, object]] = []
    received: dict[int, bytearray] = defaultdict(bytearray)
    for message, text in texts(case, users_of(name, tmp_path)):
        for told in () if message.from_client else _messages(_fragments(text), received):
            if told.message_type is PSRPMessageType.PipelineOutput:
                value = deserialize(ET.fromstring(told.data.decode()), pool._cipher)  # noqa: S314  of our own lab
                members = {one.name: one.get_value(value) for one in value.PSObject.extended_properties}
                objects += [members] if members else []
    outputs = [output for command in case.result.commands for output in command.outputs]
    assert [json.loads(one.json) for one in outputs if one.json and one.stream == "output"] == objects
    assert len(objects) == 1
