"""Shell operations out of envelopes (MS-WSMV 3.1.4.1.31, 2.2.4): Create, Command, Send, Receive, Signal, Delete and their responses.

Elements are found by local name with linear patterns, no tree is built. Stream data is decoded from base64 and, in shells that were created with
CompressionType xpress, decompressed.
"""

import base64
import binascii
import re
import struct
from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from functools import lru_cache

from msgspec import Struct
from pybase64 import b64decode

from analyzer.formats.content import Room
from analyzer.formats.holes import Holed, bytes_of, has_holes
from analyzer.records.sealing import Message
from analyzer.records.wsman import Operation, StreamPiece
from analyzer.wsman.elements import CONTENT, INSIDE, PREFIX, attributes, content, element
from analyzer.wsman.ordinary import Ordinary
from analyzer.wsman.properties import NOTHING, TELLING, told
from analyzer.wsman.structure import Seen, read_marks
from analyzer.wsman.xpress import inflate, inflate_holed

_NUMBER = r"\s*+(-?\d{1,12}+)\s*+</"
_STREAM = element("Stream", "")
_COMMAND_LINE = element("CommandLine", "")
_COMMAND = element("Command")
_INSIDE = element("Command", "")
_COMMAND_ENDS = "Command>"
_ARGUMENTS = element("Arguments")
_STATE = element("CommandState", "")
_EXIT = element("ExitCode", _NUMBER)
_CODE = element("Code")
_CREATION = element("creationXml")
_OPTION = element("Option", _NUMBER)
_COMPRESSION = re.compile(PREFIX + "CompressionType" + INSIDE + r"\s*+xpress\s*+</", re.IGNORECASE)
_TEXT = re.compile(CONTENT)
_SIGNAL = 200
"""Characters of a signal's code, which is a URI."""
_CODE_PAGES = (0, 65_535)
_NAMES = ("Create", "Command", "Send", "Receive", "Signal", "Delete", "Connect", "Disconnect", "Reconnect", "Fault")
OPERATIONS = frozenset((*_NAMES, *(f"{name}Response" for name in _NAMES)))
"""The short names of actions of a shell's life, and ``Fault``."""
_LIMIT = 64 << 20


class _Raw(Struct, frozen=True, gc=False):
    """What an envelope says of a shell, its ids as they stand. ``compressed``: it says that streams are. ``signal``: text of its first Code element."""

    command_id: str | None
    command: str | None
    arguments: tuple[str, ...]
    state: str | None
    state_id: str | None
    exit_code: int | None
    signal: str
    creation: str | None
    code_page: int | None
    compressed: bool


def operation(
    message: Message, text: str, found: Seen, ts_ns: int, packets: tuple[int, ...], compressed: set[str], status: int | None = None, room: Room | None = None
) -> Operation | None:
    """The operation that an envelope is, or None when it is none of a shell's. ``found``: what was seen in it. A text that lacks bytes has the characters of
    `analyzer.formats.holes` in their place.

    ``compressed`` holds the exchanges and shells with xpress streams; it grows. ``status`` is the response's; ``room``: what
    streams may become.
    """
    name = message.operation if isinstance(message.operation, str) else ""
    if name not in OPERATIONS:
        return None
    raw = _by_places(text, found.marks.places, name) if found.plain is None else _in_one_pass(text, found.plain)
    shell_id = _upper(message.shell_id)
    if raw.compressed:
        compressed.update(known for known in (message.exchange, shell_id) if known)
    packed = learnt(message.exchange, shell_id, compressed)
    more = told(message, text) if name in TELLING else NOTHING
    signal = raw.signal.strip() if name == "Signal" else ""
    room = Room(_LIMIT) if room is None else room
    streams: tuple[StreamPiece, ...] = ()
    if found.plain is None:
        streams = tuple(_streams(text, found.marks.places.get("Stream", ()), packed, room))
    elif found.plain.streams:
        streams = tuple([_piece(one.name, one.command_id, one.end, one.data, packed, room) for one in found.plain.streams])
    command_id = _upper(raw.command_id or raw.state_id or message.command_id or more.command_id)
    state = raw.state.rpartition("/")[2] or None if raw.state is not None else None
    ended = signal.rpartition("/")[2] if 0 < len(signal) <= _SIGNAL else None
    packed_data = more.blob if raw.creation is None else raw.creation
    creation = in_base64(packed_data) if packed_data else b""
    about = (message.id, message.exchange, message.from_client, ts_ns, packets, name, message.resource_uri, shell_id, command_id)
    # by position, as names of so many fields would take most of the time
    return Operation(
        *about, raw.command, raw.arguments, streams, state, raw.exit_code, ended, creation, raw.code_page, message.fault_code, status, said=more.said
    )


