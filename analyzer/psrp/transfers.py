"""Pieces of files in commands: which command brings which bytes of which file, and what the traffic says of their size and hash.

    PSCopyToSessionHelper -copyToFilePath C:/x -createFile True -b64Fragment QUJD     Copy-Item -ToSession; it answers BytesWritten=3
    PSCopyFromSessionHelper -copyFromFilePath C:/x -copyFromStart 0 ...               Copy-Item -FromSession; it answers b64Fragment=QUJD; moreAvailable=False
    input objects or lines that are base64                                           pypsrp (the last one is a SHA-1), Ansible (it answers {"sha1": ...})
    output objects or lines that are base64                                          pypsrp (the last one is a SHA-1), Ansible, any tool that prints it
    echo QUJD >> C:/x.b64                                                            WinRS, line after line, decoded on the host afterwards
    [Convert]::FromBase64String("QUJD") ... WriteAllBytes                            PowerShell, one command or a command for each piece

The forms of Copy-Item are those of PowerShell's FileSystemProvider, those of Ansible of its connection plug-ins winrm and psrp.
"""

import base64
import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from typing import NamedTuple

from msgspec import Struct, field

from analyzer.formats.holes import HOLE, UNKNOWN, Holed, bytes_of, has_holes, joined, lost, unshown
from analyzer.records.files import Check
from analyzer.records.wsman import Command, Output, OutputRun, Outputs

_B64 = rf"A-Za-z0-9+/{HOLE}{UNKNOWN}"
_TEXT = re.compile(rf"\s*[{_B64}]+={{0,2}}\s*$")
_DIGEST = re.compile(r"[0-9A-Fa-f]{40}(?:[0-9A-Fa-f]{24})?")
_TOLD_DIGEST = re.compile(r"\"sha(?:1|256)\"\s*:\s*\"([0-9A-Fa-f]{40}(?:[0-9A-Fa-f]{24})?)\"")
_TO_SESSION = re.compile(r"\bPSCopyToSessionHelper\b.*?-copyToFilePath\s+(.*?)(?=\s+-(?:createFile|emptyFile|b64Fragment|streamName|force)\b|\s*$)", re.DOTALL)
_FRAGMENT = re.compile(rf"-b64Fragment\s+[\"']?([{_B64}]*={{0,2}})")
_STREAM = re.compile(r"-streamName\s+(\S+)")
_WRITTEN = re.compile(r"BytesWritten(?:=|</S>\s*<I(?:32|64) N=\"Value\">)(\d{1,18})")
_FROM_SESSION = re.compile(r"\bPSCopyFromSessionHelper\b.*?-copyFromFilePath\s+(.*?)\s+-copyFromStart\s+(\d{1,18})\s+-copyFromNumBytes\s+(\d{1,18})", re.DOTALL)
_ANSWERED = re.compile(rf"b64Fragment(?:=|</S>\s*<S N=\"Value\">)([{_B64}]*={{0,2}})")
_MORE = re.compile(r"moreAvailable(?:=|</S>\s*<B N=\"Value\">)(\w+)")
_ITEM = re.compile(r"FullName=([^;]*)[^,]*?FileSize=(\d{1,18})|FileSize=(\d{1,18})[^,]*?FullName=([^;,]*)")
_TAIL = re.compile(r"([A-Za-z0-9+/]+={0,2})</S>")
_PREAMBLE = "\0\0\0\0"
_MANIFEST = re.compile(r"\"Path\"\s*:\s*\"((?:[^\"\\]|\\.){1,520})\"")
_OFFSET = re.compile(r"\"Offset\"\s*:\s*(\d{1,18})")
_BUFFER = re.compile(r"\"BufferSize\"\s*:\s*(\d{1,18})")
_ARGUMENTS = re.compile(r"(?:\}|\(\))\s+(\S[^\r\n]{0,260}?)\s+(?:True|False)\s*$")
"""How pypsrp's scripts end: the path and whether variables in it are expanded are their arguments."""
_LINE = re.compile(r"[^\s=]+={0,2}|=+")
_TARGET = re.compile(
    r"(?:WriteAllBytes|AppendAllBytes|OpenWrite|FileStream|\]::Create|Set-Content|Add-Content|Out-File|-copyToFilePath|-FilePath|-LiteralPath|-Path)"
    r"\s{0,4}\(?\s{0,4}(?:'([^'\r\n]{1,260})'|\"([^\"\r\n]{1,260})\"|([^\s'\",;()]{1,260}))",
    re.IGNORECASE,
)
_VARIABLE = re.compile(r"\$(\w{1,60})\s*=\s*(?:'([^'\r\n]{1,260})'|\"([^\"\r\n]{1,260})\")")
_LEAST = 64
"""Characters of base64 that a stream must have when nothing else says that it is a file."""


