"""Where the program starts and ends. What needs no parser is answered before click is loaded, which takes longer than a small capture.

One border (`_Border`) turns whatever ends a command into an exit code: 0 finished, 1 findings at or above ``--fail-on``, 2 usage or unreadable input, 3 partial
result and ``--strict``, 4 integrity, 130 interrupted.
"""

from __future__ import annotations

import gc
import os
import sys

from analyzer.cli.names import COMMANDS, CONFIG
from analyzer.cli.printing import ReaderGoneError, complain, detail, details_wanted, say, write
from analyzer.errors import AnalyzerError
from analyzer.version import described

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Any, Self

USAGE, INTERRUPTED = 2, 130
HELP_WIDTHS = (80, 110)
"""Columns for which the help lies here as click makes it (docs/refresh.py writes it): those of no terminal, and the most that it uses."""
_COMPLETE = "_WINRM_ANALYZER_COMPLETE"
_GARBAGE = 1_000_000
"""Objects made between two searches for garbage (Python's own default: 700). A process that ends with its answer has little, and 10^6 records to search."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the program and exit."""
    gc.set_threshold(_GARBAGE)
    code = run(arguments)
    gc.freeze()  # or Python would search all of it once more before it ends
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the program; its exit code."""
    for stream in (sys.stdout, sys.stderr):
        _prepare(stream)
    border = _Border()
    with border:
        border.code = _done(arguments)
    if details_wanted():
        detail(f"exit code {border.code}")
    say()
    return border.code


def _done(arguments: Sequence[str] | None) -> int:
    words = sys.argv[1:] if arguments is None else list(arguments)
    text = f"{described()}\n" if words == ["--version"] else stored_help(words)
    if text is not None:
        write([text])
        return 0
    captures = plain(words)
    if captures:
        _load_msgspec()
        from analyzer.cli.analysis import analysis
        from analyzer.tables.times import show_in

        show_in(None)
        try:
            return analysis(captures)
        except KeyboardInterrupt:
            sys.stderr.write("\n")  # as click does: the line after ^C is ours
            raise
    from analyzer.cli.commands import parsed

    return parsed(arguments)


def _load_msgspec() -> None:
    """Loads msgspec without typing_extensions, which it asks for where that is installed: it takes as long to load as all of msgspec, and from Python 3.11 on
    gives it nothing that typing has not, which it takes instead."""
    if "typing_extensions" in sys.modules or "msgspec" in sys.modules:
        return
    sys.modules["typing_extensions"] = None  # type: ignore[assignment]  # as the import system has it for what there is not
    try:
        import msgspec  # noqa: F401
    finally:
        del sys.modules["typing_extensions"]


def stored_help(words: Sequence[str]) -> str | None:
    """The help of the program, when nothing else is asked for and the text is as wide as one of `HELP_WIDTHS`."""
    if list(words) not in (["--help"], ["-h"]) or _COMPLETE in os.environ:
        return None
    narrow, wide = HELP_WIDTHS
    columns = _columns() or narrow
    if columns != narrow and columns < wide:
        return None
    with open(os.path.join(os.path.dirname(__file__), f"help_{min(columns, wide)}.txt"), encoding="utf-8") as file:  # noqa: PTH118, PTH120, PTH123 (no pathlib yet)
        return file.read()


def _columns() -> int:
    """As `shutil.get_terminal_size`, which click asks, finds them; 0: no one tells."""
    try:
        told = int(os.environ.get("COLUMNS", "0"))
    except ValueError:
        told = 0
    try:
        return told if told > 0 else os.get_terminal_size(sys.__stdout__.fileno()).columns if sys.__stdout__ else 0
    except (AttributeError, ValueError, OSError):
        return 0


def plain(words: Sequence[str]) -> tuple[str, ...]:
    """The captures of ``analyze CAPTURE...`` or ``CAPTURE...`` without any option or settings, so that there is nothing to parse (on Windows click expands
    patterns); none where there is."""
    named = words[:1] == ["analyze"]
    captures = tuple(words[1:] if named else words)
    if not captures or any(word.startswith("-") for word in captures) or os.name != "posix" or os.path.lexists(CONFIG):
        return ()
    return captures if named or (captures[0] not in COMMANDS and os.path.lexists(captures[0])) else ()


class _Border:
    """Where exceptions end: a person gets one line, a script an exit code. WINRM_ANALYZER_DEBUG=1 lets a mistake of the program through with its traceback."""

    code = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None:
            return True
        if isinstance(error, ReaderGoneError):
            return True
        if isinstance(error, SystemExit | GeneratorExit):
            return False
        self.code = INTERRUPTED if isinstance(error, KeyboardInterrupt) else USAGE
        known = isinstance(error, AnalyzerError | OSError | KeyboardInterrupt | MemoryError)
        if not known and os.environ.get("WINRM_ANALYZER_DEBUG"):
            return False
        complain(_told(error) if known else f"internal error: {kind.__name__ if kind else ''}: {error} (WINRM_ANALYZER_DEBUG=1 shows where)")
        return True


def _told(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, MemoryError):
        return "out of memory; --limit connections=NUMBER, --from, --to, --host and --port make a run smaller"
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else f"reading or writing failed: {error.strerror}"
    return str(error)


def _prepare(stream: Any) -> None:  # noqa: ANN401 (what stands for stdout can be anything)
    """A character that the stream cannot encode is spelled, or shown as an escape; files and pipes get UTF-8, unless PYTHONIOENCODING says what they get."""
    if not hasattr(stream, "reconfigure"):
        return
    if not stream.isatty() and not os.environ.get("PYTHONIOENCODING"):
        stream.reconfigure(errors="backslashreplace", encoding="utf-8")
    elif (stream.encoding or "").lower().replace("-", "") == "utf8":
        stream.reconfigure(errors="backslashreplace")
    else:
        from analyzer.cli.consoles import prepare

        stream.reconfigure(errors=prepare())
