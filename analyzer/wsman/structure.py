"""Where an envelope's elements stand, as a server's XML reader sees it: what only looks like one is passed over.

Elements are found by local name (`analyzer.wsman.marks`), which is enough for what clients send. Where a name of a foreign namespace, or an element that an
envelope has once, is there twice, a real parser (expat: no document type, no entities, so deep and no deeper) tells which of them stand where MS-WSMV puts
them. What follows a place that is no XML cannot be told so; there, names are all there is, and that is said.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from xml.parsers import expat

from msgspec import Struct

from analyzer.formats.forms import chosen, compiled
from analyzer.formats.holes import has_holes
from analyzer.settings import Limits
from analyzer.wsman import marks, ordinary
from analyzer.wsman.elements import attributes, content, element
from analyzer.wsman.letting_go import let_go
from analyzer.wsman.marks import Marks
from analyzer.wsman.ordinary import Ordinary

_ORDINARY: Callable[[str, int, int], Ordinary | None] | None = chosen(ordinary).read if compiled(chosen(ordinary)) else None
"""`analyzer.wsman.ordinary.read`; uncompiled it takes longer than the patterns that it stands for, which say the same."""
read_marks: Callable[[str], Marks] = chosen(marks).read_marks
"""`analyzer.wsman.marks.read_marks`, compiled where it was built."""

_SHELL = frozenset(("http://schemas.microsoft.com/wbem/wsman/1/windows/shell",))
_ADDRESSING = frozenset(("http://schemas.xmlsoap.org/ws/2004/08/addressing", "http://www.w3.org/2005/08/addressing"))
_WSMAN = frozenset(("http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",))
_MICROSOFT = frozenset(("http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd", "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"))
_SOAP = frozenset(("http://www.w3.org/2003/05/soap-envelope", "http://schemas.xmlsoap.org/soap/envelope/"))
_OTHERS = frozenset(("http://schemas.microsoft.com/powershell", "http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd", ""))
_NAMESPACES: dict[str, frozenset[str]] = {
    **dict.fromkeys(("Envelope", "Header", "Body", "Fault"), _SOAP),
    **dict.fromkeys(("Action", "MessageID", "RelatesTo"), _ADDRESSING),
    **dict.fromkeys(("ResourceURI", "SelectorSet", "Selector", "OptionSet", "Option", "OperationTimeout"), _WSMAN),
    **dict.fromkeys(("CommandLine", "Command", "Arguments", "CommandState", "ExitCode", "Code", "Stream", "DesiredStream", "Signal", "CommandId"), _SHELL),
}
"""Of an element that may be in one of these only."""
_PLACES = {
    **{name: f"Envelope/Header/{name}" for name in ("Action", "ResourceURI", "MessageID", "RelatesTo", "SessionId", "OperationTimeout")},
    **{name: f"Envelope/Body/{name}" for name in ("CommandLine", "Signal", "Fault", "Identify", "IdentifyResponse")},
    **{name: f"Envelope/Body/CommandLine/{name}" for name in ("Command", "Arguments")},
    "CommandState": "Envelope/Body/ReceiveResponse/CommandState",
    "ExitCode": "Envelope/Body/ReceiveResponse/CommandState/ExitCode",
    "DesiredStream": "Envelope/Body/Receive/DesiredStream",
    "creationXml": "Envelope/Body/Shell/creationXml",
}
"""Where an element stands (SOAP 1.2 part 1 section 5, MS-WSMV 2.2.4); others stand anywhere that is not inside of something foreign."""
_KNOWN = frozenset().union(*_NAMESPACES.values(), _MICROSOFT, _OTHERS)
_ONCE = ("Action", "ResourceURI", "MessageID", "RelatesTo", "SessionId", "OperationTimeout", "CommandLine", "Command", "creationXml", "Signal")
_DECLARED = re.compile(r"(?<=\s)xmlns(?::([^\s=<>\"']++))?+\s*+=\s*+(?:\"([^\"<]*+)\"|'([^'<]*+)')")
_CLASSES = ("http://schemas.microsoft.com/wbem/wsman/1/wmi/", "http://schemas.dmtf.org/wbem/wscim/1/")
"""How namespaces of CIM classes begin (MS-WSMV 2.2.4.30, DSP0227 section 7): Win32_Process has a property CommandLine, and its method Create an argument."""
_NESTED = tuple(f"Envelope/Body/{answer}/Items/Subscription/Envelope" for answer in ("EnumerateResponse", "PullResponse"))
"""Where an envelope holds others: a collector lists its subscriptions so, each of which is a whole Subscribe request (MS-WSMV 2.2.4.41)."""
_DEPTH, _ELEMENTS = 200, 1_000_000
_HEAD = 1 << 14
"""Characters before the end of an envelope's first known tag, in which most declare their namespaces: these are remembered."""