class Piece(NamedTuple):
    """Bytes of a file, in order of time or (``at``) at an offset that the command tells; the command and the packets that brought them."""

    data: Holed
    command: str
    packets: tuple[int, ...]
    at: int | None = None


class Transfer(Struct):
    """A file that is being put together."""

    command: Command
    method: str
    name: str | None
    to_server: bool
    pieces: list[Piece] = field(default_factory=list)
    checks: list[Check] = field(default_factory=list)
    """Of pieces; a hash or the size of the whole stands in the next two."""
    digest: tuple[str, tuple[int, ...]] | None = None
    size: tuple[int, tuple[int, ...]] | None = None
    told: bool = False
    """The commands say that this is a file: even a single byte of it counts."""
    open_end: bool = False
    """More was announced than there is."""


class Text(NamedTuple):
    """An input or output as it was, with the characters that stand for what is missing; a line of a byte stream, or an object."""

    text: str
    ts_ns: int
    packets: tuple[int, ...]


def texts(command: Command, streams: Sequence[str]) -> list[Text]:
    """What went in or came out, in order of time; where the capture lacks an answer, or what an answer said, a text of unknown size stands for it."""
    outputs = command.outputs
    runs = outputs.runs if isinstance(outputs, Outputs) else tuple(map(_run, outputs))
    found: list[tuple[int, Text]] = []
    for run in runs:
        if run.stream not in streams:
            continue
        if run.holes:
            found.append((run.ts_ns, Text(unshown(run.text, run.holes), run.ts_ns, run.packets)))
            continue
        begin = 0
        for end in run.ends:
            found.append((run.ts_ns, Text(run.text[begin:end], run.ts_ns, run.packets)))
            begin = end
    inward = "input" in streams
    holed = {run.ts_ns for run in runs if run.holes}
    lacking = [one for one in command.missing if one.what in (("input",) if inward else ("answer", "output")) and one.ts_ns not in holed]
    found += [(one.ts_ns, Text(UNKNOWN, one.ts_ns, one.packets)) for one in lacking]
    found.sort(key=lambda one: one[0])
    return [text for _, text in found]


def _run(output: Output) -> OutputRun:
    return OutputRun(output.stream, output.ts_ns, output.packets, output.text, (len(output.text),), (output.size,))


def copied_to(command: Command, latest: dict[tuple[str, str], Transfer]) -> Transfer | None:
    """A step of Copy-Item -ToSession: a new transfer, or None when it belongs to the one that is under way in the shell, or is none."""
    text = unshown(command.text, command.holes)
    match = _TO_SESSION.search(text) if "PSCopyToSessionHelper" in text else None
    key = command.server, command.shell
    written = _written(command)
    if match is None:
        if not text and written is not None and key in latest:  # the step itself is not in the capture, but its answer is
            _lost_step(command, written, latest[key])
        return None
    if "-b64Fragment" not in text and "-emptyFile" not in text:
        return None
    stream = _STREAM.search(text)
    name = match[1].strip("'\"") + (f":{stream[1]}" if stream else "")
    made = None
    current = latest.get(key)
    if current is None or current.name != name or "-createFile True" in text:
        made = current = latest[key] = Transfer(command, "Copy-Item", name, to_server=True, told=True)
    fragment = _FRAGMENT.search(text)
    data = bytes_of(fragment[1]) if fragment else Holed(b"")
    if fragment and fragment.end() == len(text) and has_holes(text[-1:]) and not has_holes(fragment[1]):
        data = joined((data, lost(None)))
    _step(command, current, data, written)
    return made


def _step(command: Command, transfer: Transfer, data: Holed, written: tuple[int, tuple[int, ...]] | None) -> None:
    if written is not None:
        unknown = [place for place, (_, size) in enumerate(data.holes) if not size]
        if len(unknown) == 1 and written[0] > len(data.data):  # the server says how much it was
            at = data.holes[unknown[0]][0]
            data = joined((data.cut(0, at)._replace(holes=data.holes[: unknown[0]]), lost(written[0] - len(data.data)), _after(data, unknown[0])))
        transfer.checks.append(Check("BytesWritten", str(written[0]), str(len(data.data)), written[1]))
    transfer.pieces.append(Piece(data, command.id, command.packets))


def _after(data: Holed, place: int) -> Holed:
    at = data.holes[place][0]
    return Holed(data.data[at:], tuple((where - at, size) for where, size in data.holes[place + 1 :]))


