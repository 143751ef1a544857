"""What a client and its key distribution center (KDC) say to each other, byte by byte (RFC 4120 sections 5.4 and 5.9), over UDP and TCP."""

from tests.build.talk_proxy import ALICE
from tests.build.talks import Wire
from tests.unit.auth.builders import ap_req, number, principal, tlv

KDC = "10.20.2.88"
REALM = b"LAB.TEST"
TICKET = b"\x5a" * 300
"""The ciphertext of the ticket that `tests.build.talk_tokens.kerberos` presents with number ``0x5a5a5a5a``."""


def carried(mark: int) -> bytes:
    """The ciphertext of the ticket in ``kerberos(mark)``."""
    return mark.to_bytes(4, "big") + TICKET[4:]


def name(text: str) -> bytes:
    """A PrincipalName."""
    return principal(*(part.encode() for part in text.split("/")))


def tgs_req(service: str, granting_etype: int = 18) -> bytes:
    """A TGS-REQ with its ticket-granting ticket."""
    granting = tlv(0x30, tlv(0xA1, number(1)), tlv(0xA2, tlv(4, ap_req(granting_etype))))
    return _request(0x6C, 12, tlv(0xA2 + 1, tlv(0x30, granting)), b"", service)


def as_req(client: str) -> bytes:
    """An AS-REQ without pre-authentication."""
    return _request(0x6A, 10, b"", tlv(0xA1, name(client)), f"krbtgt/{REALM.decode()}")


def _request(tag: int, kind: int, padata: bytes, client: bytes, service: str) -> bytes:
    options = tlv(0xA0, tlv(3, b"\0\x40\x81\0\0"))
    rest = tlv(0xA5, tlv(0x18, b"20370913024805Z")) + tlv(0xA7, number(7)) + tlv(0xA8, tlv(0x30, number(18)))
    body = tlv(0x30, options, client, tlv(0xA2, tlv(0x1B, REALM)), tlv(0xA3, name(service)), rest)
    return tlv(tag, tlv(0x30, tlv(0xA1, number(5)), tlv(0xA2, number(kind)), padata, tlv(0xA4, body)))


def tgs_rep(client: str, service: str, cipher: bytes = TICKET) -> bytes:
    """A TGS-REP with a ticket for ``service``."""
    return _reply(0x6D, 13, client, service, cipher)


def as_rep(client: str, cipher: bytes = TICKET) -> bytes:
    """An AS-REP with a ticket-granting ticket."""
    return _reply(0x6B, 11, client, f"krbtgt/{REALM.decode()}", cipher)


def _reply(tag: int, kind: int, client: str, service: str, cipher: bytes) -> bytes:
    realm = tlv(0x1B, REALM)
    ticket = tlv(0x61, tlv(0x30, tlv(0xA0, number(5)), tlv(0xA1, realm), tlv(0xA2, name(service)), tlv(0xA3, _encrypted(cipher))))
    fields = (tlv(0xA0, number(5)), tlv(0xA1, number(kind)), tlv(0xA3, realm), tlv(0xA4, name(client)), tlv(0xA5, ticket), tlv(0xA6, _encrypted(b"\x11" * 90)))
    return tlv(tag, tlv(0x30, *fields))


def _encrypted(cipher: bytes) -> bytes:
    return tlv(0x30, tlv(0xA0, number(18)), tlv(0xA2, tlv(4, cipher)))


def kdc_error(code: int, service: str, client: str = "", moment: int = 1) -> bytes:
    """A KRB-ERROR of the KDC."""
    who = tlv(0xA7, tlv(0x1B, REALM)) + tlv(0xA8, name(client)) if client else b""
    times = tlv(0xA4, tlv(0x18, b"20260102030405Z")) + tlv(0xA5, number(moment)) + tlv(0xA6, number(code))
    return tlv(0x7E, tlv(0x30, tlv(0xA0, number(5)), tlv(0xA1, number(30)), times, who, tlv(0xA9, tlv(0x1B, REALM)), tlv(0xAA, name(service))))


def ask_kdc(lan: Wire, asked: bytes, answered: bytes, client: str = ALICE, port: int = 60001) -> tuple[int, int]:
    """An exchange over UDP; the numbers of its packets."""
    return lan.datagram((client, port), (KDC, 88), asked), lan.datagram((KDC, 88), (client, port), answered)


def ask_kdc_over_tcp(lan: Wire, asked: bytes, answered: bytes, client: str = ALICE, port: int = 60002) -> tuple[int, int]:
    """An exchange over TCP, each message after its length; the numbers of its packets."""
    talk = lan.connect(client, port, KDC, 88)
    return talk.exchange(len(asked).to_bytes(4, "big") + asked, len(answered).to_bytes(4, "big") + answered)
