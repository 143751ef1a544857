"""Where the elements begin that are wanted of an envelope: found in one pass, so that patterns are tried at those places only.

A place is a candidate, and the pattern tried there decides: what lies in between (text in base64, elements that nobody wants) is passed over by searching for
the next ``<``. One source, two ways to run, as `analyzer.capture.kernel`: marks.pxd has the types for Cython's compiler. Bounds checks are on.
"""

import re
from typing import NamedTuple

_WORDS = {
    word.encode(): word
    for word in (
        *("Action", "ResourceURI", "MessageID", "RelatesTo", "SessionId", "Selector", "ShellId", "CommandId", "WSManFault", "Fault"),
        *("Identify", "IdentifyResponse", "CommandLine", "Command", "Arguments", "CommandState", "ExitCode", "Code", "creationXml", "Option", "Stream"),
        *("OperationTimeout", "DesiredStream", "Signal"),
    )
}
_FOLDED = b"compressiontype"
"""The one name that may be in letters of either case."""
_OTHER, _NAME, _WORD, _FIRST = 0, 1, 2, 3
_FIRSTS = {word[0] for word in _WORDS} | {_FOLDED[0], _FOLDED[0] - 32}


def _kind(code: int) -> int:
    """What a byte may be: the first of a wanted word, one of a word, one of a prefix, or none of a name."""
    if code in _FIRSTS:
        return _FIRST
    if code < 128 and (chr(code).isalnum() or code == 95):
        return _WORD
    return _NAME if code >= 128 or code in b"-.?" else _OTHER


_KINDS = bytes(map(_kind, range(256)))


_NO_ELEMENTS = re.compile(r"<(?:!--.*?(?:-->|\Z)|!\[CDATA\[.*?(?:\]\]>|\Z)|\?.*?(?:\?>|\Z))", re.DOTALL)


def _blank(found: "re.Match[str]") -> str:
    return " " * (found.end() - found.start())


class Marks(NamedTuple):
    """The places of the ``<`` of candidates, by name and in order, and whether there is a document type declaration."""

    places: dict[str, list[int]]
    has_dtd: bool


def read_marks(text: str) -> Marks:
    """Of an envelope. Any character that is not ASCII may stand in a prefix, and ends a word. What stands in comments, CDATA sections and processing
    instructions is no element."""
    begun = text.startswith("<?xml") and 0 < text.find("?>") < text.find("<", 1)
    if text.find("<!") >= 0 or text.find("<?", int(begun)) >= 0:
        text = _NO_ELEMENTS.sub(_blank, text)
    data = text.encode("ascii", "replace")
    return _marks(data, data, _KINDS)


def _marks(data: bytes, view: bytes, kinds: bytes) -> Marks:
    places: dict[str, list[int]] = {}
    has_dtd = False
    end = len(data)
    at = data.find(b"<")
    while at >= 0:
        begin = at + 1
        if begin < end and view[begin] == 33:
            has_dtd = has_dtd or data.startswith((b"<!DOCTYPE", b"<!ENTITY"), at)
        else:
            i = _put(places, data, view, kinds, begin, at)
            while i < end and kinds[view[i]]:
                i += 1
            if i < end and view[i] == 58:
                _put(places, data, view, kinds, i + 1, at)
        at = data.find(b"<", begin)
    return Marks(places, has_dtd)


def _put(places: dict[str, list[int]], data: bytes, view: bytes, kinds: bytes, begin: int, at: int) -> int:
    """Takes the element at ``at`` when the word that begins at ``begin`` is wanted. Where that word ends."""
    end = len(data)
    i = begin
    while i < end and kinds[view[i]] >= 2:
        i += 1
    if i > begin and kinds[view[begin]] == 3:
        name = _WORDS.get(data[begin:i])
        if name is None and i - begin == 15 and data[begin:i].lower() == _FOLDED:
            name = "CompressionType"
        if name is not None:
            known = places.setdefault(name, [])
            if not known or known[-1] != at:
                known.append(at)
    return i
