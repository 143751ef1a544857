r"""Lists, one entry a line: passwords, NT hashes, LM:NT, ``user:hash``, and the potfiles of hashcat and John the Ripper.

    password | NT | LM:NT | user:NT | DOMAIN\user:NT | user:LM:NT | user:NT:password | NT:password | $NT$...:password
    user::domain:challenge:proof:blob:password          a cracked NTLMv2 (5600) or NTLMv1 (5500) response
    $krb5tgs$23$*svc$LAB.EXAMPLE$HTTP/srv*$...:password  a cracked ticket; also $krb5asrep$, $krb5pa$

A line that may be read in two ways (``alice:secret``: a password with a colon, or alice's) gives both: what does not prove right is of no consequence.
"""

import binascii
import re
from collections.abc import Iterator
from pathlib import Path

from analyzer.engine.secrets.content import Content, Entry, account, hashed, password
from analyzer.errors import UsageError

_SUFFIXES = {"", ".txt", ".lst", ".list", ".pot", ".potfile", ".hash", ".hashes", ".ntds", ".dic", ".dict", ".out", ".csv"}
_NT = "[0-9a-fA-F]{32}"
_BARE = re.compile(rf"\s*(?:\$NT\$)?({_NT})\s*")
_PAIR = re.compile(rf"\s*({_NT}):({_NT})\s*")
_OWNED = re.compile(rf"([^:\s][^:]*):(?:({_NT}):)?({_NT})\s*")
_SHOWN = re.compile(rf"([^:\s][^:]*):({_NT}):(.*)")
_POT = re.compile(rf"(?:\$NT\$)?({_NT}):(.*)")
_RESPONSE = re.compile(r"([^:]*)::([^:]*):([0-9a-fA-F]{16,48}):([0-9a-fA-F]{32,48}):([0-9a-fA-F]{16,})(?::(.*))?")
_TICKET = re.compile(r"\$krb5(?:tgs|asrep|pa)\$\d+\$.*")
_OTHER_HASH = re.compile(r"\$(?:DCC2|krb5|netntlm|LM|MSCASH|6|5|1|2[aby])\$", re.IGNORECASE)
_CRACKED = re.compile(r"\$HEX\[([0-9a-fA-F]*)\]")


def is_list(content: Content) -> bool:
    """Text. Among other files of a folder, by its suffix."""
    return content.text is not None and (content.listed or Path(content.name).suffix.lower() in _SUFFIXES)


def lines(content: Content) -> Iterator[Entry]:
    """The entries. `UsageError`: all lines are hashes that no one has cracked yet."""
    nothing = True
    for number, line in content.lines:
        for entry in _entries(content, line, number):
            nothing = False
            yield entry
    if nothing:
        msg = f"{content.path}: responses or hashes without their passwords; crack them first, and give the potfile"
        raise UsageError(msg)


def _entries(content: Content, line: str, number: int) -> Iterator[Entry]:
    if (found := _BARE.fullmatch(line)) is not None:
        yield hashed(content, None, found[1], None, number)
    elif (found := _PAIR.fullmatch(line)) is not None:
        yield hashed(content, None, found[2], found[1], number)
    elif (found := _RESPONSE.fullmatch(line)) is not None:
        if found[6]:
            yield from password(content, found[1] or None, found[2] or None, _plain(found[6]), number)
    elif _TICKET.fullmatch(line):
        yield from _ticket(content, line, number)
    elif (found := _POT.fullmatch(line)) is not None:
        yield hashed(content, None, found[1], None, number)
        yield from password(content, None, None, _plain(found[2]), number)
    elif (found := _OWNED.fullmatch(line)) is not None:
        yield hashed(content, found[1], found[3], found[2], number)
    elif (found := _SHOWN.fullmatch(line)) is not None:
        yield hashed(content, found[1], found[2], None, number)
        yield from password(content, *account(found[1]), _plain(found[3]), number)
    elif not _OTHER_HASH.match(line):
        yield from password(content, None, None, _plain(line), number)
        who, colon, rest = line.partition(":")
        if colon and rest and who and not any(sign.isspace() for sign in who):
            yield from password(content, *account(who), _plain(rest), number)


def _plain(text: str) -> str:
    """A password as hashcat writes it: ``$HEX[...]`` where it holds a colon or bytes that are no text."""
    found = _CRACKED.fullmatch(text.strip())
    if found is None:
        return text
    try:
        data = binascii.unhexlify(found[1])
    except binascii.Error:
        return text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _ticket(content: Content, line: str, number: int) -> Iterator[Entry]:
    r"""``$krb5tgs$23$*user$REALM$spn*$checksum$cipher:password``, ``$krb5tgs$18$user$REALM$...``, ``$krb5asrep$23$user@REALM:...``."""
    fields = line.split("$")
    head, colon, plain = line.rpartition(":")
    if not colon or (len(plain) >= 64 and re.fullmatch("[0-9a-fA-F$]+", plain)):
        return
    named = [field.strip("*") for field in fields[3:5]]
    user, realm = (named[0], named[1]) if len(named) == 2 else (None, None)
    if user and "@" in user.partition(":")[0]:
        user, realm = user.partition(":")[0].split("@", 1)
    del head
    known = user if user and user != "unknown" else None
    yield from password(content, known, realm if known else None, _plain(plain), number)
