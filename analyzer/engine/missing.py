"""What is not in the capture of messages that belong to shells, and the one clock by which the operations of several captures come in order."""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.ids import connection_of, request_id, response_id
from analyzer.records.quality import Absent, Why
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Gap, Stream
from analyzer.records.wsman import BETWEEN, Operation
from analyzer.sealing.messages import tail

InTurn: TypeAlias = Mapping[str, Sequence[Sequence[Operation]]]
"""Operations by connection, for each of its exchanges in order."""
_MOST = 1 << 30
_CARRIES = ("Receive",)
"""Requests whose answers carry what a command says; the answers to others only say that the server got them."""
_ANSWERS = ("SendResponse", "Fault")
"""Answers that do not tell which command they belong to, and whose requests carry input; other answers tell it, or their requests carry nothing."""
_TELLING = ("CommandResponse", "ReceiveResponse")
_WITHOUT_SHELL = ("CommandResponse", "ReceiveResponse", "SendResponse", "SignalResponse")
_UNAUTHENTICATED = (401, 407)
_UNREAD = (Why.NOT_CAPTURED.value, Why.UNSENT.value)


def missing_of(evidence: Evidence, message: Message) -> int | None:
    """Bytes of a message's body that are not in the capture; None where the framing does not tell how many."""
    exchange = evidence.exchanges[message.exchange]
    half = exchange.request if message.from_client else exchange.response
    if isinstance(half, Absent) or (half.body.complete and not half.body.missing):
        return 0
    rest = 0 if half.body.complete else tail(half.body, _MOST)
    return None if rest is None else half.body.missing + rest


def with_lost(evidence: Evidence, messages: Mapping[str, Message], operations: InTurn) -> dict[str, Sequence[Sequence[Operation]]]:
    """The operations by connection, for each of its exchanges; where the answer to a Receive, or a request that may have carried something, was sent and cannot
    be read for want of bytes, an operation that says so. Such a request is taken for one of the shell and command whose requests came before it on its
    connection, or else behind it."""
    shells = _Shells(operations)
    return {
        identity: own if _lacks_nothing(own) else _with_lost(evidence, messages, own, evidence.exchanges_of[identity], shells)
        for identity, own in operations.items()
    }


def _lacks_nothing(operations: Sequence[Sequence[Operation]]) -> bool:
    """Each exchange of a connection has its request, names a shell, and, where it is a Receive, has an answer: nothing is to be added or to be told of it."""
    for own in operations:
        if not own or not own[0].from_client or (len(own) == 1 and own[0].name in _CARRIES):
            return False
        if not own[0].shell_id and not own[-1].shell_id:
            return False
    return True


def _with_lost(
    evidence: Evidence, messages: Mapping[str, Message], operations: Sequence[Sequence[Operation]], exchanges: Sequence[Exchange], shells: "_Shells"
) -> list[Sequence[Operation]]:
    """The same of one connection."""
    found: list[Sequence[Operation]] = list(operations)
    near: _Near | None = None
    waiting: list[int] = []
    nameless: list[int] = []
    for place, read in enumerate(operations):
        own = read
        asked, named = _first_two(own)
        if named is None and own:
            found[place] = own = _in_their_shell(own, shells, None if near is None else near.whole())
            asked, named = _first_two(own)
        if asked is None and _request_lost(evidence, messages, exchanges[place], own):
            waiting.append(place)
        elif asked is not None and len(own) == 1 and asked.name in _CARRIES:
            found[place] = _with_answer(evidence, messages, asked, exchanges)
        if named is None:
            nameless.append(place)
            continue
        for at in nameless if near is None else ():  # nothing before them named a shell
            found[at] = _in_their_shell(found[at], shells, replace(named, command_id=None))
        nameless.clear()
        if asked is not None and asked.shell_id:
            for at in waiting:
                found[at] = [*found[at], _lost_request(evidence, messages, exchanges[at], asked if near is None else near.whole())]
            near = _Near(asked, own)
            waiting.clear()
        elif near is None or near.asked.shell_id != named.shell_id:
            near = _Near(named, ())
    if near is not None:
        for at in waiting:
            found[at] = [*found[at], _lost_request(evidence, messages, exchanges[at], near.whole())]
    return found


def _with_answer(evidence: Evidence, messages: Mapping[str, Message], asked: Operation, exchanges: Sequence[Exchange]) -> list[Operation]:
    """A Receive alone, with the answer to it, where that is lost."""
    last = max((one.position for one in exchanges if not isinstance(one.request, Absent)), default=0)
    lost = _lost(evidence, messages, asked, last)
    return [asked] if lost is None else [asked, lost]


