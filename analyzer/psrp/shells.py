"""Shells and commands out of operations, in order of time, whichever connections they came over.

A request and its response share an exchange, and tell the other what it lacks: the response of Create names the shell, the request of Receive names the shell
whose streams the response carries. WinRS streams are decoded with the shell's code page; PowerShell streams are put together to messages (MS-PSRP).
"""

import base64
import binascii
import codecs
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct, field

from analyzer.psrp import clixml
from analyzer.psrp.fragments import Defragmenter, PsMessage, Strings
from analyzer.psrp.layers import opened
from analyzer.records.wsman import Command, Operation, OutputRun, Outputs, Shell

_POWERSHELL = "/powershell/"
_INPUTS = ("stdin", "pr")
_REFUSED = 400


class Place(NamedTuple):
    """Where an exchange belongs: its connection, hosts, the user (None: not visible), the capture's ordinal."""

    connection: str
    client: str
    server: str
    user: str | None
    capture: int


class _Command(Struct):
    id: str
    text: str = ""
    first_ns: int = 0
    last_ns: int = 0
    exit_code: int | None = None
    state: str | None = None
    outputs: list[OutputRun] = field(default_factory=list)
    packets: tuple[int, ...] = ()
    decoders: dict[str, codecs.IncrementalDecoder] = field(default_factory=dict)


class _Shell(Struct):
    id: str
    place: Place
    first_ns: int
    last_ns: int
    packets: tuple[int, ...]
    kind: str = "winrs"
    resource_uri: str | None = None
    code_page: int | None = None
    connections: dict[str, None] = field(default_factory=dict)
    users: dict[str, None] = field(default_factory=dict)
    commands: dict[str, _Command] = field(default_factory=dict)
    sent: Defragmenter[Operation] = field(default_factory=Defragmenter)
    received: Defragmenter[Operation] = field(default_factory=Defragmenter)


class Built(NamedTuple):
    """Shells in order of first sight, and all commands in order of shell and time."""

    shells: tuple[Shell, ...]
    commands: tuple[Command, ...]


def shells(operations: Iterable[Operation], places: Mapping[str, Place]) -> Built:
    """``operations`` of one or more clients, each message once; ``places`` by exchange id."""
    by_exchange: dict[str, list[Operation]] = defaultdict(list)
    for operation in operations:
        by_exchange[operation.exchange].append(operation)
    ordered = sorted(by_exchange.values(), key=lambda pair: (pair[0].ts_ns, pair[0].message))
    known: dict[tuple[str, str], _Shell] = {}
    for pair in ordered:
        _exchange(known, pair, places[pair[0].exchange])
    for shell in known.values():
        for message, operation in (*shell.sent.unfinished(), *shell.received.unfinished()):
            if message.pipeline is not None and message.kind != "malformed":
                _pipeline_message(shell, message, operation)
    made = sorted(known.values(), key=lambda shell: (shell.first_ns, shell.id))
    return Built(tuple(_shell(shell) for shell in made), tuple(_finished(shell, command) for shell in made for command in shell.commands.values()))


def _exchange(known: dict[tuple[str, str], _Shell], pair: Sequence[Operation], place: Place) -> None:
    asked = next((operation for operation in pair if operation.from_client), None)
    answered = next((operation for operation in pair if not operation.from_client), None)
    identity = next((found.shell_id for found in (asked, answered) if found is not None and found.shell_id), None)
    if not identity:
        return
    shell = known.get((place.server, identity))
    if shell is None:
        first = asked or answered or pair[0]
        shell = known[place.server, identity] = _Shell(identity, place, first.ts_ns, first.ts_ns, first.packets[:1])
    shell.connections.setdefault(place.connection)
    if place.user:
        shell.users.setdefault(place.user)
    command_id = next((found.command_id for found in (asked, answered) if found is not None and found.command_id), None)
    for operation in (asked, answered):
        if operation is not None:
            shell.last_ns = max(shell.last_ns, operation.ts_ns)
            shell.resource_uri = shell.resource_uri or operation.resource_uri
            shell.code_page = shell.code_page if operation.code_page is None else operation.code_page
            if operation.creation or _POWERSHELL in (operation.resource_uri or "").lower():
                shell.kind = "powershell"
            _operation(shell, operation, command_id)
    if asked is not None and asked.name == "Command" and answered is None and (asked.status or 0) >= _REFUSED:
        for command in shell.commands.values():
            if command.packets == asked.packets:
                command.state = "refused"


def _operation(shell: _Shell, operation: Operation, command_id: str | None) -> None:
    if shell.kind == "powershell":
        _powershell(shell, operation)
        return
    if operation.name == "Command" and operation.command is not None:
        text = " ".join([operation.command, *operation.arguments])
        command = _command(shell, command_id or f"{operation.exchange}", operation)
        command.text, command.packets = text, operation.packets
    for piece in operation.streams:
        owner = piece.command_id or command_id
        if owner is not None:
            _winrs_output(shell, _command(shell, owner, operation), piece.name, piece.data, operation, last=piece.end)
    if command_id is not None and (operation.state or operation.exit_code is not None or operation.signal):
        command = _command(shell, command_id, operation)
        command.state = operation.state or command.state
        command.exit_code = command.exit_code if operation.exit_code is None else operation.exit_code


