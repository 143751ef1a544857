"""Turns in order become conversations: straight down the exchanges of one connection, once for the server and once for a proxy.

A draft is a conversation in the making. Handshakes (NTLM, SPNEGO, Kerberos, CredSSP) authenticate the connection: a draft opens at the token that begins one
and is closed by the answer that ends it, or by what the client does instead. Credentials that ride on every request (Basic, Digest, certificate, Bearer) stay
in one draft for as long as they are the same and are accepted. What is recorded is what was seen: a Type 3 whose Type 1 went over another connection makes a
conversation of its own, since that is how lost affinity looks.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from msgspec import Struct, field
from msgspec.structs import replace

from analyzer.auth.facts import conversation
from analyzer.auth.tokens import begins_handshake, is_per_request
from analyzer.auth.turns import Reply, Turn, audiences
from analyzer.auth.turns import turn as turn_of
from analyzer.records.auth import Audience, Conversation, Mechanism, Outcome, Token
from analyzer.records.http import Exchange
from analyzer.records.issues import Issue
from analyzer.records.transport import Connection
from analyzer.settings import Limits

_FINAL, _DEMAND, _PAGE, _OTHER = Reply.FINAL, Reply.DEMAND, Reply.PAGE, Reply.OTHER
_REFUSED, _ACCEPTED, _UNFINISHED = Outcome.REFUSED, Outcome.ACCEPTED, Outcome.UNFINISHED
"""By names of their own: a member is found three times as fast as by its enumeration."""


class _Draft(Struct):
    """``before`` is the exchange directly before, when it offered schemes. ``outcome`` is None while the conversation can go on."""

    audience: Audience
    scheme: str
    before: Turn | None
    turns: list[Turn] = field(default_factory=list)
    outcome: Outcome | None = None
    ends: Turn | None = None

    @property
    def last(self) -> Turn:
        return self.turns[-1]


def conversations(connection: Connection, exchanges: Sequence[Exchange], limits: Limits) -> tuple[tuple[Conversation, ...], tuple[Issue, ...]]:
    """The conversations of one connection, ordered by their first exchange (the server's before the proxy's), and the issues of their headers and tokens.

    ``exchanges`` are the connection's, in order of position.
    """
    drafts: list[_Draft] = []
    issues: list[Issue] = []
    told = [audiences(exchange) for exchange in exchanges]
    spoken = told[0] if len(told) == 1 else frozenset().union(*told)
    if not spoken:  # nobody authenticates
        return (), ()
    for audience in _AUDIENCES:
        if audience in spoken:
            drafts += _drafts(zip(exchanges, told, strict=True), audience, limits, issues)
    if len(drafts) > 1:
        drafts.sort(key=lambda draft: draft.turns[0].exchange.position)
    made = [
        conversation(connection, ordinal, draft.audience, draft.before, draft.turns, draft.outcome or _UNFINISHED, draft.ends)
        for ordinal, draft in enumerate(drafts, start=1)
    ]
    return tuple(made), _condensed(issues)


_AUDIENCES = tuple(Audience)


def _condensed(issues: Sequence[Issue]) -> tuple[Issue, ...]:
    """Equal complaints of one connection as one issue at the place of the first: a client repeats its header with every request."""
    if not issues:
        return ()
    counts: Counter[tuple[str, str]] = Counter()
    firsts: dict[tuple[str, str], Issue] = {}
    for issue in issues:
        counts[issue.code, issue.detail] += 1
        firsts.setdefault((issue.code, issue.detail), issue)
    return tuple(replace(issue, repeats=counts[key]) for key, issue in firsts.items())


def _drafts(exchanges: Iterable[tuple[Exchange, frozenset[Audience]]], audience: Audience, limits: Limits, issues: list[Issue]) -> list[_Draft]:
    """``exchanges``, each with the audiences that its headers speak to."""
    drafts: list[_Draft] = []
    current: _Draft | None = None
    previous: Turn | None = None
    for exchange, told in exchanges:
        if current is None and audience not in told:
            previous = None  # it is no part of a conversation, and offers nothing to the next one
            continue
        turn = turn_of(exchange, audience, limits, issues)
        sent, answer = turn.sent_token, turn.answer_token
        if sent is None and not turn.blind:
            current = _without_credentials(current)
        elif sent is not None or answer is not None:
            if current is None or not _continues(current, turn):
                _abandon(current)
                current = _opened(turn, previous, audience)
                drafts.append(current)
            current.turns.append(turn)
            _settle(current)
            current = None if current.outcome is not None and not _grows(current) else current
        elif current is not None and not _grows(current) and turn.reply is _FINAL:
            # A request that is not in the capture went on after the challenge. Nothing says what it carried, so nothing says how this ended.
            current = None
        previous = turn
    return drafts


def _opened(turn: Turn, previous: Turn | None, audience: Audience) -> _Draft:
    token = turn.sent_token or turn.answer_token
    before = previous if previous is not None and previous.answer is not None and previous.reply is _DEMAND else None
    return _Draft(audience, "" if token is None else token.scheme, before)


def _grows(draft: _Draft) -> bool:
    """Whether later requests may repeat the same credentials within the draft."""
    return is_per_request(draft.scheme) and draft.outcome is not _REFUSED


def _continues(draft: _Draft, turn: Turn) -> bool:
    token = turn.sent_token
    if token is None:
        return not is_per_request(draft.scheme) and not _answers_a_new_handshake(draft, turn)
    if token.scheme.lower() != draft.scheme.lower():
        return False
    if is_per_request(draft.scheme):
        last = _last_sent(draft)
        same = last is not None and _credential(last) == _credential(token)
        return same and not (draft.outcome is _ACCEPTED and turn.reply is _DEMAND)
    if not begins_handshake(token):
        return True
    return _is_repeated(draft, token) or _is_second_hello(draft, token)


def _credential(token: Token) -> tuple[object, ...]:
    """What stays the same while the credentials do: Digest hashes each request anew, its user and realm stay."""
    if token.mechanism is Mechanism.DIGEST and token.user is not None:
        return (token.mechanism, token.user, token.realm)
    return (token.mechanism, token.digest)


def _answers_a_new_handshake(draft: _Draft, turn: Turn) -> bool:
    """Whether a challenge to an unseen request is NTLM message 2 though the draft already has one: then the unseen request was another message 1."""
    ntlm = Mechanism.NTLM
    token = turn.answer_token
    return token is not None and token.mechanism is ntlm and any(one.answer_token is not None and one.answer_token.mechanism is ntlm for one in draft.turns)


def _is_repeated(draft: _Draft, token: Token) -> bool:
    """The same first token once more, because a proxy asked for its own authentication first (407)."""
    last = _last_sent(draft)
    return draft.last.reply is _OTHER and last is not None and last.digest == token.digest


def _is_second_hello(draft: _Draft, token: Token) -> bool:
    """A ClientHello that answers a HelloRetryRequest, which is a ServerHello with no other record of the handshake behind it (RFC 8446 section 4.1.4)."""
    answer = draft.last.answer_token
    retry = answer is not None and answer.tls is not None and answer.tls.handshakes == ("server_hello",) and "application_data" not in answer.tls.contents
    return token.tls is not None and retry


def _last_sent(draft: _Draft) -> Token | None:
    return next((turn.sent_token for turn in reversed(draft.turns) if turn.sent_token is not None), None)


def _settle(draft: _Draft) -> None:
    """Lets the last turn's answer end the draft, when it does."""
    turn = draft.last
    reply = turn.reply
    if reply is _FINAL:
        if _is_unheard(turn):
            draft.outcome = _UNFINISHED
        else:
            draft.outcome, draft.ends = _ACCEPTED, turn
    elif reply is _DEMAND:
        draft.outcome, draft.ends = _REFUSED, turn
    elif reply is _PAGE:
        draft.outcome, draft.ends = Outcome.NOT_EXAMINED, turn
    elif reply is Reply.GATEWAY and not is_per_request(draft.scheme):
        draft.outcome = _UNFINISHED


def _is_unheard(turn: Turn) -> bool:
    """An error status to a mere first token: the request failed before anybody looked at who sent it."""
    token = turn.sent_token
    return token is not None and token.step == "negotiate" and turn.status is not None and turn.status >= 400


def _without_credentials(draft: _Draft | None) -> _Draft | None:
    """What becomes of the draft when the next request carries no credentials."""
    if draft is None or _grows(draft) or draft.last.reply is _OTHER:
        return draft
    # Without an answer nobody knows: it may have been accepted. After a challenge the client went on without.
    draft.outcome = _UNFINISHED if draft.last.reply is Reply.NONE else Outcome.ABANDONED
    return None


def _abandon(draft: _Draft | None) -> None:
    if draft is not None and draft.outcome is None:
        draft.outcome = Outcome.ABANDONED
