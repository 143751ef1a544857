"""A file with secrets as its readers see it, and the records that they make of it.

Tools write in many encodings: PowerShell's redirection makes UTF-16 with a mark, an editor UTF-8 with one, older programs the code page of the machine.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TypeAlias

from analyzer.auth.schemes.ntlm_keys import lm_hash, nt_hash
from analyzer.records.secrets import KerberosKey, NtlmSecret, Password, RsaKey, Secret, SessionKey, TicketKey, TlsSecret

Entry: TypeAlias = NtlmSecret | Password | KerberosKey | TicketKey | SessionKey | TlsSecret | RsaKey

_MARKS = ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"), (b"\xef\xbb\xbf", "utf-8"))
_SAMPLE = 4096
EMPTY_LM = bytes.fromhex("aad3b435b51404eeaad3b435b51404ee")
"""The LM hash of no password: it stands where none is stored."""


class Content:
    """The bytes of a file, its name without folders, and its text. ``lines`` are those that are not empty, each with its number."""

    def __init__(self, path: str, data: bytes, *, listed: bool = True) -> None:
        self.path = path
        self.name = Path(path).name
        self.data = data
        self.listed = listed
        """Whether lines without any other mark may be taken for a list: not so for a page of text that lies in a folder with others."""

    @cached_property
    def text(self) -> str | None:
        """The text without its byte order mark; None for what is no text."""
        for mark, encoding in _MARKS:
            if self.data.startswith(mark):
                return self.data[len(mark) :].decode(encoding, "replace")
        sample = self.data[:_SAMPLE]
        zeros = sample.count(0)
        if zeros and zeros >= len(sample) // 3:  # UTF-16 without a mark
            wide = "utf-16-le" if sample[1::2].count(0) > sample[::2].count(0) else "utf-16-be"
            text = self.data.decode(wide, "replace")
            return None if "\0" in text[:_SAMPLE] or "\ufffd" in text[:_SAMPLE] else text
        if zeros:
            return None
        try:
            return self.data.decode("utf-8")
        except UnicodeDecodeError:
            controls = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in sample)
            return None if controls else self.data.decode("cp1252", "replace")

    @cached_property
    def lines(self) -> list[tuple[int, str]]:
        """(number from 1, line without its end) of each line that is not empty."""
        text = self.text or ""
        return [(number, line) for number, line in enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1) if line.strip()]

    def tag(self, kind: str, who: str | None, number: int) -> str:
        """The name of an entry: what it is, its file, and whose it is or its line."""
        return f"{kind}:{self.name}:{who or f'line {number}'}"


def account(name: str) -> tuple[str | None, str | None]:
    r"""(user, domain) of ``DOMAIN\user``, ``domain/user``, ``user@domain`` or ``user``; None for what is not said."""
    for sign in ("\\", "/"):
        domain, found, user = name.rpartition(sign)
        if found:
            return (user or None), (domain or None)
    user, found, domain = name.partition("@")
    return (user or None), (domain or None) if found else None


def shown(user: str | None, domain: str | None) -> str | None:
    r"""``DOMAIN\user``, or what there is of it."""
    return None if not user else f"{domain}\\{user}" if domain else user


def hashed(content: Content, who: str | None, nt: str, lm: str | None, number: int) -> NtlmSecret:
    """An NT hash in hexadecimal digits, with the LM hash where one is stored."""
    old = None if lm is None else bytes.fromhex(lm)
    user, domain = account(who) if who else (None, None)
    kept = None if old is None or old == EMPTY_LM else Secret(old)
    return NtlmSecret(content.tag("nt_hash", shown(user, domain), number), user, domain, Secret(bytes.fromhex(nt)), kept)


def password(content: Content, user: str | None, domain: str | None, value: str, number: int) -> Iterator[Entry]:
    """A password and its hashes."""
    tag = content.tag("password", shown(user, domain), number)
    yield Password(tag, user, domain, Secret(value.encode("utf-8", "surrogatepass")))
    # of a long list only the NT hash is made: the LM hash, of use for NTLMv1 alone, takes long
    yield NtlmSecret(tag, user, domain, nt_hash(value), lm_hash(value) if user else None)