def learnt(exchange: str, shell_id: str | None, compressed: set[str]) -> bool:
    """Whether the streams of an exchange and its shell are compressed, as far as is known; ``compressed`` learns of each from the other."""
    if exchange in compressed and shell_id:
        compressed.add(shell_id)
    elif shell_id in compressed:
        compressed.add(exchange)
    return shell_id in compressed or exchange in compressed


def depends(found: Operation | None, compressed: AbstractSet[str]) -> bool:
    """It has streams, and those of its exchange or its shell are compressed: what they hold is told by other messages, too."""
    return found is not None and bool(found.streams) and (found.exchange in compressed or found.shell_id in compressed)


def _by_places(text: str, places: Mapping[str, list[int]], name: str) -> _Raw:
    line = _at(_COMMAND_LINE, text, places.get("CommandLine", ()))
    state = _at(_STATE, text, places.get("CommandState", ()))
    stated = attributes(state[1]) if state else {}
    begin = line.end() if line else 0
    command = _command(text, places, line)
    exit_code = _at(_EXIT, text, places.get("ExitCode", ()))
    creation = _at(_CREATION, text, places.get("creationXml", ()))
    code = _at(_CODE, text, places.get("Code", ())) if name == "Signal" else None
    says = _at(_COMPRESSION, text, places.get("CompressionType", ())) if text.isascii() else _COMPRESSION.search(text)
    return _Raw(
        attributes(line[1]).get("CommandId") if line else None,
        command,
        tuple(_arguments(text, places.get("Arguments", ()), begin)) if line else (),
        stated.get("State", "") if state else None,
        stated.get("CommandId"),
        int(exit_code[2]) if exit_code else None,
        content(code[2]) if code else "",
        content(creation[2]).strip() if creation else None,
        _code_page(text, places.get("Option", ())),
        says is not None,
    )


def _in_one_pass(text: str, plain: Ordinary) -> _Raw:
    page = plain.code_page
    return _Raw(
        plain.line_id,
        _command_with_elements(text) if plain.command is None and plain.line else plain.command,
        plain.arguments,
        plain.state if plain.stated else None,
        plain.state_id,
        plain.exit_code,
        plain.code or "",
        None if plain.creation is None else plain.creation.strip(),
        page if page is not None and _CODE_PAGES[0] <= page <= _CODE_PAGES[1] else None,
        bool(plain.compression_at) and _at(_COMPRESSION, text, plain.compression_at) is not None,
    )


def _upper(identity: str | None) -> str | None:
    """An id as it is compared: one object for all messages that have it."""
    if not identity:
        return None
    return _compared(identity) if len(identity) <= _ID else _compared.__wrapped__(identity)


_ID = 128
"""Characters of an id that is remembered."""


@lru_cache(maxsize=4096)
def _compared(identity: str) -> str | None:
    return None if has_holes(identity) else identity.strip().upper()


def _at(pattern: re.Pattern[str], text: str, places: Iterable[int]) -> re.Match[str] | None:
    """The pattern's first match at one of these places."""
    return next((match for at in places if (match := pattern.match(text, at)) is not None), None)


def _command(text: str, places: Mapping[str, list[int]], line: re.Match[str] | None) -> str | None:
    """The texts of the elements Command behind where a CommandLine (``line``) begins."""
    return None if line is None else _texts(text, (at for at in places.get("Command", ()) if at >= line.end()))


def _command_with_elements(text: str) -> str | None:
    """The text of a Command that one pass passes over, as there are elements in it. That its CommandLine has no CommandId says nothing: few give one."""
    places = read_marks(text).places
    return _command(text, places, _at(_COMMAND_LINE, text, places.get("CommandLine", ())))


