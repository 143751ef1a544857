"""An exchange as the joins see it: what identifies it, when it was under way, and what hints at its leg.

Keys, strongest first. A token of a handshake beyond its first message, a sealed body and a SOAP MessageID are made for one message only; an NTLM negotiate
or a Basic credential repeats (``repeated_token``: it says who sent a request, not which one it is), so equal keys alone never decide: pairs must nest in time
as well, and more than one possible partner is no pair. A PROXY header names the client's own connection
(``proxy_header``): then order does it.

Some keys anyone can copy who saw them: a client's token, a MessageID, a PROXY header. Others prove (``proofs``): a server's challenge or answer, and a body
that is encrypted or has a MessageID of its own, to the byte.
"""

import binascii
import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from msgspec import Struct

from analyzer.records.http import Exchange, Header, Request, Response, is_absolute
from analyzer.records.prefaces import ProxyHeader
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message
from analyzer.records.transport import Connection, Endpoint

_TOKEN_HEADERS = ("authorization", "proxy-authorization")
_CHALLENGE_HEADERS = ("www-authenticate", "proxy-authenticate")
_TOKEN_SIZES = frozenset(map(len, (*_TOKEN_HEADERS, *_CHALLENGE_HEADERS)))
_SHORTEST_TOKEN = 16
_LONGEST_NEGOTIATE = 512
_NTLM_NEGOTIATE = b"NTLMSSP\0\x01\0\0\0"
"""How message 1 begins (MS-NLMP 2.2.1.1), also where SPNEGO carries it."""
_TRACES = ("via", "x-forwarded-for", "forwarded", "x-forwarded-host", "x-real-ip")
_TRACE_SIZES = frozenset(map(len, _TRACES))
_OF_RESPONSE = 1 + hashlib.sha256().digest_size
Key = tuple[str, bytes]
_NO_PROOFS: frozenset[Key] = frozenset()


class Flight(Struct, frozen=True, gc=False):
    """``start``..``end`` by the capture's own clock; ``end`` is None when no response came: then ``open_end`` is when the next
    exchange on its connection began, or when the connection was last seen."""

    exchange: Exchange
    connection: Connection
    keys: tuple[Key, ...]
    proofs: frozenset[Key]
    start: int
    end: int | None
    open_end: int
    absolute: bool
    traces: int
    shape: tuple[str, str, int, int]
    """Method, path, status (0 none), request body size: what two legs of an exchange share in any case."""
    declared: int
    """The length of the request's body as its head declares it, else as it was sent: a proxy that cuts a body leaves the declaration."""
    authority: str
    """The host that the request names (absolute target, else Host), in lower case."""
    agent: str


def flights(connections: Mapping[str, Connection], exchanges_of: Mapping[str, tuple[Exchange, ...]], messages: Mapping[str, Message]) -> list[Flight]:
    """Every exchange whose request is known, in order of place. A connection seen at two capture points is looked at once."""
    found: list[Flight] = []
    heads = _Heads()
    places = _header_places(connections, exchanges_of)
    for identity, exchanges in exchanges_of.items():
        connection = connections[identity]
        if connection.twin_of is not None:
            continue
        open_end = connection.last_ns
        own = []
        for exchange in reversed(exchanges):  # an exchange without an answer is over when the next one begins
            if not isinstance(exchange.request, Absent):
                place, asked = places.get(identity), exchange.request
                own.append(_flight(connection, exchange, asked, exchange.response, open_end, messages, place, heads))
            open_end = min(open_end, _begin(exchange, open_end))
        found += reversed(own)
    return found


def _named_client(connection: Connection) -> Endpoint | None:
    """The client's end that the PROXY header of a connection names."""
    for preface in connection.prefaces:
        if isinstance(preface, ProxyHeader) and preface.client_host:
            return Endpoint(preface.client_host, preface.client_port or 0)
    return None


def _header_places(connections: Mapping[str, Connection], exchanges_of: Mapping[str, tuple[Exchange, ...]]) -> dict[str, tuple[Endpoint, int]]:
    """By connection: the client's end that a PROXY header names, and how many exchanges upstream connections with the
    same header had before.

    The client's own connection has that end itself. So exchanges of both sides with the same number are one, unless the
    proxy answered some by itself.
    """
    counts: dict[Endpoint, int] = {}
    places: dict[str, tuple[Endpoint, int]] = {}
    headed = [(identity, connection) for identity, connection in connections.items() if connection.prefaces]
    for identity, connection in sorted(headed, key=lambda item: item[1].first_ns):
        named = _named_client(connection)
        if named is not None:
            places[identity] = named, counts.get(named, 0)
            counts[named] = counts.get(named, 0) + len(exchanges_of.get(identity, ()))
    for identity, connection in connections.items() if counts else ():
        if identity not in places and connection.client in counts:
            places[identity] = connection.client, 0
    return places


def _begin(exchange: Exchange, unknown: int) -> int:
    if not isinstance(exchange.request, Absent):
        return exchange.request.first_ns
    return unknown if isinstance(exchange.response, Absent) else exchange.response.first_ns


