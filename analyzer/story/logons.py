"""Logons: one attempt of one client to authenticate, over all connections that carried it, with its outcome and the reason that the bytes give.

A conversation belongs to one connection; a logon is the client's own conversation with those that a proxy forwarded it as. A challenge and an answer belong
together when they prove it: an NTLMv2 response repeats the server's time stamp. A pair that does not fit is two halves of two attempts.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.formats.gateways import is_gateway, shows_gateway
from analyzer.records.auth import Audience, Conversation, KerberosToken, Mechanism, NtlmToken, Outcome, Token
from analyzer.records.evidence import Evidence
from analyzer.records.halves import CONNECTION_BASED, header, request, response
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.sealing import Protection
from analyzer.records.story import Certainty, Logon, Reason, Result
from analyzer.records.transport import Endpoint

_PACKETS = 32
_OUTCOMES = {
    Outcome.ACCEPTED: Result.ACCEPTED,
    Outcome.REFUSED: Result.REFUSED,
    Outcome.NOT_EXAMINED: Result.NOT_EXAMINED,
    Outcome.UNFINISHED: Result.UNFINISHED,
    Outcome.ABANDONED: Result.UNFINISHED,
}
_PROXIED = (Role.CLIENT_LEG, Role.TUNNEL)


class _Carried(NamedTuple):
    """What carried a challenge: conversations in order of place, their connections, and the ends of these (client's host, server)."""

    conversations: list[Conversation]
    connections: set[str]
    ends: set[tuple[str, Endpoint]]


def logons(evidence: Evidence) -> tuple[Logon, ...]:
    """The logons in order of place."""
    forwards = _forwards(evidence)
    taken = {one.id for found in forwards.values() for one in found}
    challenges = _challenges(evidence)
    halves = _halves(evidence, challenges, taken)
    taken |= {one.id for one in halves.values()}
    made: list[Logon] = []
    for spoken in evidence.conversations:
        if spoken.id not in taken:
            logon = _logon(evidence, f"l{len(made) + 1}", spoken, forwards.get(spoken.id, ()), challenges)
            half = halves.get(spoken.id)
            made.append(logon if half is None else _joined(logon, half))
    return tuple(made)


def _halves(evidence: Evidence, challenges: Mapping[bytes, _Carried], taken: AbstractSet[str]) -> dict[str, Conversation]:
    """A conversation that answers a challenge of another connection of the same client, to the unfinished one that brought it."""
    open_ones: dict[tuple[bytes, str, Endpoint], list[Conversation]] = defaultdict(list)
    for stamp, carried in challenges.items():
        for one in carried.conversations:
            own = evidence.connections[one.connection]
            if one.id not in taken and _OUTCOMES[one.outcome] is Result.UNFINISHED:
                open_ones[stamp, own.client.host, own.server].append(one)
    found: dict[str, Conversation] = {}
    if not open_ones:
        return found
    for spoken in evidence.conversations:
        home = evidence.connections[spoken.connection]
        for stamp in _answered(spoken) if spoken.id not in taken else ():
            near = open_ones.get((stamp, home.client.host, home.server), ())
            last = next((one for one in reversed(near) if one.connection != spoken.connection), None)
            if last is not None:
                found[spoken.id] = last
    return found


def _joined(logon: Logon, half: Conversation) -> Logon:
    """The logon with the half of its handshake that went over another connection."""
    packets = (*logon.packets, *(key for step in half.steps for key in step.packets[:1]))
    return replace(
        logon,
        server_connections=tuple(dict.fromkeys((*logon.server_connections, half.connection))),
        round_trips=logon.round_trips + half.round_trips,
        first_ns=min(logon.first_ns, half.first_ns),
        conversations=(*logon.conversations, half.id),
        exchanges=tuple(dict.fromkeys((*half.exchanges, *logon.exchanges))),
        packets=tuple(sorted(dict.fromkeys(packets)))[:_PACKETS],
    )


def by_conversation(found: Iterable[Logon]) -> Mapping[str, Logon]:
    """Conversation id to its logon."""
    return {identity: logon for logon in found for identity in logon.conversations}


def _forwards(evidence: Evidence) -> dict[str, tuple[Conversation, ...]]:
    """A client's conversation to those that it was forwarded as; through several proxies these are all of them."""
    if not evidence.far:
        return {}
    of_exchange = {identity: spoken for spoken in evidence.conversations for identity in spoken.exchanges if spoken.audience is Audience.SERVER}
    found: dict[str, list[Conversation]] = defaultdict(list)
    for spoken in evidence.conversations:
        first = _first(evidence, spoken) if spoken.audience is Audience.SERVER else None
        owner = None if first is None else of_exchange.get(first)
        if owner is not None and owner.id != spoken.id:
            found[owner.id].append(spoken)
    return {identity: tuple(own) for identity, own in found.items()}


def _first(evidence: Evidence, spoken: Conversation) -> str | None:
    """The client's own exchange behind the first exchange of a conversation that a proxy forwarded."""
    for identity in spoken.exchanges:
        hop, seen = evidence.far.get(identity), None
        while hop is not None and hop.near != seen:
            seen = hop.near
            hop = evidence.far.get(hop.near)
        if seen is not None:
            return seen
    return None


def _challenges(evidence: Evidence) -> dict[bytes, _Carried]:
    """The time stamp of every NTLM challenge to what carried it."""
    found: dict[bytes, _Carried] = {}
    for spoken in evidence.conversations:
        for step in spoken.steps:
            token = None if step.token is None else step.token.ntlm
            if isinstance(token, NtlmToken) and token.message == _CHALLENGE and token.stamp:
                own = evidence.connections[spoken.connection]
                carried = found.get(token.stamp)
                if carried is None:
                    carried = found[token.stamp] = _Carried([], set(), set())
                carried.conversations.append(spoken)
                carried.connections.add(own.id)
                carried.ends.add((own.client.host, own.server))
    return found


_CHALLENGE, _AUTHENTICATE = 2, 3


def _tokens(spoken: Conversation) -> list[Token]:
    return [step.token for step in spoken.steps if step.token is not None]


def _logon(evidence: Evidence, identity: str, spoken: Conversation, onward: Sequence[Conversation], challenges: Mapping[bytes, _Carried]) -> Logon:
    reason, code, certainty = _reason(evidence, spoken, onward, challenges)
    carried = (spoken, *onward)
    named = spoken if spoken.client.user or not onward else next((one for one in onward if one.client.user), spoken)
    steps = {step.packets[0] for one in carried for step in one.steps if step.packets}
    return Logon(
        id=identity,
        client_connection=spoken.connection,
        server_connections=tuple(dict.fromkeys([one.connection for one in onward])) if onward else (),
        audience=spoken.audience,
        scheme=spoken.scheme,
        mechanism=spoken.mechanism,
        user=named.client.user,
        domain=named.client.domain,
        user_source=None if not named.client.user else named.client_source or "wire",
        outcome=Result.NOT_EXAMINED if reason is Reason.NO_PROXY_CREDENTIALS else _OUTCOMES[spoken.outcome],
        reason=reason,
        code=code,
        round_trips=spoken.round_trips,
        first_ns=spoken.first_ns,
        last_ns=spoken.last_ns,
        certainty=certainty,
        conversations=tuple([one.id for one in carried]) if onward else (spoken.id,),
        exchanges=tuple(dict.fromkeys([exchange for one in carried for exchange in one.exchanges]))
        if onward or len(spoken.exchanges) > 1
        else spoken.exchanges,
        packets=tuple(sorted(steps))[:_PACKETS],
        spn=spoken.spn or (next((one.spn for one in onward if one.spn), None) if onward else None) or spoken.target_name,
        verifies=spoken.verifies if not onward else next((one.verifies for one in carried if one.verifies is not None), None),
    )


_Told = tuple[Reason | None, int | None, Certainty]


def _reason(evidence: Evidence, spoken: Conversation, onward: Sequence[Conversation], challenges: Mapping[bytes, _Carried]) -> _Told:
    if spoken.outcome is Outcome.ACCEPTED:
        return None, None, Certainty.PROVED
    if spoken.outcome is Outcome.NOT_EXAMINED:
        return Reason.HTTP_STATUS, spoken.final_status, Certainty.PROVED
    code = next((code for one in (*onward, spoken) if (code := _kerberos_error(one)) is not None), None)
    if code is not None:
        return Reason.KERBEROS_ERROR, code, Certainty.PROVED
    if is_split(evidence, spoken, onward, challenges):
        return Reason.SPLIT, None, Certainty.PROVED
    if spoken.outcome is not Outcome.REFUSED:
        return _unfinished(evidence, spoken)
    if spoken.audience is Audience.PROXY:
        return Reason.PROXY_CREDENTIALS, None, Certainty.PROVED
    return _refusal(evidence, spoken, onward)


def _unfinished(evidence: Evidence, spoken: Conversation) -> _Told:
    answers = [response(evidence.exchanges[identity]) for identity in spoken.exchanges]
    if all(answer is not None and answer.status == _PROXY_DEMAND for answer in answers):
        return Reason.NO_PROXY_CREDENTIALS, _PROXY_DEMAND, Certainty.PROVED
    status = spoken.final_status
    if status is not None and status >= _ERROR:
        return Reason.HTTP_STATUS, status, Certainty.PROVED
    return (Reason.NO_ANSWER, None, Certainty.UNKNOWN) if answers[-1] is None else (Reason.CUT, None, Certainty.UNKNOWN)


_PROXY_DEMAND = 407
_ERROR = 400


def _kerberos_error(spoken: Conversation) -> int | None:
    for token in reversed(_tokens(spoken)):
        if isinstance(token.kerberos, KerberosToken) and token.kerberos.error_code is not None:
            return token.kerberos.error_code
    return None


def is_split(evidence: Evidence, spoken: Conversation, onward: Sequence[Conversation], challenges: Mapping[bytes, _Carried]) -> bool:
    """The client's challenge and answer, or what they were forwarded as, went over different connections.

    Proof is either both sides of the proxy, or the time stamp of a challenge on another connection that the answer repeats."""
    fars = {evidence.near[exchange].far_connection for exchange in spoken.exchanges if exchange in evidence.near}
    whole = all(evidence.connections[far].to_server.begins for far in fars)
    if spoken.mechanism in CONNECTION_BASED and spoken.round_trips > 1 and len(fars) > 1 and whole and not _is_chain(evidence, fars):
        return True
    return any(_answers_elsewhere(evidence, one, challenges) for one in (spoken, *onward))


def _is_chain(evidence: Evidence, connections: AbstractSet[str]) -> bool:
    """One of them carries on what another one carried: proxies in a row, of which one exchange was lost."""
    fars = {evidence.near[exchange.id].far_connection for one in connections for exchange in evidence.exchanges_of[one] if exchange.id in evidence.near}
    return not fars.isdisjoint(connections)


def _answers_elsewhere(evidence: Evidence, spoken: Conversation, challenges: Mapping[bytes, _Carried]) -> bool:
    """Its NTLMv2 response repeats the stamp of a challenge that only another connection between the same two hosts carried."""
    own = evidence.connections[spoken.connection]
    if not own.to_server.begins or own.to_client.gaps:
        return False  # the challenge may have been on it
    for stamp in _answered(spoken):
        carried = challenges.get(stamp)
        if carried is not None and own.id not in carried.connections and (own.client.host, own.server) in carried.ends:
            return True
    return False


def _answered(spoken: Conversation) -> Iterator[bytes]:
    """The stamps that its NTLMv2 responses repeat."""
    for token in _tokens(spoken):
        if isinstance(token.ntlm, NtlmToken) and token.ntlm.message == _AUTHENTICATE and token.ntlm.stamp:
            yield token.ntlm.stamp


def _refusal(evidence: Evidence, spoken: Conversation, onward: Sequence[Conversation]) -> _Told:
    """Why a bare 401 came, by what was sent and what is offered instead."""
    offers = {offer.lower() for offer in (onward[-1] if onward else spoken).offers}
    sent = [step.token.step for step in spoken.steps if step.token is not None and step.from_client]
    if spoken.mechanism in (Mechanism.BASIC, Mechanism.DIGEST) and offers and spoken.scheme.lower() not in offers:
        return Reason.NOT_OFFERED, None, Certainty.PROVED
    blind = _may_be_changed(evidence, spoken, onward)
    if spoken.mechanism is Mechanism.NTLM and sent and sent[-1] == "negotiate":
        return Reason.NTLM_BLOCKED, None, Certainty.INFERRED if blind else Certainty.PROVED
    clear = _has_clear_body(evidence, spoken)
    if spoken.mechanism is Mechanism.KERBEROS:
        return Reason.TICKET_OR_CLEAR if clear else Reason.TICKET_REFUSED, None, Certainty.INFERRED
    if spoken.mechanism not in CONNECTION_BASED:
        right = any(one.verifies for one in (spoken, *onward))
        return Reason.NOT_CREDENTIALS if right else Reason.CREDENTIALS, None, Certainty.INFERRED
    if _is_interleaved(evidence, onward):
        return Reason.INTERLEAVED, None, Certainty.PROVED
    return _answer_refused(spoken, onward, clear=clear, blind=blind, lost=_is_usually_seen(evidence, spoken))


def _answer_refused(spoken: Conversation, onward: Sequence[Conversation], *, clear: bool, blind: bool, lost: bool) -> _Told:
    """The last message of a handshake was refused. A given secret that fits proves that the password is right: then the account is not blamed first."""
    right = any(one.verifies for one in (spoken, *onward))
    if spoken.mechanism is Mechanism.NTLM and not any(one.server_challenge for one in (spoken, *onward)):
        return None, None, Certainty.UNKNOWN  # nobody knows what was answered
    if blind and (onward or lost):
        return None, None, Certainty.UNKNOWN  # the other side is in the capture, and this part of it is not
    if blind:
        return Reason.CREDENTIALS_OR_SPLIT, None, Certainty.UNKNOWN
    if clear:
        return Reason.CLEAR_BODY if right else Reason.CREDENTIALS_OR_CLEAR, None, Certainty.INFERRED
    return (Reason.NOT_CREDENTIALS, None, Certainty.PROVED) if right else (Reason.CREDENTIALS, None, Certainty.INFERRED)


def _is_interleaved(evidence: Evidence, onward: Sequence[Conversation]) -> bool:
    """Exchanges that belong to someone else lie between those of the handshake on the server's connection."""
    own: dict[str, list[Exchange]] = defaultdict(list)
    for one in onward:
        own[one.connection] += [evidence.exchanges[identity] for identity in one.exchanges]
    return any(_has_others_between(evidence, connection, exchanges) for connection, exchanges in own.items())


def _has_others_between(evidence: Evidence, connection: str, exchanges: Sequence[Exchange]) -> bool:
    places = {exchange.position for exchange in exchanges}
    return any(min(places) < other.position < max(places) and other.position not in places for other in evidence.exchanges_of[connection])


def _may_be_changed(evidence: Evidence, spoken: Conversation, onward: Sequence[Conversation]) -> bool:
    """A proxy stands between, and what the server itself was sent is not wholly in the capture."""
    if onward:
        answered = (response(evidence.exchanges[identity]) for identity in spoken.exchanges if identity not in evidence.near)
        return any(answer is None or answer.status != _PROXY_DEMAND for answer in answered)
    if evidence.roles.get(spoken.connection) in _PROXIED:
        return True
    return any(_is_a_gateways(evidence.exchanges[identity]) for identity in spoken.exchanges)


def _is_usually_seen(evidence: Evidence, spoken: Conversation) -> bool:
    """The other side of this proxy is in the capture, for other exchanges."""
    server = evidence.connections[spoken.connection].server
    return any(evidence.connections[route.client_connection].server == server for route in evidence.routes)


def _is_a_gateways(exchange: Exchange) -> bool:
    answer = response(exchange)
    return answer is not None and (shows_gateway(answer.headers) or is_gateway(header(answer, "server")))


def _has_clear_body(evidence: Evidence, spoken: Conversation) -> bool:
    asked = request(evidence.exchanges[spoken.exchanges[-1]])
    message = None if asked is None else evidence.messages.get(asked.id)
    return message is not None and message.protection is Protection.CLEAR