_SELECTOR = element("Selector")
_LATER, _LATER_CHARACTERS = 16, 4096
"""Declarations behind an envelope's first known tag, and their characters, of which is remembered how they fit the names in it."""


class Seen(Struct, frozen=True, gc=False):
    """An envelope's elements, and what is odd about it: (code of the issue, detail), or None. ``plain``: what it says, where that was read in one pass; then
    ``marks`` has no places."""

    marks: Marks
    odd: tuple[str, str] | None
    plain: Ordinary | None = None


class _TooMuchError(Exception):
    """The limit in the text; it never leaves this module."""


def seen(text: str) -> Seen:
    """The elements of an envelope that stand where a server looks for them."""
    found = read_marks(text)
    if found.has_dtd or not found.places or _ordinary(text, found):
        return Seen(found, None)
    return _parsed(text, found)


_NO_MARKS = Marks({}, has_dtd=False)


def looked(text: str, limits: Limits) -> Seen:
    """As `seen`; of an ordinary envelope what it says instead of where."""
    plain = None if _ORDINARY is None else _ORDINARY(text, limits.field_characters, limits.selector_characters)
    return seen(text) if plain is None or not _is_plain(text, plain) else Seen(_NO_MARKS, None, plain)


def _is_plain(text: str, plain: Ordinary) -> bool:
    """`_in_namespaces` of what was read in one pass; False as well where that is not remembered."""
    if plain.head_end < 0:
        return True
    head = text[: plain.head_end] if plain.head_end <= _HEAD else ""
    later = _declared_later(text, len(head)) if plain.declares or not head else ()
    return len(later) <= _LATER and sum(map(len, later)) <= _LATER_CHARACTERS and _fits(head, later, plain.qualified)


def _declared_later(text: str, at: int) -> tuple[str, ...]:
    """The declarations from a place on, as they are written."""
    found: list[str] = []
    at = text.find("xmlns", at)
    while at >= 0 and len(found) <= _LATER:
        match = _DECLARED.match(text, at)
        if match is not None:
            found.append(match[0])
        at = text.find("xmlns", at + 5 if match is None else match.end())
    return tuple(found)


@lru_cache(maxsize=256)
def _fits(head: str, later: tuple[str, ...], qualified: tuple[bytes, ...]) -> bool:
    """Every one of these names is in its namespace, where the namespaces are declared so."""
    declared = {prefix: set(uris) for prefix, uris in _declarations(head).items()}
    for prefix, uris in _declarations(f" {' '.join(later)}").items():
        declared.setdefault(prefix, set()).update(uris)
    names = [name.decode("ascii").rpartition(":") for name in qualified]
    faults = not any(local == "Signal" for _, _, local in names)
    for prefix, _, local in names:
        if local in prefix:
            return False  # names are looked for in another way there
        uris = declared.get(prefix, set())
        if not uris <= _NAMESPACES[local] and not (local == "Code" and faults):
            return False
    return True


