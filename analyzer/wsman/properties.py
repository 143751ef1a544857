"""What envelopes say of shells themselves: the element Shell (MS-WSMV 2.2.4.37) of Create, of its answer, and of what Get, Enumerate and Pull return; the
languages and options of Create and Connect (MS-WSMV 2.2.4.4, 2.2.4.21, 3.1.4.5.2); and what Connect and Disconnect carry (3.1.4.13, 3.1.4.14).

Few envelopes have any of it, so these are read by expat, without a document type and no deeper than `_DEPTH`; what is read before damage stays.
"""

from collections.abc import Iterator
from typing import NamedTuple
from xml.parsers import expat

from msgspec import Struct, field
from msgspec.json import encode

from analyzer.formats.holes import has_holes
from analyzer.records.sealing import Message
from analyzer.wsman.letting_go import let_go

_SHELL_NAMESPACE = "/windows/shell"
_REQUESTS = ("Create", "Connect", "Disconnect", "Reconnect")
_ANSWERS = tuple(f"{name}Response" for name in _REQUESTS)
_LISTS = ("GetResponse", "EnumerateResponse", "PullResponse")
TELLING = frozenset((*_REQUESTS, *_ANSWERS, *_LISTS))
"""Operations whose messages may tell something of shells themselves."""
_BLOBS = ("connectXml", "connectResponseXml")
_OPTIONS = ("WINRS_NOPROFILE", "WINRS_CODEPAGE", "WINRS_CONSOLEMODE_STDIN", "WINRS_SKIP_CMD_SHELL", "protocolversion")
_DEPTH, _NODES = 32, 20_000
_LONGEST, _MOST = 2048, 64
"""Characters of a property, and properties of a shell, that are taken."""

Properties = tuple[tuple[str, str], ...]


class Told(NamedTuple):
    """``said``: properties by the shell's id (None: of the shell that the message is about). ``command_id``: what Connect, Disconnect and Reconnect of a
    command name. ``blob``: PSRP's own data of Connect, in base64."""

    said: tuple[tuple[str | None, Properties], ...] = ()
    command_id: str | None = None
    blob: str = ""


NOTHING = Told()


class _Node(Struct):
    """An element: its local name, whether its namespace is another than that of shells where it is known, attributes by local name, text, children."""

    name: str
    inside: dict[str, str]
    foreign: bool = False
    texts: list[str] = field(default_factory=list)
    children: list["_Node"] = field(default_factory=list)

    @property
    def text(self) -> str:
        return "".join(self.texts).strip()

    def all(self, *names: str) -> "list[_Node]":
        return [one for one in self.children if one.name in names]


class _Reading:
    """One run of expat. Prefixes are undone here, as samples of envelopes leave their declarations out."""

    def __init__(self) -> None:
        self.open = [_Node("", {})]
        self.root = self.open[0]
        self.count = 0
        self.limit: str | None = None
        self.nodes: list[_Node] = []
        self.foreign: dict[str, bool] = {}
        """By prefix, whether its namespace is another than that of shells."""
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text

    def _start(self, name: str, inside: dict[str, str]) -> None:
        self.count += 1
        if self.count > _NODES or len(self.open) > _DEPTH:
            self.limit = f"property_elements={_NODES}" if self.count > _NODES else f"property_depth={_DEPTH}"
            self.parser.StartElementHandler = self.parser.EndElementHandler = self.parser.CharacterDataHandler = None
            return
        if inside:
            for key, value in inside.items():
                if key == "xmlns" or key.startswith("xmlns:"):
                    self.foreign[key[6:]] = not value.rstrip("/").lower().endswith(_SHELL_NAMESPACE)
            inside = {key.rpartition(":")[2]: value for key, value in inside.items() if not key.startswith("xmlns")}
        prefix, _, local = name.rpartition(":")
        node = _Node(local, inside, self.foreign.get(prefix, False))
        self.nodes.append(node)
        self.open[-1].children.append(node)
        self.open.append(node)

    def _end(self, _name: str) -> None:
        self.open.pop()

    def _text(self, text: str) -> None:
        self.open[-1].texts.append(text)

    def read(self, text: str) -> _Node:
        try:
            self.parser.Parse(text.lstrip("\ufeff \r\n\t").encode("utf-8", "replace"), True)  # noqa: FBT003  as expat has it
        except expat.ExpatError:  # `analyzer.wsman.structure` says so
            self.open = [_Node("", {})]  # a text that damage has cut says something else
        let_go(self.parser)
        return self.root


