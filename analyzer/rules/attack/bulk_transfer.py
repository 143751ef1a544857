"""Much data, or a program, is sent to a server over WinRM.

Detects
    What could be read: in one shell more than 1 MiB of input and command lines together; or base64, hexadecimal digits
    or numbers in them that begin as a Windows program (MZ) or a ZIP archive (PK), or input that is a program. What could
    not be read: encrypted requests of one client program to one server with more than 1 MiB of bodies, at least four
    times as much as the responses; low, since only sizes are known.
Impact
    WinRM has no file transfer. Tools of administrators and of attackers alike push files through it piece by piece; a
    program that comes this way leaves no trace in the logs of file servers and proxies.
False positives
    Event forwarding posts much to its collector; it is known by its paths, and not counted. Ansible copies modules
    and files (win_copy sends ZIP archives), Packer and Test Kitchen upload provisioning scripts, Copy-Item -ToSession
    copies what it is given.
Requires
    Request bodies; to see contents, those that can be read.
References
    ATT&CK T1570, T1105.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence

from analyzer.records.candidates import asked_in
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.records.texts import saying, texts_of
from analyzer.records.wsman import Command, Output, Shell, outputs_of
from analyzer.rules.asking import server_words, where
from analyzer.rules.reading import (
    command_exchanges,
    counted,
    first_packet,
    forwards_events,
    header,
    identity,
    listed,
    message,
    request,
    response,
    sentence,
    winrm_exchanges,
)
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell, alone

LARGE = Param("large", 1 << 20, "bytes", "how much has to be sent")
MORE = Param("more", 4, "times", "how many times as much as the responses encrypted requests have to send")
_INPUTS = ("stdin", "input")
_SHOWN = 4
_RUN = re.compile(r"(?<![A-Za-z0-9+/=])(TV[opqr][A-Za-z0-9+/]|UEsDB)[A-Za-z0-9+/]{35}")
"""What base64 makes of MZ, and of PK 03 04, at the beginning of a run of it."""
_PROGRAM, _ARCHIVE = "a Windows program (MZ)", "a ZIP archive (PK)"
_KINDS = {"T": _PROGRAM, "U": _ARCHIVE}
_DIGITS = re.compile(r"(?<![0-9A-Fa-f])(?:0x)?4[dD]5[aA](?:90|78|50)00[0-9A-Fa-f]{32}")
_NUMBERS = re.compile(r"(?<![\w.])(?:77, ?90, ?144, ?0, ?3, ?0, ?0, ?0|0x4d, ?0x5a, ?0x90, ?0x00, ?0x03)(?!\w)", re.IGNORECASE)
_STUB = "This program cannot be run in DOS mode"
"""What the linker writes into the beginning of every Windows program."""
_HEAD = 1024
_WORDS = ("tvo", "tvp", "tvq", "tvr", "uesdb", "4d5a", "77,", "0x4d,", _STUB.lower())
"""One of these stands in each text that one of the above fits, whatever its case."""


class Volume(Fact, frozen=True):
    """What went to the server in a shell: bytes in all, the commands with them, and in which command what begins as what (command, form, kind)."""

    size: int
    commands: tuple[Command, ...]
    begins: tuple[tuple[Command, str, str], ...]


class Transfer(Fact, frozen=True):
    """What could be read in a shell; or of what could not be read, how many requests with how many bytes, and the bytes of all responses."""

    shell: Shell | None = None
    volume: Volume | None = None
    requests: int = 0
    asked: int = 0
    answered: int = 0


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Transfer]:
    """One sign for each shell that could be read, and one for each client program and server of what could not."""
    by_shell: dict[tuple[str, str], list[Command]] = defaultdict(list)
    for command in evidence.commands:
        by_shell[command.server, command.shell].append(command)
    volumes = {identity: _volume(commands) for identity, commands in by_shell.items()}
    for shell in evidence.shells if volumes else ():
        volume = volumes.get((shell.server, shell.id))
        if volume is not None and volume.commands and (volume.size > values["large"] or volume.begins):
            yield _readable(evidence, shell, volume)
    groups: dict[tuple[str, str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence) if any(_sealed(evidence, one) for one in asked_in(evidence, Protection.SEALED)) else ():
        connection, asked = evidence.connections[exchange.connection], request(exchange)
        if exchange.id not in evidence.far and not forwards_events(asked):
            groups[connection.client.host, header(asked, "user-agent") or "", connection.server.host, connection.server.port].append(exchange)
    for group in groups.values():
        sent = [exchange for exchange in group if _sealed(evidence, exchange)]
        size = sum(_size(evidence, exchange, of_request=True) for exchange in sent)
        answered = sum(_size(evidence, exchange, of_request=False) for exchange in group)
        if size > values["large"] and size >= values["more"] * answered:
            yield _unreadable(evidence, sent, size, answered)


def _inputs(command: Command) -> list[Output]:
    return list(outputs_of(command.outputs, _INPUTS))


def _volume(commands: Sequence[Command]) -> Volume:
    size = sum([len(command.text) for command in commands])
    size += sum([output.size for command in commands if command.outputs for output in outputs_of(command.outputs, _INPUTS)])
    begins = tuple((command, *begin) for command in saying(commands, _WORDS, _texts) if (begin := _begin(command)) is not None)
    return Volume(size, tuple([command for command in commands if command.packets]), begins)


def _texts(command: Command) -> list[str]:
    return [*texts_of(command), *([output.text for output in _inputs(command)[:1]] if command.outputs else ())]


def _begin(command: Command) -> tuple[str, str] | None:
    """In which form something begins as what."""
    inputs = [output.text for output in _inputs(command)[:1]]
    for text in (command.text, command.decoded or "", *inputs):
        if (found := _RUN.search(text)) is not None:
            return "base64", _KINDS[found[1][0]]
        if _DIGITS.search(text) is not None:
            return "hexadecimal digits", _PROGRAM
        if _NUMBERS.search(text) is not None:
            return "numbers", _PROGRAM
    return ("bytes", _PROGRAM) if any(text.startswith("MZ") and _STUB in text[:_HEAD] for text in inputs) else None


def _sealed(evidence: Evidence, exchange: Exchange) -> bool:
    found = message(evidence, request(exchange))
    return found is not None and found.protection is Protection.SEALED and not found.opened


def _size(evidence: Evidence, exchange: Exchange, *, of_request: bool) -> int:
    found = message(evidence, request(exchange) if of_request else response(exchange))
    return 0 if found is None else found.size


def _readable(evidence: Evidence, shell: Shell, volume: Volume) -> Sign[Transfer]:
    shown = [command for command, _, _ in volume.begins][:_SHOWN] or sorted(volume.commands, key=lambda one: -len(one.text))[:_SHOWN]
    shown = [command for command in shown if command.packets] or list(volume.commands[:1])
    exchanges = tuple(identity for command in shown for identity in command_exchanges(evidence, command, shell))
    return Sign(Transfer(shell, volume), exchanges, tuple(command.packets[0] for command in shown), shell.connections, shell.user)


def _unreadable(evidence: Evidence, group: list[Exchange], asked: int, answered: int) -> Sign[Transfer]:
    largest = max(group, key=lambda exchange: _size(evidence, exchange, of_request=True))
    connections = tuple(dict.fromkeys(exchange.connection for exchange in (largest, *group)))
    fact = Transfer(requests=len(group), asked=asked, answered=answered)
    return Sign(fact, (largest.id,), first_packet(request(largest)), connections, identity(evidence, largest.connection))


def why(tell: Tell[Transfer]) -> str:
    fact = tell.first.fact
    if fact.shell is None or fact.volume is None:
        return (
            f"{counted(fact.requests, 'encrypted request')} of {tell.connection.client.host} to {server_words(tell.connection)} could not be decrypted. "
            f"Together they have {fact.asked:,} bytes of body, all responses {fact.answered:,}. The largest is {where(tell)}."
        )
    volume = fact.volume
    found = "".join(_begun(volume, form) for form in dict.fromkeys(form for _, form, _ in volume.begins))
    return (
        f"{counted(len(volume.commands), 'command')} and their input brought {volume.size:,} bytes from {fact.shell.client} to {fact.shell.server}.{found} The "
        f"first to look at is {tell.packet(tell.first.packets[0])} ({fact.shell.kind} shell {fact.shell.id})."
    )


def _begun(volume: Volume, form: str) -> str:
    kinds = [kind for _, one, kind in volume.begins if one == form]
    return f" {sentence(form)} in {len(kinds)} of them {'begins' if form == 'base64' else 'begin'} as {listed(kinds)}."


def title(tell: Tell[Transfer]) -> str:
    fact = tell.first.fact
    server = tell.connection.server.host if fact.shell is None else fact.shell.server
    return f"A program or archive is sent to {server}" if fact.volume is not None and fact.volume.begins else f"Much data is sent to {server}"


OPINION = Opinion(
    title=title,
    name="Much data or a program is sent over WinRM",
    severity=lambda tell: Severity.LOW if tell.first.fact.volume is None else Severity.MEDIUM,
    worst=Severity.MEDIUM,
    confidence=lambda tell: 0.5 if tell.first.fact.volume is None else 0.8,
    owner=Owner.CLIENT,
    reference="ATT&CK T1570",
    advice=(
        "Put the files together (winrm-analyzer extract) and compare their SHA-256 with what is known. Where the bodies are encrypted, get the account's "
        "password or keytab, or look at the server for files of that time."
    ),
    attack=("T1570", "T1105"),
    see=see,
    why=why,
    each=alone,
    params=(LARGE, MORE),
)
