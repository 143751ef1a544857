"""Authentication round trips: tokens as they travelled, and conversations (RFC 9110 section 11, RFC 4559, MS-NLMP, RFC 4120, MS-CSSP)."""

from enum import StrEnum
from typing import Self

from msgspec import Struct

from analyzer.records.quality import Known


class Audience(StrEnum):
    """To whom the client authenticates: 401 and Authorization (server), or 407 and Proxy-Authorization (proxy)."""

    SERVER = "server"
    PROXY = "proxy"


class Mechanism(StrEnum):
    """What the token is, whatever word the header uses. A row has everything that others have to know of it:

    ``shown``: its name in sentences. ``lasting``: it authenticates a connection (RFC 4559 section 6), not a request. ``exposes``: what whoever reads the
    header gets; None where that is nothing. ``key``: what opens the bodies that it encrypts, with ``{name}`` and ``{spn}``; None where it encrypts none.
    """

    shown: str
    lasting: bool
    exposes: str | None
    key: str | None

    BASIC = "basic", "Basic", False, "the password", None
    DIGEST = "digest", "Digest", False, "a response that can be guessed offline", None
    NTLM = "ntlm", "NTLM", True, "a response that can be guessed offline", "the password or NT hash of {name} (NTLM)"
    KERBEROS = "kerberos", "Kerberos", True, "ticket and authenticator", "a keytab with the key of {spn}, or the session key (Kerberos)"
    CREDSSP = "credssp", "CredSSP", True, "nothing without its inner TLS", "the session secrets of the TLS inside CredSSP, from the client or the server"
    CERTIFICATE = "certificate", "client certificate", False, None, None
    UNKNOWN = "unknown", "unknown", False, None, None

    def __new__(cls, value: str, shown: str, lasting: bool, exposes: str | None, key: str | None) -> Self:  # noqa: FBT001  a row of a table
        """One row."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.shown, member.lasting, member.exposes, member.key = shown, lasting, exposes, key
        return member


class Outcome(StrEnum):
    """How a conversation ended: accepted (final status not 401/407), refused (a bare 401/407 after credentials), not examined (a page of the server's HTTP
    layer or of a device: nobody looked at the credentials), unfinished (the capture or the connection ended first), abandoned (the client began another one
    or went on without)."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_EXAMINED = "not_examined"
    UNFINISHED = "unfinished"
    ABANDONED = "abandoned"


class NtlmToken(Struct, frozen=True, gc=False):
    """An NTLMSSP message (MS-NLMP 2.2.1). ``message`` is 1 negotiate, 2 challenge, 3 authenticate; fields that a message type lacks are None.

    ``nt_response_size`` 24 is NTLMv1; ``anonymous`` is MS-NLMP 3.2.5.1.2's empty response. ``nt_proof`` is the first 16 bytes of an NTLMv2 response.
    ``client_flags_av`` is MsvAvFlags of the NTLMv2 response. ``server_time`` is MsvAvTimestamp present in the challenge.
    """

    message: int
    flags: int
    user: str | None = None
    domain: str | None = None
    workstation: str | None = None
    server_challenge: bytes | None = None
    target: str | None = None
    server_name: str | None = None
    server_dns_name: str | None = None
    server_domain: str | None = None
    server_os_build: str | None = None
    server_time: bool | None = None
    nt_response_size: int | None = None
    lm_response_size: int | None = None
    nt_proof: bytes | None = None
    version: str | None = None
    """ntlmv1, ntlmv1-ess, ntlmv2 or anonymous (message 3 only)."""
    target_name: str | None = None
    """MsvAvTargetName of the NTLMv2 response: the SPN that the client meant."""
    channel_binding: bool | None = None
    mic: bool | None = None
    key_exchange: bool | None = None
    channel_bindings: bytes | None = None
    """MsvAvChannelBindings of the NTLMv2 response, None when it is not there or all zeros, which means the same."""
    stamp: bytes | None = None
    """MsvAvTimestamp, 8 bytes, of the challenge; an NTLMv2 response repeats the one that it answers (MS-NLMP 3.1.5.1.2), which proves the pair."""


class KerberosToken(Struct, frozen=True, gc=False):
    """A Kerberos token in GSS framing (RFC 4121 section 4.1). ``message``: AP-REQ, AP-REP, KRB-ERROR. ``etype`` is the ticket's."""

    message: str
    realm: str | None = None
    spn: str | None = None
    etype: int | None = None
    authenticator_etype: int | None = None
    kvno: int | None = None
    mutual_required: bool | None = None
    error_code: int | None = None
    server_ns: int | None = None
    """The server's time in a KRB-ERROR (stime and susec), ns since 1970."""
    ticket: bytes | None = None
    """SHA-256 of the ticket's ciphertext in an AP-REQ: equal wherever the ticket is carried."""


