"""WinRM messages: what protects each body, and what can be read of it without a key."""

from enum import StrEnum

from msgspec import Struct

from analyzer.records.quality import Known


class Protection(StrEnum):
    """clear: readable SOAP. sealed: multipart/encrypted (MS-WSMV 2.2.9.1). tls: inside TLS. empty: no body. none: a body that is no WinRM message."""

    CLEAR = "clear"
    SEALED = "sealed"
    TLS = "tls"
    EMPTY = "empty"
    NONE = "none"


class SealedPart(Struct, frozen=True, gc=False):
    """One sealed part: the declared plaintext length, where the token header and ciphertext lie in the body (offset, size), and its clear sequence number."""

    length: int | None
    header: bytes
    data_at: int
    data_size: int
    sequence: int | None


class Message(Struct, frozen=True, gc=False):
    """One body. ``id`` is the request's or response's id. SOAP fields are None when the envelope does not have them or is not readable."""

    id: str
    exchange: str
    from_client: bool
    protection: Protection
    size: int
    content_type: str | None
    parts: tuple[SealedPart, ...] = ()
    protocol: str | None = None
    """The protocol word of a sealed body's parts, for example HTTP-SPNEGO-session-encrypted."""
    action: str | None = None
    resource_uri: str | None = None
    message_id: str | None = None
    relates_to: str | None = None
    session_id: str | None = None
    shell_id: str | None = None
    command_id: str | None = None
    fault_code: str | None = None
    operation: Known[str] | None = None
    """The action's short name, for example Create, Command, Receive, Fault, Identify."""
    operation_timeout_s: float | None = None
    """How long the server may wait with its answer to this request, in seconds (DSP0226 section 6.1, OperationTimeout); None where it is not said."""
    wsman: bool = False
    """The readable envelope names a namespace of WS-Management (DSP0226) or of WinRM (MS-WSMV)."""
    settings: tuple[tuple[str, str], ...] = ()
    """What a request sets in WinRM's own configuration: (name as a path, value)."""
    opened: bool = False
    """A sealed body whose plaintext was proved by its signature."""
    opened_absent: str | None = None
    """Why a sealed body was not opened: sealed (no key, wrong key), not_captured, unsupported."""
    opened_detail: str | None = None
    secret: str | None = None
    """The tag of the secret that was used."""
    text_digest: bytes | None = None
    """SHA-256 of the readable text: of the plaintext of an opened body, of a clear body itself; None when it could not be read whole."""
    check: str = "none"
    """The signature's verdict: good, bad, none."""
