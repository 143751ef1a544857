"""Shell operations out of envelopes (MS-WSMV 3.1.4.1.31, 2.2.4): Create, Command, Send, Receive, Signal, Delete and their responses.

Elements are found by local name with linear patterns, no tree is built. Stream data is decoded from base64 and, in shells that were created with
CompressionType xpress, decompressed.
"""

import base64
import binascii
import re
import struct
from collections.abc import Iterable, Iterator

from pybase64 import b64decode

from analyzer.formats.content import Room
from analyzer.formats.holes import Holed, bytes_of, has_holes
from analyzer.records.sealing import Message
from analyzer.records.wsman import Operation, StreamPiece
from analyzer.wsman.elements import CONTENT, INSIDE, PREFIX, attributes, content, element
from analyzer.wsman.marks import Marks
from analyzer.wsman.properties import told
from analyzer.wsman.xpress import inflate, inflate_holed

_NUMBER = r"\s*+(-?\d{1,12}+)\s*+</"
_STREAM = element("Stream", "")
_COMMAND_LINE = element("CommandLine", "")
_COMMAND = element("Command")
_INSIDE = element("Command", "")
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
_LIMIT = 64 << 20


def operation(
    message: Message, text: str, found: Marks, ts_ns: int, packets: tuple[int, ...], compressed: set[str], status: int | None = None, room: Room | None = None
) -> Operation | None:
    """The operation that an envelope is, or None when it is none of a shell's. ``found``: where its elements are. A text that lacks bytes has the characters of
    `analyzer.formats.holes` in their place.

    ``compressed`` holds the exchanges and shells with xpress streams; it grows. ``status`` is the response's; ``room``: what
    streams may become.
    """
    name = message.operation if isinstance(message.operation, str) else ""
    if name.removesuffix("Response") not in _NAMES:
        return None
    places = found.places
    line = _at(_COMMAND_LINE, text, places.get("CommandLine", ()))
    command_id = attributes(line[1]).get("CommandId") if line else None
    state = _at(_STATE, text, places.get("CommandState", ()))
    shell_id = _upper(message.shell_id)
    if _at(_COMPRESSION, text, places.get("CompressionType", ())) if text.isascii() else _COMPRESSION.search(text):
        compressed.update(known for known in (message.exchange, shell_id) if known)
    elif message.exchange in compressed and shell_id:
        compressed.add(shell_id)
    elif shell_id in compressed:
        compressed.add(message.exchange)
    begin = line.end() if line else 0
    command = _texts(text, (at for at in places.get("Command", ()) if at >= begin)) if line else None
    page = _code_page(text, places.get("Option", ()))
    exit_code = _at(_EXIT, text, places.get("ExitCode", ()))
    creation = _at(_CREATION, text, places.get("creationXml", ()))
    code = _at(_CODE, text, places.get("Code", ())) if name == "Signal" else None
    signal = content(code[2]).strip() if code else ""
    more = told(message, text)
    return Operation(
        message=message.id,
        exchange=message.exchange,
        from_client=message.from_client,
        ts_ns=ts_ns,
        packets=packets,
        name=name,
        resource_uri=message.resource_uri,
        shell_id=shell_id,
        command_id=_upper(command_id or (attributes(state[1]).get("CommandId") if state else None) or message.command_id or more.command_id),
        command=command,
        arguments=tuple(_arguments(text, places.get("Arguments", ()), begin)) if line else (),
        streams=tuple(_streams(text, places.get("Stream", ()), shell_id in compressed or message.exchange in compressed, room or Room(_LIMIT))),
        state=attributes(state[1]).get("State", "").rpartition("/")[2] or None if state else None,
        exit_code=int(exit_code[2]) if exit_code else None,
        signal=signal.rpartition("/")[2] if 0 < len(signal) <= _SIGNAL else None,
        creation=_base64(content(creation[2]).strip() if creation else more.blob),
        code_page=page,
        fault_code=message.fault_code,
        status=status,
        said=more.said,
    )


def _upper(identity: str | None) -> str | None:
    return None if not identity or has_holes(identity) else identity.strip().upper()


def _at(pattern: re.Pattern[str], text: str, places: Iterable[int]) -> re.Match[str] | None:
    """The pattern's first match at one of these places."""
    return next((match for at in places if (match := pattern.match(text, at)) is not None), None)


def _texts(text: str, places: Iterable[int]) -> str | None:
    """The texts of the elements Command: of one that holds elements, which no server takes, what stands there. Where there are several that differ, all."""
    found: dict[str, None] = {}
    for at in places:
        match = _COMMAND.match(text, at)
        inside = None if match else _INSIDE.match(text, at)
        if match:
            found[content(match[2])] = None
        elif inside:
            found[text[inside.end() : text.find("Command>", inside.end())].rpartition("</")[0]] = None
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
        data = _base64(raw)
        plain = inflate(data, room) if (packed or _is_packed(data)) and data else None
        if plain is None and room.full and data:
            holed = inflate_holed(Holed(data), room)
            yield StreamPiece(named.get("Name", ""), _upper(named.get("CommandId")), holed.data, named.get("End", "").lower() == "true", holed.holes)
            continue
        yield StreamPiece(named.get("Name", ""), _upper(named.get("CommandId")), data if plain is None else plain, named.get("End", "").lower() == "true")


def _is_packed(data: bytes) -> bool:
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


def _base64(text: str) -> bytes:
    """Leniently: what can be decoded up to the first damage."""
    try:
        return b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        pass
    try:
        return binascii.a2b_base64(text) if text.isascii() else base64.b64decode("".join(text.split()))
    except (binascii.Error, ValueError):
        return b""
