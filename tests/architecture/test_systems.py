"""What only POSIX systems have stands in analyzer/system, next to a way that works everywhere; texts are read and written in a named encoding."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "analyzer").rglob("*.py"))
HOME = "system"
POSIX_MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty", "syslog", "crypt", "curses"}
POSIX_CALLS = {
    *(
        "fork",
        "forkpty",
        "pread",
        "preadv",
        "pwrite",
        "pwritev",
        "sendfile",
        "getuid",
        "geteuid",
        "getgid",
        "getpgid",
        "setsid",
        "killpg",
        "wait",
        "wait3",
        "wait4",
    ),
    *("waitpid", "mkfifo", "mknod", "chown", "lchown", "chroot", "nice", "sysconf", "uname", "getloadavg", "sched_getaffinity", "sched_setaffinity", "openpty"),
    *("register_at_fork", "posix_spawn", "posix_fadvise", "fdatasync", "fchmod", "fchown", "statvfs", "ttyname", "WNOHANG", "kill", "pipe2", "chmod", "open"),
}
"""Of the module os. Some exist on Windows and do something else there."""
POSIX_SIGNALS = {
    "SIGKILL",
    "SIGALRM",
    "SIGHUP",
    "SIGQUIT",
    "SIGUSR1",
    "SIGUSR2",
    "SIGCHLD",
    "SIGPIPE",
    "SIGSTOP",
    "SIGCONT",
    "alarm",
    "setitimer",
    "pthread_sigmask",
}
_PATH = re.compile(r"^/(proc|dev|sys|etc|tmp|var)(/|$)")
_WITH_ENCODING = {"read_text": 0, "write_text": 1}
"""Methods of paths that need one, and how many arguments come before it."""


def posix_only(tree: ast.AST) -> Iterator[str]:
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [one.name for one in node.names]
            yield from (f"import {name}" for name in names if name.split(".")[0] in POSIX_MODULES)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            called = f"{node.value.id}.{node.attr}"
            if (node.value.id == "os" and (node.attr in POSIX_CALLS or node.attr.startswith("O_"))) or (
                node.value.id == "signal" and node.attr in POSIX_SIGNALS
            ):
                yield called
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents and _PATH.match(node.value):
            yield node.value


def without_encoding(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or any(keyword.arg == "encoding" for keyword in node.keywords):
            continue
        if isinstance(node.func, ast.Attribute) and node.func.attr in _WITH_ENCODING and len(node.args) <= _WITH_ENCODING[node.func.attr]:
            yield f"line {node.lineno}: {node.func.attr}"
        called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr if isinstance(node.func, ast.Attribute) else ""
        if called == "open" and not any("b" in str(one.value) for one in node.args if isinstance(one, ast.Constant)) and _is_file(node):
            yield f"line {node.lineno}: open"
        if any(keyword.arg == "text" and ast.unparse(keyword.value) == "True" for keyword in node.keywords):
            yield f"line {node.lineno}: text=True"


def _is_file(node: ast.Call) -> bool:
    """``open(path)``, ``path.open()`` and ``path.open("w")``; not what the project calls open."""
    if isinstance(node.func, ast.Name):
        return True
    return all(isinstance(one, ast.Constant) and isinstance(one.value, str) and len(one.value) <= 3 for one in node.args) and "archive" not in ast.unparse(
        node.func
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_only_posix_has_stands_in_one_place(path: Path) -> None:
    found = [] if path.relative_to(ROOT / "analyzer").parts[0] == HOME else list(posix_only(ast.parse(path.read_text(encoding="utf-8"))))
    assert not found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_texts_have_an_encoding(path: Path) -> None:
    assert not list(without_encoding(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize(
    "text", ["import fcntl", "from os import path\nimport pwd", "os.fork()", "os.O_CREAT", "signal.SIGKILL", "x = '/proc/self/task'", "os.pread(1, 2, 3)"]
)
def test_the_search_finds_it(text: str) -> None:
    assert list(posix_only(ast.parse(text)))


@pytest.mark.parametrize("text", ["path.read_text()", "path.write_text('x')", "open(path)", "path.open('w')", "run(x, text=True)"])
def test_the_search_for_encodings_finds_it(text: str) -> None:
    assert list(without_encoding(ast.parse(text)))
