"""Shell operations out of envelopes (MS-WSMV 3.1.4.1.31, 2.2.4): Create, Command, Send, Receive, Signal, Delete and their responses.

Elements are found by local name with linear patterns, no tree is built. Stream data is decoded from base64 and, in shells that were created with
CompressionType xpress, decompressed.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from html import unescape

from analyzer.records.sealing import Message
from analyzer.records.wsman import Operation, StreamPiece
from analyzer.wsman.outline import outline
from analyzer.wsman.xpress import inflate

_PREFIX = r"<(?:[A-Za-z_][\w.-]*:)?"
_STREAM = re.compile(_PREFIX + r"Stream\b([^<>]*)>")
_COMMAND_LINE = re.compile(_PREFIX + r"CommandLine\b([^<>]*)>")
_TEXT = r"((?:<!\[CDATA\[.*?\]\]>|[^<])*)</"
_COMMAND = re.compile(_PREFIX + r"Command(?:\s[^<>]*)?>" + _TEXT, re.DOTALL)
_ARGUMENTS = re.compile(_PREFIX + r"Arguments(?:\s[^<>]*)?>" + _TEXT, re.DOTALL)
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>|([^<]+)", re.DOTALL)
_STATE = re.compile(_PREFIX + r"CommandState\b([^<>]*?)/?>")
_EXIT = re.compile(_PREFIX + r"ExitCode(?:\s[^<>]*)?>\s*(-?\d{1,12})\s*</")
_CODE = re.compile(_PREFIX + r"Code(?:\s[^<>]*)?>\s*([^<>]{1,200}?)\s*</")
_CREATION = re.compile(_PREFIX + r"creationXml(?:\s[^<>]*)?>\s*([^<>]*)</")
_CODE_PAGE = re.compile(_PREFIX + r"Option\b[^<>]*?Name=[\"']WINRS_CODEPAGE[\"'][^<>]*>\s*(\d{1,6})\s*</")
_COMPRESSION = re.compile(_PREFIX + r"CompressionType\b[^<>]*>\s*xpress\s*</", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([\w:.-]+)\s*=\s*[\"']([^\"']*)[\"']")
_NAMES = ("Create", "Command", "Send", "Receive", "Signal", "Delete", "Connect", "Disconnect", "Reconnect", "Fault")
_LIMIT = 64 << 20


def operation(message: Message, full: str, ts_ns: int, packets: tuple[int, ...], compressed: set[str], status: int | None = None) -> Operation | None:
    """The operation that an envelope is, or None when it is none of a shell's.

    ``compressed`` holds the exchanges and shells with xpress streams; it grows. ``status`` is the response's.
    """
    name = message.operation if isinstance(message.operation, str) else ""
    if name.removesuffix("Response") not in _NAMES:
        return None
    text = outline(full)
    line = _COMMAND_LINE.search(text) if "CommandLine" in text else None
    command_id = _attributes(line[1]).get("CommandId") if line else None
    state = _STATE.search(text) if "CommandState" in text else None
    shell_id = _upper(message.shell_id)
    if ("compressiontype" in text.lower() or not text.isascii()) and _COMPRESSION.search(text):
        compressed.update(found for found in (message.exchange, shell_id) if found)
    elif message.exchange in compressed and shell_id:
        compressed.add(shell_id)
    elif shell_id in compressed:
        compressed.add(message.exchange)
    line_end = full.find(line[0]) + len(line[0]) if line else 0
    command = _COMMAND.search(full, line_end) if line else None
    page = _CODE_PAGE.search(text) if "WINRS_CODEPAGE" in text else None
    exit_code = _EXIT.search(text) if "ExitCode" in text else None
    creation = _CREATION.search(full) if "creationXml" in text else None
    code = _CODE.search(text) if name == "Signal" else None
    return Operation(
        message=message.id,
        exchange=message.exchange,
        from_client=message.from_client,
        ts_ns=ts_ns,
        packets=packets,
        name=name,
        resource_uri=message.resource_uri,
        shell_id=shell_id,
        command_id=_upper(command_id or (_attributes(state[1]).get("CommandId") if state else None) or message.command_id),
        command=_content(command[1]) if command else None,
        arguments=tuple(_content(found) for found in _ARGUMENTS.findall(full, line_end)) if line else (),
        streams=tuple(_streams(full, packed=shell_id in compressed or message.exchange in compressed)),
        state=_attributes(state[1]).get("State", "").rpartition("/")[2] or None if state else None,
        exit_code=int(exit_code[1]) if exit_code else None,
        signal=code[1].rpartition("/")[2] if code else None,
        creation=_base64(creation[1]) if creation else b"",
        code_page=int(page[1]) if page else None,
        fault_code=message.fault_code,
        status=status,
    )


def _content(text: str) -> str:
    """An element's text: CDATA sections as they are, entities elsewhere undone."""
    return "".join(match[1] if match[1] is not None else unescape(match[2]) for match in _CDATA.finditer(text))


def _upper(identity: str | None) -> str | None:
    return identity.strip().upper() if identity else None


def _attributes(text: str) -> dict[str, str]:
    return {name.rpartition(":")[2]: unescape(value) for name, value in _ATTRIBUTE.findall(text)}


def _streams(text: str, *, packed: bool) -> list[StreamPiece]:
    found = []
    for attributes, content in _elements(text):
        named = _attributes(attributes)
        data = _base64(content)
        plain = inflate(data, _LIMIT) if packed and data else None
        found.append(
            StreamPiece(named.get("Name", ""), _upper(named.get("CommandId")), data if plain is None else plain, named.get("End", "").lower() == "true")
        )
    return found


def _elements(text: str) -> Iterator[tuple[str, str]]:
    """Attributes and content of every ``Stream`` element, from one ``<`` to the next."""
    at = text.find("<")
    while at >= 0:
        match = _STREAM.match(text, at)
        at = text.find("<", at + 1)
        if match is None:
            continue
        if match[1].endswith("/"):
            yield match[1][:-1], ""
        elif text.startswith("</", at) and ">" not in (content := text[match.end() : at]):
            yield match[1], content


def _base64(text: str) -> bytes:
    """Leniently: what can be decoded up to the first damage."""
    try:
        return binascii.a2b_base64(text) if text.isascii() else base64.b64decode("".join(text.split()))
    except (binascii.Error, ValueError):
        return b""