def _ordinary(text: str, found: Marks) -> bool:
    """True when names alone tell: every one is in its namespace, and what is there once in an envelope is there once in this."""
    places = found.places
    for name in _ONCE:
        known = places.get(name)
        if known is not None and len(known) > 1:
            return False
    if len(_shells(text, places)) > 1:
        return False
    end = text.find(">", places[next(iter(places))][0])
    head = text[:end] if 0 <= end <= _HEAD else ""
    if head and text.find("xmlns", end) < 0:
        tags = _tags(head)
        if all(text.startswith(tags[name], place) for name, known in places.items() if name in tags for place in known):
            return True
    return _in_namespaces(text, places, head)


def _shells(text: str, places: Mapping[str, list[int]]) -> set[str]:
    """The different texts of selectors ShellId, where there are several selectors."""
    known = places.get("Selector", ())
    met = [_SELECTOR.match(text, at) for at in known] if len(known) > 1 else []
    return {value for one in met if one is not None and attributes(one[1]).get("Name") == "ShellId" and (value := content(one[2]).strip())}


@lru_cache(maxsize=256)
def _tags(head: str) -> dict[str, tuple[str, ...]]:
    """How the elements of `_NAMESPACES` begin in an envelope that declares its namespaces so, and nowhere else."""
    declared = _declarations(head).items()
    return {name: tuple(f"<{prefix}:{name}" if prefix else f"<{name}" for prefix, uris in declared if uris <= allowed) for name, allowed in _NAMESPACES.items()}


def _in_namespaces(text: str, places: dict[str, list[int]], head: str) -> bool:
    declared = {prefix: set(uris) for prefix, uris in _declarations(head).items()}
    for match in _DECLARED.finditer(text, len(head)):
        declared.setdefault(match[1] or "", set()).add(match[2] if match[2] is not None else match[3])
    for name, known in places.items():
        allowed = _NAMESPACES.get(name)
        if allowed is None or _is_a_faults(name, places):
            continue
        last = ""
        for place in known:
            if not last or not text.startswith(last, place):
                last = text[place : text.find(name, place) + len(name)]
                uris = declared.get(last[1 : -len(name)].removesuffix(":"))
                if uris is not None and not uris <= allowed:
                    return False
    return True


@lru_cache(maxsize=256)
def _declarations(head: str) -> dict[str, set[str]]:
    """The namespaces that an envelope's first tags declare, by prefix; most envelopes of a capture begin alike."""
    found: dict[str, set[str]] = {}
    for match in _DECLARED.finditer(head):
        found.setdefault(match[1] or "", set()).add(match[2] if match[2] is not None else match[3])
    return found


def _is_a_faults(name: str, places: Mapping[str, list[int]]) -> bool:
    """SOAP's faults have a Code as well (SOAP 1.2 part 1 section 5.4); that of a shell is asked for of a Signal only."""
    return name == "Code" and "Signal" not in places


