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
    """A pattern at a place. ``pattern`` None: it is put together only when the function runs. ``ways``: how it is tried there, ``match``, ``fullmatch``,
    ``search``."""

    place: str
    source: str
    pattern: "re.Pattern[Any] | None"
    ways: frozenset[str]


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
            ways = self._ways(node) if node.func.attr == "compile" else frozenset((node.func.attr,))
            yield Use(place, ast.unparse(node.args[0]), self._compiled(node), _tried(ways))
        for name, value in vars(self.module).items():
            if isinstance(value, re.Pattern):
                yield Use(place, name, value, _tried(self._of_name(name)))

    def _ways(self, node: ast.Call) -> frozenset[str]:
        """How what is compiled here is used: at once, by the name that it gets, or by whoever gets it."""
        for parent in ast.walk(self.tree):
            if isinstance(parent, ast.Attribute) and parent.value is node:
                return frozenset((parent.attr,))
            if isinstance(parent, ast.Assign) and parent.value is node and isinstance(parent.targets[0], ast.Name):
                return self._of_name(parent.targets[0].id)
        return self._of_others()

    def _of_name(self, name: str) -> frozenset[str]:
        calls = {node.attr for node in ast.walk(self.tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == name}
        passed = any(
            isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load) for call in ast.walk(self.tree) for node in _passed(call)
        )
        found = calls & set(_CALLS) | (self._of_others() if passed else set())
        return frozenset(found or _CALLS)

    def _of_others(self) -> frozenset[str]:
        """How functions of this file use a pattern that they are given: what is called of anything that is no module and no constant."""
        calls = {node.attr for node in ast.walk(self.tree) if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id.islower()}
        calls -= {node.func.attr for node in ast.walk(self.tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _of_re(node)}
        return frozenset(calls & set(_CALLS))

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


def _passed(node: ast.AST) -> "list[ast.expr]":
    if isinstance(node, ast.Call):
        return [*node.args, *(keyword.value for keyword in node.keywords)]
    return list(node.elts) if isinstance(node, ast.Tuple | ast.List) else []


def _of_re(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) and node.func.value.id == "re"


def _tried(ways: frozenset[str]) -> frozenset[str]:
    """The ways that cost: a search begins at every character."""
    return frozenset(way if way in _ANCHORED else "search" for way in ways & set(_CALLS) - {"compile"}) or frozenset(("match", "search"))


def _of_tables() -> Iterator[Use]:
    """Patterns that stand in tables of the program and are compiled where they are used."""
    from analyzer.reports.typed.table import PROGRAMS, SHAPES
    from analyzer.rules.attack.config_weakening import PATTERNS
    from analyzer.rules.products import PRODUCTS

    for weakening in PATTERNS:
        yield Use("rules/attack/config_weakening.py", weakening.text, re.compile(weakening.text, re.IGNORECASE), frozenset(("search",)))
    for product in PRODUCTS:
        if product.seen is not None:
            yield Use("rules/products.py", product.seen, re.compile(product.seen), frozenset(("search",)))
    for shape in SHAPES:
        yield Use("reports/typed/table.py", shape.pattern, re.compile(shape.pattern), frozenset(("search",)))
    for row in PROGRAMS:
        if row.skipped:
            yield Use("reports/typed/table.py", row.skipped, re.compile(row.skipped, re.IGNORECASE | re.DOTALL), frozenset(("fullmatch",)))


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
    yield from _of_tables()