class SpnegoToken(Struct, frozen=True, gc=False):
    """The SPNEGO wrapping around a mechanism token (RFC 4178): ``message`` init or resp; ``mechanisms`` are OIDs offered; ``state`` negState by name."""

    message: str
    mechanisms: tuple[str, ...] = ()
    supported: str | None = None
    state: str | None = None
    mic: bool = False


class TlsRecords(Struct, frozen=True, gc=False):
    """TLS records carried in a CredSSP token: content types and handshake message types by name, and the versions named in the records' headers."""

    contents: tuple[str, ...]
    handshakes: tuple[str, ...]
    version: str | None = None
    alerts: tuple[str, ...] = ()
    """Alerts in clear, by name (RFC 8446 section 6)."""


class CredsspFacts(Struct, frozen=True, gc=False):
    """What a key log shows of the TSRequests inside CredSSP's TLS (MS-CSSP 2.2.1): the highest versions that both sides named, and the server's errorCode."""

    client_version: int | None = None
    server_version: int | None = None
    error_code: int | None = None


class Token(Struct, frozen=True, gc=False):
    """One token in a header. ``digest`` is SHA-256 of its raw (base64-decoded) bytes, equal on both legs of a proxy that passes it on untouched.

    ``step``: offer (a bare challenge), negotiate, challenge, authenticate, final (a token with the accepting response), credentials (Basic, Digest).
    """

    scheme: str
    mechanism: Mechanism
    step: str
    size: int
    digest: bytes
    ntlm: Known[NtlmToken] | None = None
    kerberos: Known[KerberosToken] | None = None
    spnego: SpnegoToken | None = None
    tls: TlsRecords | None = None
    user: str | None = None
    """Basic and Digest: the user name."""
    realm: str | None = None
    """Basic and Digest: the realm parameter."""


class Step(Struct, frozen=True, gc=False):
    """One header of the conversation: in which exchange's message (id ``…q`` or ``…s``) it travelled, when, in which packets, and the token it carried.

    ``status`` is the response's status for steps of responses. A bare challenge is a step with ``token`` None and the schemes offered.
    """

    message: str
    exchange: str
    from_client: bool
    ts_ns: int
    packets: tuple[int, ...]
    status: int | None
    offers: tuple[str, ...]
    token: Token | None


class Identity(Struct, frozen=True, gc=False):
    """Who the client says it is. Empty strings are what was sent; None is what was not."""

    user: str | None = None
    domain: str | None = None
    workstation: str | None = None


class Conversation(Struct, frozen=True, gc=False):
    """One authentication: from the first credentials (or token) to the status that ends it. It belongs to one connection, as the security context does.

    ``exchanges`` are its exchange ids in order, ``round_trips`` how many of them carried credentials or a token from the client. ``ends`` is the exchange whose
    response ended it (None when unfinished). ``scheme`` is the header's word. Flags are None where the mechanism has none or they were not seen.
    """

    id: str
    connection: str
    capture: int
    audience: Audience
    scheme: str
    mechanism: Mechanism
    steps: tuple[Step, ...]
    exchanges: tuple[str, ...]
    round_trips: int
    outcome: Outcome
    ends: str | None
    final_status: int | None
    first_ns: int
    last_ns: int
    client: Identity
    over_tls: bool
    target_name: str | None = None
    spn: str | None = None
    realm: str | None = None
    ntlm_version: str | None = None
    etype: int | None = None
    signing: bool | None = None
    sealing: bool | None = None
    mic: bool | None = None
    channel_binding: bool | None = None
    server_name: str | None = None
    server_os_build: str | None = None
    server_challenge: bytes | None = None
    verifies: bool | None = None
    """Of a refused conversation: whether the client's answer was made with a secret that the investigator gave for this identity; None when that was not asked
    or cannot be told."""
    credssp: CredsspFacts | None = None
    """What is inside a CredSSP logon, None where no key log opened it."""
    offers: tuple[str, ...] = ()
    """Schemes that the peer offered to this client before or during the conversation, in order."""
    client_source: str | None = None
    """Where ``client`` was read when it does not travel in the tokens: ``ticket`` (with a key), ``tgs`` (the KDC issued this ticket in the captures)."""
    secret: str | None = None
    """The tag of the password, hash or key that was given and was proved to be this logon's."""
    ticket_lasts: tuple[int, int] | None = None
    """When the Kerberos ticket begins and ends, in seconds since 1970; only where a key decrypted it."""