def _lost_step(command: Command, written: tuple[int, tuple[int, ...]], transfer: Transfer) -> None:
    """Of a step whose beginning is missing its end may be there: base64 is aligned from behind, too."""
    tails = [match[1] for output in texts(command, ("part",)) for match in _TAIL.finditer(output.text)]
    tail = tails[-1] if tails else ""
    data = _exact(tail[len(tail) % 4 :]) or b""
    if len(data) < written[0]:
        transfer.checks.append(Check("BytesWritten", str(written[0]), str(written[0]), written[1]))
        transfer.pieces.append(Piece(joined((lost(written[0] - len(data)), Holed(data))), command.id, command.packets or written[1]))


def _written(command: Command) -> tuple[int, tuple[int, ...]] | None:
    for output in texts(command, ("output",)):
        match = _WRITTEN.search(output.text)
        if match is not None:
            return int(match[1]), output.packets
    return None


def copied_from(command: Command, latest: dict[tuple[str, str], Transfer], sizes: dict[tuple[str, str], tuple[int, tuple[int, ...]]]) -> Transfer | None:
    """A step of Copy-Item -FromSession, which tells where its bytes belong."""
    if "PSCopyFromSessionHelper" not in command.text:
        return None
    told = texts(command, ("output",))
    if "-getPathItems" in command.text:
        for output in told:
            for name, size, other_size, other in _ITEM.findall(output.text):
                sizes[command.server, (name or other).strip().lower()] = int(size or other_size), output.packets
        return None
    match = _FROM_SESSION.search(command.text)
    if match is None:
        return None
    name, at = match[1].strip("'\""), int(match[2])
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


def piped(command: Command, *, to_server: bool) -> Transfer | None:
    """The input or the output of a command, when all of its objects (or its whole text) are base64."""
    streams = ("input", "stdin") if to_server else ("output", "stdout")
    if _hopeless(command, streams):
        return None
    found = [one for one in texts(command, streams) if one.text.strip(" \r\n\t")]
    if not found:
        return None
    found, manifest = _after_preamble(_lines(command, found, to_server=to_server))
    digest = _told_digest(command) if to_server else None
    method = "Ansible" if manifest or digest else "base64"
    if not to_server and len(found) > 1 and found[0].text == "[FILE]":
        found, method = found[1:], "Ansible"
    trailer = _trailer(found, to_server=to_server)
    if trailer is not None:
        digest, method = (trailer, found[-1].packets), "pypsrp" if method == "base64" else method
        found = found[:-1]
    script = f"{command.text}\n{command.decoded or ''}\n{manifest}".lower()
    told = digest is not None or ("frombase64string" if to_server else "tobase64string") in script
    size = sum(len(one.text) for one in found)
    if not found or not all(_TEXT.match(one.text) for one in found) or not (told or _looks_encoded(found, size)):
        return None
    made = Transfer(command, method, _name_of(command, manifest, to_server=to_server), to_server, digest=digest, told=told)
    for data, packets in _decoded_pieces(found):
        made.pieces.append(Piece(data, command.id, packets))
    return made


def _hopeless(command: Command, streams: Sequence[str]) -> bool:
    """The first text is neither base64 nor what comes before it: of 10^6 texts not one more has to be looked at."""
    outputs = command.outputs
    first = next((one for one in outputs.runs if one.stream in streams), None) if isinstance(outputs, Outputs) else None
    if first is None:
        return isinstance(outputs, Outputs) and not command.missing
    begins = first.text[: first.ends[0]].strip() if not first.holes else ""
    return bool(begins) and begins[0] not in "{[\0" and not _TEXT.match(begins.split(maxsplit=1)[0])


def fetched(command: Command) -> tuple[str, int, int] | None:
    """Path, offset and buffer size, when the command is a step of Ansible's fetch over WinRS: each step prints the base64 of one buffer."""
    manifest = "".join(one.text for one in texts(command, ("stdin", "input")))
    path, offset, buffer = _MANIFEST.search(manifest), _OFFSET.search(manifest), _BUFFER.search(manifest)
    return (_unescaped(path[1]), int(offset[1]), int(buffer[1])) if path and offset and buffer else None


def _lines(command: Command, found: list[Text], *, to_server: bool) -> list[Text]:
    """Byte streams are cut anywhere: their lines are pieces, and so is what follows padding. Objects are pieces as they are."""
    outputs = command.outputs
    streams = {run.stream for run in outputs.runs} if isinstance(outputs, Outputs) else {one.stream for one in outputs}
    if not streams & {"stdin" if to_server else "stdout"}:
        return [one._replace(text=one.text.strip()) for one in found]
    whole = "".join(one.text for one in found)
    ends = list(accumulate(len(one.text) for one in found))
    return [_line(found, ends, match) for match in _LINE.finditer(whole)]


def _line(found: Sequence[Text], ends: Sequence[int], match: re.Match[str]) -> Text:
    first, last = bisect_right(ends, match.start()), bisect_left(ends, match.end())
    packets = tuple(dict.fromkeys(key for one in found[first : last + 1] for key in one.packets))
    return Text(match[0], found[first].ts_ns, packets)


