"""From Kerberos secrets to the keys of a context.

The ticket's session key comes from the service's key (keytab), from what was learnt of the KDC's own exchanges (a ticket is known by its ciphertext wherever
it is carried), or is given. With it the authenticator and the AP-REP open, which hold the sub-session keys. Every step is proved by its integrity check.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from analyzer.auth.schemes import der
from analyzer.auth.schemes.scapy_adapter import (
    ApReq,
    Key,
    Ticket,
    ap_rep,
    ap_rep_subkey,
    ap_req,
    authenticator,
    decrypt,
    kdc_rep,
    kdc_rep_key,
    tgs_req,
    ticket_part,
)
from analyzer.records.secrets import Secrets
from analyzer.sealing.kerberos import KerberosKeys
from analyzer.sealing.keyring import KeyRing

_TICKET, _AUTHENTICATOR, _AP_REP = 2, 11, 12
_AS_REP, _TGS_AUTHENTICATOR, _TGS_REP, _TGS_REP_SUBKEY = 3, 7, 8, 9
_AS_KIND = 11
_TICKET_TAGS, _REPLY_TAGS = (0x63,), (0x79, 0x7A)
"""How what is encrypted begins: EncTicketPart; EncASRepPart, for which some KDCs write EncTGSRepPart (RFC 4120 section 5.10)."""


class Learnt(NamedTuple):
    """A ticket's session key, the tag of the secret that it was learnt with, and the client's name; None while nothing has proved the key.

    ``lasts``: when a ticket that was decrypted itself begins and ends, in seconds since 1970.
    """

    key: Key
    tag: str
    client: str | None
    lasts: tuple[int, int] | None = None


Tickets = Mapping[bytes, Learnt]
"""Session keys by the digest of the ticket's ciphertext."""


class Agreed(NamedTuple):
    """The keys of a context, the tag of the secret, the client's name (``alice@LAB.EXAMPLE``)."""

    keys: KerberosKeys
    tag: str
    client: str | None


def exchange_keys(request: bytes, reply: bytes | None, secrets: Secrets, tickets: Tickets) -> Agreed | None:
    """The keys that an AP-REQ and its AP-REP (tokens as sent, in their GSS frames) agree; None when no secret opens the ticket or the authenticator."""
    message = ap_req(_inner(request))
    if message is None:
        return None
    for learnt in _session_keys(message, KeyRing(secrets), tickets):
        plain = decrypt(learnt.key, _AUTHENTICATOR, message.authenticator.cipher)
        told = None if plain is None else authenticator(plain)
        if told is None:
            continue
        acceptor = None
        part = None if reply is None else ap_rep(_inner(reply))
        if part is not None:
            opened = decrypt(learnt.key, _AP_REP, part.cipher)
            acceptor = None if opened is None else ap_rep_subkey(opened)
        return Agreed(KerberosKeys(learnt.key, told.subkey, acceptor), learnt.tag, f"{told.client}@{told.realm}")
    return None


def ticket_client(request: bytes, ring: KeyRing, known: dict[bytes, Learnt]) -> Learnt | None:
    """What opens the ticket of an AP-REQ, or its authenticator, with the client's name (``alice@LAB.EXAMPLE``); None when no secret does. The ticket is added
    to those that are ``known``."""
    message = ap_req(_inner(request))
    if message is None:
        return None
    for learnt in _session_keys(message, ring, known):
        if learnt.client is not None:
            known.setdefault(message.ticket.encrypted.digest, learnt)
            return learnt
        plain = decrypt(learnt.key, _AUTHENTICATOR, message.authenticator.cipher)
        told = None if plain is None else authenticator(plain)
        if told is not None:
            known[message.ticket.encrypted.digest] = proved = learnt._replace(client=f"{told.client}@{told.realm}")
            return proved
    return None


def service_ticket(request: bytes) -> Ticket | None:
    """The ticket in an AP-REQ as sent, in its GSS frame or without."""
    message = ap_req(_inner(request))
    return None if message is None else message.ticket


