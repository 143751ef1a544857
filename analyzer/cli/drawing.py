"""The progress line, drawn by a process of its own: ``python -m analyzer.cli.drawing``. It reads a JSON list (what, done, total, in bytes) a line.

The program has one thread, so that it may fork, and much of its work gives nothing back for seconds; this process keeps the clock going meanwhile. It ends with
its input, so it cannot outlive the program.
"""

import json
import signal
import sys
import threading
from typing import Any

_EACH_S = 0.25


def main() -> None:
    """Draw until the input ends; then take the line away."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn, TransferSpeedColumn

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the program's; the end of the input follows
    sys.stderr.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a legacy console cannot show every name
    console = Console(stderr=True)
    what = TextColumn("{task.description}", markup=False)
    clock = (TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    of_bytes = (SpinnerColumn("line"), what, BarColumn(20), TextColumn("{task.percentage:>3.0f} %"), DownloadColumn(), TransferSpeedColumn(), *clock)
    counted = (SpinnerColumn("line"), what, BarColumn(20), TextColumn("{task.completed:,.0f} of {task.total:,.0f}"), *clock)
    open_ended = (SpinnerColumn("line"), what, TimeElapsedColumn())
    shown: Progress | None = None
    told: tuple[str, int] | None = None
    task: Any = None
    for line in sys.stdin:
        name, done, total, in_bytes = json.loads(line)
        if shown is None or told != (name, total):
            if shown is not None:
                shown.stop()
            columns = open_ended if not total else of_bytes if in_bytes else counted
            shown = Progress(*columns, console=console, transient=True, refresh_per_second=1 / _EACH_S)
            task = shown.add_task(name, total=total or None)
            shown.start()
            told = (name, total)
        shown.update(task, completed=done)
    if shown is not None:
        shown.stop()


if __name__ == "__main__":
    threading.current_thread().name = "drawing"
    main()
