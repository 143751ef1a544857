"""What shells are put together of: where an exchange belongs, a shell in the making, a request with its response."""

from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from msgspec import Struct, field

from analyzer.psrp.commands import Building
from analyzer.psrp.fragments import Defragmenter
from analyzer.psrp.history import History
from analyzer.records.wsman import BETWEEN, Missing, Operation


class Place(NamedTuple):
    """Where an exchange belongs: its connection, hosts, the user (None: not visible), the capture's ordinal. ``anonymous``: nobody had logged on to the
    connection, all of which before the exchange is in the capture."""

    connection: str
    client: str
    server: str
    user: str | None
    capture: int
    anonymous: bool = False


class OpenShell(Struct):
    """A shell while its operations are read, in order of time."""

    id: str
    place: Place
    first_ns: int
    last_ns: int
    packets: tuple[int, ...]
    limit: int
    """Bytes that are kept of one object."""
    sent: Defragmenter[Operation] | None = None
    received: Defragmenter[Operation] | None = None
    """What puts together what the client sent and what the server did, once one of them sent a part of PSRP."""
    kind: str = "winrs"
    resource_uri: str | None = None
    code_page: int | None = None
    created: bool = False
    anonymous: bool = False
    """Nobody was logged on where it was created: it is not of who is named later."""
    connections: dict[str, None] = field(default_factory=dict)
    users: dict[str, None] = field(default_factory=dict)
    exchanges: dict[str, None] = field(default_factory=dict)
    commands: list[Building] = field(default_factory=list)
    current: dict[str, Building] = field(default_factory=dict)
    nameless: dict[int, Building] = field(default_factory=dict)
    """Commands that were asked for, and not refused, whose id is not known; by what Python calls each."""
    uses: dict[str, int] = field(default_factory=dict)
    """How many commands an id stood for."""
    missing: list[Missing] = field(default_factory=list)
    history: History = field(default_factory=History)

    def reader(self, *, from_client: bool) -> Defragmenter[Operation]:
        """What puts together what one side sends."""
        if from_client:
            if self.sent is None:
                self.sent = Defragmenter(self.limit)
            return self.sent
        if self.received is None:
            self.received = Defragmenter(self.limit)
        return self.received


class Pair(Struct, gc=False):
    """A request and its response. ``shell`` and ``command`` are what the ids that they name stood for when the request was made."""

    asked: Operation | None
    answered: Operation | None
    place: Place
    shell_id: str
    command_id: str | None
    shell: OpenShell | None = None
    command: Building | None = None


def in_order(operations: Iterable[Operation], place: Callable[[str], Place]) -> Iterator[tuple[Operation, Pair]]:
    """Requests when they were made and responses when they came; no response before its request."""
    found: list[tuple[int, Operation, Pair]] = []
    last, ordered = -1, True
    for identity, pair in groupby(operations, attrgetter("exchange")):
        asked = answered = None
        for operation in pair:
            if operation.from_client:
                asked = operation if asked is None else asked
            elif answered is None:
                answered = operation
        shell_id = (None if asked is None else asked.shell_id) or (None if answered is None else answered.shell_id)
        if shell_id:
            command_id = (None if asked is None else asked.command_id) or (None if answered is None else answered.command_id)
            made = Pair(asked, answered, place(identity), shell_id, command_id or None)
            begin = 0
            for one in (asked, answered):
                if one is not None:
                    begin = max(begin, one.ts_ns if one.order_ns is None else one.order_ns)
                    ordered = ordered and begin > last
                    last = begin
                    found.append((begin, one, made))
    if not ordered:
        found.sort(key=_turn)
    return ((operation, pair) for _, operation, pair in found)


def _turn(one: tuple[int, Operation, Pair]) -> tuple[int, bool, bool, str]:
    begin, operation, _ = one
    return begin, not operation.from_client, operation.name == BETWEEN, operation.message
