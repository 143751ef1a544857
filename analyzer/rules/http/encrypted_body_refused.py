"""The server answers an encrypted request with 400.

Detects
    400 without a page to a request with an encrypted body. Whether the same body had been sent before on another
    connection.
Impact
    A body is encrypted for one logon on one connection. WinRM answers 400 when it cannot decrypt it: the client
    repeated a body of an older logon after it had lost its connection, another client's request came in between, or
    something changed the body.
False positives
    A 400 may have another reason; without the repeated body the finding says so.
Requires
    Request and response; the first sending of the body, to prove that it was repeated.
References
    MS-WSMV section 2.2.9.1; RFC 9110 section 15.5.1.
"""

from bisect import bisect_left
from typing import NamedTuple

from analyzer.records.auth import Conversation
from analyzer.records.http import Exchange
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.rules.http._answers import Answer, answers, places, sign
from analyzer.rules.reading import completed, counted, first_packet, message, request, status, winrm_exchanges
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_BAD, _ASKING = 400, 401
_BACK = 64
"""Exchanges before an answer that are looked at."""
_LOGONS = 8
"""Earlier logons that are looked at."""


class Refused(Fact, frozen=True):
    """The answer, and the exchange on another connection for whose logon the body was encrypted (None: it was not, or that cannot be told).

    ``number``: the body's sequence number, where that is what tells it; None where the very same body had been sent there; 0 where the logon before was never
    used.
    """

    found: Answer
    first: Exchange | None
    number: int | None = None


def see(evidence: Evidence) -> Signs[Refused]:
    refused = [found for found in answers(evidence, _BAD) if is_it(found)]
    sent = _sent(evidence) if refused else Sent({}, {}, {})
    for found in refused:
        made = _refused(evidence, found, sent)
        own = sign(evidence, found)
        exchanges = (*own.exchanges, *((made.first.id,) if made.first is not None else ()))
        packets = (*own.packets, *(first_packet(request(made.first)) if made.first is not None else ()))
        yield Sign(made, exchanges, packets, user=own.user)


def _refused(evidence: Evidence, found: Answer, sent: "Sent") -> Refused:
    digest = found.asked.body.digest
    same = None if isinstance(digest, Absent) else sent.bodies.get(digest)
    if same is not None and same.connection != found.exchange.connection:
        return Refused(found, same)
    number = _number(found.sent)
    own = evidence.connections[found.exchange.connection]
    earlier = sent.numbers.get((own.client.host, own.server.host, own.server.port, (number or 0) - 1), [])
    before = [one for one in earlier if one.connection != own.id and _begins(one) < found.asked.first_ns]
    if number and not _continues(evidence, found) and before:
        return Refused(found, max(before, key=_begins), number)
    return Refused(found, _unused(evidence, found, sent) if number == 0 else None, number)


def _unused(evidence: Evidence, found: Answer, sent: "Sent") -> Exchange | None:
    """The end of the last accepted logon of this client to this endpoint, before this one, after which nothing encrypted was sent on its connection."""
    own = evidence.connections[found.exchange.connection]
    logons = sent.logons.get((own.client.host, own.server.host, own.server.port), [])
    place = bisect_left(logons, own.first_ns, key=_ended)
    for spoken in reversed(logons[max(place - _LOGONS, 0) : place]):
        rest = evidence.exchanges_of[spoken.connection][:_BACK]
        if not any(_is_sealed(message(evidence, request(one))) for one in rest if one.id not in spoken.exchanges):
            return evidence.exchanges[spoken.ends or spoken.exchanges[-1]]
    return None


def _ended(spoken: Conversation) -> int:
    return spoken.last_ns


def _begins(exchange: Exchange) -> int:
    asked = request(exchange)
    return 0 if asked is None else asked.first_ns


def _number(sent: Message | None) -> int | None:
    return None if sent is None or not sent.parts else sent.parts[0].sequence


def _continues(evidence: Evidence, found: Answer) -> bool:
    """An encrypted request came before on the same connection, and was not just asked for credentials."""
    end = found.exchange.position - 1
    earlier = evidence.exchanges_of[found.exchange.connection][max(end - _BACK, 0) : end]
    return any(status(one) != _ASKING and _is_sealed(message(evidence, request(one))) for one in earlier)


