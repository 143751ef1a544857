"""Each message of a shell once, however often it is in the captures: on both sides of a proxy, at several capture points, sent again after a loss.

Two exchanges show the same one where a hop or a capture point says so, where an encrypted body has the same token (its signature, or its confounder, is never
used twice), or where a readable one has the same MessageID and the same text and the two were not answered differently: a client that uses a MessageID for two
requests gets two answers. What lies between hosts that have nothing to do with each other is never one. Of the copies the one that
lacks least is read, of these the client's own; a request and its response may come from two copies.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message
from analyzer.records.transport import Connection
from analyzer.records.wsman import Operation

_TOKEN = 16
"""Bytes of the shortest token that tells a message from all others: NTLM's signature (MS-NLMP 2.2.2.9)."""


def once_in_turn(
    evidence: Evidence, messages: Mapping[str, Message], operations: Mapping[str, Sequence[Sequence[Operation]]], sealed: AbstractSet[str]
) -> list[Operation]:
    """As `once`. ``operations``: by connection, for each of its exchanges; ``sealed``: the connections with encrypted messages."""
    if _are_apart(evidence, operations, sealed):
        return [operation for connection in operations.values() for own in connection for operation in own]
    return once(evidence, messages, {own[0].exchange: own for connection in operations.values() for own in connection if own})


def _are_apart(evidence: Evidence, operations: Mapping[str, Sequence[Sequence[Operation]]], sealed: AbstractSet[str]) -> bool:
    """No two exchanges can be one: no two connections have the same hosts, no proxy or second capture point is there, and of each exchange the request was
    readable. Two requests of one connection are never one, however alike they are."""
    if evidence.hops or not sealed.isdisjoint(operations) or any(one.twin_of is not None for one in evidence.connections.values()):
        return False
    hosts = {(one.client.host, one.server.host) for one in map(evidence.connections.__getitem__, operations)}
    if len(hosts) < len(operations):
        return False
    for connection in operations.values():
        for own in connection:
            if own and not (own[0].from_client and not own[0].lost) and not any(one.from_client and not one.lost for one in own):
                return False
    return True


def once(evidence: Evidence, messages: Mapping[str, Message], operations: Mapping[str, Sequence[Operation]]) -> list[Operation]:
    """The operations that are left, those of an exchange one after the other. ``operations`` by exchange id, in order of place; ``messages`` with what their
    opening told."""
    groups = _Groups(operations)
    places: dict[str, dict[tuple[bool, int], str]] = {}
    twice = evidence.far or any(one.twin_of is not None for one in evidence.connections.values())
    for identity in operations if twice else ():
        _by_place(evidence, identity, operations, groups, places)
    linked = frozenset((hop.near_connection, hop.far_connection) for hop in evidence.hops)
    views = _Views(evidence, messages, operations, linked)
    for token, own in _by_token(messages, operations).items():
        if views.never_one(own):
            continue
        for first, second in _links(own, views.same_sealed if isinstance(token[1], bytes) else views.same):
            groups.join(first, second)
    for first, second in _answers(evidence, messages, operations, linked) if linked else ():
        groups.join(first, second)
    out: list[Operation] = []
    for own in groups.all():
        out += operations[own[0]] if len(own) == 1 else _chosen(evidence, own, operations)
    return out


def _answers(
    evidence: Evidence, messages: Mapping[str, Message], operations: Mapping[str, Sequence[Operation]], linked: AbstractSet[tuple[str, str]]
) -> Iterable[tuple[str, str]]:
    """A request whose answer is lost on its side of a proxy, and the one answer on the other side whose request is lost there, that relates to it."""
    asked: dict[str, list[str]] = defaultdict(list)
    answered: dict[str, list[str]] = defaultdict(list)
    for identity in operations:
        own = _halves(identity, operations)
        message = messages.get(next(iter(own.values())).message) if len(own) == 1 else None
        name = None if message is None else message.message_id if message.from_client else message.relates_to
        if message is not None and name:
            (asked if message.from_client else answered)[name].append(identity)
    for name, requests in asked.items():
        answers = answered.get(name, ())
        if len(requests) == len(answers) == 1:
            a, b = (evidence.connections[evidence.exchanges[one].connection] for one in (requests[0], answers[0]))
            if _linked(a, b, linked):
                yield requests[0], answers[0]


