"""What an investigator knows: passwords, hashes, keys. A value never shows itself: ``repr`` is masked, and ``tag`` names it without telling anything of it."""

from msgspec import Struct


class Secret(bytes):
    """Bytes that do not show. Use them as bytes; print, log and format give ``***``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return "***"


class NtlmSecret(Struct, frozen=True, gc=False):
    """A user's NT hash (of the password, or given). ``domain`` None fits any domain; ``lm_hash`` is known with the password only."""

    tag: str
    user: str
    domain: str | None
    nt_hash: Secret
    lm_hash: Secret | None = None


class SessionKey(Struct, frozen=True, gc=False):
    """An NTLM exported session key, 16 bytes; it belongs to one context, found by trying."""

    tag: str
    value: Secret


class KerberosKey(Struct, frozen=True, gc=False):
    """A Kerberos key: of a service (``principal`` known from a keytab), of a ticket's session, or a sub-session key."""

    tag: str
    etype: int
    value: Secret
    principal: str | None = None
    kvno: int | None = None


class TlsSecret(Struct, frozen=True, gc=False):
    """One line of a TLS key log: label, client random and secret."""

    label: str
    client_random: bytes
    value: Secret


class Secrets(Struct, frozen=True, gc=False):
    """Everything that was given. Passwords that may belong to Kerberos principals are kept with their user as well (``passwords``: user, domain, password)."""

    ntlm: tuple[NtlmSecret, ...] = ()
    session_keys: tuple[SessionKey, ...] = ()
    kerberos: tuple[KerberosKey, ...] = ()
    tls: tuple[TlsSecret, ...] = ()
    passwords: tuple[tuple[str, str, str | None, Secret], ...] = ()
    """(tag, user, domain, password as UTF-8)."""

    @property
    def empty(self) -> bool:
        """True when nothing was given."""
        return not (self.ntlm or self.session_keys or self.kerberos or self.tls or self.passwords)
