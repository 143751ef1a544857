"""What was run and what came back: every shell with its commands, each line with the packet that carried it.

Captured text cannot pass for a line of ours: it stands right of the packet and the label that are ours, or right of a mark (`MARK`), which begins each further
line of it. Where lines have a width they are broken here, as a terminal would go on in its first column, where our headings begin.

The texts are shown as the result has them; where `Mask.result` has masked them, as far as usual forms tell, the transcript says that this is best effort.
"""

from collections import deque
from collections.abc import Iterator
from itertools import groupby

from analyzer.formats.text import cells, visible
from analyzer.records.ids import key_number
from analyzer.records.result import Result
from analyzer.records.sessions import ShellEvent
from analyzer.records.wsman import Command, Missing, Output, Shell
from analyzer.reports.asked import operation_lines
from analyzer.reports.facts import counted
from analyzer.reports.forwarded import forwarding_lines
from analyzer.reports.lines import BLANK, Line, Span, line
from analyzer.reports.processes import process_lines
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
_STYLES = {"ERR": "red", "WARN": "yellow", "IN": "cyan", "RUN": "bold", "DECODED": "magenta", "WHO": "bold red", "SESSION": "bold", "MISSING": "bold red"}
BEGINNING = "(its beginning is not in the capture)"
UNSURE = "The id {} was used before, and requests between the uses are not in the capture: its number may be too low."
_NOTE = "Passwords and keys that were given are masked, in any spelling; others where they look like a password, which is best effort."
_LINE = 4000
MARK = "│"
"""Before each line of captured text but the first, which has a packet or a label before it."""
_INDENT = 20
"""Columns before captured text."""
_NARROWEST = 20
"""Columns of captured text, however narrow the terminal is."""


def transcript(result: Result, *, mask: bool, width: int | None = None) -> Iterator[Line]:
    """Every shell in order of time; said plainly when nothing could be read. ``mask``: the result is a masked one. ``width``: columns of a terminal."""
    room = None if width is None else max(width - _INDENT, _NARROWEST)
    commands: dict[tuple[str, str], list[Command]] = {}
    for command in result.commands:
        commands.setdefault((command.server, command.shell), []).append(command)
    for shell in result.shells:
        yield from _shell(result, shell, commands.get((shell.server, shell.id), []), room)
        yield BLANK
    yield from operation_lines(result)
    yield from forwarding_lines(result)
    read = {name for shell in result.shells for name in shell.connections}
    yield from process_lines(result.evidence, tuple(name for name in result.evidence.connections if name not in read))
    if not result.shells and not result.evidence.operations and not result.evidence.forwarding.deliveries:
        yield line("no shell whose messages could be read; `winrm-analyzer info` tells which keys would decrypt the rest")
    elif mask:
        yield line(Span(_NOTE, "dim"))


def _shell(result: Result, shell: Shell, commands: list[Command], room: int | None) -> Iterator[Line]:
    who = shell.user or "an identity that is not visible"
    yield line(Span(f"{shell.kind} shell {shell.id}", "bold"), f"  {who}, {shell.client} → {shell.server}, {counted(len(commands), 'command')}")
    yield line(
        f"  {on_screen(shell.first_ns)} to {on_screen(shell.last_ns)}, over {', '.join(shell.connections)}, in {result.evidence.captures[shell.capture].name}"
    )
    if shell.asked_as or shell.ran_as:
        asked, ran = (" and ".join(names) or "no logon in the capture" for names in (shell.asked_as, shell.ran_as))
        yield line(f"  asked as {asked}, ran as {ran}")
    yield from process_lines(result.evidence, (shell.id, *shell.connections))
    from analyzer.reports.sessions import session_lines

    for told in session_lines(shell):
        yield from _text(room, (), "SESSION", told)
    for one in shell.missing:
        yield from _missing(one, room)
    events = deque(shell.events)
    for command in commands:
        while events and events[0].ts_ns <= command.first_ns:
            yield from _event(events.popleft(), room)
        yield from _command(command, room)
    for event in events:
        yield from _event(event, room)


