"""What pypykatz and mimikatz print of the memory of LSASS, of SAM, LSA secrets and of domain controllers (DCSync, trusts, tickets)."""

import json
import re
from collections.abc import Iterator
from typing import Any

from analyzer.engine.secrets.content import EMPTY_LM, Content, Entry, hashed, password, shown
from analyzer.engine.secrets.dumps import key
from analyzer.errors import UsageError

_GREP = "packagename:domain:user:NT:LM"
_HEX32 = re.compile(r"[0-9a-fA-F]{32}")
_HEX = re.compile(r"[0-9a-fA-F]{32}|[0-9a-fA-F]{64}")
_NONE = {"", "(null)", "None", "NA", "null", "[NULL]"}


def is_pypykatz_json(content: Content) -> bool:
    """A JSON object with logon sessions."""
    return (content.text or "").lstrip()[:1] == "{" and '"logon_sessions"' in (content.text or "")


def pypykatz_json(content: Content) -> Iterator[Entry]:
    """``pypykatz lsa minidump -o json``: credentials wherever they stand in the object."""
    try:
        told = json.loads(content.text or "")
    except (ValueError, RecursionError):
        msg = f"{content.path}: output of pypykatz in JSON that is cut or damaged"
        raise UsageError(msg) from None
    yield from _credentials(content, told, None, None)


def _credentials(content: Content, told: Any, user: str | None, domain: str | None) -> Iterator[Entry]:  # noqa: ANN401  any JSON
    """Every NT hash, AES key and password; a name belongs to what stands in the same object or inside of it."""
    pending: list[tuple[Any, str | None, str | None]] = [(told, user, domain)]
    while pending:
        value, user, domain = pending.pop()
        if isinstance(value, list):
            pending += [(one, user, domain) for one in reversed(value)]
        elif isinstance(value, dict):
            user, domain = _text(value, "username") or user, _text(value, "domainname") or domain
            yield from _values(content, value, user, domain)
            pending += [(one, user, domain) for one in reversed(list(value.values())) if isinstance(one, dict | list)]


def _values(content: Content, value: dict[str, Any], user: str | None, domain: str | None) -> Iterator[Entry]:
    who = shown(user, domain)
    lm = _text(value, "LMHash")
    for name, digits in value.items():
        if not isinstance(digits, str) or digits in _NONE:
            continue
        low = name.lower()
        if low == "nthash" and _HEX32.fullmatch(digits):
            yield hashed(content, who, digits, lm if lm and _HEX32.fullmatch(lm) else None, 0)
        elif low in {"aes128", "aes256", "aes128_key", "aes256_key"}:
            found = key(content, who, "aes256-cts-hmac-sha1-96" if "256" in low else "aes128-cts-hmac-sha1-96", digits, 0)
            if found is not None:
                yield found
        elif low == "password" and user:
            yield from password(content, user, domain, digits, 0)


def _text(value: dict[str, Any], name: str) -> str | None:
    found = value.get(name)
    return found if isinstance(found, str) and found not in _NONE else None


def is_pypykatz_grep(content: Content) -> bool:
    """The table of ``pypykatz ... --grep``: its first line names the columns."""
    return any(_GREP in line for _, line in content.lines[:50])


def pypykatz_grep(content: Content) -> Iterator[Entry]:
    """Rows of file, package, domain, user, NT, LM, SHA-1, ..., password. A file's name may hold colons (``C:``), so columns count from the package."""
    width = 0
    for number, line in content.lines:
        cells = line.split(":")
        if _GREP in line:
            width = len(cells)
            continue
        at = _package(cells)
        if at is None or len(cells) < at + 4:
            continue
        domain, user, nt, lm = (cells[at + 1], cells[at + 2], cells[at + 3], cells[at + 4] if len(cells) > at + 4 else "")
        user = "" if user in _NONE else user
        who = shown(user or None, None if domain in _NONE else domain)
        if _HEX32.fullmatch(nt):
            yield hashed(content, who, nt, lm if _HEX32.fullmatch(lm) else None, number)
        plain = ":".join(cells[at + width - 2 :]) if width and len(cells) >= at + width - 1 else ""
        if user and plain not in _NONE:
            yield from password(content, user, None if domain in _NONE else domain, plain, number)


