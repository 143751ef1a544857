"""What TLS shows of itself without a key: how far a handshake came, its alerts, its certificates, and an answer that
was no TLS."""

from enum import StrEnum

from msgspec import Struct


class Reached(StrEnum):
    """How far a handshake came, in order. In TLS 1.3, where all but the hellos is encrypted, told by the number and the
    sizes of records."""

    NOTHING = "nothing"
    CLIENT_HELLO = "client_hello"
    SERVER_HELLO = "server_hello"
    CERTIFICATE = "certificate"
    CLIENT_FINISHED = "client_finished"
    COMPLETED = "completed"
    APPLICATION_DATA = "application_data"


class ClientCertificate(StrEnum):
    """What became of the client's certificate: the server did not ask; it asked, and the client's answer is not known,
    has none, or has one."""

    NOT_ASKED = "not_asked"
    ASKED = "asked"
    EMPTY = "empty"
    SENT = "sent"


class Alert(Struct, frozen=True, gc=False):
    """One alert (RFC 8446 section 6). ``number`` and ``name`` (IANA's) are None where only the record shows that it is
    one.

    ``encrypted``: a key log showed it.
    """

    from_client: bool
    level: int | None
    number: int | None
    name: str | None
    packet: int
    ts_ns: int
    encrypted: bool = False


class Certificate(Struct, frozen=True, gc=False):
    """An X.509 certificate (RFC 5280). ``names``: the DNS names and addresses of subjectAltName; ``subject`` and
    ``issuer`` as RFC 4514 writes them.

    Times are in seconds since 1970 UTC, since a certificate may outlive int64 nanoseconds.
    """

    sha256: bytes
    subject: str
    issuer: str
    common_name: str | None
    names: tuple[str, ...]
    not_before_s: int
    not_after_s: int
    self_signed: bool
    """Subject and issuer are equal, and the signature is by its own key."""
    key: str
    """Type and size of the public key: ``RSA 2048``, ``EC secp256r1``."""
    signature: str | None
    """The hash of the signature."""
    server_use: bool | None
    """Extended key usage names server authentication; None without that extension."""


class ClearAnswer(Struct, frozen=True, gc=False):
    """What a server answered to a ClientHello in clear HTTP: the status line, its Server header, and the packet."""

    status_line: str
    server: str | None
    packet: int
