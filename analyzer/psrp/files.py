"""Files that were moved over WinRM. WinRM has no file transfer, so tools send base64 in pieces; those are put together by the file that they are written to.

What the traffic itself says of a file (its hash, its size, how much of each piece was written) is compared with the bytes that are there. What lacks a piece,
or is not what the traffic says, is not whole: zeros stand where a hole of a known size is, and nothing is ever joined over one as if it were not there.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Iterator

from analyzer.formats.holes import HOLE, UNKNOWN, Holed, bytes_of, joined, lost, unshown
from analyzer.psrp.pieces import Piece, Transfer
from analyzer.psrp.transfers import all_of, target
from analyzer.records.files import Check, MovedFile
from analyzer.records.texts import saying
from analyzer.records.wsman import Command

_ECHO = re.compile(
    r"echo(?:\s*+\|\s*+set\s++/p\s*+=|\s)\s*+[\"']?([A-Za-z0-9+/]{2,}={0,2})[\"']?\s*+(>{1,2})\s*+(?:\"([^\"\r\n]{1,260})\"|([^\s\"&|<>]{1,260}))",
    re.IGNORECASE,
)
_FROM = re.compile(rf"FromBase64String\s*+\(\s*+\(?\s*+[\"']([A-Za-z0-9+/=\s{HOLE}{UNKNOWN}]{{2,}})[\"']?", re.IGNORECASE)
_APPENDS = re.compile(r"AppendAllBytes|Add-Content|-Append\b|FileMode\]?::Append|Seek\(", re.IGNORECASE)
_KINDS = (
    (b"MZ", "pe"), (b"PK\x03\x04", "zip"), (b"\x7fELF", "elf"), (b"%PDF", "pdf"), (b"\x1f\x8b", "gzip"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"MSCF", "cab"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"), (b"regf", "registry hive"), (b"SQLite format 3\0", "sqlite"), (b"Rar!", "rar"), (b"\x89PNG", "png"),
    (b"MDMP", "minidump"), (b"ElfFile\0", "event log"),
)  # fmt: skip
_SCRIPT = re.compile(r"[\r\n]|\$\w+|\bfunction\b|\bparam\b|@echo off|^#!", re.IGNORECASE)
_LEAST = 64
"""Bytes of what no command says to be a file."""
_ECHO_LEAST = 16
"""Characters of base64 in a line that is written to a file which nothing decodes: a shorter one may be any word."""
_MOST = 64 << 20


def moved(commands: Iterable[Command], limit: int = _MOST) -> tuple[MovedFile, ...]:
    """The files in order of time; the same content moved twice is there twice. Of one file at most ``limit`` bytes are kept."""
    commands = tuple(commands)
    found = [*all_of(commands), *_written(commands)]
    made = [one for transfer in found if (one := _finished(transfer, limit)) is not None]
    return tuple(sorted(made, key=lambda one: one.first_ns))


def _written(commands: tuple[Command, ...]) -> Iterator[Transfer]:
    """Pieces in command lines, by the file that they go to."""
    latest: dict[tuple[str, str, str], Transfer] = {}
    order: list[Transfer] = []
    lines: dict[int, list[str]] = {}
    for command in saying(commands, (">", "frombase64string")):
        if "PSCopyToSessionHelper" in command.text:
            continue
        for text in (unshown(command.text, command.holes), command.decoded or ""):
            if ">" in text:
                for match in _ECHO.finditer(text):
                    one = _target(command, match[3] or match[4], latest, order, appends=match[2] == ">>")
                    lines.setdefault(id(one), []).append(match[1])
                    one.pieces.append(Piece(Holed(b""), command.id, command.packets))
            name = target(text) if "FromBase64String" in text or "frombase64string" in text.lower() else None
            appends: bool | None = None
            for match in _FROM.finditer(text):
                appends = _APPENDS.search(text) is not None if appends is None else appends
                one = _target(command, name, latest, order, appends=appends)
                one.told = name is not None
                one.pieces.append(Piece(_loose(match[1]), command.id, command.packets))
    later = "\n".join(command.text for command in commands).lower() if lines else ""
    for one in order:
        own = lines.get(id(one))
        if own is not None:
            one.told = _is_decoded(one.name or "", later)
            if not one.told and max(map(len, own)) < _ECHO_LEAST:
                continue
            one.told = True
            one.pieces = _lines(own, one.pieces)
        yield one


def _is_decoded(name: str, later: str) -> bool:
    """A command decodes the file that lines of base64 were written to."""
    return bool(name) and any(word in later for word in ("-decode ", "frombase64string")) and name.lower() in later


def _lines(texts: list[str], pieces: list[Piece]) -> list[Piece]:
    """Lines may be cuts of one base64 text, or each base64 of its own; a line with padding before the last says which."""
    whole = None if any(text.endswith("=") for text in texts[:-1]) else _exact("".join(texts))
    if whole is not None:
        return [pieces[0]._replace(data=Holed(whole)), *pieces[1:]]
    own = [_exact(text) for text in texts]
    return [piece._replace(data=lost(None) if data is None else Holed(data)) for piece, data in zip(pieces, own, strict=True)]


def _target(command: Command, name: str | None, latest: dict[tuple[str, str, str], Transfer], order: list[Transfer], *, appends: bool) -> Transfer:
    key = (command.server, command.shell, (name or command.id).lower())
    one = latest.get(key) if appends else None
    if one is None:
        one = latest[key] = Transfer(command, "base64", name, to_server=True)
        order.append(one)
    return one


def _loose(text: str) -> Holed:
    if HOLE in text or UNKNOWN in text:
        return bytes_of(text)
    data = _exact(text)
    return Holed(b"") if data is None else Holed(data)


def _exact(text: str) -> bytes | None:
    text = "".join(text.split())
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None


def _content(transfer: Transfer) -> Holed:
    """The pieces one after the other, or where the commands say that they belong; what lies between them is a hole."""
    if all(piece.at is None for piece in transfer.pieces):
        whole = joined(piece.data for piece in transfer.pieces)
    else:
        parts: list[Holed] = []
        end = 0
        for piece in sorted(transfer.pieces, key=lambda piece: piece.at or 0):
            at, data = piece.at or 0, piece.data
            if at > end:
                gap = at - end
                unknown = bool(parts and parts[-1].holes and not parts[-1].holes[-1][1] and not parts[-1].data)
                parts[-1:] = [lost(gap)] if unknown and gap <= _MOST else [*parts[-1:], lost(gap if gap <= _MOST else None)]
            elif at < end:  # asked for once more
                data = data.cut(end - at, len(data.data))
            parts.append(data)
            end = max(end, at) + len(data.data)
        whole = joined(parts)
    if transfer.size is not None and len(whole.data) < transfer.size[0] <= _MOST:
        rest = transfer.size[0] - len(whole.data)
        holes = tuple(one for one in whole.holes if one[1] or one[0] < len(whole.data))
        whole = joined((Holed(whole.data, holes), lost(rest)))
    elif transfer.open_end and (not whole.holes or whole.holes[-1][1]):
        whole = joined((whole, lost(None)))
    return whole


def _finished(transfer: Transfer, limit: int) -> MovedFile | None:
    content = _content(transfer)
    over = len(content.data) > limit
    if over:
        content = joined((content.cut(0, limit), lost(None)))
    data = content.data
    if (not data and not content.holes and not transfer.told) or not (transfer.told or len(data) >= _LEAST):
        return None
    if not data and transfer.name is None and not any(size for _, size in content.holes):
        return None
    if not transfer.told and transfer.pieces and not any(piece.data.data for piece in transfer.pieces):
        return None
    checks = (*transfer.checks, *(() if over else _checks(transfer, data)))
    command = transfer.command
    return MovedFile(
        sha256=hashlib.sha256(data).hexdigest(),
        size=len(data),
        kind=_kind(data),
        name=transfer.name,
        to_server=transfer.to_server,
        whole=not content.holes and all(check.agrees for check in checks),
        shell=command.shell,
        commands=tuple(dict.fromkeys(piece.command for piece in transfer.pieces)),
        packets=tuple(dict.fromkeys(key for piece in transfer.pieces for key in piece.packets)),
        first_ns=command.first_ns,
        data=data,
        server=command.server,
        capture=command.capture,
        holes=content.holes,
        checks=checks,
        over_limit=over,
        method=transfer.method,
    )


def _checks(transfer: Transfer, data: bytes) -> Iterator[Check]:
    """Of the whole: the hash and the size that the traffic tells."""
    if transfer.digest is not None:
        told, packets = transfer.digest
        algorithm = "SHA-1" if len(told) == 40 else "SHA-256"
        made = hashlib.sha1(data, usedforsecurity=False) if algorithm == "SHA-1" else hashlib.sha256(data)
        yield Check(algorithm, told, made.hexdigest(), packets)
    if transfer.size is not None:
        yield Check("size", str(transfer.size[0]), str(len(data)), transfer.size[1])


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
