"""Reads what was given: a file of any form, or a folder of them. What is wrong is said by the name of its file, and never with a value."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from analyzer.engine.secrets.binary import keytab as keytab_entries
from analyzer.engine.secrets.content import Content, Entry
from analyzer.engine.secrets.formats import FORMATS
from analyzer.engine.secrets.tls import keylog_file
from analyzer.engine.secrets.toml import files_of
from analyzer.errors import InputError, UsageError
from analyzer.records.secrets import GivenFile, KerberosKey, NtlmSecret, Password, RsaKey, Secrets, SessionKey, TicketKey, TlsSecret

MOST_BYTES = 1 << 30
"""Of one file."""
MOST_FILES = 10_000
"""Of one folder."""


class _Reading:
    """What was read so far. An entry that is there already, from another file or line, is not taken again."""

    def __init__(self) -> None:
        self.entries: dict[tuple[object, ...], Entry] = {}
        self.files: dict[str, GivenFile] = {}
        self.passed_over: list[str] = []

    def take(self, content: Content, form: str, entries: Iterable[Entry]) -> None:
        """Adds a file's entries. `UsageError`: there are none."""
        number = 0
        for entry in entries:
            number += 1
            self.entries.setdefault(_same(entry), entry)
        if not number:
            msg = f"{content.path}: no password, hash or key in it (it looks like {form})"
            raise UsageError(msg)
        self.files[content.path] = GivenFile(content.name, form, number)


def _same(entry: Entry) -> tuple[object, ...]:
    """What makes two entries one: what they are and whose; not where they stand."""
    if isinstance(entry, NtlmSecret):
        return (NtlmSecret, bytes(entry.nt_hash), (entry.user or "").lower(), (entry.domain or "").lower())
    if isinstance(entry, Password):
        return (Password, bytes(entry.value), (entry.user or "").lower(), (entry.domain or "").lower())
    if isinstance(entry, KerberosKey):
        return (KerberosKey, entry.etype, bytes(entry.value), entry.principal)
    if isinstance(entry, TicketKey):
        return (TicketKey, entry.etype, bytes(entry.value), entry.ticket)
    if isinstance(entry, TlsSecret):
        return (TlsSecret, entry.label, entry.client_random, bytes(entry.value))
    return (type(entry), bytes(entry.value))


def load(given: str | None, keylogs: Sequence[str] = (), keytabs: Sequence[str] = ()) -> Secrets:
    """All secrets of a file or folder, of further key logs and keytabs. `InputError`: a file cannot be read; `UsageError`: it makes no sense."""
    reading = _Reading()
    if given is not None:
        if Path(given).is_dir():
            _folder(reading, given)
        else:
            _file(reading, Content(given, _read(given)))
    for path in keytabs:
        content = Content(path, _filled(path))
        reading.take(content, "keytab", keytab_entries(content))
    for path in keylogs:
        content = Content(path, _filled(path))
        reading.take(content, "keylog", keylog_file(content))
    return _sorted(reading)


def _sorted(reading: _Reading) -> Secrets:
    found = list(reading.entries.values())
    return Secrets(
        ntlm=tuple(one for one in found if isinstance(one, NtlmSecret)),
        session_keys=tuple(one for one in found if isinstance(one, SessionKey)),
        kerberos=tuple(one for one in found if isinstance(one, KerberosKey)),
        tickets=tuple(one for one in found if isinstance(one, TicketKey)),
        tls=tuple(one for one in found if isinstance(one, TlsSecret)),
        rsa=tuple(one for one in found if isinstance(one, RsaKey)),
        passwords=tuple(one for one in found if isinstance(one, Password)),
        files=tuple(reading.files.values()),
        passed_over=tuple(reading.passed_over),
    )


def _file(reading: _Reading, content: Content) -> None:
    if not content.data.strip():
        msg = f"{content.path}: the file is empty"
        raise UsageError(msg)
    for form in FORMATS:
        if form.knows(content):
            named = list(files_of(content)) if form.name == "toml" else []
            if not (named and not _has_sections(content)):
                _take(reading, content, form.name, form.read(content), empty=bool(named))
            for kind, path in named:
                other = Content(path, _filled(path))
                reading.take(other, kind[:-1], keytab_entries(other) if kind == "keytabs" else keylog_file(other))
            return
    if content.text is None:
        msg = f"{content.path}: binary data that is no keytab, credential cache, ticket or private key"
    else:
        msg = f"{content.path}: no password, hash or key that is known"
    raise UsageError(msg)


def _has_sections(content: Content) -> bool:
    return "[[" in (content.text or "")


def _take(reading: _Reading, content: Content, form: str, entries: Iterator[Entry], *, empty: bool) -> None:
    """A TOML file may hold nothing but the names of others, or nothing at all."""
    found = list(entries)
    if found or not (empty or form == "toml"):
        reading.take(content, form, found)


def _folder(reading: _Reading, path: str) -> None:
    """Every file of a folder and those below it. What holds no secrets is passed over and named; `UsageError`: all of it."""
    names = sorted(str(one) for one in Path(path).rglob("*") if one.is_file() and not any(part.startswith(".") for part in one.relative_to(path).parts))
    for name in names[:MOST_FILES]:
        if name in reading.files:  # a TOML file named it
            continue
        try:
            _file(reading, Content(name, _read(name), listed=False))
        except (UsageError, InputError) as error:
            reading.passed_over.append(str(error))
    if len(names) > MOST_FILES:
        reading.passed_over.append(f"{path}: {len(names) - MOST_FILES:,} files beyond the first {MOST_FILES:,}")
    if not reading.entries:
        told = "; ".join(reading.passed_over[:5])
        msg = f"{path}: no file with passwords, hashes or keys in this folder{f' ({told})' if told else ''}"
        raise UsageError(msg)


def _filled(path: str) -> bytes:
    data = _read(path)
    if not data.strip():
        msg = f"{path}: the file is empty"
        raise UsageError(msg)
    return data


def _read(path: str) -> bytes:
    try:
        size = Path(path).stat().st_size
        if size > MOST_BYTES:
            msg = f"{path}: {size:,} bytes; a file with passwords and keys may have {MOST_BYTES:,}"
            raise InputError(msg)
        return Path(path).read_bytes()
    except OSError as error:
        msg = f"{path}: {error.strerror or error}"
        raise InputError(msg) from error
