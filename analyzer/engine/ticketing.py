"""Who stands behind Kerberos tickets: with a key, what is inside of the ticket; without one, the client to whom the KDC issued this very ticket."""

from collections.abc import Mapping
from typing import NamedTuple

from analyzer.records.auth import Conversation, KerberosToken, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.sealing.contexts import tokens
from analyzer.sealing.keyring import KeyRing
from analyzer.sealing.tickets import Learnt, ticket_client


class Named(NamedTuple):
    """A user as ``alice@LAB.EXAMPLE``, and where it was read: ``ticket`` or ``tgs``."""

    client: str
    source: str


NOBODY: Mapping[str, Named] = {}


def ticket_users(evidence: Evidence, ring: KeyRing, tickets: dict[bytes, Learnt]) -> dict[str, Named]:
    """The users of Kerberos conversations, by conversation id, whether or not anything was encrypted for them. A ticket is opened
    once, and ``tickets`` then has its session key."""
    issued = {message.ticket: f"{message.client}@{message.realm}" for message in evidence.kdc if message.ticket is not None and message.client}
    known: dict[bytes, str | None] = {}
    found: dict[str, Named] = {}
    for spoken in evidence.conversations:
        digest = _digest(spoken) if spoken.mechanism is Mechanism.KERBEROS else None
        if digest is None:
            continue
        if known.get(digest) is None and not ring.empty:
            known[digest] = _opened(evidence, spoken, ring, tickets)
        client, source = (known[digest], "ticket") if known.get(digest) is not None else (issued.get(digest), "tgs")
        if client is not None:
            found[spoken.id] = Named(client, source)
    return found


def _digest(spoken: Conversation) -> bytes | None:
    """The ticket that the client sent last."""
    for step in reversed(spoken.steps):
        token = None if step.token is None or not step.from_client else step.token.kerberos
        if isinstance(token, KerberosToken) and token.ticket is not None:
            return token.ticket
    return None


def _opened(evidence: Evidence, spoken: Conversation, ring: KeyRing, tickets: dict[bytes, Learnt]) -> str | None:
    exchanges = {identity: evidence.exchanges[identity] for step in spoken.steps if (identity := step.exchange) in evidence.exchanges}
    learnt = (ticket_client(raw, ring, tickets) for raw in tokens(spoken, exchanges) if raw[:1] in (b"\x60", b"\x6e"))
    return next((one.client for one in learnt if one is not None), None)
