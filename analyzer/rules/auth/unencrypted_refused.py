"""The server refuses clear-text requests of a client whose logon it accepts.

What it sees
    A request with a readable SOAP envelope on a connection without TLS, sent with the last message of a handshake or after a completed one, that the server
    answers with 401 or with an error that holds no SOAP, before any clear-text request of this client is served there.
Why it matters
    A server with AllowUnencrypted=false, which is the default and right, refuses such requests whatever the password. Clients repeat them for ever and report a
    wrong password.
When it is wrong
    When the 401 answers the very request that ended the handshake, wrong credentials look the same; the confidence is lower then. When clear-text requests are
    served later (somebody allowed them, or found the right password), fewer than three such answers are not told.
Needs
    Request and response of one exchange.
Reference
    Proxy Servers and WinRM, sentence 151; MS-WSMV 3.2.4.1.22.1.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Audience, Conversation, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.records.story import Reason
from analyzer.rules.reading import (
    CONNECTION_BASED,
    authenticated,
    counted,
    finding,
    first_packet,
    is_clear,
    message,
    name,
    packet,
    packets_of,
    request,
    response,
    status,
    succeeded,
    who,
    winrm_exchanges,
)

RULE = "auth.unencrypted-refused"
TITLE = "The server refuses clear-text requests"
SEVERITY = Severity.MEDIUM
REFERENCE = "Proxy Servers and WinRM, sentence 151"
ADVICE = (
    "Leave the server as it is, and let the client seal its messages (pywinrm: message_encryption='always'; pypsrp: encryption='always'; Ansible: "
    "ansible_winrm_message_encryption=always), or use HTTPS on port 5986."
)
_OTHER_REASONS = (Reason.SPLIT, Reason.INTERLEAVED, Reason.CREDENTIALS_OR_SPLIT)
"""Why such a logon was refused: what the server makes of clear text is not known then."""
_DEMAND = 401
_ERROR = 500
_SURE, _UNSURE = 0.9, 0.6
_MANY = 3


class Refusal(Struct, frozen=True, gc=False):
    """A clear-text request, the handshake that it belongs to, and whether only its own answer tells that the logon was good."""

    exchange: Exchange
    conversation: Conversation
    sure: bool


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Refusal]] = defaultdict(list)
    served: dict[tuple[str, str, int], Exchange] = {}
    for exchange in winrm_exchanges(evidence):
        connection = evidence.connections[exchange.connection]
        if connection.protocol == "tls" or exchange.id in evidence.far or not is_clear(message(evidence, request(exchange))):
            continue
        pair = connection.client.host, connection.server.host, connection.server.port
        if succeeded(exchange) and (pair not in served or _asked_ns(exchange) < _asked_ns(served[pair])):
            served[pair] = exchange
        refusal = _refusal(evidence, exchange)
        if refusal is not None:
            groups[pair].append(refusal)
    for pair, group in groups.items():
        later = served.get(pair)
        before = [refusal for refusal in group if later is None or _asked_ns(refusal.exchange) < _asked_ns(later)]
        if before and (later is None or len(before) >= _MANY):
            yield _finding(evidence, before, later)


def _asked_ns(exchange: Exchange) -> int:
    asked = request(exchange)
    return 0 if asked is None else asked.first_ns


def _refusal(evidence: Evidence, exchange: Exchange) -> Refusal | None:
    code = status(exchange)
    answer = message(evidence, response(exchange))
    if code not in (_DEMAND, _ERROR) or (answer is not None and answer.protection in (Protection.CLEAR, Protection.SEALED)):
        return None
    done = authenticated(evidence, exchange)
    if done is not None and done.mechanism in CONNECTION_BASED and exchange.id not in done.exchanges[:-1]:
        return Refusal(exchange, done, sure=True)
    for conversation in evidence.conversations_of[exchange.connection]:
        logon = evidence.story.logon_of.get(conversation.id)
        if logon is not None and logon.reason in _OTHER_REASONS:
            continue
        last = conversation.exchanges[-1] == exchange.id and conversation.audience is Audience.SERVER and conversation.mechanism in CONNECTION_BASED
        if last and conversation.outcome is Outcome.REFUSED and "challenge" in [step.token.step for step in conversation.steps if step.token is not None]:
            return Refusal(exchange, conversation, sure=False)
    return None


def _finding(evidence: Evidence, group: list[Refusal], later: Exchange | None) -> Finding:
    first = group[0]
    connection = evidence.connections[first.exchange.connection]
    packets = packets_of([refusal.exchange for refusal in group])
    user = who(first.conversation)
    sure = any(refusal.sure for refusal in group)
    why = (
        f"{connection.server.host}:{connection.server.port} answered {counted(len(group), 'clear-text request')} of {connection.client.host} with an error "
        f"although {f'{user} had ' if user else 'the client had '}gone through {first.conversation.mechanism.value} authentication: the first is "
        f"{first.exchange.id} on {name(connection)}, {packet(evidence, packets[0]) if packets else ''}, status {status(first.exchange)}. "
    )
    began = first_packet(None if later is None else request(later))
    why += f"From {later.id} on, {packet(evidence, began[0])}, such requests are served." if later is not None and began else ""
    why += "" if later is not None and began else "No clear-text request of this client is served there."
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=_SURE if sure else _UNSURE,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[refusal.exchange.connection for refusal in group],
        exchanges=[refusal.exchange.id for refusal in group],
        packets=packets,
        user=user,
    )
