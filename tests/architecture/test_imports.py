"""The architecture as a table: who may import whom, which library lives where, and how large a file may be."""

import ast
import re
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "analyzer").rglob("*.py"))

_FLOOR = {"records", "formats", "settings", "errors"}
MAY_IMPORT: dict[str, set[str]] = {
    "records": set(),
    "errors": set(),
    "settings": set(),
    "system": {"errors"},
    "formats": {"records"},
    "codes": set(),
    "capture": _FLOOR | {"system.files", "system.objects", "system.pages", "system.sums"},
    "transport": _FLOOR,
    "http": _FLOOR,
    "proxy": _FLOOR,
    "auth": _FLOOR,
    "sealing": _FLOOR | {"auth.schemes"},
    "wsman": _FLOOR,
    "psrp": _FLOOR,
    "hostlogs": _FLOOR,
    "sigma": {"records", "errors"},
    "story": _FLOOR,
    "rules": {"records", "codes", "errors"},
    "incidents": {"records"},
    "tables": {"records", "codes", "formats.text", "errors"},
    "reports": {"records", "tables", "formats.text", "errors"},
    "exports": {"records", "tables", "reports", "formats.text", "errors", "system"},
    "pseudonyms": {"records", "errors", "system"},
    "engine": {
        *_FLOOR,
        *("capture", "transport", "http", "proxy", "auth", "sealing", "wsman", "psrp", "sigma", "hostlogs", "story"),
        *("rules", "incidents", "tables", "reports", "system", "version"),
    },
    "version": set(),
    "compare": {"records", "tables", "reports", "formats.text", "errors"},
    "viewer": {"records", "tables", "reports", "formats.text", "errors"},
    "case": {
        *("system", "compare", "viewer", "pseudonyms", "records", "errors", "settings", "version", "engine", "tables", "reports", "exports"),
        "rules.catalogue",
    },
    "api": {"system", "case", "records", "formats.text", "settings", "errors", "engine", "tables", "reports", "rules"},
    "cli": {"api", "case", "exports.registry", "tables", "records", "formats.text", "settings", "errors", "system", "version"},
    "__init__": {"api", "case", "settings", "errors", "version"},
    "__main__": {"cli"},
}
"""Part to the parts it may import (`a.b` allows only that module). The parts are the files and folders of analyzer/."""

LIBRARIES: dict[str, tuple[str, ...]] = {
    "pandas": ("tables/", "reports/", "case/tables.py", "case/named.py", "case/compared.py", "case/analyzed.py", "case/opened.py"),
    "duckdb": ("tables/query.py", "tables/paging.py"),
    "dask": ("engine/",),
    "distributed": ("engine/on_dask.py",),
    "fsspec": ("system/objects.py",),
    "dpkt": ("capture/slow.py", "exports/decrypted.py"),
    "spnego": ("auth/schemes/pyspnego_adapter.py",),
    "scapy": ("capture/scapy_packet.py", "auth/schemes/scapy_adapter.py", "formats/scapy_quiet.py"),
    "psrpcore": ("psrp/psrpcore_adapter.py",),
    "lxml": ("formats/xml.py",),
    "hpack": ("http/http2_adapter.py",),
    "hyperframe": ("http/http2_adapter.py",),
    "rich": ("reports/", "cli/drawing.py"),
    "yaml": ("sigma/yaml_adapter.py",),
    "re2": ("sigma/values.py",),
    "pybase64": ("wsman/winrs.py",),
    "click": ("cli/",),
    "xlsxwriter": ("exports/workbook.py",),
    "sqlite3": ("exports/databases.py",),
    "jinja2": ("reports/html/",),
    "flask": ("viewer/",),
    "evtx": ("hostlogs/evtx_adapter.py",),
    "markupsafe": ("viewer/", "reports/html/"),
    "waitress": ("case/viewing.py",),
}
"""Library to the only files that import it."""

LATE = {
    "pandas",
    "numpy",
    "duckdb",
    "dask",
    "distributed",
    "dpkt",
    "spnego",
    "scapy",
    "psrpcore",
    "lxml",
    "rich",
    "jinja2",
    "yaml",
    "xlsxwriter",
    "sqlite3",
    "evtx",
}
"""Libraries that are slow to load: imported inside a function, outside of the one adapter that is itself imported late."""
ADAPTERS = {
    "capture/slow.py",
    "capture/scapy_packet.py",
    "auth/schemes/pyspnego_adapter.py",
    "auth/schemes/scapy_adapter.py",
    "psrp/psrpcore_adapter.py",
    "hostlogs/evtx_adapter.py",
}

VAGUE = {"core", "common", "utils", "util", "helpers", "helper", "base", "manager", "handler", "misc"}
LINES = 400
LONGER = {"capture/kernel.py": 580, "capture/flows.py": 560}
"""What is done for each byte and packet is one unit, so that the compiler can put it into one piece of code."""


class Import(NamedTuple):
    """``module`` is absolute; ``late`` is inside a function or for types only."""

    module: str
    line: int
    late: bool


