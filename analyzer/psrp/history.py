"""What is known of a shell itself, while its operations are read: its properties, what was done to it, and how much is kept of its objects."""

from collections.abc import Iterable, Sequence

from msgspec import Struct, field

from analyzer.psrp import session
from analyzer.psrp.fragments import PsMessage
from analyzer.records.sessions import REQUESTS, ShellEvent, ShellFact
from analyzer.records.wsman import Operation

_REFUSED = 400
ROOM = 32 << 20
"""Characters of JSON that are kept of the objects of one shell."""
_MOST = 10_000
"""Facts, and events, that are kept of one shell: each costs its sender a message."""


class History(Struct):
    """Of one shell. A fact that is said again with the same value by the same side counts once."""

    facts: list[ShellFact] = field(default_factory=list)
    events: list[ShellEvent] = field(default_factory=list)
    known: dict[tuple[str, bool], str] = field(default_factory=dict)
    room: int = ROOM
    unparsed: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    strange: dict[str, int] = field(default_factory=dict)
    """What no client or server of PowerShell sends so."""

    def told(self, said: Iterable[tuple[str, str]], operation: Operation, *, by_client: bool) -> None:
        """Properties that a message has."""
        for name, value in said:
            if self.known.get((name, by_client)) == value:
                continue
            if len(self.facts) >= _MOST:
                self._leave_out("later facts")
            else:
                self.known[name, by_client] = value
                self.facts.append(ShellFact(name, value, by_client, operation.ts_ns, operation.packets))

    def asked(self, asked: Operation, answered: Operation | None, client: str) -> None:
        """A request about the shell as a whole, or about one of its commands, once it is read."""
        what = asked.name.lower()
        if what in REQUESTS and not asked.lost:
            self._add(
                ShellEvent(
                    what,
                    "",
                    by_client=True,
                    client=client,
                    exchange=asked.exchange,
                    ts_ns=asked.ts_ns,
                    packets=asked.packets,
                    outcome=outcome(asked, answered),
                    command=asked.command_id,
                )
            )

    def pool(self, message: PsMessage, places: Sequence[Operation], client: str) -> None:
        """A message of PSRP that belongs to no pipeline."""
        found, operation = session.said(message), places[0]
        self.told(found.facts, operation, by_client=operation.from_client)
        if found.longer:
            self._leave_out("longer facts", found.longer)
        if found.event is not None:
            packets = tuple(sorted({key for place in places for key in place.packets}))
            self._add(ShellEvent(*found.event, operation.from_client, client, operation.exchange, operation.ts_ns, packets))

    def _add(self, event: ShellEvent) -> None:
        if len(self.events) < _MOST:
            self.events.append(event)
        else:
            self._leave_out("later events")

    def _leave_out(self, what: str, count: int = 1) -> None:
        self.left_out[what] = self.left_out.get(what, 0) + count

    @property
    def untold(self) -> tuple[str, ...]:
        """A sentence for each limit that was reached."""
        if not self.left_out:
            return ()
        limits = {"later facts": f"shell_facts={_MOST}", "later events": f"shell_events={_MOST}", "longer facts": f"fact_characters={session.LONGEST}"}
        return tuple(f"{limits[what]}: {count} {what} were not kept" for what, count in self.left_out.items())

    def kept(self, json: str | None) -> str | None:
        """An object's JSON while there is room for it."""
        if json is None:
            return None
        if len(json) > self.room:
            self.unparsed += 1
            return None
        self.room -= len(json)
        return json


def outcome(asked: Operation, answered: Operation | None) -> str | None:
    """``done`` or ``refused``, as the answer or its HTTP status says; None where neither is in the capture."""
    if answered is not None and not answered.lost:
        return "refused" if answered.name == "Fault" else "done"
    return None if asked.status is None else "refused" if asked.status >= _REFUSED else "done"
