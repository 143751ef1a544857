"""The key file: the key that pseudonyms are made with, and what they stood for. Anyone who has it can undo them, so it is for its owner alone."""

import json
import secrets
from pathlib import Path
from typing import NamedTuple

from analyzer.errors import InputError
from analyzer.system.outputs import write_file

FORM = "winrm-analyzer pseudonyms 1"
_KEY = 32
_MOST = 256 << 20
"""Bytes of a key file: a larger one is refused."""


class KeyFile(NamedTuple):
    """``words`` and ``addresses``: what was replaced, in lower case, and its pseudonym."""

    path: Path
    key: bytes
    words: dict[str, str]
    addresses: dict[str, str]

    def write(self) -> None:
        """Over what is there, for the owner alone. `OutputError`: it cannot be written."""
        made = {"form": FORM, "key": self.key.hex(), "words": dict(sorted(self.words.items())), "addresses": dict(sorted(self.addresses.items()))}
        write_file(self.path, [json.dumps(made, ensure_ascii=False, indent=0).encode("utf-8", "backslashreplace"), b"\n"], replace=True)

    def __repr__(self) -> str:
        return f"<KeyFile: {len(self.words)} words, {len(self.addresses)} addresses>"


def key_file(path: Path, *, make: bool) -> KeyFile:
    """The key file there; ``make``: a new one with a random key where there is none. `InputError`: it is none, or is not there."""
    try:
        if path.stat().st_size > _MOST:
            msg = f"{path} is larger than a key file of pseudonyms can be"
            raise InputError(msg)
        told = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        if make:
            made = KeyFile(path, secrets.token_bytes(_KEY), {}, {})
            made.write()
            return made
        msg = f"{path} is not there; report, show or pcap with --pseudonyms {path} make it"
        raise InputError(msg) from None
    except OSError as error:
        msg = f"cannot read {path}: {error.strerror or error}"
        raise InputError(msg) from error
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or told.get("form") != FORM:
        msg = f"{path} is no key file of pseudonyms, and is left as it is; name another file"
        raise InputError(msg)
    try:
        key = bytes.fromhex(str(told["key"]))
        words, addresses = ({str(name): str(one) for name, one in dict(told[part]).items()} for part in ("words", "addresses"))
    except (KeyError, ValueError, TypeError):
        key, words, addresses = b"", {}, {}
    if len(key) != _KEY or any(len(name) != len(one) for name, one in words.items()):
        msg = f"{path} was damaged: its key or its list of names cannot be read"
        raise InputError(msg)
    return KeyFile(path, key, words, addresses)