def _flight(
    connection: Connection,
    exchange: Exchange,
    request: Request,
    response: Response | Absent,
    open_end: int,
    messages: Mapping[str, Message],
    place: tuple[Endpoint, int] | None,
    heads: "_Heads",
) -> Flight:
    asked, message = heads.asked(request.headers), messages.get(request.id)
    body, keys = request.body, [*asked.tokens]
    if body.size and not isinstance(body.digest, Absent):
        keys.append(("body_digest", body.digest))
    if message is not None and message.message_id:
        keys.append(("message_id", message.message_id.lower().encode()))
    proofs = _proofs(keys, message)
    end, status = None, 0
    if not isinstance(response, Absent):
        end, status = response.last_ns, response.status
        answers = [*heads.answered(response.headers)]
        if response.body.size and not isinstance(response.body.digest, Absent):
            answers.append(("body_digest", b"s" + response.body.digest))
        proofs += _proofs(answers, messages.get(response.id))
        keys += answers
    if place is not None:
        keys.append(("proxy_header", f"{place[0].host} {place[0].port} {place[1] + exchange.position}".encode()))
    absolute = is_absolute(request.target)
    return Flight(
        exchange=exchange,
        connection=connection,
        keys=tuple(keys),
        proofs=heads.shared(frozenset(proofs)) if proofs else _NO_PROOFS,
        start=request.first_ns,
        end=end,
        open_end=open_end,
        absolute=absolute,
        traces=asked.traces,
        declared=body.size if body.declared is None else body.declared,
        authority=authority(request) if absolute else asked.host,
        agent=asked.agent,
        shape=(request.method, path(request.target) if absolute else request.target, status, body.size),
    )


class _Asked(NamedTuple):
    """What the fields of a request hold."""

    tokens: tuple[Key, ...]
    traces: int
    host: str
    agent: str


class _Heads:
    """What fields hold, worked out once of those that are one object, as those of most messages that are alike are (they live as long as the exchanges)."""

    def __init__(self) -> None:
        self._asked: dict[int, _Asked] = {}
        self._answered: dict[int, tuple[Key, ...]] = {}
        self._proofs: dict[frozenset[Key], frozenset[Key]] = {}

    def asked(self, headers: tuple[Header, ...]) -> _Asked:
        known = self._asked.get(id(headers))
        if known is None:
            traces = sum([len(header.name) in _TRACE_SIZES and header.name.lower() in _TRACES for header in headers])
            host, agent = field_value(headers, "host").lower(), field_value(headers, "user-agent")
            known = self._asked[id(headers)] = _Asked(tuple(_tokens(headers, _TOKEN_HEADERS)), traces, host, agent)
        return known

    def answered(self, headers: tuple[Header, ...]) -> tuple[Key, ...]:
        """The challenges of a response."""
        known = self._answered.get(id(headers))
        if known is None:
            known = self._answered[id(headers)] = tuple([(name, b"s" + value) for name, value in _tokens(headers, _CHALLENGE_HEADERS)])
        return known

    def shared(self, proofs: frozenset[Key]) -> frozenset[Key]:
        """The same as one object for all that have the same."""
        return self._proofs.setdefault(proofs, proofs)


def path(target: str) -> str:
    """The path and query of a request target in any form (RFC 9112 section 3.2)."""
    if not is_absolute(target):
        return target
    try:
        parts = urlsplit(target)
    except ValueError:
        return target
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")


def authority(request: Request) -> str:
    """Host and port that the request names, in lower case (RFC 9112 section 3.2.2: an absolute target wins over Host)."""
    if is_absolute(request.target):
        rest = request.target.partition("://")[2]
        return rest.partition("/")[0].rpartition("@")[2].lower()
    return field_value(request.headers, "host").lower()


def field_value(headers: tuple[Header, ...], name: str) -> str:
    """The first field of that name (lower case), or the empty string."""
    size = len(name)
    for header in headers:
        if len(header.name) == size and header.name.lower() == name:
            return header.value
    return ""


def _proofs(keys: list[Key], message: Message | None) -> list[Key]:
    """Those that nobody has who did not get them from the sender's own message, as it is: what another sender chooses is none."""
    own = message is not None and bool(message.parts or message.message_id or message.relates_to)
    return [key for key in keys if (own and key[0] == "body_digest") or (key[0] == "token" and is_of_response(key[1]))]


def is_of_response(value: bytes) -> bool:
    """Whether a key is a response's digest."""
    return len(value) == _OF_RESPONSE and value.startswith(b"s")


def _tokens(headers: tuple[Header, ...], names: tuple[str, ...]) -> Iterable[Key]:
    for header in headers:
        if len(header.name) in _TOKEN_SIZES and header.name.lower() in names:
            for challenge in header.value.split(","):
                scheme, _, token = challenge.strip().partition(" ")
                token = token.strip()
                if len(token) >= _SHORTEST_TOKEN and "=" not in token.rstrip("=") and scheme:
                    basis = "repeated_token" if scheme.lower() == "basic" or _is_negotiate(token) else "token"
                    yield basis, hashlib.sha256(token.encode("latin-1")).digest()


def _is_negotiate(token: str) -> bool:
    """An NTLM negotiate message, which a client sends in every handshake; whatever else is in it, it is short."""
    if len(token) > _LONGEST_NEGOTIATE:
        return False
    try:
        return _NTLM_NEGOTIATE in binascii.a2b_base64(token.encode("latin-1"))
    except ValueError:
        return False
