"""Who stands behind Kerberos tickets: with a key, what is inside of the ticket; without one, the client to whom the KDC issued this very ticket."""

from collections.abc import Mapping
from typing import NamedTuple

from analyzer.records.auth import Conversation, KerberosToken, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.secrets import Secrets
from analyzer.sealing.contexts import tokens
from analyzer.sealing.tickets import Tickets, ticket_client


class Named(NamedTuple):
    """A user as ``alice@LAB.EXAMPLE``, and where it was read: ``ticket`` or ``tgs``."""

    client: str
    source: str


NOBODY: Mapping[str, Named] = {}


def ticket_users(evidence: Evidence, secrets: Secrets, tickets: Tickets) -> dict[str, Named]:
    """The users of Kerberos conversations, by conversation id, whether or not anything was encrypted for them. A ticket is opened once."""
    issued = {message.ticket: f"{message.client}@{message.realm}" for message in evidence.kdc if message.ticket is not None and message.client}
    known: dict[bytes, str | None] = {}
    found: dict[str, Named] = {}
    for spoken in evidence.conversations:
        digest = _digest(spoken) if spoken.mechanism is Mechanism.KERBEROS else None
        if digest is None:
            continue
        if digest not in known:
            known[digest] = None if secrets.empty else _opened(evidence, spoken, secrets, tickets)
        client, source = (known[digest], "ticket") if known[digest] is not None else (issued.get(digest), "tgs")
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


def _opened(evidence: Evidence, spoken: Conversation, secrets: Secrets, tickets: Tickets) -> str | None:
    exchanges = {identity: evidence.exchanges[identity] for step in spoken.steps if (identity := step.exchange) in evidence.exchanges}
    names = (ticket_client(raw, secrets, tickets) for raw in tokens(spoken, exchanges) if raw[:1] in (b"\x60", b"\x6e"))
    return next((name for name in names if name is not None), None)