def told(message: Message, text: str) -> Told:
    """Of a message that creates, connects, disconnects or reconnects a shell, or answers that. It has no document type."""
    name = message.operation if isinstance(message.operation, str) else ""
    if name not in (_REQUESTS if message.from_client else _ANSWERS):
        return NOTHING
    header, body = _parts(text)
    found: dict[str, str] = {}
    if name in ("Create", "Connect"):
        found.update(_header(header))
    command_id, blob = None, ""
    for one in body.children:
        if one.name == "Shell" and not one.foreign:
            found.update(_shell(one))
        elif one.name in _REQUESTS or one.name in _ANSWERS:
            command_id = _kept(one.inside.get("CommandId", "")) or None
            found.update((leaf.name, leaf.text) for leaf in one.children if not leaf.children and leaf.name not in _BLOBS and _kept(leaf.text))
            blob = next((leaf.text for leaf in one.all(*_BLOBS)), "")
    return Told(((None, tuple(found.items())[:_MOST]),) if found else (), command_id, blob)


def listed(message: Message, text: str) -> tuple[tuple[str | None, Properties], ...]:
    """The shells in what Get, Enumerate or Pull returned, each with its id. It has no document type."""
    if message.from_client or message.operation not in _LISTS or _SHELL_NAMESPACE not in text:
        return ()
    _, body = _parts(text)
    found = []
    for answer in body.children:
        for one in (answer, *(inner for items in answer.all("Items") for inner in items.children), *_in_items(answer)):
            if one.name == "Shell" and not one.foreign:
                properties = _shell(one)
                identity = properties.get("ShellId")
                if identity:
                    found.append((identity.strip().upper(), tuple(properties.items())[:_MOST]))
    return tuple(found)


def reached(message: Message, text: str) -> Iterator[str]:
    """A sentence for each limit that was reached in the properties of shells of a message."""
    name = message.operation if isinstance(message.operation, str) else ""
    lists = not message.from_client and name in _LISTS and _SHELL_NAMESPACE in text
    if not lists and name not in (_REQUESTS if message.from_client else _ANSWERS):
        return
    if len(text) <= _LONGEST and text.count("<") - text.count("</") < min(_DEPTH, _NODES, _MOST):  # too short for any of them
        return
    reading = _Reading()
    reading.read(text)
    if reading.limit is not None:
        yield f"{reading.limit}: later properties of a shell were not read"
    shells = [one for one in reading.nodes if one.name == "Shell" and not one.foreign]
    if any(len(leaf.text) > _LONGEST for one in shells for leaf in one.children if not leaf.children and leaf.name != "creationXml"):
        yield f"property_characters={_LONGEST}: a property of a shell is longer, and was passed over"
    if any(len(_shell(one)) > _MOST for one in shells):
        yield f"properties={_MOST}: later properties of a shell were not read"


def _in_items(answer: _Node) -> list[_Node]:
    """Of an enumeration of objects with their addresses (DSP0226 8.7)."""
    return [one for items in answer.all("Items") for item in items.all("Item") for one in item.children]


def _parts(text: str) -> tuple[_Node, _Node]:
    root = _Reading().read(text)
    envelope = next(iter(root.all("Envelope")), _Node("", {}))
    return (next(iter(envelope.all(name)), _Node("", {})) for name in ("Header", "Body"))  # type: ignore[return-value]


def _kept(value: str) -> str:
    return value if len(value) <= _LONGEST and not has_holes(value) else ""


def _header(header: _Node) -> dict[str, str]:
    found = {one.name: _kept(one.inside.get("lang", "")) for one in header.all("Locale", "DataLocale")}
    for one in (option for group in header.all("OptionSet") for option in group.all("Option")):
        if one.inside.get("Name") in _OPTIONS:
            found[one.inside["Name"]] = _kept(one.text)
    found["CompressionMode"] = next((_kept(one.text) for one in header.all("CompressionType")), "")
    return {name: value for name, value in found.items() if value}


def _shell(node: _Node) -> dict[str, str]:
    """The element's attributes and leaves; several of a name joined, the environment as JSON."""
    found = {name: value for name in ("ShellId", "Name") if (value := _kept(node.inside.get(name, "")))}
    for one in node.children:
        if one.name == "Environment":
            variables = {item.inside.get("Name", ""): item.text for item in one.all("Variable") if not has_holes(item.text)}
            found[one.name] = encode(variables).decode() if variables else ""
        elif not one.children and one.name != "creationXml":
            value = _kept(one.text)
            known = found.get(one.name, "")
            if known and value and one.name != "ShellId":
                value = _kept(f"{known} {value}")
            found[one.name] = value or known
    return {name: value for name, value in found.items() if value}
