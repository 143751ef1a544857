"""The columns of one conversation, gathered from its steps: who the client says it is, what the server told of itself, what was agreed.

Each fact comes from the last token that states it, as later messages are the ones that count. A fact no token states is None.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from analyzer.auth.schemes import ntlm
from analyzer.auth.turns import Reply, Turn
from analyzer.records.auth import Audience, Conversation, Identity, KerberosToken, Mechanism, NtlmToken, Outcome, Step, Token
from analyzer.records.ids import authentication_id, key_capture
from analyzer.records.transport import Connection

_LAST = frozenset((Reply.GATEWAY, Reply.PAGE, Reply.FINAL))
_UNKNOWN = Mechanism.UNKNOWN


def conversation(
    connection: Connection, ordinal: int, audience: Audience, before: Turn | None, turns: Sequence[Turn], outcome: Outcome, ends: Turn | None
) -> Conversation:
    """The record of one conversation. ``before`` is the exchange directly before that offered schemes, ``ends`` the turn whose answer decided."""
    steps = _steps(before, turns)
    tokens = [step.token for step in steps if step.token is not None]
    challenge = reply = ticket = None
    for token in tokens:
        ntlm_message, kerberos_message = token.ntlm, token.kerberos
        if isinstance(ntlm_message, NtlmToken):
            if ntlm_message.message == ntlm.CHALLENGE:
                challenge = ntlm_message
            elif ntlm_message.message == ntlm.AUTHENTICATE:
                reply = ntlm_message
        if isinstance(kerberos_message, KerberosToken) and kerberos_message.message == "AP-REQ":
            ticket = kerberos_message
    final = ends or (turns[-1] if turns[-1].reply in _LAST else None)
    # the record's fields in their order: names for so many of them take longer than all else here
    about = (authentication_id(connection.id, ordinal), connection.id, _capture(connection, steps), audience, tokens[0].scheme, _mechanism(tokens), steps)
    exchanges = tuple([turn.exchange.id for turn in turns])
    round_trips, last_ns = int(turns[0].sent is not None), turns[0].last_ns
    if len(turns) > 1:
        round_trips = sum([turn.sent is not None for turn in turns])
        last_ns = max([turn.last_ns for turn in turns])
    return Conversation(
        *about,
        exchanges,
        round_trips,
        outcome,
        None if ends is None else ends.exchange.id,
        None if final is None else final.status,
        turns[0].first_ns,
        last_ns,
        _identity(tokens, reply),
        connection.protocol == "tls",
        None if reply is None else reply.target_name,
        None if ticket is None else ticket.spn,
        _realm(tokens, before, turns) if ticket is None else ticket.realm,
        None if reply is None else reply.version,
        None if ticket is None else ticket.etype,
        # The flags that count are those of message 3 (MS-NLMP 3.2.5.1.2).
        None if reply is None else bool(reply.flags & ntlm.SIGN),
        None if reply is None else bool(reply.flags & ntlm.SEAL),
        None if reply is None else reply.mic,
        None if reply is None else reply.channel_binding,
        None if challenge is None else challenge.server_name,
        None if challenge is None else challenge.server_os_build,
        None if challenge is None else challenge.server_challenge,
        offers=_offers(before, steps),
    )


def _capture(connection: Connection, steps: Sequence[Step]) -> int:
    for step in steps:
        if step.packets:
            return key_capture(step.packets[0])
    return connection.capture


def _steps(before: Turn | None, turns: Sequence[Turn]) -> tuple[Step, ...]:
    steps = [] if before is None or before.sent is not None or before.answer is None else [before.answer]
    wrapped = False
    for turn in turns:
        for step in (turn.sent, turn.answer):
            if step is not None:
                steps.append(step)
                wrapped = wrapped or (step.token is not None and step.token.spnego is not None)
    if not wrapped:
        return tuple(steps)
    mechanism = _mechanism([step.token for step in steps if step.token is not None])
    return tuple([_inherited(step, mechanism) for step in steps])


def _inherited(step: Step, mechanism: Mechanism) -> Step:
    """A SPNEGO token without a mechanism's token (accept-completed, a MIC alone) is of the mechanism that the conversation speaks."""
    token = step.token
    if token is None or token.spnego is None or token.mechanism is not _UNKNOWN:
        return step
    return replace(step, token=replace(token, mechanism=mechanism))


def _mechanism(tokens: Sequence[Token]) -> Mechanism:
    for token in reversed(tokens):
        if token.mechanism is not _UNKNOWN:
            return token.mechanism
    return _UNKNOWN


def _offers(before: Turn | None, steps: Sequence[Step]) -> tuple[str, ...]:
    offered = [] if before is None or before.answer is None else [*before.answer.offers]
    for step in steps:
        offered += step.offers
    return tuple(dict.fromkeys(offered)) if offered else ()


def _identity(tokens: Sequence[Token], reply: NtlmToken | None) -> Identity:
    if reply is not None:
        return Identity(reply.user, reply.domain, reply.workstation)
    users = [token.user for token in tokens if token.user is not None]
    return Identity(users[-1]) if users else Identity()


def _realm(tokens: Sequence[Token], before: Turn | None, turns: Sequence[Turn]) -> str | None:
    """The realm that the client named (Digest), or that the challenges of its scheme named (Basic)."""
    named = [token.realm for token in tokens if token.realm is not None]
    if named:
        return named[-1]
    scheme, known = tokens[0].scheme.lower(), None
    for turn in (before, *turns):
        for word, realm in () if turn is None else turn.realms:
            known = realm if word == scheme else known
    return known
