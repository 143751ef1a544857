"""The server refuses clear-text requests of a client whose logon it accepts.

Detects
    A request with a readable SOAP envelope on a connection without TLS, sent with the last message of a handshake or
    after a completed one. The server answers it with 401, or with an error that holds no SOAP, before it serves any
    clear-text request of this client there.
Impact
    A server with AllowUnencrypted=false, which is the default and right, refuses such requests whatever the password.
    Clients repeat them for ever and report a wrong password.
False positives
    When the 401 answers the very request that ended the handshake, wrong credentials look the same; the confidence is
    lower then. When clear-text requests are served later (they were allowed, or the right password was found), fewer
    than three such answers are not told.
Requires
    Request and response of one exchange.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "If a WinRM server supports HTTP and is accessed through a
    proxy, the WinRM server must enforce encryption and not allow unencrypted network traffic."
    MS-WSMV 3.2.4.1.22.1.
"""

from collections import defaultdict
from collections.abc import Mapping

from analyzer.records.auth import Audience, Conversation, Outcome
from analyzer.records.candidates import asks_clear, of_kinds
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.records.story import Reason
from analyzer.rules import microsoft
from analyzer.rules.asking import server_words, where
from analyzer.rules.reading import (
    CONNECTION_BASED,
    Place,
    asked_clear,
    authenticated,
    counted,
    first_packet,
    message,
    packets_of,
    request,
    response,
    status,
    succeeded,
    who,
)
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

MANY = Param("many", 3, "requests", "how many refusals are told although such requests were served later")
_OTHER_REASONS = (Reason.SPLIT, Reason.INTERLEAVED, Reason.CREDENTIALS_OR_SPLIT)
"""Why such a logon was refused: what the server makes of clear text is not known then."""
_DEMAND = 401
_ERROR = 500
_REFUSALS = (_DEMAND, _ERROR)
_SURE, _UNSURE = 0.9, 0.6


class Refusal(Fact, frozen=True):
    """A clear-text request, the handshake that it belongs to, whether only its own answer tells that the logon was good, and the first such request that was
    served later."""

    exchange: Exchange
    conversation: Conversation
    sure: bool
    later: Exchange | None = None


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Refusal]:
    groups: dict[Place, list[Refusal]] = defaultdict(list)
    served: dict[Place, Exchange] = {}
    refused = of_kinds(evidence, lambda kind: asks_clear(kind) and kind.answered is not None and kind.answered.status in _REFUSALS)
    for exchange in asked_clear(evidence) if refused else ():
        connection = evidence.connections[exchange.connection]
        if connection.protocol == "tls" or exchange.id in evidence.far:
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
        if before and (later is None or len(before) >= values["many"]):
            for one in before:
                fact = Refusal(one.exchange, one.conversation, one.sure, later)
                yield Sign(fact, (one.exchange.id,), packets_of([one.exchange]), user=who(one.conversation))


def _asked_ns(exchange: Exchange) -> int:
    asked = request(exchange)
    return 0 if asked is None else asked.first_ns


def _refusal(evidence: Evidence, exchange: Exchange) -> Refusal | None:
    code = status(exchange)
    answer = message(evidence, response(exchange))
    if code not in _REFUSALS or (answer is not None and answer.protection in (Protection.CLEAR, Protection.SEALED)):
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


def _served_from(tell: Tell[Refusal]) -> int | None:
    """The packet with which the first clear-text request begins that was served later."""
    later = tell.first.fact.later
    began = first_packet(None if later is None else request(later))
    return began[0] if began else None


def title(tell: Tell[Refusal]) -> str:
    served = _served_from(tell)
    server = server_words(tell.connection)
    return f"Server {server} refuses unencrypted requests" if served is None else f"Server {server} refused unencrypted requests before {tell.packet(served)}"


def why(tell: Tell[Refusal]) -> str:
    first = tell.first.fact
    served = _served_from(tell)
    after = "No clear-text request of this client is served there."
    if first.later is not None and served is not None:
        after = f"From {first.later.id} on, {tell.packet(served)}, such requests are served."
    return (
        f"{server_words(tell.connection)} answered {counted(tell.count, 'clear-text request')} of {tell.connection.client.host} with an error. "
        f"{f'{tell.first.user} had' if tell.first.user else 'The client had'} gone through {first.conversation.mechanism.shown} "
        f"authentication. The first is {where(tell)}, status {status(first.exchange)}. {after}"
    )


OPINION = Opinion(
    title=title,
    name="Server refuses unencrypted requests",
    severity=Severity.MEDIUM,
    confidence=lambda tell: _SURE if any(refusal.sure for refusal in tell.facts) else _UNSURE,
    owner=Owner.CLIENT,
    reference=microsoft.ENFORCE_ENCRYPTION,
    advice=(
        "Leave the server as it is, and let the client encrypt its messages (pywinrm: message_encryption='always'; pypsrp: "
        "encryption='always'; Ansible: ansible_winrm_message_encryption=always). Or use HTTPS on port 5986."
    ),
    see=see,
    why=why,
    explains=("auth.credentials-refused", "auth.loop", "http.refused-request"),
    params=(MANY,),
)
