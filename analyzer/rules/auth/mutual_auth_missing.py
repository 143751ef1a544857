"""A Kerberos logon succeeds without the server proving who it is.

What it sees
    An accepted handshake whose AP-REQ asks for mutual authentication, while no response of it carries an AP-REP.
Why it matters
    The AP-REP is the server's proof that it could open the ticket. A client that goes on without it talks to whoever answered.
When it is wrong
    Behind a proxy that takes the last WWW-Authenticate field away the proof existed; both legs show that. Follow-up requests on the connection have none by
    design and are no handshakes.
Needs
    The whole handshake on one leg.
Reference
    RFC 4120 section 3.2.4; RFC 4559 section 5.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Conversation, KerberosToken, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.reading import completed, counted, finding, name, packet, packets_of, upstream, who

RULE = "auth.mutual-auth-missing"
TITLE = "The server did not prove its identity"
SEVERITY = Severity.LOW
REFERENCE = "RFC 4120 section 3.2.4"
ADVICE = (
    "Let the client insist on mutual authentication (requests-kerberos: mutual_authentication=REQUIRED; Windows does by itself), and let "
    "the proxy pass WWW-Authenticate with every status, not with 401 only."
)


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int], list[Conversation]] = defaultdict(list)
    for conversation in completed(evidence):
        known = any(identity in evidence.far for identity in conversation.exchanges)
        if conversation.mechanism is Mechanism.KERBEROS and not known and _is_unproved(evidence, conversation):
            connection = evidence.connections[conversation.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(conversation)
    for group in groups.values():
        yield _finding(evidence, group)


def _is_unproved(evidence: Evidence, conversation: Conversation) -> bool:
    steps = [step for step in conversation.steps if step.token is not None]
    asked = [step for step in steps if (token := step.token) and isinstance(token.kerberos, KerberosToken) and token.kerberos.mutual_required]
    unread = [step for step in steps if not step.from_client]
    cut = any(evidence.exchanges[identity].quality for identity in conversation.exchanges)
    return bool(asked) and not unread and not cut


def _is_proved_upstream(evidence: Evidence, last: Exchange) -> bool:
    """The same response carried a token before it came to the proxy."""
    far = upstream(evidence, last.id)
    own = () if far is None else evidence.conversations_of.get(far.connection, ())
    return any(far is not None and step.exchange == far.id and not step.from_client and step.token is not None for found in own for step in found.steps)


def _finding(evidence: Evidence, group: list[Conversation]) -> Finding:
    first = group[0]
    lasts = [evidence.exchanges[conversation.ends or conversation.exchanges[-1]] for conversation in group]
    packets = packets_of(lasts)
    given = _is_proved_upstream(evidence, lasts[0])
    why = (
        f"{counted(len(group), 'Kerberos handshake')} of {name(evidence.connections[first.connection])} asked for mutual authentication and succeeded without "
        f"an AP-REP: the first is {lasts[0].id}, {packet(evidence, packets[0])} and its response{f', for {first.spn}' if first.spn else ''}."
    )
    why += " On the upstream leg the server's token is there: the proxy took it away." if given else ""
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.8,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[conversation.connection for conversation in group],
        exchanges=[exchange.id for exchange in lasts],
        packets=packets,
        user=who(first),
    )
