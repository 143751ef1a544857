"""An XML text as a tree of elements, within limits; what is read before damage, or before a limit, stays."""

from typing import NamedTuple
from xml.parsers import expat

from msgspec import Struct, field

from analyzer.wsman.letting_go import let_go

_ELEMENTS, _DEPTH = 200_000, 64


class Node(Struct):
    """An element: its local name, attributes (those with a namespace as ``{namespace}name``), texts, children, and its own namespace."""

    name: str
    inside: dict[str, str]
    texts: list[str] = field(default_factory=list)
    children: list["Node"] = field(default_factory=list)
    space: str = ""

    @property
    def text(self) -> str:
        """All text directly in it."""
        return "".join(self.texts).strip()

    def child(self, name: str) -> "Node | None":
        """The first child of that local name."""
        return next((one for one in self.children if one.name == name), None)

    def at(self, *names: str) -> "Node":
        """The element at the end of a path of first children; an empty one where there is none."""
        node: Node | None = self
        for name in names:
            node = None if node is None else node.child(name)
        return EMPTY if node is None else node


EMPTY = Node("", {})
"""What stands for an element that is not there; nothing is ever put into it."""


class Tree(NamedTuple):
    """``root`` holds the document's element. ``whole``: all of it was read; ``limit``: the limit that was reached, by its name."""

    root: Node
    whole: bool
    limit: str | None


class _RefusedError(Exception):
    """A document type declaration, which has no place here. It never leaves this module."""


class _Reading:
    """One run of expat."""

    def __init__(self) -> None:
        self.root = Node("", {})
        self.open = [self.root]
        self.count = 0
        self.limit: str | None = None
        self.parser = expat.ParserCreate("utf-8", "}")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._refuse

    def _refuse(self, *_: object) -> None:
        raise _RefusedError

    def _start(self, name: str, inside: dict[str, str]) -> None:
        self.count += 1
        if self.count > _ELEMENTS or len(self.open) > _DEPTH:
            self.limit = f"elements={_ELEMENTS}" if self.count > _ELEMENTS else f"depth={_DEPTH}"
            self.parser.StartElementHandler = self.parser.EndElementHandler = self.parser.CharacterDataHandler = None
            return
        space, _, local = name.rpartition("}")
        node = Node(local, {("{" + key if "}" in key else key): value for key, value in inside.items()}, space=space)
        self.open[-1].children.append(node)
        self.open.append(node)

    def _end(self, _name: str) -> None:
        self.open.pop()

    def _text(self, text: str) -> None:
        self.open[-1].texts.append(text)


def tree(text: str) -> Tree:
    """The tree of a text; of one with a document type declaration nothing is read."""
    made = _Reading()
    try:
        made.parser.Parse(text.lstrip("\ufeff \r\n\t").encode("utf-8", "replace"), True)  # noqa: FBT003  as expat has it
    except (expat.ExpatError, _RefusedError):
        return Tree(made.root, whole=False, limit=made.limit)
    finally:
        let_go(made.parser)
    return Tree(made.root, made.limit is None, made.limit)