class _Reading:
    """One run of expat over an envelope: the places, in bytes, of the elements that stand where they belong."""

    def __init__(self) -> None:
        self.parser = expat.ParserCreate("utf-8")
        self.parser.ordered_attributes = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.prefixes: dict[str, str] = {}
        self.undone: list[list[tuple[str, str | None]]] = []
        self.paths: list[str] = [""]
        self.strict = False
        """The root is SOAP's Envelope: what is inside of it has the namespaces that a server knows."""
        self.proved: set[int] = set()
        self.named: set[int] = set()
        """Elements of which only the name is known: nothing declares the prefix (bytes are missing, or a sender left it out)."""
        self.nested: set[int] = set()
        """Elements of an envelope inside of this one."""
        self.of_class: set[int] = set()
        """Properties and arguments of CIM classes."""
        self.count = 0

    def _start(self, name: str, inside: list[str]) -> None:
        self.count += 1
        if len(self.paths) > _DEPTH or self.count > _ELEMENTS:
            raise _TooMuchError(f"depth={_DEPTH}" if len(self.paths) > _DEPTH else f"elements={_ELEMENTS}")
        changed: list[tuple[str, str | None]] = []
        for key, value in zip(inside[::2], inside[1::2], strict=True):
            if key == "xmlns" or key.startswith("xmlns:"):
                prefix = key[6:]
                changed.append((prefix, self.prefixes.get(prefix)))
                self.prefixes[prefix] = value
        self.undone.append(changed)
        prefix, _, local = name.rpartition(":")
        uri = self.prefixes.get(prefix)
        if self.count == 1:
            self.strict = uri in _SOAP
        foreign = self.strict and uri is not None and uri not in _NAMESPACES.get(local, _KNOWN)
        path = f"{self.paths[-1]}/{'?' if foreign else ''}{local}".removeprefix("/")
        self.paths.append(path if len(path) < _DEPTH * 8 else "?")
        if path.replace("?", "").startswith(_NESTED):
            self.nested.add(self.parser.CurrentByteIndex)
        if uri is not None and uri.startswith(_CLASSES):
            self.of_class.add(self.parser.CurrentByteIndex)
        placed = path == _PLACES.get(local, path)
        if "?" not in path and (placed or not self.strict):
            (self.proved if placed and uri in _NAMESPACES.get(local, _KNOWN) else self.named).add(self.parser.CurrentByteIndex)

    def _end(self, _name: str) -> None:
        self.paths.pop()
        for prefix, uri in reversed(self.undone.pop()):
            if uri is None:
                del self.prefixes[prefix]
            else:
                self.prefixes[prefix] = uri


def _parsed(text: str, found: Marks) -> Seen:
    data = text.encode("utf-8", "replace")
    skipped = len(data) - len(data.lstrip())
    reading, problem = _Reading(), None
    stop = len(data)
    try:
        reading.parser.Parse(data[skipped:], True)  # noqa: FBT003  as expat has it
    except expat.ExpatError as error:
        stop = skipped + reading.parser.ErrorByteIndex
        problem = f"not well-formed XML ({expat.ErrorString(error.code)}, character {len(data[:stop].decode('utf-8', 'ignore')):,})"
    except _TooMuchError as error:
        stop = skipped + reading.parser.CurrentByteIndex
        problem = f"{error}: a limit of the XML parser was reached"
    let_go(reading.parser)
    kept: dict[str, list[int]] = {}
    dropped: list[str] = []
    for name, places in found.places.items():
        placed = list(zip(places, (at - skipped for at in _in_bytes(text, places)), strict=True))
        believed = reading.proved if any(at in reading.proved for _, at in placed) else reading.named
        kept[name] = [place for place, at in placed if at in believed or at >= stop - skipped]
        known = reading.nested if kept[name] else reading.nested | reading.of_class  # next to one that counts, it may be there to deceive
        if not _is_a_faults(name, found.places) and any(at not in believed and at not in known and at < stop - skipped for _, at in placed):
            dropped.append(name)
    if dropped:
        problem = f"elements that do not stand where a server looks for them were passed over: {', '.join(dropped)}"
        return Seen(Marks({name: places for name, places in kept.items() if places}, found.has_dtd), ("wsman.misplaced", problem))
    kept = {name: places for name, places in kept.items() if places}
    twice = [name for name in _ONCE if sum(at - skipped in reading.proved for at in _in_bytes(text, kept.get(name, []))) > 1]
    twice += ["Selector ShellId"] if len(_shells(text, kept)) > 1 else []
    if twice and problem is None:
        return Seen(Marks(kept, found.has_dtd), ("wsman.repeated", f"elements that stand in an envelope once are there more than once: {', '.join(twice)}"))
    return Seen(Marks(kept, found.has_dtd), None if problem is None or has_holes(text) else ("wsman.malformed", problem))


def _in_bytes(text: str, places: list[int]) -> list[int]:
    """Where these places of a text lie in its UTF-8."""
    if text.isascii():
        return places
    found, at, size = [], 0, 0
    for place in places:
        size += len(text[at:place].encode("utf-8", "replace"))
        at = place
        found.append(size)
    return found
