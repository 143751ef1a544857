"""Files that were moved over WinRM. WinRM has no file transfer, so tools send base64 in pieces; those are put together by the file that they are written to.

    echo QUJD >> C:/x.b64                                      WinRS, line after line, decoded on the host afterwards
    [Convert]::FromBase64String("QUJD") ... WriteAllBytes       PowerShell, one command or a command for each piece
    -copyToFilePath C:/x -b64Fragment QUJD                      PowerShell's own Copy-Item -ToSession
    input objects, or output objects, that are base64            uploads through a pipeline, downloads

What is neither of a known kind nor written to a file is taken for an argument and left out.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable

from msgspec import Struct, field

from analyzer.records.files import MovedFile
from analyzer.records.wsman import Command, outputs_of

_BASE64 = r"[A-Za-z0-9+/]{16,}={0,2}"
_ECHO = re.compile(
    rf"echo(?:\s*+\|\s*+set\s++/p\s*+=|\s)\s*+[\"']?({_BASE64})[\"']?\s*+(>{{1,2}})\s*+(?:\"([^\"\r\n]{{1,260}})\"|([^\s\"&|<>]{{1,260}}))",
    re.IGNORECASE,
)
_FROM = re.compile(r"FromBase64String\s*+\(\s*+\(?\s*+[\"']([A-Za-z0-9+/=\s]{16,})[\"']", re.IGNORECASE)
_FRAGMENT = re.compile(r"-b64Fragment\s+[\"']?([A-Za-z0-9+/]{4,}={0,2})", re.IGNORECASE)
_TARGET = re.compile(
    r"(?:WriteAllBytes|AppendAllBytes|OpenWrite|FileStream|Set-Content|Add-Content|Out-File|-copyToFilePath|-FilePath|-LiteralPath|-Path)"
    r"\s{0,4}\(?\s{0,4}(?:'([^'\r\n]{1,260})'|\"([^\"\r\n]{1,260})\"|([^\s'\",;()]{1,260}))",
    re.IGNORECASE,
)
_APPENDS = re.compile(r"AppendAllBytes|Add-Content|-Append\b|FileMode\]?::Append|-b64Fragment|Seek\(", re.IGNORECASE)
_PIECE = re.compile(rf"\s*{_BASE64}\s*$")
_LAST = re.compile(r"\s*[A-Za-z0-9+/]{2,}={0,2}\s*$")
_CUT = re.compile(r"[^=]+={0,2}")
_KINDS = (
    (b"MZ", "pe"), (b"PK\x03\x04", "zip"), (b"\x7fELF", "elf"), (b"%PDF", "pdf"), (b"\x1f\x8b", "gzip"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"MSCF", "cab"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"), (b"regf", "registry hive"), (b"SQLite format 3\0", "sqlite"), (b"Rar!", "rar"), (b"\x89PNG", "png"),
    (b"MDMP", "minidump"), (b"ElfFile\0", "event log"),
)  # fmt: skip
_SCRIPT = re.compile(r"[\r\n]|\$\w+|\bfunction\b|\bparam\b|@echo off|^#!", re.IGNORECASE)
_LEAST = 64
_MOST = 64 << 20


class _Building(Struct):
    """Pieces of one file; ``text`` is base64 that is decoded as a whole, ``data`` pieces that were decoded one by one."""

    shell: str
    name: str | None
    to_server: bool
    first_ns: int
    text: list[str] = field(default_factory=list)
    data: list[bytes] = field(default_factory=list)
    commands: dict[str, None] = field(default_factory=dict)
    packets: dict[int, None] = field(default_factory=dict)


def moved(commands: Iterable[Command]) -> tuple[MovedFile, ...]:
    """The files in order of time; the same content moved twice is there twice."""
    building: list[_Building] = []
    latest: dict[tuple[str, str], _Building] = {}
    for command in commands:
        for text in (command.text, command.decoded or ""):
            _written(command, text, building, latest)
        building += [piped for to_server in (True, False) if (piped := _piped(command, to_server=to_server)) is not None]
    made = [found for one in building if (found := _finished(one)) is not None]
    return tuple(sorted(made, key=lambda found: found.first_ns))


def _written(command: Command, text: str, building: list[_Building], latest: dict[tuple[str, str], _Building]) -> None:
    """Pieces in a command line, by the file that they go to."""
    for match in _ECHO.finditer(text):
        one = _target(command, match[3] or match[4], building, latest, appends=match[2] == ">>")
        one.text.append(match[1])
    name = _name(text)
    for pattern in (_FROM, _FRAGMENT):
        for match in pattern.finditer(text):
            data = _decoded(match[1])
            if data is not None:
                _target(command, name, building, latest, appends=_APPENDS.search(text) is not None).data.append(data)


def _name(text: str) -> str | None:
    match = _TARGET.search(text)
    return next((group for group in match.groups() if group), None) if match else None


def _target(command: Command, name: str | None, building: list[_Building], latest: dict[tuple[str, str], _Building], *, appends: bool) -> _Building:
    key = (command.shell, (name or command.id).lower())
    one = latest.get(key) if appends else None
    if one is None:
        one = latest[key] = _Building(command.shell, name, to_server=True, first_ns=command.first_ns)
        building.append(one)
    one.commands.setdefault(command.id)
    one.packets.update(dict.fromkeys(command.packets))
    return one


def _piped(command: Command, *, to_server: bool) -> _Building | None:
    """The input or the output of a command, when all of its objects (or its whole text) are base64."""
    streams = ("input", "stdin") if to_server else ("output", "stdout")
    outputs = [output for output in outputs_of(command.outputs, streams) if output.text.strip()]
    texts = [output.text for output in outputs]
    if outputs and outputs[0].stream in ("stdin", "stdout"):  # these are cut anywhere: padding and white space end a piece
        texts = [piece for word in "".join(texts).split() for piece in _CUT.findall(word)]
    if not texts or sum(map(len, texts)) < _LEAST or not all(_PIECE.match(text) for text in texts[:-1]) or not _LAST.match(texts[-1]):
        return None
    one = _Building(command.shell, _name(command.text) if to_server else None, to_server, outputs[0].ts_ns)
    one.text = [text.strip() for text in texts]
    one.commands = {command.id: None}
    one.packets = dict.fromkeys(key for output in outputs for key in output.packets)
    return one


def _decoded(text: str) -> bytes | None:
    text = "".join(text.split())
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _content(one: _Building) -> tuple[bytes, bool]:
    """Pieces may be cuts of one base64 text, or each base64 of its own; a piece with padding before the last says which."""
    if not one.text:
        return b"".join(one.data), True
    whole = None if any(text.endswith("=") for text in one.text[:-1]) else _decoded("".join(one.text))
    if whole is not None:
        return whole, True
    pieces = [_decoded(text) for text in one.text]
    return b"".join(piece for piece in pieces if piece is not None), all(piece is not None for piece in pieces)


def _finished(one: _Building) -> MovedFile | None:
    data, whole = _content(one)
    kind = _kind(data)
    if len(data) > _MOST or len(data) < _LEAST or (kind == "data" and one.name is None):
        return None
    digest = hashlib.sha256(data).hexdigest()
    return MovedFile(digest, len(data), kind, one.name, one.to_server, whole, one.shell, tuple(one.commands), tuple(one.packets), one.first_ns, data)


def _kind(data: bytes) -> str:
    known = next((kind for begin, kind in _KINDS if data.startswith(begin)), None)
    if known is not None:
        return known
    encodings = ("utf-16",) if data[:2] in (b"\xff\xfe", b"\xfe\xff") else ("utf-8-sig", "utf-16-le") if data[1:2] == b"\0" else ("utf-8-sig",)
    for encoding in encodings:
        try:
            text = data[:_MOST].decode(encoding)
        except UnicodeDecodeError:
            continue
        if not any(ord(character) < 32 and character not in "\t\r\n\x0c" for character in text[:4096]):
            return "script" if _SCRIPT.search(text) else "text"
    return "data"
