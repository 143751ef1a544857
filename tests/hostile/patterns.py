"""Every pattern of the package, found where it is compiled or used: with the file and line, and how it is tried (``match``, ``fullmatch`` or ``search``)."""

import ast
import importlib
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import analyzer

ROOT = Path(analyzer.__file__).parent
_CALLS = ("compile", "match", "search", "sub", "subn", "split", "findall", "finditer", "fullmatch")
_ANCHORED = ("match", "fullmatch")


class Use(NamedTuple):
    """A pattern at a place. ``pattern`` None: it is put together only when the function runs."""

    place: str
    source: str
    pattern: "re.Pattern[Any] | None"


class Module:
    """One file, its tree, and the module that it is."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = ".".join(("analyzer", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
        self.tree = ast.parse(path.read_text(encoding="utf-8"))

    @cached_property
    def module(self) -> ModuleType:
        return importlib.import_module(self.name)

    def uses(self) -> Iterator[Use]:
        place = self.path.relative_to(ROOT).as_posix()
        for node in ast.walk(self.tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                continue
            if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "re" and node.func.attr in _CALLS):
                continue
            yield Use(place, ast.unparse(node.args[0]), self._compiled(node))
        for name, value in vars(self.module).items():
            if isinstance(value, re.Pattern):
                yield Use(place, name, value)

    def _compiled(self, node: ast.Call) -> "re.Pattern[Any] | None":
        flags = next((keyword.value for keyword in node.keywords if keyword.arg == "flags"), None)
        position = {"compile": 1, "match": 2, "search": 2, "fullmatch": 2, "findall": 2, "finditer": 2}.get(getattr(node.func, "attr", ""), 9)
        flags = node.args[position] if flags is None and len(node.args) > position else flags
        try:
            names = vars(self.module)
            source = eval(ast.unparse(node.args[0]), dict(names))  # noqa: S307  our own source
            return re.compile(source, 0 if flags is None else eval(ast.unparse(flags), dict(names)))  # noqa: S307
        except (NameError, AttributeError, TypeError, re.error):
            return None


def uses() -> Iterator[Use]:
    """All of them, each pattern once for each file."""
    seen = set()
    for path in sorted(ROOT.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "re." not in text and "import re" not in text:
            continue
        for use in Module(path).uses():
            key = (use.place, use.pattern.pattern if use.pattern else use.source, use.pattern.flags if use.pattern else 0)
            if key not in seen:
                seen.add(key)
                yield use
