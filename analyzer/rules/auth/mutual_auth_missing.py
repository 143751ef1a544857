"""A Kerberos logon succeeds without the server proving who it is.

Detects
    An accepted handshake whose AP-REQ asks for mutual authentication, while no response of it carries an AP-REP.
Impact
    The AP-REP is the server's proof that it could decrypt the ticket. A client that goes on without it talks to an
    unproved server.
False positives
    Behind a proxy that removes the last WWW-Authenticate field the proof existed; both sides of the proxy show that.
    Follow-up requests on the connection have none by design and are not handshakes.
Requires
    The whole handshake on one side.
References
    RFC 4120 section 3.2.4; RFC 4559 section 5.
"""

from analyzer.records.auth import Conversation, KerberosToken, Mechanism, Outcome
from analyzer.records.http import Exchange
from analyzer.rules.asking import server_words, spoken, where
from analyzer.rules.reading import counted, packets_of, upstream, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell


class Unproved(Fact, frozen=True):
    """A logon, and whether the server's proof was still there on the server side."""

    conversation: Conversation
    removed: bool


def see(evidence: Evidence) -> Signs[Unproved]:
    for found in spoken(evidence, Mechanism.KERBEROS):
        if found.outcome is Outcome.ACCEPTED and found.ends is not None and _is_unproved(evidence, found):
            last = evidence.exchanges[found.ends]
            yield Sign(Unproved(found, _is_proved_upstream(evidence, last)), (last.id,), packets_of([last]), user=who(found))


def _is_unproved(evidence: Evidence, conversation: Conversation) -> bool:
    steps = [step for step in conversation.steps if step.token is not None]
    asked = [step for step in steps if (token := step.token) and isinstance(token.kerberos, KerberosToken) and token.kerberos.mutual_required]
    answered = [step for step in steps if not step.from_client]
    cut = any(evidence.exchanges[identity].quality for identity in conversation.exchanges)
    return bool(asked) and not answered and not cut


def _is_proved_upstream(evidence: Evidence, last: Exchange) -> bool:
    """The same response carried a token before it came to the proxy."""
    far = upstream(evidence, last.id)
    own = () if far is None else evidence.conversations_of.get(far.connection, ())
    return any(far is not None and step.exchange == far.id and not step.from_client and step.token is not None for found in own for step in found.steps)


def why(tell: Tell[Unproved]) -> str:
    first = tell.first.fact
    spn = first.conversation.spn
    text = (
        f"{tell.connection.client.host} asked {server_words(tell.connection)} for mutual authentication"
        f"{f' as {spn}' if spn else ''}. {counted(tell.count, 'Kerberos logon')} succeeded without the server's AP-REP. The first is {where(tell)}."
    )
    return text + (" On the server side the server's token is there: the proxy removed it." if first.removed else "")


OPINION = Opinion(
    title=lambda tell: f"Server {server_words(tell.connection)} did not prove its identity",
    name="Server did not prove its identity",
    severity=Severity.LOW,
    confidence=0.8,
    owner=lambda tell: Owner.PROXY if tell.first.fact.removed else Owner.SERVER,
    reference="RFC 4120 section 3.2.4",
    advice=(
        "Let the client insist on mutual authentication (requests-kerberos: mutual_authentication=REQUIRED; Windows does by "
        "itself). Let the proxy pass WWW-Authenticate with every status, not with 401 only."
    ),
    see=see,
    why=why,
)