def _after_preamble(found: list[Text]) -> tuple[list[Text], str]:
    """Ansible's wrapper reads its own script and parameters as JSON first; a line of four zero bytes ends each document."""
    places = [place for place, one in enumerate(found) if one.text.strip("\r\n") == _PREAMBLE]
    if not places:
        return found, ""
    place = places[-1]
    return found[place + 1 :], " ".join(one.text for one in found[:place])


def _told_digest(command: Command) -> tuple[str, tuple[int, ...]] | None:
    for output in texts(command, ("output", "stdout")):
        match = _TOLD_DIGEST.search(output.text)
        if match is not None:
            return match[1].lower(), output.packets
    return None


def _trailer(found: Sequence[Text], *, to_server: bool) -> str | None:
    """The hash that pypsrp sends or prints last: in base64 to the server, as it is to the client."""
    last = found[-1].text.strip() if found else ""
    if not to_server:
        return last.lower() if len(found) > 1 and _DIGEST.fullmatch(last) else None
    data = _exact(last)
    text = "" if data is None else data.decode("latin-1")
    return text.lower() if _DIGEST.fullmatch(text) else None


def _looks_encoded(found: Sequence[Text], size: int) -> bool:
    """Nobody says that this is base64: it is long, and no word, number or hash looks like it."""
    whole = "".join(one.text for one in found[:64])
    mixed = any(c.isupper() for c in whole) and any(c.islower() for c in whole) and any(c.isdigit() or c in "+/" for c in whole)
    return size >= _LEAST and mixed and min(len(one.text) for one in found[:-1] or found) >= _PIECE_LEAST and not _DIGEST.fullmatch(whole)


_PIECE_LEAST = 16


def target(text: str) -> str | None:
    """The file that a script writes to, as it names it; of a variable what it was set to."""
    match = _TARGET.search(text)
    name = next((group for group in match.groups() if group), None) if match else None
    if name is not None and name.startswith("$"):
        values = {one[1].lower(): one[2] or one[3] for one in _VARIABLE.finditer(text)}
        return values.get(name[1:].lower(), name)
    return name


def _decoded_pieces(found: Sequence[Text]) -> Iterator[tuple[Holed, tuple[int, ...]]]:
    """Pieces may be cuts of one base64 text, or each base64 of its own; padding before the last, or a length that is none of base64's, says which."""
    bare = ["".join(one.text.split()) for one in found]
    own = all(len(text) % 4 == 0 or has_holes(text) for text in bare) or any(text.endswith("=") for text in bare[:-1])
    if own:
        for text, one in zip(bare, found, strict=True):
            yield _padded(text), one.packets
        return
    packets = tuple(dict.fromkeys(key for one in found for key in one.packets))
    yield _padded("".join(bare)), packets


def _padded(text: str) -> Holed:
    if has_holes(text):
        return bytes_of(text)
    data = _exact(text + "=" * (-len(text) % 4))
    return Holed(data) if data is not None else lost(None)


def _exact(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _name_of(command: Command, manifest: str, *, to_server: bool) -> str | None:
    path = _MANIFEST.search(manifest)
    if path is not None:
        return _unescaped(path[1])
    arguments = _ARGUMENTS.search(command.text.rpartition("\n")[2][-600:])
    if arguments is not None:
        return arguments[1]
    return target(f"{command.decoded or ''}\n{command.text}") if to_server else None


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def all_of(commands: Iterable[Command]) -> Iterator[Transfer]:
    """The transfers of the forms above that go through commands of their own, in order of their first."""
    to_session: dict[tuple[str, str], Transfer] = {}
    from_session: dict[tuple[str, str], Transfer] = {}
    steps: dict[tuple[str, str], Transfer] = {}
    sizes: dict[tuple[str, str], tuple[int, tuple[int, ...]]] = {}
    for command in commands:
        copied = copied_to(command, to_session) or copied_from(command, from_session, sizes)
        if copied is not None:
            yield copied
        if "PSCopy" in command.text:
            continue
        for to_server in (True, False):
            found = piped(command, to_server=to_server)
            if found is None:
                continue
            step = None if to_server else fetched(command)
            if step is None:
                yield found
                continue
            path, offset, buffer = step
            key = command.server, path
            if offset == 0 or key not in steps:
                steps[key] = found
                found.name, found.method, found.told = path, "Ansible", True
                found.pieces = [piece._replace(at=offset) for piece in found.pieces[:1]]
                yield found
            else:
                steps[key].pieces += [piece._replace(at=offset) for piece in found.pieces[:1]]
            steps[key].open_end = sum(len(piece.data.data) for piece in found.pieces[:1]) >= buffer
