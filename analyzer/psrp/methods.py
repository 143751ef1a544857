"""Methods of CIM classes that start a process: Invoke over WinRM runs a command line without any shell (DSP0226 7.12, MS-WSMV 3.1.4.1).

    Win32_Process.Create                              of Windows (Microsoft Learn, "Create method of the Win32_Process class")
    SCX_OperatingSystem.ExecuteShellCommand, …        of OMI's provider for Linux and Unix

Each is a command of the kind ``cim``: its text is the command line, what came back are the values that the method returned. Its shell is named after the
connection, since the protocol has none.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from html import unescape
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.formats.holes import shown
from analyzer.psrp.layers import opened
from analyzer.psrp.shells import Place
from analyzer.records.sealing import Message
from analyzer.records.wsman import Command, Missing, Operation, OutputRun, Outputs, Shell

_ACTION = re.compile(r"/(win32_process/create|scx_operatingsystem/execute(?:shell)?command)(response)?$", re.IGNORECASE)
_LINE = {"win32_process/create": "CommandLine"}
_ARGUMENT = re.compile(r"<(?:\w{1,20}:)?(CommandLine|command)(?:\s[^<>]{0,200})?>([^<>]*)</")
_RETURNED = re.compile(r"<(?:\w{1,20}:)?(ReturnValue|ProcessId|ReturnCode|StdOut|StdErr)(?:\s[^<>]{0,200})?>([^<>]*)</")
INVOKE = "Invoke"
"""The name of the operation that asks for a method, and, with ``Response``, of its answer."""
_REFUSED = 400


class Ran(NamedTuple):
    """Shells of the kind ``cim`` in order of time, and their commands."""

    shells: tuple[Shell, ...]
    commands: tuple[Command, ...]


def invoked(message: Message, text: str, ts_ns: int, packets: tuple[int, ...], status: int | None) -> Operation | None:
    """The operation that an envelope is, when it runs a command line by a method, or answers that; None for all others."""
    found = _ACTION.search(message.action or "")
    if found is None or message.from_client == bool(found[2]):
        return None
    name = INVOKE if message.from_client else f"{INVOKE}Response"
    operation = Operation(message.id, message.exchange, message.from_client, ts_ns, packets, name, message.resource_uri, status=status)
    if not message.from_client:
        return replace(operation, arguments=tuple(f"{name}={unescape(value)}" for name, value in _RETURNED.findall(text) if value))
    name = _LINE.get(found[1].lower(), "command")
    line = next((one[2] for one in _ARGUMENT.finditer(text) if one[1] == name), None)
    return operation if line is None else replace(operation, command=unescape(line))


def ran(operations: Iterable[Operation], places: Mapping[str, Place]) -> Ran:
    """``operations`` as `invoked` gives them, each message once; ``places`` by exchange id."""
    pairs: dict[str, dict[bool, Operation]] = defaultdict(dict)
    for operation in operations:
        pairs[operation.exchange].setdefault(operation.from_client, operation)
    by_shell: dict[tuple[str, str], list[tuple[Place, Command, Operation]]] = defaultdict(list)
    for exchange, pair in pairs.items():
        first = pair.get(True) or pair[False]
        place = places[exchange]
        by_shell[place.server, place.connection].append((place, _command(exchange, pair, place), first))
    shells, commands = [], []
    for own in by_shell.values():
        own.sort(key=lambda one: one[1].first_ns)
        shells.append(_shell(own[0][0], [one[1] for one in own], own[0][2]))
        commands += [one[1] for one in own]
    return Ran(tuple(sorted(shells, key=lambda shell: (shell.first_ns, shell.id))), tuple(commands))


def _command(exchange: str, pair: Mapping[bool, Operation], place: Place) -> Command:
    asked, answered = pair.get(True), pair.get(False)
    both = [one for one in (asked, answered) if one is not None]
    text, holes = shown((asked.command or "") if asked is not None else "")
    missing = [Missing("command" if one is asked else "output", one.missing, one.ts_ns, one.packets, one.unproved) for one in both if one.missing != 0]
    if not text and not missing:
        missing = [Missing("start", None, both[0].ts_ns, ())]
    told = "\n".join(answered.arguments) if answered is not None else ""
    runs = [] if answered is None or not told else [OutputRun("output", answered.ts_ns, answered.packets, told, (len(told),), (len(told.encode()),))]
    status = next((one.status for one in both if one.status is not None), None)
    refused = status is not None and status >= _REFUSED
    return Command(
        id=exchange,
        shell=place.connection,
        kind="cim",
        text=text,
        decoded=opened(text),
        first_ns=both[0].ts_ns,
        last_ns=both[-1].ts_ns,
        exit_code=None,
        state="refused" if refused else "Done" if answered is not None else None,
        outputs=Outputs(runs),
        user=place.user,
        capture=place.capture,
        packets=both[0].packets,
        server=place.server,
        exchanges=both[0].exchanges or (exchange,),
        missing=tuple(missing),
        holes=holes,
        unproved=both[0].unproved,
    )


def _shell(place: Place, commands: list[Command], first: Operation) -> Shell:
    return Shell(
        id=place.connection,
        kind="cim",
        user=place.user,
        client=place.client,
        server=place.server,
        first_ns=commands[0].first_ns,
        last_ns=max(command.last_ns for command in commands),
        connections=(place.connection,),
        commands=tuple(command.id for command in commands),
        resource_uri=first.resource_uri,
        capture=place.capture,
        packets=first.packets[:1],
        exchanges=tuple(identity for command in commands for identity in command.exchanges),
    )
