"""From Kerberos secrets to the keys of a context.

The ticket's session key comes from the service's key (keytab), from what was learnt of the KDC's own exchanges (a ticket is known by its ciphertext wherever
it is carried), or is given. With it the authenticator and the AP-REP open, which hold the sub-session keys. Every step is proved by its integrity check.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from analyzer.auth.schemes import der
from analyzer.auth.schemes.scapy_adapter import (
    ApReq,
    Encrypted,
    Key,
    Ticket,
    ap_rep,
    ap_rep_subkey,
    ap_req,
    authenticator,
    decrypt,
    kdc_rep,
    kdc_rep_key,
    string_to_key,
    tgs_req,
    ticket_part,
)
from analyzer.records.secrets import KerberosKey, Secrets
from analyzer.sealing.kerberos import KerberosKeys

_TICKET, _AUTHENTICATOR, _AP_REP = 2, 11, 12
_AS_REP, _TGS_AUTHENTICATOR, _TGS_REP, _TGS_REP_SUBKEY = 3, 7, 8, 9
_AS_KIND = 11


class Learnt(NamedTuple):
    """A ticket's session key, the tag of the secret that it was learnt with, and the client's name."""

    key: Key
    tag: str
    client: str | None


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
    for learnt in _session_keys(message, secrets, tickets):
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


def ticket_client(request: bytes, secrets: Secrets, tickets: Tickets) -> str | None:
    """The client's name (``alice@LAB.EXAMPLE``) in the ticket of an AP-REQ, or in its authenticator; None when no secret opens either."""
    message = ap_req(_inner(request))
    for learnt in () if message is None else _session_keys(message, secrets, tickets):
        if learnt.client is not None:
            return learnt.client
        plain = decrypt(learnt.key, _AUTHENTICATOR, message.authenticator.cipher) if message is not None else None
        told = None if plain is None else authenticator(plain)
        if told is not None:
            return f"{told.client}@{told.realm}"
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


def _session_keys(message: ApReq, secrets: Secrets, tickets: Tickets) -> Iterable[Learnt]:
    known = tickets.get(message.ticket.encrypted.digest)
    if known is not None:
        yield known
    for key in _service_keys(message, secrets.kerberos):
        opened = _ticket(key, message.ticket.encrypted)
        if opened is not None:
            yield opened
    for key in secrets.kerberos:
        if key.principal is None and key.etype == message.authenticator.etype:
            yield Learnt(Key(key.etype, key.value), key.tag, None)


def _service_keys(message: ApReq, keys: Iterable[KerberosKey]) -> Iterable[KerberosKey]:
    """Keys of the ticket's encryption type, those of the ticket's own principal first."""
    fitting = [key for key in keys if key.etype == message.ticket.encrypted.etype]
    own = f"{message.ticket.service}@{message.ticket.realm}".lower()
    return sorted(fitting, key=lambda key: (key.principal or "").lower() != own)


def _ticket(key: KerberosKey, encrypted: Encrypted) -> Learnt | None:
    plain = decrypt(Key(key.etype, key.value), _TICKET, encrypted.cipher)
    part = None if plain is None else ticket_part(plain)
    return None if part is None else Learnt(part.key, key.tag, f"{part.client}@{part.realm}")


def learn(messages: Iterable[bytes], secrets: Secrets) -> Tickets:
    """What the KDC's exchanges tell: with the krbtgt key the tickets that it issued and accepted, with a client's password what it was answered.

    ``messages``: AS-REP, TGS-REQ and TGS-REP as they travelled, in order of time, requests before their replies.
    """
    known: dict[bytes, Learnt] = {}
    if not secrets.kerberos and not secrets.passwords:
        return known
    pending: list[tuple[Learnt, Key | None]] = []
    for raw in messages:
        if raw[:1] == b"\x6c":
            asked = tgs_req(raw)
            found = None if asked is None else _granting(asked.ap_req, secrets, known)
            if found is not None:
                pending.append(found)
        elif raw[:1] in (b"\x6b", b"\x6d"):
            _reply(raw, secrets, pending, known)
    return known


def _granting(message: ApReq, secrets: Secrets, known: dict[bytes, Learnt]) -> tuple[Learnt, Key | None] | None:
    """The session key of the ticket-granting ticket in a TGS-REQ, and the sub-session key that the client chose for the reply."""
    for learnt in _session_keys(message, secrets, known):
        plain = decrypt(learnt.key, _TGS_AUTHENTICATOR, message.authenticator.cipher)
        told = None if plain is None else authenticator(plain)
        if told is not None:
            known.setdefault(message.ticket.encrypted.digest, learnt)
            return Learnt(learnt.key, learnt.tag, f"{told.client}@{told.realm}"), told.subkey
    return None


def _reply(raw: bytes, secrets: Secrets, pending: list[tuple[Learnt, Key | None]], known: dict[bytes, Learnt]) -> None:
    answer = kdc_rep(raw)
    if answer is None:
        return
    client = f"{answer.client}@{answer.realm}"
    tries: list[tuple[Key, int, str]] = []
    if answer.kind == _AS_KIND:
        for tag, user, _, password in secrets.passwords:
            if user.lower() == answer.client.lower():
                salt = answer.salt if answer.salt is not None else f"{answer.realm}{answer.client}"
                key = string_to_key(answer.encrypted.etype, password, salt.encode())
                tries += [(key, _AS_REP, tag)] if key is not None else []
        tries += [(Key(key.etype, key.value), _AS_REP, key.tag) for key in secrets.kerberos if (key.principal or "").lower() == client.lower()]
    else:
        for learnt, subkey in reversed(pending):
            tries += [(learnt.key, _TGS_REP, learnt.tag)] + ([(subkey, _TGS_REP_SUBKEY, learnt.tag)] if subkey is not None else [])
    for key, usage, tag in tries:
        plain = decrypt(key, usage, answer.encrypted.cipher) if key.etype == answer.encrypted.etype else None
        session = None if plain is None else kdc_rep_key(plain)
        if session is not None:
            known.setdefault(answer.ticket.encrypted.digest, Learnt(session, tag, client))
            return
