"""Messages of a pipeline as pieces of its streams: the stream's name, the text that a person reads, and what of an object is more than its text."""

from collections.abc import Callable
from typing import NamedTuple

from analyzer.psrp import clixml, errors, hosts, objects
from analyzer.psrp.fragments import PsMessage


class Piece(NamedTuple):
    """``types`` and ``json`` as in `analyzer.records.wsman.Output`."""

    stream: str
    text: str
    types: str | None = None
    json: str | None = None


def _record(text: str) -> str:
    return clixml.record(text, "InformationalRecord_Message", "MessageData", "Message")


_SHOWN: dict[str, tuple[str, Callable[[str], str]]] = {
    "PIPELINE_OUTPUT": ("output", clixml.shown),
    "PIPELINE_INPUT": ("input", clixml.shown),
    "ERROR_RECORD": ("error", clixml.error),
    "DEBUG_RECORD": ("debug", _record),
    "VERBOSE_RECORD": ("verbose", _record),
    "WARNING_RECORD": ("warning", _record),
    "INFORMATION_RECORD": ("information", _record),
    "PROGRESS_RECORD": ("progress", clixml.progress),
    "PIPELINE_HOST_CALL": ("host", hosts.call),
    "PIPELINE_HOST_RESPONSE": ("host", hosts.answer),
    "headless": ("part", str),
}
"""Message type to the stream that it belongs to, and how its text is made."""
_TAKEN_APART = ("PIPELINE_OUTPUT", "PIPELINE_INPUT", "INFORMATION_RECORD")
BEGINNINGS: dict[str, Callable[[str], str | None]] = {"CREATE_PIPELINE": clixml.pipeline, "GET_COMMAND_METADATA": clixml.metadata}
"""Message types that begin a pipeline (MS-PSRP 2.2.2.10, 2.2.2.14), and how its text is made."""


def is_shown(message: PsMessage) -> bool:
    """Its text is a piece of a stream."""
    return message.kind in _SHOWN


def shown(message: PsMessage) -> Piece:
    """Of a message that `is_shown`."""
    stream, made = _SHOWN[message.kind]
    text = made(message.text)
    if message.kind == "ERROR_RECORD":
        return Piece(stream, text, None, errors.details(message.text) if message.whole else None)
    if message.kind in _TAKEN_APART and message.whole:
        return Piece(stream, text, *objects.shown(message.text))
    return Piece(stream, text)


def readable(text: str) -> bool:
    """The rest of an object is CLIXML, which is text: what is not was no fragment."""
    strange = sum(text.count(character) for character in ("\ufffd", "\0"))
    return strange * 50 <= len(text)