def _is_sealed(said: Message | None) -> bool:
    return said is not None and said.protection is Protection.SEALED


def is_it(found: Answer) -> bool:
    """400 without a page, to an encrypted body."""
    return found.answer.status == _BAD and found.bare and found.sent is not None and found.sent.protection is Protection.SEALED


class Sent(NamedTuple):
    """Encrypted requests on the clients' side: the first sending of each body, and those with each sequence number of a client to an endpoint."""

    bodies: dict[bytes, Exchange]
    numbers: dict[tuple[str, str, int, int], list[Exchange]]
    logons: dict[tuple[str, str, int], list[Conversation]]
    """Accepted logons of each client to each endpoint, in order of their ends."""


def _sent(evidence: Evidence) -> Sent:
    out = Sent({}, {}, {})
    for exchange in winrm_exchanges(evidence):
        asked = request(exchange)
        said = message(evidence, asked)
        if asked is None or said is None or said.protection is not Protection.SEALED or exchange.id in evidence.far:
            continue
        own = evidence.connections[exchange.connection]
        number = _number(said)
        if number is not None:
            out.numbers.setdefault((own.client.host, own.server.host, own.server.port, number), []).append(exchange)
        if not isinstance(asked.body.digest, Absent):
            known = out.bodies.get(asked.body.digest)
            if known is None or asked.first_ns < _begins(known):
                out.bodies[asked.body.digest] = exchange
    for spoken in sorted(completed(evidence), key=_ended):
        own = evidence.connections[spoken.connection]
        out.logons.setdefault((own.client.host, own.server.host, own.server.port), []).append(spoken)
    return out


def why(tell: Tell[Refused]) -> str:
    first, own = tell.first.fact, tell.connection
    verb = "was" if tell.count == 1 else "were"
    return (
        f"{counted(tell.count, 'encrypted request')} of {own.client.host} to {own.server} "
        f"{verb} answered 400 without a page. "
        f"The first answer is {tell.packet(first.found.answer.packets[0])}.{_origin(tell)}"
        f"{places(Tell(tell.evidence, tuple(Sign(one.fact.found, one.exchanges) for one in tell.signs), tell.values))}"
    )


def _origin(tell: Tell[Refused]) -> str:
    fact = next((fact for fact in tell.facts if fact.first is not None), None)
    asked = None if fact is None or fact.first is None else request(fact.first)
    if fact is None or fact.first is None or asked is None:
        return " WinRM answers so when it cannot decrypt a body; whether that is the reason cannot be told from here."
    if fact.number == 0:
        return (
            f" An earlier logon was accepted on {fact.first.connection} ({tell.packet(asked.packets[0])}), and "
            "nothing encrypted was sent there after it. "
            "The body may have been encrypted for that logon; whether it was cannot be told without a key."
        )
    if fact.number is None:
        begin = f" The same encrypted body had been sent before on {fact.first.connection} ({tell.packet(asked.packets[0])})."
    else:
        begin = (
            f" Its encrypted body has the sequence number {fact.number}, although it is the first on this "
            "connection. The one before was sent on "
            f"{fact.first.connection} ({tell.packet(asked.packets[0])})."
        )
    return f"{begin} So it was encrypted for the logon of that connection, and the server cannot decrypt it here."


def worth(tell: Tell[Refused]) -> Severity:
    """Low where it follows from a lost connection."""
    return Severity.LOW if all(fact.first is not None for fact in tell.facts) else Severity.MEDIUM


OPINION = Opinion(
    title="400: the server does not accept an encrypted request",
    severity=worth,
    worst=Severity.MEDIUM,
    confidence=0.8,
    owner=lambda tell: Owner.NETWORK if tell.first.fact.first is not None else Owner.SERVER,
    reference="MS-WSMV section 2.2.9.1",
    advice=(
        "Where the body belongs to an older logon: find out why the client lost its connection before, and keep "
        "connections open. Else look for a "
        "device that changes bodies, or that mixes the requests of several clients on one connection. The event log "
        "Microsoft-Windows-WinRM/Operational tells more."
    ),
    see=see,
    why=why,
)