class _Near(NamedTuple):
    """A request that names a shell, and what may tell its command: what its exchange says."""

    asked: Operation
    own: Sequence[Operation]

    def whole(self) -> Operation:
        """The request with its command's id."""
        return _with_command(self.asked, self.own) if self.own else self.asked


def _first_two(own: Iterable[Operation]) -> tuple[Operation | None, Operation | None]:
    """The first request, and the first that names a shell."""
    asked = named = None
    for one in own:
        if asked is None and one.from_client:
            asked = one
        if named is None and one.shell_id:
            named = one
    return asked, named


def _with_command(asked: Operation, own: Iterable[Operation]) -> Operation:
    """The request with the id that its answer gave the command."""
    return asked if asked.command_id else replace(asked, command_id=next((one.command_id for one in own if one.command_id), None))


class _Shells:
    """The shells in which requests name each command, found out when it is asked for: what names its shell itself needs it not."""

    def __init__(self, operations: InTurn) -> None:
        self._operations = operations
        self._found: dict[str, set[str]] | None = None

    def of(self, command: str) -> AbstractSet[str]:
        """Those of one command."""
        if self._found is None:
            self._found = {}
            for connection in self._operations.values():
                for own in connection:
                    shell = next((one.shell_id for one in own if one.shell_id), None)
                    named = next((one.command_id for one in own if one.command_id), None)
                    if shell and named:
                        self._found.setdefault(named, set()).add(shell)
        return self._found.get(command, frozenset())


def _in_their_shell(both: Sequence[Operation], shells: _Shells, near: Operation | None) -> list[Operation]:
    return [_in_its_shell(one, both, shells, near) for one in both]


def _in_its_shell(answered: Operation, both: Sequence[Operation], shells: _Shells, near: Operation | None) -> Operation:
    """An answer whose request could not be read does not name its shell, nor does a request whose header was read in part: it is the one that has its command,
    else the one that the request before it named. A request to run a command is never one for the command before it: its answer may tell which."""
    if answered.name not in _WITHOUT_SHELL and not (answered.from_client and answered.missing != 0):
        return answered
    begins = answered.from_client and answered.name == "Command"
    identity = answered.command_id or (next((one.command_id for one in both if one.command_id), None) if begins else None)
    own = shells.of(identity) if identity else frozenset()
    if len(own) == 1:
        return replace(answered, shell_id=next(iter(own)), command_id=identity)
    if near is None or (own and near.shell_id not in own):
        return answered
    return replace(answered, shell_id=near.shell_id, command_id=identity or (None if begins else near.command_id))


def _request_lost(evidence: Evidence, messages: Mapping[str, Message], exchange: Exchange, own: Sequence[Operation]) -> bool:
    """A request was sent whose bytes are not all there, it could not be read, and it was not one of those that carry nothing."""
    response = exchange.response
    status = None if isinstance(response, Absent) else response.status
    if status in _UNAUTHENTICATED or any(one.name not in _ANSWERS for one in own):
        return False
    if isinstance(exchange.request, Absent):
        answer = None if isinstance(response, Absent) else messages.get(response.id)
        return exchange.request.why is Why.NOT_CAPTURED and (bool(own) or (answer is not None and answer.opened_absent in _UNREAD))
    message = messages.get(exchange.request.id)
    if message is None or missing_of(evidence, message) == 0:
        return False
    return message.protection is not Protection.SEALED or message.opened_absent in _UNREAD


def _lost_request(evidence: Evidence, messages: Mapping[str, Message], exchange: Exchange, near: Operation) -> Operation:
    half = exchange.response if isinstance(exchange.request, Absent) else exchange.request
    size = None if isinstance(exchange.request, Absent) else missing_of(evidence, messages[exchange.request.id])
    return Operation(
        request_id(exchange.id),
        exchange.id,
        from_client=True,
        ts_ns=near.ts_ns if isinstance(half, Absent) else half.first_ns,
        packets=() if isinstance(half, Absent) else half.packets,
        name="",
        shell_id=near.shell_id,
        command_id=near.command_id,
        missing=size,
        lost=True,
    )


def _lost(evidence: Evidence, messages: Mapping[str, Message], asked: Operation, last: int) -> Operation | None:
    """The answer to a Receive that was sent, as the connection went on to its exchange ``last``, and cannot be read."""
    exchange = evidence.exchanges[asked.exchange]
    response = exchange.response
    if isinstance(response, Absent):
        if response.why is not Why.NOT_CAPTURED or exchange.position >= last:
            return None
        return Operation(response_id(exchange.id), exchange.id, from_client=False, ts_ns=asked.ts_ns, packets=(), name="", missing=None, lost=True)
    message = messages.get(response.id)
    if message is None or message.protection not in (Protection.SEALED, Protection.CLEAR, Protection.TLS):
        return None
    lacking = missing_of(evidence, message)
    if lacking == 0 or (message.protection is Protection.SEALED and message.opened_absent not in _UNREAD):
        return None
    return Operation(message.id, exchange.id, from_client=False, ts_ns=response.first_ns, packets=response.packets, name="", missing=lacking, lost=True)


