"""Files that clients move through the lab's server: what it answers, and what it says in its journal.

Strategy: the server runs nothing. It knows pypsrp's own scripts for copy and fetch, the parameters of PowerShell's PSCopyToSessionHelper and Ansible's
connection scripts by what only they say, and answers as those would: the SHA-1 of what came, BytesWritten, or a made-up file in base64.
"""

import base64
import hashlib
import json
import random
from dataclasses import dataclass, field
from typing import Any

PREAMBLE = b"\n\0\0\0\0\n"


def made_up(name: str, size: int) -> bytes:
    """The content of a file of the lab: the same for a name in every run."""
    return random.Random(name).randbytes(size)


def row(name: str | None, data: bytes, *, to_server: bool) -> dict[str, object]:
    """What the journal says of a file."""
    direction = "to_server" if to_server else "to_client"
    return {"event": "file", "name": name, "direction": direction, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}


@dataclass(slots=True)
class Uploads:
    """Files that come in several commands: by path, what is there of each."""

    by_path: dict[str, bytearray] = field(default_factory=dict)

    def step(self, parameters: dict[str, Any]) -> dict[str, int] | None:
        """One call of PSCopyToSessionHelper that writes; None for one that only asks."""
        path = parameters.get("copyToFilePath")
        if path is None:
            return None
        data = base64.b64decode(parameters.get("b64Fragment") or "")
        if parameters.get("createFile"):
            self.by_path[path] = bytearray()
        self.by_path.setdefault(path, bytearray()).extend(data)
        return {"BytesWritten": len(data)}


def copied(inputs: list[str], path: str) -> tuple[list[str], dict[str, object]]:
    """pypsrp's copy: pieces in base64, the last one the SHA-1 of all before."""
    *pieces, told = (base64.b64decode(one) for one in inputs)
    data = b"".join(pieces)
    if hashlib.sha1(data, usedforsecurity=False).hexdigest() != told.decode():
        return ["Transport failure, hash mismatch"], {}
    return [path], row(path, data, to_server=True)


def fetched(path: str, size: int) -> tuple[list[str], dict[str, object]]:
    """pypsrp's fetch: the file in base64, then its SHA-1."""
    data = made_up(path, size)
    return [base64.b64encode(data).decode(), hashlib.sha1(data, usedforsecurity=False).hexdigest()], row(path, data, to_server=False)


def ansible(stdin: bytes) -> tuple[bytes, dict[str, object]]:
    """Ansible's winrm plug-in: two JSON documents, the second with the script's parameters, and for an upload lines of base64; each after four zero bytes."""
    _, manifest, *files = stdin.split(PREAMBLE)
    parameters = json.loads(manifest)["actions"][-1]["params"]
    path = parameters["Path"]
    for rest in files:
        data = b"".join(base64.b64decode(line) for line in rest.split())
        told = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        return f'{{"sha1":"{told}"}}\r\n'.encode(), row(path, data, to_server=True)
    whole = made_up(path, 9_000)
    part = whole[parameters["Offset"] : parameters["Offset"] + parameters["BufferSize"]]
    return base64.b64encode(part) + b"\r\n", row(path, whole, to_server=False)
