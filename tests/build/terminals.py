"""A terminal for a command of ours: what it is given to see. Systems without pseudo-terminals skip the test."""

import os
import select
import struct
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def on_terminal(columns: int, *arguments: str, **environment: str) -> str:
    """What a terminal of so many columns gets."""
    return shown_to(columns, [sys.executable, "-m", "analyzer", *arguments], environment)


def shown_to(columns: int, command: list[str], environment: dict[str, str], *, errors: bool = False) -> str:
    """What a terminal of so many columns gets of a command; with ``errors`` also what it writes to standard error."""
    try:
        import fcntl
        import pty
        import termios
    except ImportError:
        pytest.skip("this system has no pseudo-terminals")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    clean = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES"}}
    other = theirs if errors else subprocess.DEVNULL
    with subprocess.Popen(command, stdout=theirs, stderr=other, cwd=ROOT, env={**clean, "TERM": "xterm", **environment}) as program:
        os.close(theirs)
        pieces = []
        while select.select([ours], [], [], 60)[0]:
            try:
                piece = os.read(ours, 1 << 16)
            except OSError:  # how Linux says that the other end was closed
                break
            if not piece:
                break
            pieces.append(piece)
    os.close(ours)
    assert program.returncode == 0
    return b"".join(pieces).decode().replace("\r\n", "\n")
