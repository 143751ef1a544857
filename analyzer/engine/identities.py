"""Who logged on, where only a secret or a ticket shows it, and whether a secret that was given is the one of a refused logon."""

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from analyzer.engine.opening import Contents
from analyzer.engine.ticketing import NOBODY, Named
from analyzer.records.auth import Audience, Conversation, Identity, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.secrets import Secrets
from analyzer.sealing.contexts import verifies


def identified(conversations: tuple[Conversation, ...], opened: Contents, named: Mapping[str, Named] = NOBODY) -> tuple[Conversation, ...]:
    """The conversations with the identities that secrets and tickets showed, and with what is inside CredSSP."""
    if not opened.clients and not opened.credssp:
        return conversations
    return tuple(_identified(found, opened, named) for found in conversations)


def _identified(found: Conversation, opened: Contents, named: Mapping[str, Named]) -> Conversation:
    client = opened.clients.get(found.id)
    if client is not None:
        source = named[found.id].source if found.id in named else "ticket"
        found = replace(found, client=_identity(client, found), client_source=source)
    return replace(found, credssp=opened.credssp[found.id]) if found.id in opened.credssp else found


def verified(evidence: Evidence, conversations: Iterable[Conversation], secrets: Secrets) -> tuple[Conversation, ...]:
    """The conversations; the refused ones say whether a secret that was given is the one that the client used."""
    return tuple(
        replace(found, verifies=verifies(found, {identity: evidence.exchanges[identity] for identity in found.exchanges}, secrets))
        if found.outcome is Outcome.REFUSED and found.audience is Audience.SERVER
        else found
        for found in conversations
    )


def _identity(client: str, conversation: Conversation) -> Identity:
    domain, backslash, user = client.rpartition("\\")
    if backslash:
        return Identity(user, domain, conversation.client.workstation)
    name, at, realm = client.rpartition("@")
    return Identity(name if at else realm, realm if at and realm else None, conversation.client.workstation)
