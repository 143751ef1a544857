"""How far a run is: told to the process that draws it (`analyzer.cli.drawing`), and with each phase's time to ``-v`` and the log."""

from __future__ import annotations

import os
import sys
import time

from analyzer.cli.printing import detail, details_wanted, quiet

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Sequence

_LARGE_BYTES = 20_000_000
_SOON_S, _EACH_S = 0.5, 0.1
_ENDS_S = 2.0
_COUNTED = {
    "objects": "reading captures",
    "connections": "reading connections",
    "groups": "looking at groups of connections",
    "messages": "decrypting and reading messages",
    "story": "joining what was seen",
    "rules": "looking for problems",
    "case": "writing the case",
}
"""The phases that count things; each other one reads the file of its name."""


class Progress:
    """Called with (phase, done, total). What draws is started when the inputs are large, or when it takes longer than a moment."""

    def __init__(self, inputs: Sequence[str] = ()) -> None:
        self._began = self._shown = self._phase_began = time.monotonic()
        self._phase = ""
        self._drawn = sys.stderr.isatty() and not quiet() and os.environ.get("TERM") != "dumb"
        self._drawer: subprocess.Popen[str] | None = None
        if self._drawn and _large(inputs):
            self._start()
            self._tell("looking at the inputs", 0, 0, in_bytes=False)

    def __call__(self, phase: str, done: int, total: int) -> None:
        """It is so far."""
        now = time.monotonic()
        if phase != self._phase:
            self._ended(now)
            self._phase, self._phase_began = phase, now
        elif now - self._shown < _EACH_S:
            return
        if not self._drawn:
            return
        if self._drawer is None and now - self._began >= _SOON_S:
            self._start()
        if self._drawer is not None:
            self._shown = now
            self._tell(_COUNTED.get(phase, f"reading {phase}"), done, total, in_bytes=phase not in _COUNTED)

    def clear(self) -> None:
        """Take the line away."""
        self._ended(time.monotonic())
        self._phase = ""
        drawer, self._drawer = self._drawer, None
        if drawer is None or drawer.stdin is None:
            return
        import subprocess

        try:
            drawer.stdin.close()
            drawer.wait(_ENDS_S)
        except (OSError, subprocess.TimeoutExpired):
            drawer.kill()
            drawer.wait()

    def _ended(self, now: float) -> None:
        if self._phase and details_wanted():
            detail(f"{_COUNTED.get(self._phase, f'reading {self._phase}')}: {now - self._phase_began:.3f} s")

    def _start(self) -> None:
        import subprocess

        try:
            command = [sys.executable, "-P", "-m", "analyzer.cli.drawing"]
            self._drawer = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, encoding="ascii")  # noqa: S603  ours
        except OSError:
            self._drawn = False

    def _tell(self, what: str, done: int, total: int, *, in_bytes: bool) -> None:
        import json

        from analyzer.formats.text import visible

        if self._drawer is None or self._drawer.stdin is None:
            return
        try:
            self._drawer.stdin.write(json.dumps([visible(what, 60), done, total, in_bytes]) + "\n")
            self._drawer.stdin.flush()
        except OSError:  # it is gone, which is no reason to end
            self._drawn = False


def _large(inputs: Sequence[str]) -> bool:
    """Folders, pipes and what is as large as that."""
    return any(one == "-" or os.path.isdir(one) or (os.path.exists(one) and os.path.getsize(one) >= _LARGE_BYTES) for one in inputs)  # noqa: PTH110, PTH112, PTH202
