r"""What secretsdump and its like print of NTDS.DIT, SAM and LSA secrets: hashes in the form of pwdump, Kerberos keys, passwords in clear text.

LAB.EXAMPLE\alice:1104:LM:NT:::              also DOMAIN\alice_history0, machine accounts (SRV01$) and trusts (OTHER$)
LAB.EXAMPLE\alice:aes256-cts-hmac-sha1-96:KEY
LAB.EXAMPLE\alice:CLEARTEXT:password
LAB\SRV01$:plain_password_hex:UTF-16 in hexadecimal digits
"""

import re
from collections.abc import Iterator

from analyzer.engine.secrets.content import Content, Entry, account, hashed, password, shown
from analyzer.records.secrets import KerberosKey, NtlmSecret, Secret

ETYPES = {
    "aes256-cts-hmac-sha1-96": 18,
    "aes128-cts-hmac-sha1-96": 17,
    "rc4_hmac": 23,
    "rc4_hmac_nt": 23,
    "arcfour-hmac": 23,
    "aes128-cts-hmac-sha256-128": 19,
    "aes256-cts-hmac-sha384-192": 20,
    "0x12": 18,
    "0x11": 17,
    "0x17": 23,
}
"""The names of encryption types, as tools write them, that a key can be used of."""
_SIZES = {17: 32, 18: 64, 19: 32, 20: 64, 23: 32}
_PWDUMP = re.compile(r"^([^:\s][^:]*):(\d+):([0-9a-fA-F]{32}|[^:]{0,40}):([0-9a-fA-F]{32}):[^:]*:[^:]*:?")
_MACHINE = re.compile(r"^([^:\s][^:]*):([0-9a-fA-F]{32}):([0-9a-fA-F]{32}):::\s*$")
_KEY = re.compile(r"^([^:\s][^:]*):([a-z0-9_x-]{4,40}):([0-9a-fA-F]{16,64})\s*$")
_CLEAR = re.compile(r"^([^:\s][^:]*):CLEARTEXT:(.*)$")
_PLAIN_HEX = re.compile(r"^([^:\s][^:]*):plain_password_hex:([0-9a-fA-F]+)\s*$")
_HISTORY = re.compile(r"_history\d+$")
_FIRST = 2000
"""Lines that are looked at to tell what a file is."""
_LM = re.compile(r"[0-9a-fA-F]{32}")


def is_dump(content: Content) -> bool:
    """Some line has one of these forms."""
    return any(_kind(line) is not None for _, line in content.lines[:_FIRST])


def _kind(line: str) -> re.Match[str] | None:
    for form in (_PWDUMP, _MACHINE, _CLEAR, _PLAIN_HEX):
        found = form.match(line)
        if found is not None:
            return found
    found = _KEY.match(line)
    return found if found is not None and found[2] in ETYPES else None


def dump(content: Content) -> Iterator[Entry]:
    """Every entry; lines of other forms (headings, progress) are passed over."""
    for number, line in content.lines:
        found = _kind(line)
        if found is not None:
            yield from _entries(content, found, number)


def _entries(content: Content, found: re.Match[str], number: int) -> Iterator[Entry]:
    who = found[1]
    if found.re is _PWDUMP:
        lm = found[3] if _LM.fullmatch(found[3]) else None
        yield _history(hashed(content, _HISTORY.sub("", who), found[4], lm, number), content, who, number)
    elif found.re is _MACHINE:
        yield hashed(content, who, found[3], found[2], number)
    elif found.re is _CLEAR:
        yield from password(content, *account(who), found[2], number)
    elif found.re is _PLAIN_HEX:
        yield from _of_machine(content, who, found[2], number)
    else:
        made = key(content, who, found[2], found[3], number)
        if made is not None:
            yield made


def _history(made: NtlmSecret, content: Content, who: str, number: int) -> NtlmSecret:
    """A former password's hash belongs to the account, and is named as the dump names it."""
    if not _HISTORY.search(who):
        return made
    return NtlmSecret(content.tag("nt_hash", shown(*account(who)), number), made.user, made.domain, made.nt_hash, made.lm_hash)


def key(content: Content, who: str | None, name: str, digits: str, number: int) -> Entry | None:
    """A Kerberos key of an account; None where its encryption type is of no use here, or the key is not of its size."""
    etype = ETYPES.get(name)
    if etype is None or len(digits) != _SIZES[etype]:
        return None
    user, domain = account(who) if who else (None, None)
    if etype == 23:
        return hashed(content, who, digits, None, number)
    principal = f"{user}@{domain}" if user and domain else user or f"line {number}"
    return KerberosKey(
        content.tag("kerberos_key", f"{shown(user, domain) or f'line {number}'}:{etype}", number), etype, Secret(bytes.fromhex(digits)), principal
    )


def _of_machine(content: Content, who: str, digits: str, number: int) -> Iterator[Entry]:
    """The password of a computer account is 240 bytes of UTF-16 that no one can type."""
    from analyzer.auth.schemes.pyspnego_adapter import md4

    user, domain = account(who)
    tag = content.tag("nt_hash", shown(user, domain), number)
    yield NtlmSecret(tag, user, domain, Secret(md4(bytes.fromhex(digits[: len(digits) & ~1]))))