class _Groups:
    """Which exchanges are one (union-find)."""

    def __init__(self, names: Iterable[str]) -> None:
        self._parent = {name: name for name in names}
        self._joined = False

    def _root(self, name: str) -> str:
        while self._parent[name] != name:
            self._parent[name] = self._parent[self._parent[name]]
            name = self._parent[name]
        return name

    def join(self, one: str, other: str) -> None:
        """They are one."""
        self._parent[self._root(other)] = self._root(one)
        self._joined = True

    def all(self) -> Iterable[list[str]]:
        """The groups in order of their first member."""
        if not self._joined:
            return [[name] for name in self._parent]
        found: dict[str, list[str]] = {}
        for name in self._parent:
            found.setdefault(self._root(name), []).append(name)
        return found.values()


def _by_place(
    evidence: Evidence, identity: str, operations: Mapping[str, Sequence[Operation]], groups: _Groups, places: dict[str, dict[tuple[bool, int], str]]
) -> None:
    """The client's side of the same exchange, and the same place of the stream at another capture point, where both begin with the connection."""
    hop = evidence.far.get(identity)
    if hop is not None and hop.near in operations and not _asked_otherwise(operations[hop.near], operations[identity]):
        groups.join(hop.near, identity)
    found = evidence.exchanges[identity]
    home = evidence.connections[found.connection]
    if home.twin_of is None:
        return
    twin = evidence.connections[home.twin_of]
    if twin.id not in places:
        own = evidence.exchanges_of.get(twin.id, ())
        places[twin.id] = {place: one.id for one in reversed(own) if one.id in operations for place in _places(one)}
    for from_client, at in _places(found):
        begins = (home.to_server.begins and twin.to_server.begins) if from_client else (home.to_client.begins and twin.to_client.begins)
        other = places[twin.id].get((from_client, at)) if begins else None
        if other is not None:
            groups.join(other, identity)
            return


def _asked_otherwise(one: Iterable[Operation], other: Iterable[Operation]) -> bool:
    """Both requests are here whole, and ask for different things: what each host was told is shown, whatever stands between them."""
    first, second = (next((found for found in own if found.from_client and not found.lost and found.missing == 0), None) for own in (one, other))
    return first is not None and second is not None and _asks(first) != _asks(second)


def _asks(operation: Operation) -> tuple[object, ...]:
    """What a request asks for, without what a proxy may write otherwise (white space, prefixes, its coding)."""
    own = (operation.name, operation.shell_id, operation.command_id, operation.command, operation.arguments, operation.signal, operation.creation)
    return (*own, tuple((piece.name, piece.data) for piece in operation.streams))


def _places(exchange: Exchange) -> list[tuple[bool, int]]:
    """Where its request and its response begin in their streams."""
    halves = ((True, exchange.request), (False, exchange.response))
    return [(from_client, half.at) for from_client, half in halves if not isinstance(half, Absent)]


def _linked(one: Connection, other: Connection, linked: AbstractSet[tuple[str, str]]) -> bool:
    """A proxy joins them, at whichever capture point each was seen."""
    a, b = one.twin_of or one.id, other.twin_of or other.id
    return (a, b) in linked or (b, a) in linked


_Token: TypeAlias = tuple[bool, bytes | str, str | None]


def _by_token(messages: Mapping[str, Message], operations: Mapping[str, Sequence[Operation]]) -> dict[_Token, list[str]]:
    """Exchanges by what tells a message of theirs from all others: direction, token or MessageID, RelatesTo."""
    found: dict[_Token, list[str]] = defaultdict(list)
    for identity, own in operations.items():
        for operation in own:
            message = messages.get(operation.message)
            if message is None:
                continue
            if message.parts and len(message.parts[0].header) >= _TOKEN:
                found[operation.from_client, message.parts[0].header, None].append(identity)
            if message.message_id and not operation.lost:
                found[operation.from_client, message.message_id, message.relates_to].append(identity)
    return {token: own for token, own in found.items() if len(own) > 1}


def _links(own: Sequence[str], same: Callable[[str, str], bool]) -> Iterable[tuple[str, str]]:
    """Each with the first before it that it is the same as, among the `_BACK` last ones: an id that a client uses for all its requests tells nothing."""
    for place, identity in enumerate(own):
        for other in own[max(place - _BACK, 0) : place]:
            if other != identity and same(other, identity):
                yield other, identity
                break


