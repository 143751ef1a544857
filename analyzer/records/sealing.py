"""WinRM messages: what protects each body, and what can be read of it without a key."""

from enum import StrEnum

from msgspec import Struct

from analyzer.records.quality import Known

IDENTIFY = ("Identify", "IdentifyResponse")
"""The operation that is anonymous by design (DSP0226 section 11), and its answer."""


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


class Fault(Struct, frozen=True, gc=False):
    """A SOAP fault as the server worded it (SOAP 1.2 part 1 section 5.4, MS-WSMV 2.2.4.43); each text is bounded
    (``fault_text_characters``).

    ``subcode`` without its prefix (QuotaLimit); ``reason`` of the fault itself; ``message`` of the innermost WSManFault or
    of its provider; ``machine`` that says so; ``provider`` the plug-in that failed; ``inner_code`` the innermost
    WSManFault's code where it is not the outermost one's; ``detail`` the FaultDetail URI.
    """

    subcode: str | None = None
    reason: str | None = None
    message: str | None = None
    machine: str | None = None
    provider: str | None = None
    inner_code: str | None = None
    detail: str | None = None

    @property
    def text(self) -> str | None:
        """What a person should read of it."""
        return self.message or self.reason


class Page(Struct, frozen=True, gc=False):
    """A response's body that is a page for people, not WinRM: its title, and the beginning of its text without markup, each bounded."""

    title: str | None
    text: str


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
    fault: Fault | None = None
    operation_timeout_s: float | None = None
    """How long the server may take for the operation (DSP0226 section 6.1); a waiting Receive is answered by then."""
    page: Page | None = None
    codings: tuple[str, ...] = ()
    """Content codings of the body (RFC 9110 section 8.4), in the order applied: gzip, deflate, br, sldc."""
    operation: Known[str] | None = None
    """The action's short name, for example Create, Command, Receive, Fault, Identify."""
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