def test_there_are_files() -> None:
    assert len(FILES) > 20


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_table(path: Path) -> None:
    part = _part(_relative(path))
    allowed = MAY_IMPORT.get(part)
    assert allowed is not None, f"analyzer/{part} is new: give it a line in MAY_IMPORT"
    bad = [f"line {found.line}: {found.module}" for found in _imports(path) if not _is_allowed(found.module, part, allowed)]
    assert not bad, f"{part} may import {sorted(allowed)} only; it imports {bad}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_libraries_stay_at_home(path: Path) -> None:
    relative = _relative(path)
    for found in _imports(path):
        library = found.module.partition(".")[0]
        homes = LIBRARIES.get(library)
        assert homes is None or relative.startswith(homes), f"line {found.line}: {library} belongs to {homes}"
        assert library not in LATE or found.late or relative in ADAPTERS, f"line {found.line}: import {library} inside the function that needs it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_adapters_are_imported_late(path: Path) -> None:
    slow = {f"analyzer.{adapter.removesuffix('.py').replace('/', '.')}" for adapter in ADAPTERS if _loads_a_slow_library(ROOT / "analyzer" / adapter)}
    early = [found.module for found in _imports(path) if not found.late and found.module in slow]
    assert not early, f"{early} loads a slow library: import it inside the function that needs it"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_catches_everything(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.ExceptHandler):
            continue
        caught = {"everything"} if node.type is None else {name.id for name in ast.walk(node.type) if isinstance(name, ast.Name)}
        licensed = _relative(path) == "engine/own_rules.py"
        assert licensed or not caught & {"everything", "Exception", "BaseException"}, f"line {node.lineno}: name the exceptions you mean"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_have_names_and_sizes(path: Path) -> None:
    words = {part.removesuffix(".py") for part in Path(_relative(path)).parts}
    assert not words & VAGUE, "the name does not say what is in it"
    length = len(path.read_text(encoding="utf-8").splitlines())
    assert length <= LONGER.get(_relative(path), LINES), f"{length} lines: perhaps two rooms in one"


def test_no_module_imports_itself_by_a_detour() -> None:
    names = {_name(path): path for path in FILES}
    imported = {name: {found.module for found in _imports(path)} & names.keys() - {name} for name, path in names.items()}
    TopologicalSorter(imported).prepare()  # raises CycleError, with the modules of the circle


def test_parts_lie_on_floors() -> None:
    parts = {part: {one.partition(".")[0] for one in allowed} - {part} for part, allowed in MAY_IMPORT.items()}
    order = list(TopologicalSorter(parts).static_order())
    assert order.index("records") < order.index("story") < order.index("engine") < order.index("case") < order.index("api") < order.index("cli")


def test_relative_imports_are_seen(tmp_path: Path) -> None:
    package = tmp_path / "analyzer" / "rules"
    package.mkdir(parents=True)
    path = package / "one.py"
    (tmp_path / "analyzer" / "engine").mkdir()
    (tmp_path / "analyzer" / "engine" / "local.py").touch()
    path.write_text("from ..engine import local\nfrom . import two\nfrom analyzer import wsman\nimport analyzer.api as x\n", encoding="utf-8")
    assert [found.module for found in _imports(path, tmp_path)] == ["analyzer.engine.local", "analyzer.rules", "analyzer.wsman", "analyzer.api"]


@pytest.mark.parametrize("path", sorted((ROOT / "analyzer").rglob("*.pxd")), ids=lambda path: path.stem)
def test_what_has_a_type_for_the_compiler_has_a_value(path: Path) -> None:
    """A name that only the .pxd knows is 0 when it is compiled, without a word of the compiler."""
    declared = re.findall(r"^cdef (?:[\w.]+(?:\[::1\])?) ((?:\w+, )*\w+)$", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    names = {name for line in declared for name in line.split(", ")}
    tree = ast.parse(path.with_suffix(".py").read_text(encoding="utf-8"))
    bound = {alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    stored = (node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store))
    assert names <= bound | set(stored), "declared, and neither imported nor assigned"


def _loads_a_slow_library(adapter: Path) -> bool:
    return adapter.exists() and any(not found.late and found.module.partition(".")[0] in LATE for found in _imports(adapter))


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _relative(path: Path) -> str:
    return path.relative_to(ROOT / "analyzer").as_posix()


def _part(relative: str) -> str:
    return relative.partition("/")[0].removesuffix(".py")


def _is_allowed(module: str, part: str, allowed: set[str]) -> bool:
    pieces = module.split(".")
    if pieces[0] != "analyzer":
        return True
    inside = pieces[1:] or ["__init__"]
    if inside[0] == part:
        return True
    if inside[0] not in MAY_IMPORT:  # a name of analyzer/__init__.py
        inside = ["__init__"]
    return any(inside[: len(one.split("."))] == one.split(".") for one in allowed)


def _imports(path: Path, root: Path = ROOT) -> Iterator[Import]:
    package = path.relative_to(root).with_suffix("").parts[:-1]
    for node, late in _statements(ast.parse(path.read_text(encoding="utf-8")), late=False):
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, node.lineno, late) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            start = package[: len(package) - node.level + 1] if node.level else ()
            origin = ".".join((*start, *([node.module] if node.module else ())))
            yield from (Import(_module(f"{origin}.{alias.name}", origin, root), node.lineno, late) for alias in node.names)


def _module(longer: str, origin: str, root: Path) -> str:
    """``from a import b``: b is a module of ours when there is such a file, or when a is the package itself."""
    path = root.joinpath(*longer.split("."))
    return longer if path.is_dir() or path.with_suffix(".py").exists() or origin == "analyzer" else origin


def _statements(node: ast.AST, *, late: bool) -> Iterator[tuple[ast.AST, bool]]:
    for child in ast.iter_child_nodes(node):
        yield child, late
        for_types = isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING"
        yield from _statements(child, late=late or for_types or isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef))
