"""The steps of PowerShell's Copy-Item -ToSession and -FromSession, in the forms of its FileSystemProvider.

    PSCopyToSessionHelper -copyToFilePath C:/x -createFile True -b64Fragment QUJD      a fragment has 4 MiB but for the last; it answers BytesWritten=3
    PSCopyFromSessionHelper -getPathItems C:/x                                         it answers FullName=C:/x; FileSize=3
    PSCopyFromSessionHelper -copyFromFilePath C:/x -copyFromStart 0 ...                it answers b64Fragment=QUJD; moreAvailable=False

All steps of a copy have one pipeline id. A step that is not in the capture is known by its answer; whose it was is told by the step that comes after it.
"""

import re
from collections.abc import Iterator

from msgspec import Struct, field

from analyzer.formats.holes import UNKNOWN, Holed, bytes_of, has_holes, joined, lost, unshown
from analyzer.psrp.pieces import B64, Piece, Transfer, texts
from analyzer.records.files import Check
from analyzer.records.wsman import Command

_TO_SESSION = re.compile(r"PSCopy(?:ToSessionHelper|FileToRemoteSession)\b")
_TO_PATH = re.compile(r"-(?:copyToFilePath|filePath):?\s++")
_TO_PATH_END = re.compile(r"(?<!\s)\s++-(?:createFile|emptyFile|b64Fragment|streamName|force)\b")
_FRAGMENT = re.compile(rf"-b64Fragment:?\s+[\"']?([{B64}]*={{0,2}})")
_STREAM = re.compile(r"-streamName:?\s+(\S+)")
_WRITTEN = re.compile(r"BytesWritten(?:=|</S>\s*<I(?:32|64) N=\"Value\">)(\d{1,18})")
_FROM_SESSION = re.compile(r"PSCopyFromSessionHelper\b")
_FROM_PATH = re.compile(r"-copyFromFilePath\s++")
_FROM_PATH_END = re.compile(r"(?<!\s)\s++-copyFromStart\s++(\d{1,18}+)\s++-copyFromNumBytes\s++(\d{1,18})")
_ANSWERED = re.compile(rf"b64Fragment(?:=|</S>\s*<S N=\"Value\">)([{B64}]*={{0,2}})")
_MORE = re.compile(r"moreAvailable(?:=|</S>\s*<B N=\"Value\">)(\w+)")
_ITEM = re.compile(
    r"FullName=((?:(?!FullName=|FileSize=)[^;]){1,32767}+);?(?:(?!FullName=)[^,]){0,200}?FileSize=(\d{1,18})"
    r"|FileSize=(\d{1,18})(?:(?!FileSize=)[^,]){0,200}?FullName=((?:(?!FullName=|FileSize=)[^;,]){1,32767})"
)
_TAIL = re.compile(rf"(?<![{B64}])([{B64}]++={{0,2}}+)</S>")
_FULL = 4 << 20
"""Bytes of a fragment of Copy-Item that another one may follow."""
_MOST = 64 << 20
_UNKNOWN = ("request", "exchange")
"""What may be missing of a command without anything that shows what it was."""


class Session(Struct):
    """Copies to one shell: the one that is under way, and steps after it whose file is not known yet."""

    current: Transfer | None = None
    pending: list[tuple[Command, Piece, Check | None]] = field(default_factory=list)

    def begun(self, transfer: Transfer, *, creates: bool) -> Iterator[Transfer]:
        """The next file: what waits belonged to the one before it, or to files that nobody names, and the one before may lack it. A file whose first step is
        not the one that creates it lacks that one: it is the last one that waits."""
        first = self.pending.pop() if self.pending and not creates else None
        if not creates and (first is None or self.pending):
            transfer.pieces.append(Piece(lost(None), transfer.command.id, ()))
        if first is not None:
            transfer.pieces.append(first[1])
            transfer.checks += [] if first[2] is None else [first[2]]
        yield from self.ended()
        self.current = transfer
        yield transfer

    def goes_on(self) -> None:
        """Another step of the file that is under way: what came between belonged to it."""
        if self.current is not None:
            self.current.pieces += [piece for _, piece, _ in self.pending]
            self.current.checks += [check for _, _, check in self.pending if check is not None]
            self.pending = []

    def ended(self) -> Iterator[Transfer]:
        """What waits is of no file that can be told."""
        if self.pending and self.current is not None:
            self.current.open_end = True
        for command, piece, check in self.pending:
            if check is None:
                continue
            yield Transfer(command, "Copy-Item", None, to_server=True, pieces=[piece], checks=[check], told=True, open_end=True)
        self.pending = []


def _between(text: str, first: re.Pattern[str], name: re.Pattern[str], end: re.Pattern[str]) -> tuple[str, re.Match[str] | None] | None:
    """What stands between a step's path switch and the switch that follows it (or the text's end), and that switch; None for what is no such step."""
    begins = first.match(text, len(text) - len(text.lstrip()))
    path = None if begins is None else name.search(text, begins.end())
    if path is None:
        return None
    stop = end.search(text, path.end())
    return text[path.end() : None if stop is None else stop.start()].rstrip(), stop


