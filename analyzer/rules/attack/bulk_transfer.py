"""Much data, or a program, is brought to a server over WinRM.

What it sees
    What was opened: in one shell more than 1 MiB of input and command lines together, or base64 in them that begins as a Windows program (MZ) or a ZIP archive
    (PK). What was not opened: sealed requests of one client to one server with more than 1 MiB of bodies, at least four times as much as the responses; low,
    since only sizes are known.
Why it matters
    WinRM has no file transfer. Tools of administrators and of attackers alike push files through it piece by piece; a program that comes this way leaves no
    trace in the logs of file servers and proxies.
When it is wrong
    Event forwarding posts much to its collector; it is known by its paths, and not counted. Ansible copies modules and files (win_copy sends ZIP archives),
    Packer and Test Kitchen upload provisioning scripts, Copy-Item -ToSession copies what it is given.
Needs
    Request bodies; to see contents, those that can be read.
Reference
    ATT&CK T1570, T1105.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.records.wsman import Command, Output, Shell, outputs_of
from analyzer.rules.reading import (
    command_exchanges,
    counted,
    finding,
    first_packet,
    forwards_events,
    identity,
    listed,
    message,
    name,
    packet,
    request,
    response,
    winrm_exchanges,
)

RULE = "attack.bulk-transfer"
TITLE = "Much data or a program is brought over WinRM"
SEVERITY = Severity.MEDIUM
REFERENCE = "ATT&CK T1570"
ADVICE = (
    "Put the files together (winrm-analyzer extract) and compare their SHA-256 with what is known. Where the bodies are sealed, get the account's password or "
    "keytab, or look at the server for files of that time."
)
_LARGE = 1 << 20
_MORE_THAN_ANSWERED = 4
_INPUTS = ("stdin", "input")
_SHOWN = 4
_TECHNIQUES = ("T1570", "T1105")
_RUN = re.compile(r"(?<![A-Za-z0-9+/=])(TV[opqr][A-Za-z0-9+/]|UEsDB)[A-Za-z0-9+/]{35}")
"""What base64 makes of MZ, and of PK 03 04, at the beginning of a run of it."""
_KINDS = {"T": "a Windows program (MZ)", "U": "a ZIP archive (PK)"}


class Volume(Struct, frozen=True, gc=False):
    """What went to the server in a shell: bytes in all, the commands with them, and what base64 begins with in which command."""

    size: int
    commands: tuple[Command, ...]
    begins: tuple[tuple[Command, str], ...]


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each shell that was opened, and one for each client host and endpoint of what was not."""
    by_shell: dict[str, list[Command]] = defaultdict(list)
    for command in evidence.commands:
        by_shell[command.shell].append(command)
    volumes = {identity: _volume(commands) for identity, commands in by_shell.items()}
    for shell in evidence.shells:
        volume = volumes.get(shell.id)
        if volume is not None and volume.commands and (volume.size > _LARGE or volume.begins):
            yield _opened(evidence, shell, volume)
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        connection = evidence.connections[exchange.connection]
        if exchange.id not in evidence.far and not forwards_events(request(exchange)):
            groups[connection.client.host, connection.server.host, connection.server.port].append(exchange)
    for group in groups.values():
        sent = [exchange for exchange in group if _sealed(evidence, exchange)]
        asked = sum(_size(evidence, exchange, of_request=True) for exchange in sent)
        answered = sum(_size(evidence, exchange, of_request=False) for exchange in group)
        if asked > _LARGE and asked >= _MORE_THAN_ANSWERED * answered:
            yield _unopened(evidence, sent, asked, answered)


def _inputs(command: Command) -> list[Output]:
    return list(outputs_of(command.outputs, _INPUTS))


def _volume(commands: Sequence[Command]) -> Volume:
    size = sum(len(command.text) + sum(output.size for output in _inputs(command)) for command in commands)
    begins = tuple((command, begin) for command in commands if (begin := _begin(command)) is not None)
    return Volume(size, tuple(command for command in commands if command.packets), begins)


def _begin(command: Command) -> str | None:
    for text in (command.text, command.decoded or "", *(output.text for output in _inputs(command)[:1])):
        found = _RUN.search(text)
        if found is not None:
            return _KINDS[found[1][0]]
    return None


def _sealed(evidence: Evidence, exchange: Exchange) -> bool:
    found = message(evidence, request(exchange))
    return found is not None and found.protection is Protection.SEALED and not found.opened


def _size(evidence: Evidence, exchange: Exchange, *, of_request: bool) -> int:
    found = message(evidence, request(exchange) if of_request else response(exchange))
    return 0 if found is None else found.size


def _opened(evidence: Evidence, shell: Shell, volume: Volume) -> Finding:
    shown = [command for command, _ in volume.begins][:_SHOWN] or sorted(volume.commands, key=lambda one: -len(one.text))[:_SHOWN]
    shown = [command for command in shown if command.packets] or list(volume.commands[:1])
    what = listed(begin for _, begin in volume.begins)
    why = (
        f"In {shell.kind} shell {shell.id}, {counted(len(volume.commands), 'command')} and their input brought {volume.size:,} bytes from {shell.client} to "
        f"{shell.server}"
    )
    why += f"; base64 in {counted(len(volume.begins), 'of them', 'of them')} begins as {what}" if what else ""
    why += f". The first to look at is command {shown[0].id}, {packet(evidence, shown[0].packets[0])}."
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=shell.connections,
        exchanges=[identity for command in shown for identity in command_exchanges(evidence, command, shell)],
        packets=[command.packets[0] for command in shown],
        user=shell.user,
        attack=_TECHNIQUES,
    )


def _unopened(evidence: Evidence, group: list[Exchange], asked: int, answered: int) -> Finding:
    largest = max(group, key=lambda exchange: _size(evidence, exchange, of_request=True))
    connection = evidence.connections[largest.connection]
    packets = first_packet(request(largest))
    why = (
        f"{counted(len(group), 'sealed request')} of {connection.client.host} to {connection.server.host}:{connection.server.port} that could not be opened "
        f"{'has' if len(group) == 1 else 'have'} {asked:,} bytes of body, all responses {answered:,}; the largest is {largest.id} on {name(connection)}, "
        f"{packet(evidence, packets[0]) if packets else ''}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=Severity.LOW,
        confidence=0.5,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in (largest, *group)],
        exchanges=[largest.id],
        packets=packets,
        user=identity(evidence, connection.id),
        attack=_TECHNIQUES,
    )
