"""Methods of CIM classes that start a process: Invoke over WinRM runs a command line without any shell (DSP0226 7.12, MS-WSMV 3.1.4.1).

    Win32_Process.Create                              of Windows (Microsoft Learn, "Create method of the Win32_Process class")
    SCX_OperatingSystem.ExecuteShellCommand, …        of OMI's provider for Linux and Unix

Each is a command of the kind ``cim``: its text is the command line, what came back are the values that the method returned. Its shell is named after the
connection, since the protocol has none.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from analyzer.formats.holes import shown
from analyzer.psrp.layers import opened
from analyzer.psrp.parts import Place
from analyzer.records.wsman import Command, Missing, Operation, OutputRun, Outputs, Shell

_REFUSED = 400


class Ran(NamedTuple):
    """Shells of the kind ``cim`` in order of time, and their commands."""

    shells: tuple[Shell, ...]
    commands: tuple[Command, ...]


def ran(operations: Iterable[Operation], places: Mapping[str, Place]) -> Ran:
    """``operations`` as `analyzer.wsman.invoke` gives them, each message once; ``places`` by exchange id."""
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
    layers = opened(text)
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
        decoded=layers.text,
        undecoded=layers.reached,
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