def _texts(text: str, places: Iterable[int]) -> str | None:
    """The texts of the elements Command: of one that holds elements, which no server takes, what stands there, up to the next Command where that holds one.
    Where there are several that differ, all."""
    found: dict[str, None] = {}
    known = list(places)
    if not known:
        return None
    last = text.rfind(_COMMAND_ENDS)
    for at, following in zip(known, [*known[1:], len(text)], strict=True):
        match = _COMMAND.match(text, at)
        if match:
            found[content(match[2])] = None
            continue
        inside = _INSIDE.match(text, at)
        if inside is None or inside[1].endswith("/"):
            continue
        end = text.find(_COMMAND_ENDS, inside.end(), following)
        if end >= 0:
            found[text[inside.end() : end].rpartition("</")[0]] = None
        elif inside.end() < following <= last:
            found[text[inside.end() : following]] = None
    return "\n".join(found) if found else None


def _code_page(text: str, places: Iterable[int]) -> int | None:
    """The option WINRS_CODEPAGE of a Create (MS-WSMV 3.1.4.5.2.2)."""
    for at in places:
        match = _OPTION.match(text, at)
        if match is not None and attributes(match[1]).get("Name") == "WINRS_CODEPAGE":
            return int(match[2]) if _CODE_PAGES[0] <= int(match[2]) <= _CODE_PAGES[1] else None
    return None


def _arguments(text: str, places: Iterable[int], begin: int) -> Iterator[str]:
    for at in places:
        match = _ARGUMENTS.match(text, at) if at >= begin else None
        if match is not None:
            begin = match.end()
            yield content(match[2])


def _streams(text: str, places: Iterable[int], packed: bool, room: Room) -> Iterator[StreamPiece]:  # noqa: FBT001
    for inside, raw in _elements(text, places):
        named = attributes(inside)
        if has_holes(raw):
            holed = bytes_of(raw)
            if packed:
                holed = inflate_holed(holed, room)
            yield StreamPiece(named.get("Name", ""), _upper(named.get("CommandId")), holed.data, named.get("End", "").lower() == "true", holed.holes)
            continue
        yield _piece(named.get("Name", ""), named.get("CommandId"), named.get("End", ""), raw, packed, room)


def _piece(name: str, command_id: str | None, end: str, raw: str | bytes, packed: bool, room: Room) -> StreamPiece:  # noqa: FBT001
    """A stream's element whose content is whole; ``raw`` is that, in base64."""
    data = in_base64(raw)
    last = end.lower() == "true"
    if data and (packed or is_packed(data)):
        plain = inflate(data, room)
        if plain is None and room.full:
            holed = inflate_holed(Holed(data), room)
            return StreamPiece(name, _upper(command_id), holed.data, last, holed.holes)
        return StreamPiece(name, _upper(command_id), data if plain is None else plain, last)
    if data and room.full:
        holed = inflate_holed(Holed(data), room)
        return StreamPiece(name, _upper(command_id), holed.data, last, holed.holes)
    return StreamPiece(name, _upper(command_id), data, last)


def is_packed(data: bytes) -> bool:
    """Compressed, though nothing readable said so (the shell's Create is not in the capture, or not decrypted): a run of xpress blocks to its end, of which one
    is smaller than its plain data or the first begins as PSRP's fragments do, and no run of these itself: their object numbers begin with zeros."""
    if len(data) < _LEAST_PACKED or not any(data[:4]):
        return False
    at = blocks = 0
    while at + 4 <= len(data):
        plain, packed = (value + 1 for value in struct.unpack_from("<HH", data, at))
        if packed > plain:
            return False
        at += 4 + packed
        blocks += packed < plain
    return at == len(data) and (blocks > 0 or not any(data[4:8]))


_LEAST_PACKED = 64


def _elements(text: str, places: Iterable[int]) -> Iterator[tuple[str, str]]:
    """Attributes and content of every ``Stream`` element, from one ``<`` to the next."""
    for at in places:
        match = _STREAM.match(text, at)
        if match is None:
            continue
        end = text.find("<", match.end())
        if match[1].endswith("/"):
            yield match[1][:-1], ""
        elif text.startswith("<!", end):
            whole = _TEXT.match(text, match.end())
            if whole is not None:
                yield match[1], content(whole[1])
        elif ">" not in (data := text[match.end() : end if end >= 0 else len(text)]) and (text.startswith("</", end) or has_holes(data)):
            yield match[1], data


def in_base64(text: str | bytes) -> bytes:
    """Leniently: what can be decoded up to the first damage."""
    if not text:
        return b""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    try:
        return binascii.a2b_base64(text) if text.isascii() else base64.b64decode("".join(str(text).split()))
    except (binascii.Error, ValueError):
        return b""