def known_by_answers(operations: Iterable[Operation]) -> list[Operation]:
    """Answers of connections on which nothing names a shell: they belong to a shell that is known by them alone, and has the connection's id."""
    found = list(operations)
    named: set[str] = set()
    telling: set[str] = set()
    before = ""
    for one in found:
        if one.shell_id:
            if one.exchange != before:
                before = one.exchange
                named.add(connection_of(before))
        elif one.exchange != before and one.name in _TELLING and (one.streams or one.command_id):
            telling.add(connection_of(one.exchange))
    telling -= named

    def place(one: Operation) -> Operation:
        home = connection_of(one.exchange)
        return replace(one, shell_id=home) if home in telling and not one.from_client and one.name in _WITHOUT_SHELL else one

    return [place(one) for one in found] if telling else found


def between(evidence: Evidence, operations: Iterable[Operation]) -> Iterator[Operation]:
    """For each hole between two requests of a connection, or behind the last, of which no exchange shows anything: an operation that says so. It is taken for
    one of the shell and command that the request before it named. Its exchange is that one's with a plus sign."""
    with_holes = {identity for identity, one in evidence.connections.items() if one.to_server.gaps}
    if not with_holes:
        return
    asked: dict[str, Operation] = {}
    for operation in operations:
        if not operation.lost:
            for identity in operation.exchanges or (operation.exchange,):
                if connection_of(identity) not in with_holes:
                    continue
                known = asked.get(identity)
                if known is None and operation.shell_id:
                    asked[identity] = operation
                elif known is not None and operation.command_id:
                    asked[identity] = _with_command(known, (operation,))
    views: dict[str, str] = {}
    for identity, one in evidence.connections.items():
        if one.twin_of is not None:
            views.update({identity: one.twin_of, one.twin_of: identity})
    for connection in dict.fromkeys(map(connection_of, asked)):
        yield from _between(evidence, connection, asked, views.get(connection))


def _between(evidence: Evidence, connection: str, asked: Mapping[str, Operation], view: str | None) -> Iterator[Operation]:
    stream = evidence.connections[connection].to_server
    other = None if view is None else evidence.connections[view].to_server
    before: Exchange | None = None
    near: Operation | None = None
    end: int | None = None
    for exchange in (*evidence.exchanges_of[connection], None):
        request = None if exchange is None else exchange.request
        if isinstance(request, Absent):
            end = None
            continue
        stop = stream.size if request is None else request.at
        size = 0 if end is None or end >= stop else _holes(stream, end, stop)
        if size and other is not None and end is not None:
            size = min(size, _holes(other, end, stop))
        if size and near is not None and before is not None:
            yield Operation(
                f"{before.id}+.q",
                f"{before.id}+",
                from_client=True,
                ts_ns=near.ts_ns,
                packets=(),
                name=BETWEEN,
                shell_id=near.shell_id,
                command_id=near.command_id,
                missing=size,
                lost=True,
            )
        if exchange is not None and request is not None:
            before, end = exchange, request.end_at
            near = asked.get(exchange.id) or near


def _holes(stream: Stream, start: int, end: int) -> int:
    """Bytes of [start, end) that are not in the capture."""
    size, place = 0, max(bisect_right(stream.gaps, start, key=_gap_at) - 1, 0)
    while place < len(stream.gaps) and stream.gaps[place].stream_at < end:
        gap = stream.gaps[place]
        size += max(min(gap.stream_at + gap.size, end) - max(gap.stream_at, start), 0)
        place += 1
    return size


def _gap_at(gap: Gap) -> int:
    return gap.stream_at


def by_one_clock(evidence: Evidence, operations: Iterable[Operation]) -> Iterable[Operation]:
    """The operations, those of captures whose clocks are ahead with their times by the reference clock. A message's time is by the clock of the connection that
    it was read on, whichever capture its bytes and its other half are taken from."""
    clocks = {capture.ordinal: capture for capture in evidence.captures if capture.clock_offset_ns}
    if not clocks:
        return operations

    def placed(operation: Operation) -> Operation:
        capture = clocks.get(evidence.connections[connection_of(_read_on(operation))].capture)
        return operation if capture is None else replace(operation, order_ns=operation.ts_ns - (capture.clock_offset_ns or 0))

    return map(placed, operations)


def _read_on(operation: Operation) -> str:
    return operation.message.rpartition(".")[0].rstrip("+")
