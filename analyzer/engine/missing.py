"""What is not in the capture of messages that belong to shells, and the one clock by which the operations of several captures come in order."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.ids import key_capture, response_id
from analyzer.records.quality import Absent, Why
from analyzer.records.sealing import Message, Protection
from analyzer.records.wsman import Operation
from analyzer.sealing.messages import tail

_MOST = 1 << 30
_CARRIES = ("Receive",)
"""Requests whose answers carry what a command says; the answers to others only say that the server got them."""
_UNREAD = (Why.NOT_CAPTURED.value, Why.UNSENT.value)


def missing_of(evidence: Evidence, message: Message) -> int | None:
    """Bytes of a message's body that are not in the capture; None where the framing does not tell how many."""
    exchange = evidence.exchanges[message.exchange]
    half = exchange.request if message.from_client else exchange.response
    if isinstance(half, Absent) or (half.body.complete and not half.body.missing):
        return 0
    rest = 0 if half.body.complete else tail(half.body, _MOST)
    return None if rest is None else half.body.missing + rest


def with_lost(evidence: Evidence, messages: Mapping[str, Message], operations: Mapping[str, Sequence[Operation]]) -> dict[str, list[Operation]]:
    """The operations by exchange; where the answer to a Receive was sent and cannot be read for want of bytes, an operation that says so."""
    found: dict[str, list[Operation]] = {}
    for identity, own in operations.items():
        found[identity] = list(own)
        if len(own) == 1 and own[0].from_client and own[0].name in _CARRIES:
            lost = _lost(evidence, messages, own[0])
            if lost is not None:
                found[identity].append(lost)
    return found


def _lost(evidence: Evidence, messages: Mapping[str, Message], asked: Operation) -> Operation | None:
    exchange = evidence.exchanges[asked.exchange]
    response = exchange.response
    if isinstance(response, Absent):
        if response.why is not Why.NOT_CAPTURED or not _passed(evidence, exchange):
            return None
        return Operation(response_id(exchange.id), exchange.id, from_client=False, ts_ns=asked.ts_ns, packets=(), name="", missing=None, lost=True)
    message = messages.get(response.id)
    if message is None or message.protection not in (Protection.SEALED, Protection.CLEAR, Protection.TLS):
        return None
    lacking = missing_of(evidence, message)
    if lacking == 0 or (message.protection is Protection.SEALED and message.opened_absent not in _UNREAD):
        return None
    return Operation(message.id, exchange.id, from_client=False, ts_ns=response.first_ns, packets=response.packets, name="", missing=lacking, lost=True)


def _passed(evidence: Evidence, exchange: Exchange) -> bool:
    """The connection went on after this exchange: its answer, which is not there, was sent."""
    own = evidence.exchanges_of[exchange.connection]
    return any(other.position > exchange.position and not isinstance(other.request, Absent) for other in own[-1:])


def by_one_clock(evidence: Evidence, operations: Iterable[Operation]) -> Iterator[Operation]:
    """The operations, those of captures whose clocks are ahead with their times by the reference clock."""
    clocks = {capture.ordinal: capture for capture in evidence.captures if capture.clock_offset_ns}
    for operation in operations:
        capture = clocks.get(evidence.exchanges[operation.exchange].capture) if clocks else None
        if clocks and operation.packets:
            capture = clocks.get(key_capture(operation.packets[0]))
        yield operation if capture is None else replace(operation, order_ns=operation.ts_ns - (capture.clock_offset_ns or 0))
