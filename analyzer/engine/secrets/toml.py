"""The project's own file: passwords, hashes and keys in TOML, and the names of keytabs and key logs.

Errors name the entry, never the value. Files that it names are relative to it.
"""

import binascii
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from analyzer.auth.schemes.ntlm_keys import lm_hash, nt_hash
from analyzer.auth.schemes.scapy_adapter import KEY_SIZES
from analyzer.engine.secrets.content import Content, Entry
from analyzer.errors import UsageError
from analyzer.records.secrets import KerberosKey, NtlmSecret, Password, Secret, SessionKey

_NT_HASH_SIZE = _SESSION_KEY_SIZE = 16
_SECTIONS = {"password": ("user", "value"), "nt_hash": ("user", "value"), "session_key": ("value",), "kerberos_key": ("etype", "value")}
_KNOWN = {*_SECTIONS, "files"}
_HEAD = re.compile(rf"(?m)^\s*\[\[?\s*({'|'.join(sorted(_KNOWN))})s?\s*\]")


def is_toml(content: Content) -> bool:
    """A file called so, or one with a heading of ours."""
    return Path(content.name).suffix.lower() == ".toml" or _HEAD.search(content.text or "") is not None


def files_of(content: Content) -> Iterator[tuple[str, str]]:
    """(kind, path) of the keytabs and key logs that it names."""
    files = _toml(content).get("files", {})
    base = Path(content.path).parent
    for kind in ("keytabs", "keylogs"):
        for name in files.get(kind, []):
            yield kind, str(base / name)


def entries(content: Content) -> Iterator[Entry]:
    """What stands in the file itself."""
    data = _toml(content)
    passwords = [(f"password:{_name(entry)}", entry) for entry in data.get("password", [])]
    for tag, entry in passwords:
        yield NtlmSecret(tag, str(entry["user"]), entry.get("domain"), nt_hash(str(entry["value"])), lm_hash(str(entry["value"])))
    for entry in data.get("nt_hash", []):
        yield NtlmSecret(f"nt_hash:{_name(entry)}", str(entry["user"]), entry.get("domain"), _sized(entry, f"nt_hash of {_name(entry)}", _NT_HASH_SIZE))
    for place, entry in enumerate(data.get("session_key", []), 1):
        yield SessionKey(f"session_key:{place}", _sized(entry, f"session_key {place}", _SESSION_KEY_SIZE))
    for place, entry in enumerate(data.get("kerberos_key", []), 1):
        yield KerberosKey(f"kerberos_key:{place}", entry["etype"], _kerberos(entry, place), entry.get("principal"))
    for tag, entry in passwords:
        yield Password(tag, str(entry["user"]), entry.get("domain"), Secret(str(entry["value"]).encode()))


def _toml(content: Content) -> Mapping[str, Any]:
    import tomllib

    path = content.path
    try:
        text = content.data.decode("utf-8") if content.data[:2] not in (b"\xff\xfe", b"\xfe\xff") else content.text or ""
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path}: not TOML in UTF-8: {type(error).__name__}"  # the message of the parser could quote a secret
        raise UsageError(msg) from None
    unknown = set(data) - _KNOWN
    if unknown:
        msg = f"{path}: unknown sections {', '.join(sorted(unknown))}; known are {', '.join(sorted(_KNOWN))}"
        raise UsageError(msg)
    for section, needed in _SECTIONS.items():
        _section(path, section, data.get(section, []), needed)
    files = data.get("files", {})
    if not isinstance(files, dict) or not all(isinstance(names, list) and all(isinstance(name, str) for name in names) for names in files.values()):
        msg = f"{path}: [files] holds lists of file names"
        raise UsageError(msg)
    return data


def _section(path: str, section: str, entries: object, needed: tuple[str, ...]) -> None:
    """`UsageError` when a section is no list of tables with the fields that it needs, as text (etype: a number)."""
    if not isinstance(entries, list):
        msg = f"{path}: write [[{section}]], with two brackets"
        raise UsageError(msg)
    for place, entry in enumerate(entries, 1):
        found = entry if isinstance(entry, dict) else {}
        missing = sorted(set(needed) - set(found))
        if missing:
            msg = f"{path}: entry {place} of [[{section}]] lacks {', '.join(missing)}"
            raise UsageError(msg)
        odd = [name for name in ("user", "domain", "value", "principal") if not isinstance(found.get(name, ""), str)]
        if odd or not isinstance(found.get("etype", 0), int):
            msg = f"{path}: entry {place} of [[{section}]]: {', '.join(odd) or 'etype'} is not {'text in quotes' if odd else 'a number'}"
            raise UsageError(msg)


def _name(entry: Mapping[str, Any]) -> str:
    domain = entry.get("domain")
    return f"{domain}\\{entry['user']}" if domain else str(entry["user"])


def _sized(entry: Mapping[str, Any], what: str, size: int) -> Secret:
    value = _hex(entry, what)
    if len(value) != size:
        msg = f"{what}: {len(value)} bytes in hexadecimal, it has {size}"
        raise UsageError(msg)
    return value


def _kerberos(entry: Mapping[str, Any], place: int) -> Secret:
    size = KEY_SIZES.get(entry["etype"])
    if size is None:
        msg = f"kerberos_key {place}: encryption type {entry['etype']} is not supported; these are: {', '.join(map(str, KEY_SIZES))}"
        raise UsageError(msg)
    return _sized(entry, f"kerberos_key {place}", size)


def _hex(entry: Mapping[str, Any], what: str) -> Secret:
    try:
        return Secret(binascii.unhexlify(str(entry["value"]).strip().removeprefix("0x")))
    except (binascii.Error, ValueError):
        msg = f"{what}: its value is not hexadecimal"
        raise UsageError(msg) from None
