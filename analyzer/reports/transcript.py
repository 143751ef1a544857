"""What was run and what came back: every shell with its commands, each line with the packet that carried it.

The texts are shown as the result has them; where `Mask.result` has masked them, as far as usual forms tell, the transcript says that this is best effort.
"""

from collections import deque
from collections.abc import Iterator
from itertools import groupby

from analyzer.records.ids import key_number
from analyzer.records.result import Result
from analyzer.records.wsman import Command, Missing, Shell
from analyzer.reports.asked import operation_lines
from analyzer.reports.facts import counted
from analyzer.reports.lines import BLANK, Line, Span, line
from analyzer.tables.times import on_screen

LABELS = {
    "stdin": "IN",
    "input": "IN",
    "stdout": "OUT",
    "output": "OUT",
    "stderr": "ERR",
    "error": "ERR",
    "warning": "WARN",
    "verbose": "VERB",
    "debug": "DEBUG",
    "information": "INFO",
    "progress": "PROG",
    "host": "HOST",
    "part": "PART",
}
"""Stream to the word before its texts."""
BYTE_STREAMS = frozenset({"stdin", "stdout", "stderr"})
_STYLES = {"ERR": "red", "WARN": "yellow", "IN": "cyan", "RUN": "bold", "DECODED": "magenta", "WHO": "bold red", "MISSING": "bold red"}
BEGINNING = "(its beginning is not in the capture)"
_NOTE = "Passwords and keys that were given are masked, in any spelling; others where they look like a password, which is best effort."
_LINE = 4000


def transcript(result: Result, *, mask: bool) -> Iterator[Line]:
    """Every shell in order of time; said plainly when nothing could be read. ``mask``: the result is a masked one."""
    commands: dict[tuple[str, str], list[Command]] = {}
    for command in result.commands:
        commands.setdefault((command.server, command.shell), []).append(command)
    for shell in result.shells:
        yield from _shell(result, shell, commands.get((shell.server, shell.id), []))
        yield BLANK
    yield from operation_lines(result)
    if not result.shells and not result.evidence.operations:
        yield line("no shell whose messages could be read; `winrm-analyzer info` tells which keys would decrypt the rest")
    elif mask:
        yield line(Span(_NOTE, "dim"))


def _shell(result: Result, shell: Shell, commands: list[Command]) -> Iterator[Line]:
    who = shell.user or "an identity that is not visible"
    yield line(Span(f"{shell.kind} shell {shell.id}", "bold"), f"  {who}, {shell.client} → {shell.server}, {counted(len(commands), 'command')}")
    yield line(
        f"  {on_screen(shell.first_ns)} to {on_screen(shell.last_ns)}, over {', '.join(shell.connections)}, in {result.evidence.captures[shell.capture].name}"
    )
    if shell.asked_as or shell.ran_as:
        asked, ran = (" and ".join(names) or "no logon in the capture" for names in (shell.asked_as, shell.ran_as))
        yield line(f"  asked as {asked}, ran as {ran}")
    for one in shell.missing:
        yield from _missing(one)
    for command in commands:
        yield from _command(command)


def _command(command: Command) -> Iterator[Line]:
    proof = " (decrypted out of a message that lacks bytes: no signature proves it)" if command.unproved else ""
    yield from _text(command.packets, "RUN", f"{command.text or BEGINNING}{proof}", ts_ns=command.first_ns)
    if command.ran_as and (command.asked_as or "").casefold() != command.ran_as.casefold():
        asked = command.asked_as or "no logon of its own in the capture"
        yield from _text(command.packets, "WHO", f"asked by {command.asked_from} ({asked}), ran as {command.ran_as}")
    if command.decoded:
        yield from _text(command.packets, "DECODED", command.decoded)
    lacking = deque(one for one in command.missing if one.what != "start")
    for (stream, packets, whole, unproved), outputs in groupby(command.outputs, key=lambda one: (one.stream, one.packets, one.whole, one.unproved)):
        told = list(outputs)
        while lacking and lacking[0].ts_ns <= told[0].ts_ns:
            yield from _missing(lacking.popleft())
        separator = "" if stream in BYTE_STREAMS else "\n"  # byte streams run on, objects are lines
        text = separator.join(output.text for output in told)
        remarks = [word for word, said in (("incomplete", not whole), ("no signature proves it", unproved)) if said]
        yield from _text(packets, LABELS.get(stream, stream.upper()), f"{text} ({', '.join(remarks)})" if remarks else text)
    for one in lacking:
        yield from _missing(one)
    words = [word for word in (command.state, None if command.exit_code is None else f"exit code {command.exit_code}") if word]
    if words:
        yield line(f"  {'':>9} {'':7} ", Span(", ".join(words), "dim"))


def _missing(one: Missing) -> Iterator[Line]:
    from analyzer.tables.missing import sentence

    yield from _text(one.packets, "MISSING", sentence(one))


def _text(packets: tuple[int, ...], label: str, text: str, *, ts_ns: int | None = None) -> Iterator[Line]:
    """The text's lines; the packet and the label stand before the first one."""
    number = f"#{key_number(packets[0])}" if packets else ""
    when = f"  {on_screen(ts_ns)}" if ts_ns is not None else ""
    for place, piece in enumerate(text.replace("\r\n", "\n").rstrip("\n").split("\n")):
        first = place == 0
        cut = piece if len(piece) <= _LINE else f"{piece[:_LINE]} … ({len(piece) - _LINE:,} more characters)"
        yield line(f"  {number if first else '':>9} ", Span(f"{label if first else '':7} ", _STYLES.get(label, "")), cut, Span(when if first else "", "dim"))
