"""What an investigator knows: passwords, hashes, keys. A value never shows itself: ``repr`` is masked, and ``tag`` names it without telling anything of it."""

from collections.abc import Mapping

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
    """An NT hash (of a password, or given), which is the RC4 key of Kerberos, too. ``user`` and ``domain`` say whose it is as its file spells it, None where
    that does not tell; they are hints for the order in which it is tried. ``lm_hash``: with the password, or where the file has it."""

    tag: str
    user: str | None
    domain: str | None
    nt_hash: Secret
    lm_hash: Secret | None = None


class Password(Struct, frozen=True, gc=False):
    """A password in UTF-8, and whose it is. ``guess``: a line of a list that does not tell whose."""

    tag: str
    user: str | None
    domain: str | None
    value: Secret

    @property
    def guess(self) -> bool:
        """True when nobody is known whose password it is."""
        return self.user is None


class SessionKey(Struct, frozen=True, gc=False):
    """An NTLM exported session key, 16 bytes; it belongs to one context, found by trying."""

    tag: str
    value: Secret


class KerberosKey(Struct, frozen=True, gc=False):
    """A Kerberos key: of a service, an account or a realm (``principal`` known), of a ticket's session, or a sub-session key."""

    tag: str
    etype: int
    value: Secret
    principal: str | None = None
    kvno: int | None = None


class TicketKey(Struct, frozen=True, gc=False):
    """The session key of one ticket, as a credential cache keeps it. ``ticket``: SHA-256 of the ticket's ciphertext; names as ``alice@LAB.EXAMPLE``."""

    tag: str
    etype: int
    value: Secret
    ticket: bytes
    client: str
    service: str


class TlsSecret(Struct, frozen=True, gc=False):
    """One line of a TLS key log: label, client random (of label ``RSA``: the first 8 bytes of the encrypted premaster secret) and secret."""

    label: str
    client_random: bytes
    value: Secret
    tag: str = "keylog"


class RsaKey(Struct, frozen=True, gc=False):
    """A server's RSA private key (PKCS #8, DER), which decrypts TLS up to 1.2 with RSA key exchange."""

    tag: str
    value: Secret


class GivenFile(Struct, frozen=True, gc=False):
    """A file with secrets: its name, what it was told to be by its content, and how many entries it has."""

    name: str
    form: str
    entries: int


class Proof(Struct, frozen=True, gc=False):
    """What became of one NTLM response: the secret that it was proved to be made with, None when none was; how many of its user were tried, and how many in
    all; ``whole``: everything was tried that was given."""

    secret: NtlmSecret | None
    own: int = 0
    tried: int = 0
    whole: bool = True


class Secrets(Struct, frozen=True, gc=False):
    """Everything that was given. Passwords stand in ``ntlm`` with their NT hashes, and as they are in ``passwords``."""

    ntlm: tuple[NtlmSecret, ...] = ()
    session_keys: tuple[SessionKey, ...] = ()
    kerberos: tuple[KerberosKey, ...] = ()
    tickets: tuple[TicketKey, ...] = ()
    tls: tuple[TlsSecret, ...] = ()
    rsa: tuple[RsaKey, ...] = ()
    passwords: tuple[Password, ...] = ()
    files: tuple[GivenFile, ...] = ()
    passed_over: tuple[str, ...] = ()
    """Files of a folder that hold nothing that could be read, each with the reason."""
    proved: Mapping[str, Proof] = {}
    """By the id of an NTLM conversation whose messages 2 and 3 are there."""
    keys_given: bool = False
    """Kerberos keys were given; those that fit no ticket are left out when messages are decrypted."""

    @property
    def empty(self) -> bool:
        """True when nothing was given."""
        return not (self.ntlm or self.session_keys or self.kerberos or self.tickets or self.tls or self.rsa or self.passwords)


class KeyUse(Struct, frozen=True, gc=False):
    """What became of a secret after the run. ``tag`` names it; ``kind`` what it is, in words; ``fits``: something was proved or decrypted with it.

    ``logons``: ids of conversations; ``connections``: ids of connections; ``messages``: encrypted bodies that it decrypted. ``why``: why it fitted nothing, or
    why nothing was decrypted although it fits. ``repeats``: secrets of one file of which the same is true.
    """

    tag: str
    kind: str
    file: str | None
    account: str | None
    fits: bool
    logons: tuple[str, ...] = ()
    connections: tuple[str, ...] = ()
    messages: int = 0
    why: str | None = None
    repeats: int = 1
