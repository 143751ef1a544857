"""What the bodies of a connection's exchanges say, one after the other as they were sent.

Nearly all that is in clear is SOAP by its label, whole, and of a shape that was met before: of such a body the record is made at once, with what it says. All
else is first told apart by what protects it, then described.
"""

from collections.abc import Sequence
from typing import NamedTuple

from analyzer.engine.budget import OFTEN, READING, Budget
from analyzer.formats.content import Room
from analyzer.formats.reader import Fetch
from analyzer.http.exchanges import Readers
from analyzer.records.http import Exchange
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message
from analyzer.records.transport import Connection
from analyzer.records.wsman import Said
from analyzer.sealing.messages import clear_on, message_of, soap_type
from analyzer.settings import Limits
from analyzer.wsman.envelope import described, described_at_once


class Bodies(NamedTuple):
    """The messages, what each of them says where it is clear and says that on its own, what was odd, and of how many exchanges they are: those that there was
    time for."""

    messages: list[Message]
    said: list[Said | None]
    issues: list[Issue]
    exchanges: int


def bodies(made: Connection, exchanges: Sequence[Exchange], readers: Readers, fetch: Fetch, limits: Limits, room: Room, budget: Budget) -> Bodies:
    """All that the exchanges of a connection say. ``readers``: of both directions, the client's first; ``room``: what compressed parts may become."""
    found: list[Message] = []
    said: list[Said | None] = []
    issues: list[Issue] = []
    near, far = readers
    in_clear = clear_on(made)
    for place, exchange in enumerate(exchanges):
        if place % OFTEN == OFTEN - 1 and budget.spent(READING):
            return Bodies(found, said, issues, place)
        asked, answered = exchange.request, exchange.response
        status = None if isinstance(answered, Absent) else answered.status
        odd: list[tuple[Message, Issue | None]] | None = None
        for from_client, half, reader in ((True, asked, near), (False, answered, far)):
            if isinstance(half, Absent):
                continue
            content_type = soap_type(half.headers) if odd is None and half.body.size else None
            if content_type is not None:
                own = half.id, exchange.id, from_client, in_clear, half.body.size, content_type
                told = described_at_once(own, half, reader, status, limits)
                if told is not None:
                    found.append(told[0])
                    said.append(told[1])
                    continue
            odd = [] if odd is None else odd
            odd.append(message_of(made, exchange, half, reader, limits, from_client=from_client))
        if odd is not None:
            issues += [issue for _, issue in odd if issue is not None]
            for message, _ in odd:
                full = described(message, made, exchange, fetch, limits, room, readers)
                found.append(full.message)
                issues += full.issues
                said.append(full.said)
    return Bodies(found, said, issues, len(exchanges))