def _command(shell: _Shell, identity: str, operation: Operation) -> _Command:
    command = shell.commands.get(identity)
    if command is None:
        command = shell.commands[identity] = _Command(identity, first_ns=operation.ts_ns, last_ns=operation.ts_ns, packets=operation.packets[:1])
    command.last_ns = max(command.last_ns, operation.ts_ns)
    return command


def _winrs_output(shell: _Shell, command: _Command, name: str, data: bytes, operation: Operation, *, last: bool) -> None:
    decoder = command.decoders.get(name)
    if decoder is None:
        decoder = command.decoders[name] = _decoder(shell.code_page, data)
    text = decoder.decode(data, last)
    if data:
        _add(command, name, text, len(data), operation)


def _decoder(code_page: int | None, data: bytes) -> codecs.IncrementalDecoder:
    """The shell's code page; without one UTF-8, or the original OEM code page for bytes that are not."""
    name = "utf-8" if code_page in (None, 65001) else f"cp{code_page}"
    if code_page is None:
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            if error.end < len(data):
                name = "cp437"
    try:
        return codecs.getincrementaldecoder(name)("replace")
    except LookupError:
        return codecs.getincrementaldecoder("latin-1")("replace")


def _add(command: _Command, stream: str, text: str, size: int, operation: Operation, *, whole: bool = True) -> None:
    command.outputs.append(OutputRun(stream, operation.ts_ns, operation.packets, text, (len(text),), (size,), whole))


def _powershell(shell: _Shell, operation: Operation) -> None:
    if operation.from_client:
        data = operation.creation
        for argument in operation.arguments:
            data += _base64(argument)
        data += b"".join(piece.data for piece in operation.streams if piece.name in _INPUTS)
        messages = shell.sent.messages(data, operation)
    else:
        messages = shell.received.messages(b"".join(piece.data for piece in operation.streams), operation)
    for message, _ in messages:
        if isinstance(message, Strings):
            _strings(shell, message, operation)
        elif message.pipeline is not None:
            _pipeline_message(shell, message, operation)


def _strings(shell: _Shell, found: Strings, operation: Operation) -> None:
    text, ends = clixml.strings(found.texts, found.ends)
    run = OutputRun("output", operation.ts_ns, operation.packets, text, ends, found.sizes)
    _command(shell, found.pipeline, operation).outputs.append(run)


def _base64(text: str) -> bytes:
    try:
        return base64.b64decode("".join(text.split()))
    except (binascii.Error, ValueError):
        return b""


def _record(text: str) -> str:
    return clixml.record(text, "InformationalRecord_Message", "MessageData", "Message")


_SHOWN: dict[str, tuple[str, Callable[[str], str]]] = {
    "PIPELINE_OUTPUT": ("output", clixml.shown),
    "PIPELINE_INPUT": ("input", clixml.shown),
    "ERROR_RECORD": ("error", clixml.error),
    "DEBUG_RECORD": ("debug", _record),
    "VERBOSE_RECORD": ("verbose", _record),
    "WARNING_RECORD": ("warning", _record),
    "INFORMATION_RECORD": ("information", _record),
    "PROGRESS_RECORD": ("progress", clixml.progress),
    "PIPELINE_HOST_CALL": ("host", clixml.host_call),
    "PIPELINE_HOST_RESPONSE": ("host", clixml.host_call),
}
"""Message type to the stream that it belongs to, and how its text is made."""


def _pipeline_message(shell: _Shell, message: PsMessage, operation: Operation) -> None:
    command = _command(shell, message.pipeline or "", operation)
    kind, text = message.kind, message.text
    if kind == "CREATE_PIPELINE":
        line = clixml.pipeline(text)
        command.text = text if line is None else line
        command.packets = operation.packets
    elif kind in _SHOWN:
        stream, shown = _SHOWN[kind]
        _add(command, stream, shown(text), message.size, operation, whole=message.whole)
    elif kind == "PIPELINE_STATE":
        state, failure = clixml.state(text)
        command.state = state or command.state
        if failure:
            _add(command, "error", failure, message.size, operation)


def _shell(shell: _Shell) -> Shell:
    kind = shell.kind
    if kind == "winrs" and shell.resource_uri and not shell.resource_uri.rstrip("/").lower().endswith("/cmd"):
        kind = "cim" if "/wmi" in shell.resource_uri.lower() else kind
    return Shell(
        id=shell.id,
        kind=kind,
        user=next(iter(shell.users), None),
        client=shell.place.client,
        server=shell.place.server,
        first_ns=shell.first_ns,
        last_ns=shell.last_ns,
        connections=tuple(shell.connections),
        commands=tuple(shell.commands),
        resource_uri=shell.resource_uri,
        capture=shell.place.capture,
        packets=shell.packets,
    )


def _finished(shell: _Shell, command: _Command) -> Command:
    return Command(
        id=command.id,
        shell=shell.id,
        kind=shell.kind,
        text=command.text,
        decoded=opened(command.text),
        first_ns=command.first_ns,
        last_ns=command.last_ns,
        exit_code=command.exit_code,
        state=command.state,
        outputs=Outputs(sorted(command.outputs, key=lambda run: run.ts_ns)),  # what was put together last may have begun before
        user=next(iter(shell.users), None),
        capture=shell.place.capture,
        packets=command.packets,
    )
