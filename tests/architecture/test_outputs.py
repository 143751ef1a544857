"""Files and folders are written in one place, analyzer/system/outputs.py; whatever else writes is named here, with the reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "analyzer").rglob("*.py"))
HOME = "system/outputs.py"
LICENSED = {
    ("capture/point.py", "TemporaryFile"): "the spool: a file without a name, which no one else can open",
    ("engine/sources.py", "TemporaryFile"): "as above",
    ("system/processes.py", "fdopen"): "a pipe to another process of ours",
    ("system/files.py", "chmod"): "takes rights away",
    ("cli/printing.py", "open"): "the null device, for what no one reads any more",
    ("tables/query.py", "write_parquet"): "DuckDB writes into the folder that it is given, which is one of ours",
    ("case/tables.py", "write_parquet"): "as above",
    ("engine/store.py", "write_parquet"): "as above",
    ("exports/databases.py", "connect"): "SQLite writes into a scratch folder of ours",
    ("tables/query.py", "connect"): "DuckDB: in memory, or into a scratch folder of ours",
    ("exports/workbook.py", "Workbook"): "into memory",
    ("system/objects.py", "open"): "an object of a store, by fsspec; what lies in folders is written by outputs.py",
}
"""(File, call) to the reason why it may stand there."""
_OURS = {"writing", "row"}
"""Modules and rows of ours whose functions have such names."""
_CALLS = {
    *("write_text", "write_bytes", "mkdir", "makedirs", "touch", "symlink_to", "hardlink_to", "link", "symlink", "mkfifo", "mknod", "rename", "renames"),
    *("unlink", "remove", "rmdir", "removedirs", "rmtree", "copyfile", "copytree", "copy2", "truncate", "chmod", "fdopen", "to_csv", "to_parquet"),
    *("TemporaryFile", "NamedTemporaryFile", "SpooledTemporaryFile", "TemporaryDirectory", "mkdtemp", "mkstemp", "write_parquet", "connect", "Workbook"),
}
_ANY_OBJECT = {"remove", "connect", "copy2", "link"}
"""Names that objects of other kinds have, too: counted for modules and classes that write."""
_WRITERS = {"os", "shutil", "sqlite3", "duckdb", "Path"}


def writes(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, call) of everything that can make or change a file."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id if isinstance(node.func, ast.Name) else ""
        owner = node.func.value.id if isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name) else ""
        if _writes(node, name, owner):
            yield node.lineno, name


def _writes(node: ast.Call, name: str, owner: str) -> bool:
    if name == "open":
        return _opens_to_write(node, owner)
    if name == "replace":
        return isinstance(node.func, ast.Attribute) and _is_a_move(node, owner)
    if name not in _CALLS or owner in _OURS or (name in _ANY_OBJECT and owner not in _WRITERS):
        return False
    return bool(owner) or name not in ("link", "write_bytes", "write_text")  # functions of ours, called by their names


def _opens_to_write(node: ast.Call, owner: str) -> bool:
    if owner == "os":
        return True
    modes = [one.value for one in (*node.args, *(keyword.value for keyword in node.keywords if keyword.arg == "mode")) if isinstance(one, ast.Constant)]
    return any(isinstance(mode, str) and len(mode) <= 3 and set(mode) & set("wax+") and set(mode) <= set("rwaxbt+") for mode in modes)


def _is_a_move(node: ast.Call, owner: str) -> bool:
    """``path.replace(other)`` and ``os.replace``: that of texts has two arguments, that of times has names."""
    return owner == "os" or (len(node.args) == 1 and not node.keywords and not isinstance(node.args[0], ast.Starred))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_written_in_one_place(path: Path) -> None:
    relative = path.relative_to(ROOT / "analyzer").as_posix()
    found = (
        []
        if relative == HOME
        else [f"line {line}: {call}" for line, call in writes(ast.parse(path.read_text(encoding="utf-8"))) if (relative, call) not in LICENSED]
    )
    assert not found, f"{found}: write through analyzer.system.outputs"


def test_no_licence_is_left_over() -> None:
    used = {(path.relative_to(ROOT / "analyzer").as_posix(), call) for path in FILES for _, call in writes(ast.parse(path.read_text(encoding="utf-8")))}
    assert set(LICENSED) <= used


@pytest.mark.parametrize(
    "text",
    [
        *("open(path, 'w')", "path.open('ab')", "path.open(mode='x')", "os.open(path, flags)", "path.write_text(x)", "path.write_bytes(x)", "path.mkdir()"),
        *("os.replace(a, b)", "path.replace(other)", "path.rename(other)", "path.unlink()", "shutil.rmtree(path)", "tempfile.TemporaryDirectory()"),
        *("path.symlink_to(x)", "sqlite3.connect(path)", "TemporaryDirectory()", "frame.to_csv(path)"),
    ],
)
def test_the_search_finds_it(text: str) -> None:
    assert list(writes(ast.parse(text)))


@pytest.mark.parametrize(
    "text", ["open(path, 'rb')", "path.open()", "text.replace('a', 'b')", "replace(record, x=1)", "archive.open(info)", "writing.write_text(a, b)"]
)
def test_what_only_reads_is_not_found(text: str) -> None:
    assert not list(writes(ast.parse(text)))