_BACK = 8


class _View(NamedTuple):
    """An exchange as it is compared: its connection, its messages that were read, and the token of an encrypted request (empty: none)."""

    home: Connection
    asked: Message | None
    answered: Message | None
    token: bytes


class _Views:
    """The exchanges of one run, each looked up once however many it is compared with."""

    def __init__(
        self, evidence: Evidence, messages: Mapping[str, Message], operations: Mapping[str, Sequence[Operation]], linked: AbstractSet[tuple[str, str]]
    ) -> None:
        self._evidence, self._messages, self._operations, self._linked = evidence, messages, operations, linked
        self._known: dict[str, _View] = {}

    def _of(self, identity: str) -> _View:
        view = self._known.get(identity)
        if view is None:
            own = _halves(identity, self._operations)
            asked, answered = (None if way not in own else self._messages[own[way].message] for way in (True, False))
            token = asked.parts[0].header if asked is not None and asked.parts else b""
            home = self._evidence.connections[self._evidence.exchanges[identity].connection]
            view = self._known[identity] = _View(home, asked, answered, token if len(token) >= _TOKEN else b"")
        return view

    def never_one(self, own: Sequence[str]) -> bool:
        """All lie on one connection, and each has a request that was readable: of such, no two are one."""
        home: str | None = None
        for identity in own:
            asked: Message | None = None
            for operation in self._operations[identity]:
                if operation.from_client and not operation.lost:
                    asked = self._messages[operation.message]
            if asked is None or (asked.parts and len(asked.parts[0].header) >= _TOKEN):
                return False
            connection = self._evidence.exchanges[identity].connection
            if home is not None and connection != home:
                return False
            home = connection
        return True

    def same(self, one: str, other: str) -> bool:
        """The two may be one message, of which the text was read."""
        return self._same(self._of(one), self._of(other), either=False)

    def same_sealed(self, one: str, other: str) -> bool:
        """The two may be one message, of which the token is known: it was encrypted once, so its hosts need not both be the same."""
        return self._same(self._of(one), self._of(other), either=True)

    def _same(self, one: _View, other: _View, *, either: bool) -> bool:
        """No message of the two says that they are not, and where all is readable they lie on two connections, or one of them lacks its request."""
        if one.home.id == other.home.id:
            near = one.asked is None or other.asked is None or (bool(one.token) and one.token == other.token)
        else:
            near = _on_one_way(one.home, other.home, self._linked, either=either)
        return near and not _differ(one.asked, other.asked) and not _differ(one.answered, other.answered)


def _on_one_way(one: Connection, other: Connection, linked: AbstractSet[tuple[str, str]], *, either: bool) -> bool:
    """The two connections can carry one message: a proxy joins them, or they have the same hosts (``either``: the same client or the same server)."""
    if _linked(one, other, linked):
        return True
    hosts = (one.client.host == other.client.host, one.server.host == other.server.host)
    return any(hosts) if either else all(hosts)


def _halves(identity: str, operations: Mapping[str, Sequence[Operation]]) -> dict[bool, Operation]:
    return {operation.from_client: operation for operation in operations[identity] if not operation.lost}


def _differ(one: Message | None, other: Message | None) -> bool:
    """Both are whole, and are not the same text; or they are answers with ids of their own."""
    if one is None or other is None:
        return False
    if one.text_digest is not None and other.text_digest is not None:
        return one.text_digest != other.text_digest
    return one.message_id is not None and other.message_id is not None and one.message_id != other.message_id


def _chosen(evidence: Evidence, own: Sequence[str], operations: Mapping[str, Sequence[Operation]]) -> list[Operation]:
    """The best request and the best response of the copies, under the exchange of the one that the client made."""

    def rank(operation: Operation) -> tuple[bool, bool, bool, int]:
        connection = evidence.connections[evidence.exchanges[operation.exchange].connection]
        lacks = operation.missing != 0
        return operation.lost, lacks, operation.exchange in evidence.far or connection.twin_of is not None, own.index(operation.exchange)

    halves = [sorted((found for name in own for found in operations[name] if found.from_client is way), key=rank) for way in (True, False)]
    best = [found[0] for found in halves if found]
    home = min(best, key=lambda found: rank(found)[2:]).exchange
    members = (home, *(name for name in own if name != home))
    return [replace(found, exchange=home, exchanges=members) for found in best]
