"""Chromium without a window, driven over its debugging pipe (DevTools protocol): what a page looks like, what it runs and what it asks for."""

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

PROGRAM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--remote-debugging-pipe",
)
_LOADED_WITHIN_S = 30.0


class Browser:
    """One browser with one page. ``events`` are what the page reported: (method, parameters)."""

    def __init__(self, profile: Path) -> None:
        if PROGRAM is None:
            msg = "there is no chromium"
            raise FileNotFoundError(msg)
        self.events: list[tuple[str, dict[str, Any]]] = []
        self._last = 0
        commands, self._write = os.pipe()
        self._read, answers = os.pipe()
        self._process = subprocess.Popen(
            [PROGRAM, *_OPTIONS, f"--user-data-dir={profile}", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            stdin=subprocess.DEVNULL,
            preexec_fn=_as_three_and_four(commands, answers),  # noqa: PLW1509 (no threads here; the protocol wants exactly these descriptors)
            close_fds=False,
        )
        os.close(commands)
        os.close(answers)
        self._rest = b""
        targets = self._call("Target.getTargets")["targetInfos"]
        page = next(one["targetId"] for one in targets if one["type"] == "page")
        self._session = self._call("Target.attachToTarget", targetId=page, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_unused: object) -> None:
        with suppress(OSError, EOFError):
            self._call("Browser.close")
        os.close(self._write)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
        os.close(self._read)

    def call(self, method: str, **parameters: object) -> dict[str, Any]:
        """What the page answers."""
        return self._call(method, self._session, **parameters)

    def open(self, path: Path | str, *, script: bool = True) -> None:
        """Load the file, or the address, and wait until it is there."""
        self.call("Emulation.setScriptExecutionDisabled", value=not script)
        self.events.clear()
        self.call("Page.navigate", url=path if isinstance(path, str) else path.as_uri())
        while not any(method == "Page.loadEventFired" for method, _ in self.events):
            self._receive()

    def value(self, expression: str) -> Any:  # noqa: ANN401 (whatever JavaScript gives)
        """The value of a JavaScript expression, also when the page's own scripts are off."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        return answer["result"].get("value")

    def look(self, path: Path, width: int, *, dark: bool = False, most: int = 16000) -> None:
        """A picture of the whole page."""
        self.size(width)
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}])
        height = min(most, int(self.value("document.documentElement.scrollHeight")))
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]))

    def size(self, width: int, height: int = 900) -> None:
        """The window's size."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)

    def complaints(self) -> list[str]:
        """Errors of the console and of scripts."""
        found = []
        for method, parameters in self.events:
            if method == "Runtime.exceptionThrown":
                found.append(str(parameters["exceptionDetails"]))
            if method == "Log.entryAdded" and parameters["entry"]["level"] in {"error", "warning"}:
                found.append(parameters["entry"]["text"])
            if method == "Runtime.consoleAPICalled" and parameters["type"] in {"error", "warning"}:
                found.append(str(parameters["args"]))
        return found

    def requests(self) -> list[str]:
        """The addresses that the page asked for, itself among them."""
        return [parameters["request"]["url"] for method, parameters in self.events if method == "Network.requestWillBeSent"]

    def _call(self, method: str, session: str | None = None, **parameters: object) -> dict[str, Any]:
        self._last += 1
        number = self._last
        sent: dict[str, object] = {"id": number, "method": method, "params": parameters} | ({"sessionId": session} if session else {})
        os.write(self._write, json.dumps(sent).encode() + b"\0")
        while True:
            message = self._receive()
            if message.get("id") == number:
                if "error" in message:
                    raise AssertionError(message["error"])
                answer: dict[str, Any] = message["result"]
                return answer

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            piece = os.read(self._read, 1 << 20)
            if not piece:
                raise EOFError
            self._rest += piece
        line, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        if "method" in message:
            self.events.append((message["method"], message.get("params", {})))
        return message


def _as_three_and_four(commands: int, answers: int) -> Callable[[], None]:
    def moved() -> None:
        spare = [os.dup(commands), os.dup(answers)]
        for descriptor, place in zip(spare, (3, 4), strict=True):
            os.dup2(descriptor, place)

    return moved
