"""pypsrp as the client of whole sessions: leaves them and comes back, takes over what another client left, types lines, answers prompts.

`steps` of the options say what it does, one after the other:

    run, begin         a script, to its end or only begun
    disconnect         leaves the session; reconnect: comes back to it
    take               lists the server's shells, and connects to the first
    finish             asks for the output of what the client before began
    line               a line as Enter-PSSession sends it: the prompt first, then the line for Out-Default
    keys               exchanges the key of SecureStrings, and sends one as an argument
    pause              seconds
    close              deletes the shell; without it the session stays
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from pypsrp.complex_objects import ObjectMeta
from pypsrp.host import PSHost, PSHostUserInterface
from pypsrp.powershell import DEFAULT_CONFIGURATION_NAME, PowerShell, RunspacePool
from pypsrp.shell import Process, WinRS
from pypsrp.wsman import WSMan

Step = dict[str, Any]


class _Ui(PSHostUserInterface):
    """A person who answers with what the scenario says."""

    def __init__(self, answers: list[str]) -> None:
        super().__init__()
        self.answers = answers

    def ReadLine(self, runspace: RunspacePool, pipeline: PowerShell | None) -> str:  # noqa: ARG002, N802  its name in the protocol
        """The next answer."""
        return self.answers.pop(0)


class _Session:
    def __init__(self, options: dict[str, Any], wsman: WSMan) -> None:
        ui = _Ui(list(options.get("answers", ())))
        host = PSHost(None, None, False, "lab", None, ui, "1.0") if "answers" in options else None  # noqa: FBT003
        self.wsman = wsman
        self.pool = RunspacePool(wsman, configuration_name=options.get("configuration", DEFAULT_CONFIGURATION_NAME), host=host)
        self.arguments = options.get("arguments")

    def do(self, what: str, value: object) -> str:
        """One step."""
        return str(getattr(self, what)(value))

    def open(self, _: object) -> str:
        self.pool.open(self.arguments)
        return self.pool.id

    def _invoked(self, pipeline: PowerShell) -> str:
        pipeline.invoke()
        return f"{len(pipeline.output)} objects, {len(pipeline.streams.error)} errors"

    def run(self, script: str) -> str:
        return self._invoked(PowerShell(self.pool).add_script(script))

    def begin(self, script: str) -> str:
        PowerShell(self.pool).add_script(script).begin_invoke()
        return "begun"

    def line(self, text: str) -> str:
        self._invoked(PowerShell(self.pool).add_script("prompt"))
        return self._invoked(PowerShell(self.pool).add_script(text).add_cmdlet("Out-Default"))

    def keys(self, text: str) -> str:
        self.pool.exchange_keys()
        secret = self.pool.serialize(text, ObjectMeta("SS"))
        return self._invoked(PowerShell(self.pool).add_cmdlet("Set-Secret").add_parameter("Name", "backup").add_parameter("Value", secret))

    def disconnect(self, _: object) -> str:
        self.pool.disconnect()
        return "left"

    def reconnect(self, _: object) -> str:
        self.pool.connect()
        return "came back"

    def take(self, _: object) -> str:
        self.pool = RunspacePool.get_runspace_pools(self.wsman)[0]
        self.pool.connect()
        return self.pool.id

    def finish(self, _: object) -> str:
        found = [len(pipeline.connect()) for pipeline in self.pool.create_disconnected_power_shells()]
        return f"{found} objects"

    def pause(self, seconds: float) -> str:
        time.sleep(seconds)
        return "waited"

    def close(self, _: object) -> str:
        self.pool.close()
        return "closed"


def session(options: dict[str, Any], wsman: WSMan, tried: Callable[[str, Callable[[], Any]], Step]) -> list[Step]:
    """A PowerShell session, step by step."""
    own = _Session(options, wsman)
    done = []
    for step in options["steps"]:
        ((what, value),) = step.items()
        done.append(tried(f"{what} {value}", partial(own.do, what, value)))
    wsman.close()
    return done


def prepared(options: dict[str, Any], wsman: WSMan, tried: Callable[[str, Callable[[], Any]], Step]) -> list[Step]:
    """A WinRS shell with a folder, an environment, a name and time-outs of its own, and commands in it."""
    shell = WinRS(wsman, **options["shell"])
    done = [tried("open shell", lambda: shell.open() is not None)]
    for command in options["commands"]:
        name, *arguments = command.split(" ")
        process = Process(shell, name, arguments)
        done.append(tried(command, process.invoke))
    done.append(tried("close shell", shell.close))
    wsman.close()
    return done


ACTIONS = {"pypsrp-session": session, "pypsrp-prepared": prepared}
