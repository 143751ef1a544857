"""What clients and their key distribution center (KDC) say to each other: RFC 4120 sections 5.4 and 5.9, as far as it travels in clear."""

from enum import StrEnum

from msgspec import Struct

from analyzer.records.transport import Closing


class KdcKind(StrEnum):
    """The message types of a KDC."""

    AS_REQ = "AS-REQ"
    AS_REP = "AS-REP"
    TGS_REQ = "TGS-REQ"
    TGS_REP = "TGS-REP"
    ERROR = "KRB-ERROR"

    @property
    def asks(self) -> bool:
        """It is a client's request."""
        return self in (KdcKind.AS_REQ, KdcKind.TGS_REQ)


class KdcPiece(Struct, frozen=True, gc=False):
    """A message as it travelled: its packet keys, when it began, who sent it to whom (host and port), its bytes."""

    packets: tuple[int, ...]
    ts_ns: int
    source: tuple[str, int]
    target: tuple[str, int]
    raw: bytes


class KdcMessage(Struct, frozen=True, gc=False):
    """A message of a client with its KDC. ``client``: the client's name without its realm, as far as it is in clear (a TGS-REQ has none).

    ``service``: what is asked for, or what the ticket is for, as ``HTTP/host``; ``ticket``: SHA-256 of the ticket's ciphertext in a reply, equal wherever the
    ticket is carried. Fields that a message lacks are None.
    """

    packets: tuple[int, ...]
    ts_ns: int
    client_host: str
    client_port: int
    kdc_host: str
    kind: KdcKind
    client: str | None = None
    realm: str | None = None
    service: str | None = None
    error_code: int | None = None
    ticket: bytes | None = None
    size: int = 0
    server_ns: int | None = None
    """The KDC's time in a KRB-ERROR (stime and susec), ns since 1970."""
    etype: int | None = None
    """What the ticket in a reply is encrypted with."""
    granting: bytes | None = None
    """SHA-256 of the ciphertext of the ticket-granting ticket that a TGS-REQ presents."""
    granting_etype: int | None = None


class TicketRefusal(Struct, frozen=True, gc=False):
    """A client of WinRM asked its KDC for a ticket, got an error, and got no ticket for the same thing afterwards.

    ``exchange`` is the WinRM request that the ticket was for. ``by_name``: the KDC was asked for the name of its Host field; else the client asked between this
    request's 401 and its own next request. ``service`` and ``account`` as in what the KDC was asked. ``after_demand``: that request was answered by a 401 that
    offers Kerberos before the KDC was asked. ``followed_by`` is a conversation of the client's next logon at the same endpoint (`Story.logon_of` knows it),
    None without one; ``closed``: how the client then ended the connection without another request.
    """

    error: KdcMessage
    code: int
    service: str | None
    account: str | None
    exchange: str
    by_name: bool
    after_demand: bool
    followed_by: str | None = None
    closed: Closing | None = None
