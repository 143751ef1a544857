"""Messages in clear: which of them say all that they say on their own, and the texts of the others."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import repeat
from typing import NamedTuple

from analyzer.formats.content import Room, codings, unpacked
from analyzer.formats.holes import text_of
from analyzer.formats.reader import Fetch, Reader
from analyzer.records.evidence import Evidence, InTurn
from analyzer.records.http import Exchange
from analyzer.records.ids import connection_of
from analyzer.records.operations import CimHalf
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.records.wsman import Operation, Said
from analyzer.sealing.messages import read_body, read_body_holed
from analyzer.sealing.opening import Talk
from analyzer.settings import Limits
from analyzer.wsman.envelope import decoded, encoding_of
from analyzer.wsman.winrs import depends

_READABLE = (Protection.CLEAR, Protection.TLS)
_CLEAR, _TLS = _READABLE
_NOTHING: tuple[Operation, ...] = ()


def all_told(own: InTurn | None, limits: Limits) -> bool:
    """Everything that is clear on a connection was read as a whole, and says all on its own, as nearly always."""
    if own is None:
        return False
    for message, said in zip(own.messages, own.said, strict=True):
        protection = message.protection
        if (protection is _CLEAR or protection is _TLS) and (said is None or message.size > limits.opened_bytes):
            return False
    return True


class AtOnce(NamedTuple):
    """What connections gave all of whose messages are clear and say all on their own: the connections, the shells that they name, and what is asked of
    resources in them. What they say of shells is in the evidence."""

    told: list[str]
    plain: list[str]
    halves: list[CimHalf]


def said_at_once(talks: Iterable[Talk], evidence: Evidence, sealed: AbstractSet[str], limits: Limits) -> AtOnce | None:
    """What these connections give where all of them are so, and say nothing else, as nearly all where nothing is encrypted; else None. ``sealed``: connections
    with encrypted messages."""
    once = evidence.index.once("seen once", lambda: not evidence.hops and not any(one.twin_of is not None for one in evidence.connections.values()))
    out = AtOnce([], [], [])
    for talk in talks:
        identity = talk.connection.id
        own = None if identity in sealed else evidence.said.get(identity)
        if own is None or not _add(out, own, limits, once=once):
            return None
        out.told.append(identity)
    return out


def _add(out: AtOnce, own: InTurn, limits: Limits, *, once: bool) -> bool:
    """Adds what one connection gives; False where it is not so. ``once``: an answer whose request asks for nothing of that kind is not told (`operations`)."""
    shell_id: str | None = None
    asked_in: str | None = None
    for message, found in zip(own.messages, own.said, strict=True):
        if found is None or message.size > limits.opened_bytes:
            if message.protection in _READABLE:
                return False
            if found is None:
                continue
        if found.by_method or found.forwarded is not None or found.listing is not None:
            return False
        operation, half = found.operation, found.cim
        if operation is not None and operation.shell_id and operation.shell_id != shell_id:
            shell_id = operation.shell_id
            out.plain.append(shell_id)
        if half is None:
            continue
        if half.from_client:
            asked_in = half.exchange
        if not once or half.limit is not None or half.exchange == asked_in:
            out.halves.append(half)
    return True


def _by_exchange(exchanges: Iterable[Exchange], own: InTurn) -> list[Sequence[Operation]]:
    """What clear messages say of shells, for each exchange of the connection."""
    out: list[Sequence[Operation]] = []
    messages, said = own.messages, own.said
    place, count = 0, len(messages)
    for exchange in exchanges:
        found: list[Operation] | None = None
        identity = exchange.id
        while place < count and messages[place].exchange == identity:
            told = said[place]
            place += 1
            if told is not None and told.operation is not None and not told.by_method:
                if found is None:
                    found = [told.operation]
                else:
                    found.append(told.operation)
        out.append(_NOTHING if found is None else found)
    return out


def operations_in_turn(evidence: Evidence, others: Mapping[str, Sequence[Operation]], told: AbstractSet[str]) -> dict[str, list[Sequence[Operation]]]:
    """The operations of shells by connection, for each of its exchanges, both in order of place; those of connections that have some. ``told``: connections on
    which all was said on its own; ``others``: those of the rest, by exchange."""
    wanted = told | {connection_of(identity) for identity in others}
    found: dict[str, list[Sequence[Operation]]] = {}
    for connection, exchanges in evidence.exchanges_of.items():
        if connection not in wanted:
            continue
        own = _by_exchange(exchanges, evidence.said[connection]) if connection in told else [others.get(exchange.id, _NOTHING) for exchange in exchanges]
        if any(own):
            found[connection] = own
    return found


def _tells_all(found: Said | None, room: Room | None, compressed: AbstractSet[str]) -> bool:
    """What was said stands, whatever was learnt since: it has no streams, or they are not compressed and there is room for all."""
    own = None if found is None else found.operation
    if own is None or not own.streams:
        return found is not None
    return not depends(own, compressed) and (room is None or not room.full)


def _in_turn(talk: Talk, evidence: Evidence) -> Iterator[tuple[Message, Said | None]]:
    own = evidence.said.get(talk.connection.id)
    if own is not None:
        return zip(own.messages, own.said, strict=True)
    halves = (half for exchange in talk.exchanges for half in (exchange.request, exchange.response) if not isinstance(half, Absent))
    found = (message for half in halves if (message := evidence.messages.get(half.id)) is not None)
    return zip(found, repeat(None))


def clear_texts(
    talk: Talk, evidence: Evidence, fetch: Fetch, limits: Limits, room: Room | None, compressed: AbstractSet[str] | None
) -> Iterator[tuple[Message, str | Said]]:
    """The clear messages of a connection with their texts, in order. ``compressed``: the exchanges and shells whose streams are by now; a message that does not
    depend on them has no text here, but all that it says. None: texts are what is wanted."""
    readers: dict[bool, Reader] = {}
    for message, said in _in_turn(talk, evidence):
        if message.protection not in _READABLE:
            continue
        if compressed is not None and said is not None and _tells_all(said, room, compressed):
            yield message, said
            continue
        exchange = evidence.exchanges[message.exchange]
        half = exchange.request if message.from_client else exchange.response
        if isinstance(half, Absent):
            continue
        if not readers:  # where everything is said already, nothing is read
            readers = {True: Reader(talk.connection.to_server, fetch), False: Reader(talk.connection.to_client, fetch)}
        reader = readers[message.from_client]
        if (half.body.missing or not half.body.complete) and not codings(half.headers):
            part = read_body_holed(reader, half.body, limits.opened_bytes)
            yield message, text_of(part, encoding_of(part.data))
            continue
        raw = read_body(reader, half.body, 0, min(half.body.size, limits.opened_bytes))
        plain = unpacked(raw, codings(half.headers), limits.opened_bytes, room)
        if not isinstance(plain, Absent):
            yield message, decoded(plain)
