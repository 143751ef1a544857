"""The word that the exchanges table shows in ``auth_step``: how far an exchange brought the client's authentication.

Read off the finished conversations, except for ``offer``: a bare 401 (or 407) to a request without credentials belongs to no conversation yet.

    request carried       no answer      challenge token   demand's status, bare   any other status
    nothing               -              -                 offer                   -
    a first token         negotiate      challenge         refused                 accepted
    credentials           authenticate   challenge         refused                 accepted

An answer by somebody else (a proxy's 407 to what the server should see, a gateway's 502, 503 or 504) is as good as none.
"""

from collections.abc import Iterable, Mapping, Sequence

from analyzer.auth.headers import CHALLENGE_HEADERS, CREDENTIALS_HEADERS, DEMANDS, lines
from analyzer.auth.turns import GATEWAY_STATUSES
from analyzer.records.auth import Audience, Conversation, Outcome, Step
from analyzer.records.http import Exchange
from analyzer.records.quality import Absent


def steps_of(conversations: Iterable[Conversation], exchanges: Sequence[Exchange], audience: Audience) -> Mapping[str, str]:
    """The word of each exchange that has one, by exchange id, for one audience. Conversations of the other audience are passed over."""
    words = {exchange.id: "offer" for exchange in exchanges if _is_offer(exchange, audience)}
    spoken = [conversation for conversation in conversations if conversation.audience is audience]
    statuses = {exchange.id: _status(exchange) for exchange in exchanges} if spoken else {}
    for conversation in spoken:
        words |= _words(conversation, statuses)
    return words


def _is_offer(exchange: Exchange, audience: Audience) -> bool:
    if isinstance(exchange.response, Absent) or exchange.response.status != DEMANDS[audience]:
        return False
    asked = not isinstance(exchange.request, Absent) and bool(lines(exchange.request.headers, CREDENTIALS_HEADERS[audience]))
    return not asked and bool(lines(exchange.response.headers, CHALLENGE_HEADERS[audience]))


def _status(exchange: Exchange) -> int | None:
    return None if isinstance(exchange.response, Absent) else exchange.response.status


def _words(conversation: Conversation, statuses: Mapping[str, int | None]) -> dict[str, str]:
    members = set(conversation.exchanges)
    by_exchange: dict[str, list[Step]] = {exchange: [] for exchange in conversation.exchanges}
    for step in conversation.steps:
        if step.exchange in members:
            by_exchange[step.exchange].append(step)
    return {exchange: _word(conversation, steps, statuses.get(exchange)) for exchange, steps in by_exchange.items()}


def _word(conversation: Conversation, steps: Sequence[Step], status: int | None) -> str:
    sent = next((step.token for step in steps if step.from_client and step.token is not None), None)
    challenged = any(step.token is not None and step.token.step == "challenge" for step in steps if not step.from_client)
    exchange = steps[0].exchange
    unanswered = "negotiate" if sent is not None and sent.step == "negotiate" else "authenticate"
    if exchange == conversation.ends and conversation.outcome is not Outcome.NOT_EXAMINED:
        return "accepted" if conversation.outcome is Outcome.ACCEPTED else "refused"
    if challenged or (status == DEMANDS[conversation.audience]):
        return "challenge"
    server = conversation.audience is Audience.SERVER
    foreign = status is None or (server and (status == DEMANDS[Audience.PROXY] or status in GATEWAY_STATUSES))
    return unanswered if foreign or conversation.outcome is not Outcome.ACCEPTED else "accepted"