def _inner(token: bytes) -> bytes:
    """The Kerberos message in a GSS frame (RFC 4121 section 4.1: OID and a two-byte token id), or the token itself."""
    framed = der.frame(token)
    if framed is None:
        return token
    body = framed.token
    return body[2:] if body[:1] in (b"\x01", b"\x02", b"\x03") and body[1:2] == b"\x00" else body


def _session_keys(message: ApReq, ring: KeyRing, tickets: Tickets) -> Iterable[Learnt]:
    known = tickets.get(message.ticket.encrypted.digest)
    if known is not None:
        yield known
        if known.client is not None:
            return
    opened = _ticket(message.ticket, ring)
    if opened is not None:
        yield opened
    for key in ring.session_keys(message.authenticator.etype):
        yield Learnt(Key(key.etype, key.value), key.tag, None)


def _ticket(ticket: Ticket, ring: KeyRing) -> Learnt | None:
    found = ring.opened(ticket.encrypted, _TICKET, _TICKET_TAGS, ticket.service, ticket.realm)
    part = None if found is None else ticket_part(found[1])
    if found is None or part is None:
        return None
    lasts = None if part.begins_s is None or part.ends_s is None else (part.begins_s, part.ends_s)
    return Learnt(part.key, found[0].tag, f"{part.client}@{part.realm}", lasts)


def learn(messages: Iterable[bytes], secrets: Secrets, ring: KeyRing | None = None) -> dict[bytes, Learnt]:
    """What the KDC's exchanges tell: with the krbtgt key the tickets that it issued and accepted, with a client's password or key what it was answered; and
    what credential caches hold.

    ``messages``: AS-REP, TGS-REQ and TGS-REP as they travelled, in order of time, requests before their replies.
    """
    ring = KeyRing(secrets) if ring is None else ring
    known = {one.ticket: Learnt(Key(one.etype, one.value), one.tag, None) for one in secrets.tickets}
    if ring.empty:
        return known
    pending: list[tuple[Learnt, Key | None]] = []
    for raw in messages:
        if raw[:1] == b"\x6c":
            asked = tgs_req(raw)
            found = None if asked is None else _granting(asked.ap_req, ring, known)
            if found is not None:
                pending.append(found)
        elif raw[:1] in (b"\x6b", b"\x6d"):
            _reply(raw, ring, pending, known)
    return known


def _granting(message: ApReq, ring: KeyRing, known: dict[bytes, Learnt]) -> tuple[Learnt, Key | None] | None:
    """The session key of the ticket-granting ticket in a TGS-REQ, and the sub-session key that the client chose for the reply."""
    for learnt in _session_keys(message, ring, known):
        plain = decrypt(learnt.key, _TGS_AUTHENTICATOR, message.authenticator.cipher)
        told = None if plain is None else authenticator(plain)
        if told is not None:
            known[message.ticket.encrypted.digest] = proved = learnt._replace(client=f"{told.client}@{told.realm}")
            ring.fitted.add(proved.tag)
            return proved, told.subkey
    return None


def _reply(raw: bytes, ring: KeyRing, pending: list[tuple[Learnt, Key | None]], known: dict[bytes, Learnt]) -> None:
    answer = kdc_rep(raw)
    if answer is None:
        return
    client, encrypted = f"{answer.client}@{answer.realm}", answer.encrypted
    digest = answer.ticket.encrypted.digest
    if answer.kind == _AS_KIND:
        salt = answer.salt if answer.salt is not None else f"{answer.realm}{answer.client}"
        found = ring.opened(encrypted, _AS_REP, _REPLY_TAGS, answer.client, answer.realm, salt)
        session = None if found is None else kdc_rep_key(found[1])
        if found is not None and session is not None:
            known.setdefault(digest, Learnt(session, found[0].tag, client))
        return
    for learnt, subkey in reversed(pending):
        for key, usage in ((learnt.key, _TGS_REP), (subkey, _TGS_REP_SUBKEY)):
            plain = None if key is None or key.etype != encrypted.etype else decrypt(key, usage, encrypted.cipher)
            session = None if plain is None else kdc_rep_key(plain)
            if session is not None:
                known.setdefault(digest, Learnt(session, learnt.tag, client))
                return
