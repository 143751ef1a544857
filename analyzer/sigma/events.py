"""Commands as the events that Sigma rules are written for: a process that starts (CommandLine, Image), a piece of script (ScriptBlockText).

A command is shown as both, since a shell runs either: its text, and the layers that were decoded out of it. Names of fields are compared without case. The
parent is what Windows starts for a shell: winrshost.exe for WinRS, wsmprovhost.exe for PowerShell.
"""

import re
from collections.abc import Iterator

from analyzer.records.wsman import Command, outputs_of
from analyzer.sigma.conditions import Event

_SYSTEM = "C:\\Windows\\System32\\"
_HOSTS = {"powershell": f"{_SYSTEM}wsmprovhost.exe", "cim": f"{_SYSTEM}wbem\\WmiPrvSE.exe"}
_WORD = re.compile(r"\s*(?:\"([^\"]{1,260})\"|'([^']{1,260})'|([^\s|;&]{1,260}))")
_WINDOW, _ASTRIDE = 1 << 18, 1 << 13
"""Characters that are looked at at once, and how many of them the next ones begin with: a word that lies astride two windows is in one of them."""
_IMAGES = {
    "cmd": f"{_SYSTEM}cmd.exe",
    "powershell": f"{_SYSTEM}WindowsPowerShell\\v1.0\\powershell.exe",
    "pwsh": "C:\\Program Files\\PowerShell\\7\\pwsh.exe",
    "wmic": f"{_SYSTEM}wbem\\WMIC.exe",
}
_INPUT = ("input", "stdin")


def events(command: Command, server: str, most: int = 4 << 20) -> Iterator[Event]:
    """One event for the command, one for the layers decoded out of it, one for what was sent to its input; of a long text one for each window."""
    for text in texts_of(command):
        for at in range(0, max(min(len(text), most) - _ASTRIDE, 1), _WINDOW - _ASTRIDE):
            yield event(command, text[at : min(at + _WINDOW, most)], server, text)


def texts_of(command: Command) -> list[str]:
    """What is searched of a command, each text once."""
    texts = [command.text, command.decoded or "", "\n".join(output.text for output in outputs_of(command.outputs, _INPUT))]
    return [text for text in dict.fromkeys(texts) if text.strip()]


def event(command: Command, text: str, server: str, whole: str | None = None) -> Event:
    """A text of a command as a process that starts and as a piece of script. ``whole``: the text that it is a window of."""
    parent = _HOSTS.get(command.kind, f"{_SYSTEM}winrshost.exe")
    image = image_of(whole or text)
    fields = {
        "commandline": (text,),
        "scriptblocktext": (text,),
        "payload": (text,),
        "image": (image,),
        "newprocessname": (image,),
        "originalfilename": (image.rpartition("\\")[2],),
        "parentimage": (parent,),
        "parentprocessname": (parent,),
        "parentcommandline": (f"{parent} -Embedding",),
        "hostapplication": (parent,),
        "hostname": ("ServerRemoteHost",) if command.kind == "powershell" else (),
        "computer": (server,),
        "user": (command.user,) if command.user else (),
        "targetusername": (command.user.rpartition("\\")[2],) if command.user else (),
    }
    return {name: values for name, values in fields.items() if values}


def image_of(text: str) -> str:
    """A guess at the program's path: the first word, where Windows' own programs lie."""
    match = _WORD.match(text)
    word = next((group for group in match.groups() if group), "") if match else ""
    name = word.rpartition("\\")[2].lower()
    stem = name.removesuffix(".exe")
    if "\\" in word:
        return word if name.endswith((".exe", ".com", ".bat", ".cmd", ".ps1")) else f"{word}.exe"
    return _IMAGES.get(stem, f"{_SYSTEM}{stem}.exe")
