"""Invoke over WinRM as an XML reader sees it: the command line that a method of a CIM class gets, and what the method returned.

    Envelope / Body / METHOD_INPUT / argument      DSP0226 section 7.12, DSP0227 section 8
    Envelope / Body / …_OUTPUT     / value

An argument is an element of its method's own namespace, at this place: what stands in a comment, deeper, elsewhere or in a foreign namespace is none. What
follows a place that is no XML (bytes are missing) is told by names alone.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.parsers import expat

from msgspec.structs import replace

from analyzer.formats.holes import has_holes
from analyzer.records.sealing import Message
from analyzer.records.wsman import Operation
from analyzer.wsman.elements import content, element

_ACTION = re.compile(r"/(win32_process/create|scx_operatingsystem/execute(?:shell)?command)(response)?$", re.IGNORECASE)
_LINE = {"win32_process/create": "CommandLine"}
_RETURNED = ("ReturnValue", "ProcessId", "ReturnCode", "StdOut", "StdErr")
_NAMED = {name: element(name) for name in ("CommandLine", "command", *_RETURNED)}
_COMMENT = re.compile(r"<!--(?s:.)*?(?:-->|\Z)")
_PLACE = ("Envelope", "Body")
_DEPTH, _ELEMENTS = 200, 1_000_000
INVOKE = "Invoke"
"""The name of the operation that asks for a method, and, with ``Response``, of its answer."""


def invoked(message: Message, text: str, ts_ns: int, packets: tuple[int, ...], status: int | None) -> Operation | None:
    """The operation that an envelope is, when it runs a command line by a method, or answers that; None for all others."""
    found = _ACTION.search(message.action or "")
    if found is None or message.from_client == bool(found[2]):
        return None
    name = INVOKE if message.from_client else f"{INVOKE}Response"
    operation = Operation(message.id, message.exchange, message.from_client, ts_ns, packets, name, message.resource_uri, status=status)
    if not message.from_client:
        return replace(operation, arguments=tuple(f"{one.name}={one.value}" for one in _values(text, "_output") if one.name in _RETURNED and one.value))
    wanted = _LINE.get(found[1].lower(), "command")
    line = next((one.value for one in _values(text, f"{found[1].rpartition('/')[2].lower()}_input") if one.name == wanted), None)
    return operation if line is None else replace(operation, command=line)


class _Value(NamedTuple):
    name: str
    value: str


class _TooMuchError(Exception):
    """A limit was reached. It never leaves this module."""


class _Reading:
    """One run of expat: the texts of the elements in the first element of the body of which the name ends so (lower case)."""

    def __init__(self, ends: str) -> None:
        self.ends = ends
        self.found: list[_Value] = []
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.path: list[tuple[str, str | None]] = []
        self.prefixes: dict[str, str] = {}
        self.undone: list[list[tuple[str, str | None]]] = []
        self.text: list[str] | None = None
        self.count = 0

    def _refuse(self, *_: object) -> None:
        raise _TooMuchError

    def _start(self, name: str, inside: list[str]) -> None:
        self.count += 1
        if len(self.path) >= _DEPTH or self.count > _ELEMENTS:
            raise _TooMuchError
        changed: list[tuple[str, str | None]] = []
        for key, value in zip(inside[::2], inside[1::2], strict=True):
            if key == "xmlns" or key.startswith("xmlns:"):
                changed.append((key[6:], self.prefixes.get(key[6:])))
                self.prefixes[key[6:]] = value
        self.undone.append(changed)
        prefix, _, local = name.rpartition(":")
        self.path.append((local, self.prefixes.get(prefix)))
        if self._is_value():
            self.text = []

    def _is_value(self) -> bool:
        """The element that was just begun stands where a value does."""
        if len(self.path) != len(_PLACE) + 2 or tuple(local for local, _ in self.path[: len(_PLACE)]) != _PLACE:
            return False
        (method, namespace), (_, own) = self.path[-2:]
        return method.lower().endswith(self.ends) and own == namespace

    def _text(self, data: str) -> None:
        if self.text is not None and len(self.path) == len(_PLACE) + 2:
            self.text.append(data)

    def _end(self, _name: str) -> None:
        if self.text is not None and len(self.path) == len(_PLACE) + 2:
            self.found.append(_Value(self.path[-1][0], "".join(self.text)))
            self.text = None
        self.path.pop()
        for prefix, uri in reversed(self.undone.pop()):
            if uri is None:
                del self.prefixes[prefix]
            else:
                self.prefixes[prefix] = uri


def _values(text: str, ends: str) -> Iterator[_Value]:
    """The values at their place, in order; behind what is no XML those that are named so."""
    data = text.strip().encode("utf-8", "replace")
    reading = _Reading(ends)
    parser = reading.parser
    del reading.parser  # it refers to its reader: both would stay until somebody looks for circles
    try:
        parser.Parse(data, True)  # noqa: FBT003  as expat has it
    except expat.ExpatError:
        yield from reading.found
        stop = parser.ErrorByteIndex if reading.text is None else max(data.rfind(b"<", 0, parser.ErrorByteIndex), 0)
        if has_holes(text) and not reading.found:  # the beginning of the method's element may be what is missing
            stop = 0
        yield from _named(data[stop:].decode("utf-8", "ignore"))
        return
    except _TooMuchError:
        pass
    yield from reading.found


def _named(text: str) -> Iterator[_Value]:
    without = _COMMENT.sub("", text)
    for _, name, raw in sorted((match.start(), name, match[2]) for name, pattern in _NAMED.items() for match in pattern.finditer(without)):
        yield _Value(name, content(raw))
