"""Reads the investigator's secrets: the TOML file of the contract, keytabs (MIT format 0x0502), TLS key logs (NSS format).

Errors name the entry, never the value. Files named inside the TOML file are relative to it.
"""

import binascii
import struct
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from analyzer.auth.schemes.ntlm_keys import lm_hash, nt_hash
from analyzer.auth.schemes.scapy_adapter import KEY_SIZES
from analyzer.errors import InputError, UsageError
from analyzer.formats.reader import Fetch
from analyzer.records.capture import Capture
from analyzer.records.secrets import KerberosKey, NtlmSecret, Secret, Secrets, SessionKey, TlsSecret

_TLS_KEY_LOG = 0x544C534B
_KEYTAB = b"\x05\x02"
_NT_HASH_SIZE = _SESSION_KEY_SIZE = 16
_SECTIONS = {"password": ("user", "value"), "nt_hash": ("user", "value"), "session_key": ("value",), "kerberos_key": ("etype", "value")}
_KNOWN = {*_SECTIONS, "files"}
_KEY_LOG_LABELS = (
    "CLIENT_RANDOM",
    "CLIENT_HANDSHAKE_TRAFFIC_SECRET",
    "SERVER_HANDSHAKE_TRAFFIC_SECRET",
    "CLIENT_TRAFFIC_SECRET_0",
    "SERVER_TRAFFIC_SECRET_0",
    "EXPORTER_SECRET",
    "CLIENT_EARLY_TRAFFIC_SECRET",
    "EARLY_EXPORTER_SECRET",
    "RSA",
)


def load(toml: str | None, keylogs: Sequence[str] = (), keytabs: Sequence[str] = ()) -> Secrets:
    """All secrets of a TOML file, further key logs and keytabs. `InputError`: a file cannot be read; `UsageError`: it makes no sense."""
    data: Mapping[str, Any] = {}
    base = Path()
    if toml is not None:
        data = _toml(toml)
        base = Path(toml).parent
    files = data.get("files", {})
    keytab_files = [str(base / name) for name in files.get("keytabs", [])] + list(keytabs)
    keylog_files = [str(base / name) for name in files.get("keylogs", [])] + list(keylogs)
    passwords = [(f"password:{_name(entry)}", entry) for entry in data.get("password", [])]
    ntlm = [NtlmSecret(tag, str(entry["user"]), entry.get("domain"), nt_hash(str(entry["value"])), lm_hash(str(entry["value"]))) for tag, entry in passwords]
    ntlm += [
        NtlmSecret(f"nt_hash:{_name(entry)}", str(entry["user"]), entry.get("domain"), _sized(entry, f"nt_hash of {_name(entry)}", _NT_HASH_SIZE))
        for entry in data.get("nt_hash", [])
    ]
    return Secrets(
        ntlm=tuple(ntlm),
        session_keys=tuple(
            SessionKey(f"session_key:{place}", _sized(entry, f"session_key {place}", _SESSION_KEY_SIZE))
            for place, entry in enumerate(data.get("session_key", []), 1)
        ),
        kerberos=(
            *(
                KerberosKey(f"kerberos_key:{place}", entry["etype"], _kerberos(entry, place), entry.get("principal"))
                for place, entry in enumerate(data.get("kerberos_key", []), 1)
            ),
            *(key for name in keytab_files for key in keytab(name)),
        ),
        tls=tuple(secret for name in keylog_files for secret in keylog(_read(name))),
        passwords=tuple((tag, str(entry["user"]), entry.get("domain"), Secret(str(entry["value"]).encode())) for tag, entry in passwords),
    )


def _toml(path: str) -> Mapping[str, Any]:
    import tomllib

    try:
        data = tomllib.loads(_read(path).decode("utf-8"))
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


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise InputError(msg) from error


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


def keytab(path: str) -> tuple[KerberosKey, ...]:
    """The keys of a keytab file (MIT krb5, "The keytab file format": big-endian records of principal, time, kvno and key)."""
    data = _read(path)
    if data[:2] != _KEYTAB:
        msg = f"{path}: not a keytab of format 0x0502"
        raise UsageError(msg)
    try:
        return tuple(_keytab_entries(data, Path(path).name))
    except (struct.error, IndexError) as error:
        msg = f"{path}: the keytab is damaged"
        raise UsageError(msg) from error


def _keytab_entries(data: bytes, name: str) -> Iterator[KerberosKey]:
    at = 2
    while at + 4 <= len(data):
        size = struct.unpack_from(">i", data, at)[0]
        at += 4
        if size > 0:
            yield _keytab_entry(data[at : at + size], name)
        at += abs(size)


def _keytab_entry(entry: bytes, name: str) -> KerberosKey:
    count = struct.unpack_from(">H", entry)[0]
    at = 2
    texts = []
    for _ in range(count + 1):  # the realm, then the components
        size = struct.unpack_from(">H", entry, at)[0]
        texts.append(entry[at + 2 : at + 2 + size].decode("utf-8", "replace"))
        at += 2 + size
    kvno, etype, size = struct.unpack_from(">BHH", entry, at + 8)  # after name type and time
    value = entry[at + 13 : at + 13 + size]
    rest = entry[at + 13 + size :]
    if len(rest) >= 4:
        kvno = struct.unpack_from(">I", rest)[0] or kvno
    principal = f"{'/'.join(texts[1:])}@{texts[0]}"
    return KerberosKey(f"keytab:{name}:{principal}:{etype}", etype, Secret(value), principal, kvno)


def carried_secrets(captures: Sequence[Capture], fetch: Fetch) -> tuple[TlsSecret, ...]:
    """The TLS key logs that pcapng files carry in decryption secrets blocks (type ``TLSK``)."""
    return tuple(
        secret for capture in captures for kind, at, size in capture.secrets if kind == _TLS_KEY_LOG for secret in keylog(fetch(2 * capture.ordinal, at, size))
    )


def keylog(data: bytes) -> Iterator[TlsSecret]:
    """The lines of a TLS key log (the NSS format: label, client random, secret); lines that are none are passed over."""
    for line in data.decode("ascii", "replace").splitlines():
        words = line.split()
        if len(words) != 3 or words[0] not in _KEY_LOG_LABELS:
            continue
        try:
            yield TlsSecret(words[0], binascii.unhexlify(words[1]), Secret(binascii.unhexlify(words[2])))
        except (binascii.Error, ValueError):
            continue