def _event(event: ShellEvent, room: int | None) -> Iterator[Line]:
    """What was done to the shell as a whole, between its commands; a state is told where it says that something went wrong."""
    from analyzer.reports.sessions import EVENTS, event_words

    if event.what == "state" and ":" not in event.text:
        return
    yield from _text(room, event.packets, EVENTS[event.what], event_words(event), ts_ns=event.ts_ns)


def _command(command: Command, room: int | None) -> Iterator[Line]:
    proof = " (decrypted out of a message that lacks bytes: no signature proves it)" if command.unproved else ""
    yield from _text(room, command.packets, "RUN", f"{command.text or BEGINNING}{proof}", ts_ns=command.first_ns)
    if not command.number_sure:
        yield from _text(room, (), "MISSING", UNSURE.format(command.id))
    if command.ran_as and (command.asked_as or "").casefold() != command.ran_as.casefold():
        asked = command.asked_as or "no logon of its own in the capture"
        yield from _text(room, command.packets, "WHO", f"asked by {command.asked_from} ({asked}), ran as {command.ran_as}")
    if command.decoded:
        yield from _text(room, command.packets, "DECODED", command.decoded)
    lacking = deque(one for one in command.missing if one.what != "start")
    for (stream, packets, whole, unproved), outputs in groupby(command.outputs, key=lambda one: (one.stream, one.packets, one.whole, one.unproved)):
        told = list(outputs)
        while lacking and lacking[0].ts_ns <= told[0].ts_ns:
            yield from _missing(lacking.popleft(), room)
        separator = "" if stream in BYTE_STREAMS else "\n"  # byte streams run on, objects are lines
        text = separator.join(output.text for output in told)
        remarks = [word for word, said in (("incomplete", not whole), ("no signature proves it", unproved)) if said]
        yield from _text(room, packets, LABELS.get(stream, stream.upper()), f"{text} ({', '.join(remarks)})" if remarks else text)
        if stream == "error":
            yield from _places(told, packets, room)
    for one in lacking:
        yield from _missing(one, room)
    words = [word for word in (command.state, None if command.exit_code is None else f"exit code {command.exit_code}") if word]
    if words:
        yield line(f"  {'':>9} {'':7} ", Span(", ".join(words), "dim"))


def _places(errors: list[Output], packets: tuple[int, ...], room: int | None) -> Iterator[Line]:
    from analyzer.reports.sessions import error_words

    for place in error_words(errors):
        yield from _text(room, packets, "AT", place)


def _missing(one: Missing, room: int | None) -> Iterator[Line]:
    from analyzer.tables.missing import sentence

    yield from _text(room, one.packets, "MISSING", sentence(one))


def _text(room: int | None, packets: tuple[int, ...], label: str, text: str, *, ts_ns: int | None = None) -> Iterator[Line]:
    """The text's lines; the packet and the label stand before the first one, the mark before the others."""
    number = f"#{key_number(packets[0])}" if packets else ""
    when = f"  {on_screen(ts_ns)}" if ts_ns is not None else ""
    for place, piece in enumerate(text.replace("\r\n", "\n").rstrip("\n").split("\n")):
        cut = piece if len(piece) <= _LINE else f"{piece[:_LINE]} … ({len(piece) - _LINE:,} more characters)"
        for part, row in enumerate([cut] if room is None else _rows(cut, room)):
            if place == 0 and part == 0:
                yield line(f"  {number:>9} ", Span(f"{label:7} ", _STYLES.get(label, "")), row, Span(when, "dim"))
            else:
                yield line(f"{'':{_INDENT - 2}}", Span(f"{MARK} ", _STYLES.get(label, "")), row)


def _rows(text: str, room: int) -> Iterator[str]:
    """The text in pieces of at most ``room`` columns, wherever that falls: blanks in it are what was captured, too."""
    shown, used = "", 0
    for char in visible(text, len(text)):
        size = cells(char)
        if used + size > room:
            yield shown
            shown, used = "", 0
        shown, used = shown + char, used + size
    yield shown
