"""Takes away what Windows does not have, before anything is imported: ``PYTHONPATH=tests/emulation python -m pytest ...`` runs tests without it.

Gone are os.fork, os.pread and the like, the modules fcntl, pty, termios, resource, pwd, grp, and /proc; what a program reads and writes by default is cp1252,
so that a text without a named encoding shows. Programs that the tests start are without them, too. Paths, drives, locked files and real consoles stay those
of this system: only Windows has them.
"""

import builtins
import os
from typing import Any

GONE_CALLS = (
    *(
        "fork",
        "forkpty",
        "pread",
        "preadv",
        "pwrite",
        "pwritev",
        "sendfile",
        "posix_spawn",
        "posix_spawnp",
        "posix_fadvise",
        "posix_fallocate",
        "sched_getaffinity",
    ),
    *(
        "sched_setaffinity",
        "mkfifo",
        "mknod",
        "chown",
        "fchown",
        "lchown",
        "fchmod",
        "openpty",
        "killpg",
        "getpgid",
        "setsid",
        "nice",
        "getloadavg",
        "O_NOFOLLOW",
    ),
    *("O_NONBLOCK", "O_DIRECTORY", "O_CLOEXEC", "O_NOCTTY", "O_SYNC", "statvfs", "fstatvfs"),
)
GONE_MODULES = ("fcntl", "grp", "pty", "pwd", "resource", "termios", "tty", "syslog")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))  # noqa: PTH100, PTH120 (pathlib would be loaded before it is changed)
_listdir, _import = os.listdir, builtins.__import__


def _without_proc(path: Any = ".") -> list[Any]:  # noqa: ANN401  as os.listdir
    if str(path).startswith("/proc"):
        raise FileNotFoundError(2, "No such file or directory", str(path))
    return _listdir(path)


def _without_posix(name: str, globals: Any = None, *more: Any, **named: Any) -> Any:  # noqa: A002, ANN401  as __import__
    """For our own files; what libraries have on this system they do not have to have on Windows."""
    file = str((globals or {}).get("__file__") or (globals or {}).get("__name__") or "")
    if name.partition(".")[0] in GONE_MODULES and (file.startswith((f"{ROOT}{os.sep}analyzer", f"{ROOT}{os.sep}tests")) or file == "__main__"):
        raise ImportError(name)
    return _import(name, globals, *more, **named)


def remove() -> None:
    """Take it away in this process; what is started from here does so by itself."""
    for name in GONE_CALLS:
        if hasattr(os, name):
            delattr(os, name)
    builtins.__import__ = _without_posix
    os.listdir = _without_proc


if os.environ.get("WINRM_ANALYZER_EMULATES") == "windows":
    remove()