def copied_to(command: Command, sessions: dict[tuple[str, str], Session]) -> Iterator[Transfer]:
    """A step of Copy-Item -ToSession: gives a transfer where one begins with it."""
    text = unshown(command.text, command.holes)
    path = _between(text, _TO_SESSION, _TO_PATH, _TO_PATH_END)
    session = sessions.get((command.server, command.shell))
    if session is None:
        session = sessions[command.server, command.shell] = Session()
    if path is None:
        if not command.text or command.holes:  # the step itself, or its beginning, is not in the capture, but its answer may be
            _lost_step(command, text, _written(command), session)
        return
    if "-b64Fragment" not in text and "-emptyFile" not in text and not has_holes(text):
        return
    lacking = [one for one in command.missing if one.what in _UNKNOWN]
    stream = _STREAM.search(text)
    name = path[0].strip("'\"") + (f":{stream[1]}" if stream else "")
    current = session.current
    if current is not None and current.name == name and "-createFile True" not in text:
        session.goes_on()
    else:
        current = Transfer(command, "Copy-Item", name, to_server=True, told=True)
        yield from session.begun(current, creates="-createFile False" not in text)
    fragment = _FRAGMENT.search(text)
    data = bytes_of(fragment[1]) if fragment else lost(None) if has_holes(text) else Holed(b"")
    _step(command, current, data, _written(command))
    current.open_end = len(data.data) >= _FULL
    if lacking:  # what is missing came with or after this step, and may have been another one
        session.pending.append((command, Piece(lost(None), command.id, ()), None))


def _step(command: Command, transfer: Transfer, data: Holed, written: tuple[int, tuple[int, ...]] | None) -> None:
    if written is None and data.holes:  # its length is not known: the last hole may have swallowed its end
        at = data.holes[-1][0]
        data = joined((data.cut(0, at), lost(None)))
    if written is not None:
        data = _measured(data, written[0])
        transfer.checks.append(Check("BytesWritten", str(written[0]), str(len(data.data)), written[1]))
    transfer.pieces.append(Piece(data, command.id, command.packets))


def _measured(data: Holed, written: int) -> Holed:
    """A fragment with holes, as long as the server says that it was. A hole that is longer or shorter than the rest has swallowed the end of the fragment, and
    what follows it belongs to something else."""
    if not data.holes or written > _MOST or (len(data.data) == written and data.missing is not None):
        return data
    unknown = [place for place, (_, size) in enumerate(data.holes) if not size]
    if len(unknown) == 1 and len(data.data) < written:
        at = data.holes[unknown[0]][0]
        return joined((Holed(data.data[:at], data.holes[: unknown[0]]), lost(written - len(data.data)), _after(data, unknown[0])))
    at = data.holes[unknown[0] if unknown else -1][0]
    return joined((data.cut(0, at), lost(written - at))) if at < written else data


def _after(data: Holed, place: int) -> Holed:
    at = data.holes[place][0]
    return Holed(data.data[at:], tuple((where - at, size) for where, size in data.holes[place + 1 :]))


def _lost_step(command: Command, text: str, written: tuple[int, tuple[int, ...]] | None, session: Session) -> None:
    """Of a step whose beginning is missing its end may be there: base64 is aligned from behind, too. Of which nothing is known it is one where the copy goes on
    under the same pipeline id."""
    if written is None:
        under = session.current is not None and session.current.command.id.partition("#")[0] == command.id.partition("#")[0]
        session.pending += [(command, Piece(lost(None), command.id, command.packets), None)] if under else []
        return
    tails = [match[1] for told in (text, *(output.text for output in texts(command, ("part",)))) for match in _TAIL.finditer(told)]
    tail = tails[-1].rpartition(UNKNOWN)[2] if tails else ""
    data = bytes_of(tail[len(tail) % 4 :])
    if len(data.data) > written[0] or not all(size for _, size in data.holes):
        data = Holed(b"")
    if written[0] <= _MOST:
        check = Check("BytesWritten", str(written[0]), str(written[0]), written[1])
        whole = joined((lost(written[0] - len(data.data)), data)) if len(data.data) < written[0] else data
        session.pending.append((command, Piece(whole, command.id, command.packets or written[1]), check))


def _written(command: Command) -> tuple[int, tuple[int, ...]] | None:
    for output in texts(command, ("output",)):
        match = _WRITTEN.search(output.text)
        if match is not None:
            return int(match[1]), output.packets
    return None


def copied_from(command: Command, latest: dict[tuple[str, str], Transfer], sizes: dict[tuple[str, str], tuple[int, tuple[int, ...]]]) -> Transfer | None:
    """A step of Copy-Item -FromSession, which tells where its bytes belong."""
    if not command.text.lstrip().startswith("PSCopyFromSessionHelper"):
        return None
    told = texts(command, ("output",))
    if "-getPathItems" in command.text:
        for output in told:
            for name, size, other_size, other in _ITEM.findall(output.text):
                sizes[command.server, (name or other).strip().lower()] = int(size or other_size), output.packets
        return None
    path = _between(command.text, _FROM_SESSION, _FROM_PATH, _FROM_PATH_END)
    if path is None or path[1] is None:
        return None
    name, at = path[0].strip("'\""), int(path[1][1])
    key = command.server, command.shell
    made = None
    current = latest.get(key)
    if current is None or current.name != name or at == 0:
        made = current = latest[key] = Transfer(command, "Copy-Item", name, to_server=False, told=True)
        current.size = sizes.get((command.server, name.lower()))
    text = "".join(output.text for output in told)
    fragment, more = _ANSWERED.search(text), _MORE.search(text)
    data = bytes_of(fragment[1]) if fragment else lost(None)
    current.pieces.append(Piece(data, command.id, tuple(key for output in told for key in output.packets) or command.packets, at))
    current.open_end = more is None or more[1].lower() == "true"
    return made
