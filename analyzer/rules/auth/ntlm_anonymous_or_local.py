"""A client logs on with NTLM without saying who it is.

Detects
    An NTLM authenticate message without user and without response: an anonymous logon, or a local one, in which
    client and server are the same host and the token only refers to a context in its memory.
Impact
    No one is authenticated by name. On a WinRM server an accepted anonymous logon means that everyone is let in; it
    is also how some relaying tools look.
False positives
    A local logon over the loopback interface is normal; between two addresses of one host it looks the same as an
    anonymous one.
Requires
    The client's authenticate message.
References
    MS-NLMP 3.2.5.1.2 and 3.3.2.
"""

from collections.abc import Iterator
from ipaddress import ip_address

from analyzer.records.auth import Audience, Conversation, NtlmToken, Outcome
from analyzer.records.transport import Connection
from analyzer.rules.asking import server_words, spoken
from analyzer.rules.reading import counted, of_them, sentence, status
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell

_AUTHENTICATE = 3


def see(evidence: Evidence) -> Signs[Conversation]:
    """One sign for each logon, at servers and at proxies."""
    for audience in Audience:
        for found in spoken(evidence, audience=audience):
            packets = tuple(_without_user(found))
            if packets and not _loopback(evidence.connections[found.connection]):
                yield Sign(found, found.exchanges, packets)


def _without_user(conversation: Conversation) -> Iterator[int]:
    """The first packets of authenticate messages that name no user."""
    for step in conversation.steps:
        token = None if step.token is None else step.token.ntlm
        bare = isinstance(token, NtlmToken) and token.message == _AUTHENTICATE and not token.user and not token.nt_response_size
        if bare and isinstance(token, NtlmToken) and (token.lm_response_size or 0) <= 1:
            yield from step.packets[:1]


def _loopback(connection: Connection) -> bool:
    return connection.client.host == connection.server.host or ip_address(connection.server.host).is_loopback


def _accepted(tell: Tell[Conversation]) -> int:
    return sum(found.outcome is Outcome.ACCEPTED for found in tell.facts)


def why(tell: Tell[Conversation]) -> str:
    first = tell.first
    last = tell.evidence.exchanges[first.fact.exchanges[-1]]
    return (
        f"{tell.connection.client.host} sent {counted(tell.count, 'NTLM authenticate message')} without user and response to "
        f"{server_words(tell.connection)}. The first is {tell.packet(first.packets[0])}, answered {status(last)} ({last.id}). "
        f"{sentence(of_them(_accepted(tell), tell.count))} accepted."
    )


OPINION = Opinion(
    title=lambda tell: f"NTLM logon without a user from {tell.connection.client.host}",
    name="NTLM logon without a user",
    severity=lambda tell: Severity.MEDIUM if _accepted(tell) else Severity.LOW,
    worst=Severity.MEDIUM,
    confidence=0.8,
    owner=Owner.CLIENT,
    reference="MS-NLMP 3.2.5.1.2",
    advice=("Find out which program logs on so. If the server accepts it from another host, check who may use WinRM there (winrm get winrm/config/service)."),
    see=see,
    why=why,
)
