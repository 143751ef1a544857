"""What was run and what came back: every shell with its commands, each line with the packet that carried it.

The texts are shown as the result has them; where `Mask.result` has masked them, as far as usual forms tell, the transcript says that this is best effort.
"""

from collections.abc import Iterator
from itertools import groupby

from analyzer.records.ids import key_number
from analyzer.records.result import Result
from analyzer.records.wsman import Command, Shell
from analyzer.reports.facts import counted
from analyzer.reports.lines import BLANK, Line, Span, line
from analyzer.tables.times import rfc3339

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
}
"""Stream to the word before its texts."""
BYTE_STREAMS = frozenset({"stdin", "stdout", "stderr"})
_STYLES = {"ERR": "red", "WARN": "yellow", "IN": "cyan", "RUN": "bold", "DECODED": "magenta", "WHO": "bold red"}
_NOTE = "Passwords and keys that were given are masked, in any spelling; others where they look like a password, which is best effort."
_LINE = 4000


def transcript(result: Result, *, mask: bool) -> Iterator[Line]:
    """Every shell in order of time; said plainly when nothing could be read. ``mask``: the result is a masked one."""
    commands: dict[tuple[str, str, str], list[Command]] = {}
    for command in result.commands:
        commands.setdefault((command.shell, command.kind, command.id), []).append(command)
    for shell in result.shells:  # several servers may have shells, and commands, of the same ids
        own = [one for name in shell.commands for one in commands.get((shell.id, shell.kind, name), ()) if shell.first_ns <= one.first_ns <= shell.last_ns]
        yield from _shell(result, shell, own)
        yield BLANK
    if not result.shells:
        yield line("no shell whose messages could be read; `winrm-analyzer info` tells which keys would decrypt the rest")
    elif mask:
        yield line(Span(_NOTE, "dim"))


def _shell(result: Result, shell: Shell, commands: list[Command]) -> Iterator[Line]:
    who = shell.user or "an identity that is not visible"
    yield line(Span(f"{shell.kind} shell {shell.id}", "bold"), f"  {who}, {shell.client} → {shell.server}, {counted(len(commands), 'command')}")
    yield line(
        f"  {rfc3339(shell.first_ns)} to {rfc3339(shell.last_ns)}, over {', '.join(shell.connections)}, in {result.evidence.captures[shell.capture].name}"
    )
    for command in commands:
        yield from _command(command)


def _command(command: Command) -> Iterator[Line]:
    yield from _text(command.packets, "RUN", command.text or "(its beginning is not in the capture)", ts_ns=command.first_ns)
    if command.ran_as and (command.asked_as or "").casefold() != command.ran_as.casefold():
        asked = command.asked_as or "no logon of its own in the capture"
        yield from _text(command.packets, "WHO", f"asked by {command.asked_from} ({asked}), ran as {command.ran_as}")
    if command.decoded:
        yield from _text(command.packets, "DECODED", command.decoded)
    for (stream, packets, whole), outputs in groupby(command.outputs, key=lambda output: (output.stream, output.packets, output.whole)):
        separator = "" if stream in BYTE_STREAMS else "\n"  # byte streams run on, objects are lines
        text = separator.join(output.text for output in outputs)
        yield from _text(packets, LABELS.get(stream, stream.upper()), text if whole else f"{text} (incomplete: fragments are missing)")
    words = [word for word in (command.state, None if command.exit_code is None else f"exit code {command.exit_code}") if word]
    if words:
        yield line(f"  {'':>9} {'':7} ", Span(", ".join(words), "dim"))


def _text(packets: tuple[int, ...], label: str, text: str, *, ts_ns: int | None = None) -> Iterator[Line]:
    """The text's lines; the packet and the label stand before the first one."""
    number = f"#{key_number(packets[0])}" if packets else ""
    when = f"  {rfc3339(ts_ns)}" if ts_ns is not None else ""
    for place, piece in enumerate(text.replace("\r\n", "\n").rstrip("\n").split("\n")):
        first = place == 0
        cut = piece if len(piece) <= _LINE else f"{piece[:_LINE]} … ({len(piece) - _LINE:,} more characters)"
        yield line(f"  {number if first else '':>9} ", Span(f"{label if first else '':7} ", _STYLES.get(label, "")), cut, Span(when if first else "", "dim"))