def _package(cells: list[str]) -> int | None:
    names = {"msv", "wdigest", "kerberos", "tspkg", "ssp", "livessp", "credman", "dpapi", "cloudap"}
    return next((place for place, cell in enumerate(cells[1:4], 1) if cell.lower() in names), None)


_SESSION = re.compile(r"^== LogonSession ==", re.MULTILINE)
_MIMIKATZ = re.compile(
    r"(?m)^\s*\* (NTLM|Password|Username|Primary)\s*:|^\s*Hash NTLM:|^\s*(rc4_hmac_nt|aes256_hmac)\s|^\s*\* (rc4_hmac_nt|aes256_hmac)\s|mimikatz \d|^mimikatz #"
)


def is_pypykatz_text(content: Content) -> bool:
    """``pypykatz lsa minidump`` as it prints to the screen."""
    return _SESSION.search(content.text or "") is not None


def is_mimikatz(content: Content) -> bool:
    """Output of mimikatz: logonpasswords, ekeys, sam, dcsync, lsa, trust."""
    return _MIMIKATZ.search(content.text or "") is not None


_USER = re.compile(r"^\s*(?:\*\s*)?(?:(?:User ?name|User|SAM Username)\s*:|username(?= ))\s*(.*?)\s*$", re.IGNORECASE)
_DOMAIN = re.compile(
    r"^\s*(?:\*\s*)?(?:(?:Domain|Domain ?name|Realm|Logon Domain)\s*:|domainname(?= ))\s*(.*?)\s*$|^\[DC\] '(.+)' will be the domain", re.IGNORECASE
)
_TRUST = re.compile(r"^\s*\[\s*(?:In|Out|In-1|Out-1)\s*\]\s*(\S+)\s*->\s*(\S+)")
_NT = re.compile(
    r"^\s*+(?:\*\s*+)?(?:NTLM|NT|Hash NTLM|rc4_hmac_nt|rc4_hmac_old|rc4_hmac|rc4_plain|ntlm-\s*+\d+)"
    r"\s*+(?:\(\d+\))?\s*+:?\s*+([0-9a-fA-F]{32})\s*+$"
)
_LM_LINE = re.compile(r"^\s*(?:\*\s*)?LM\s*:\s*([0-9a-fA-F]{32})\s*$")
_AES = re.compile(r"^\s*+(?:\*\s*+)?(aes256_hmac|aes128_hmac|AES256 Key|AES128 Key)\s*+(?:\(\d+\))?\s*+:?\s*+([0-9a-fA-F]{32,64})\s*+$")
_PASSWORD = re.compile(r"^\s*(?:\*\s*)?(?:Password|password)\s*:?\s(?::?\s)?(.*)$")
_HEX_PASSWORD = re.compile(r"^(?:[0-9a-fA-F]{2} ){8,}|^\(hex\)")


def lsass_text(content: Content) -> Iterator[Entry]:
    """Hashes, AES keys and passwords by line; each belongs to the user and the domain that were named last before it."""
    user: str | None = None
    domain: str | None = None
    lm: str | None = None
    for number, line in content.lines:
        if (trust := _TRUST.match(line)) is not None:
            domain, user, lm = trust[1], f"krbtgt/{trust[2]}", None
        elif (found := _USER.match(line)) is not None:
            user, lm = (None if found[1] in _NONE else found[1]), None
        elif (found := _DOMAIN.match(line)) is not None:
            told = found[1] or found[2] or ""
            domain = None if told in _NONE else told
        elif (found := _LM_LINE.match(line)) is not None:
            lm = None if bytes.fromhex(found[1]) == EMPTY_LM else found[1]
        else:
            yield from _of_line(content, line, (user, domain, lm), number)


def _of_line(content: Content, line: str, whose: tuple[str | None, str | None, str | None], number: int) -> Iterator[Entry]:
    user, domain, lm = whose
    who = None if user is None else user if "/" in user else shown(user, domain)
    if (found := _NT.match(line)) is not None:
        yield hashed(content, None if who is not None and "/" in who else who, found[1], lm, number)
    elif (found := _AES.match(line)) is not None:
        made = key(content, who, "aes256-cts-hmac-sha1-96" if "256" in found[1] else "aes128-cts-hmac-sha1-96", found[2], number)
        if made is not None:
            yield made
    elif (found := _PASSWORD.match(line)) is not None and user and found[1].strip() not in _NONE and not _HEX_PASSWORD.match(found[1]):
        yield from password(content, user, domain, found[1].rstrip("\r"), number)
