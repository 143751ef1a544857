"""Pieces of files in commands: which command brings which bytes of which file, and what the traffic says of their size and hash.

    the steps of Copy-Item                          `analyzer.psrp.copy_item`
    input objects or lines that are base64          pypsrp (the last one is a SHA-1), Ansible (it answers {"sha1": ...}), any tool that decodes them
    output objects or lines that are base64         pypsrp (the last one is a SHA-1), Ansible, any tool that prints it

The forms of Ansible are those of its connection plug-ins winrm and psrp.
"""

import base64
import binascii
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from analyzer.formats.holes import Holed, bytes_of, has_holes, lost
from analyzer.psrp.copy_item import Session, copied_from, copied_to
from analyzer.psrp.pieces import B64, Piece, Text, Transfer, texts
from analyzer.records.wsman import Command, Outputs

_TEXT = re.compile(rf"\s*[{B64}]+={{0,2}}\s*$")
_DIGEST = re.compile(r"[0-9A-Fa-f]{40}(?:[0-9A-Fa-f]{24})?")
_TOLD_DIGEST = re.compile(r"\"sha(?:1|256)\"\s*:\s*\"([0-9A-Fa-f]{40}(?:[0-9A-Fa-f]{24})?)\"")
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
    mixed = whole.lower() != whole != whole.upper() and _DIGITS.search(whole) is not None
    return size >= _LEAST and mixed and min(len(one.text) for one in found[:-1] or found) >= _PIECE_LEAST and not _DIGEST.fullmatch(whole)


_PIECE_LEAST = 16
_DIGITS = re.compile(r"[\d+/]")


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
    to_session: dict[tuple[str, str], Session] = {}
    from_session: dict[tuple[str, str], Transfer] = {}
    steps: dict[tuple[str, str], Transfer] = {}
    sizes: dict[tuple[str, str], tuple[int, tuple[int, ...]]] = {}
    before: Command | None = None
    for command in commands:
        text, outputs = command.text, command.outputs
        goes_on = before is not None and before.shell == command.shell and before.server == command.server
        if goes_on and text and not command.holes and "PSCopy" not in text:
            if not command.missing and isinstance(outputs, Outputs) and not outputs.runs:  # nothing went in, nothing came out
                continue
        else:
            before = command
            yield from copied_to(command, to_session)
            copied = copied_from(command, from_session, sizes)
            if copied is not None:
                yield copied
            if "PSCopy" in text:
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
    for session in to_session.values():
        yield from session.ended()
