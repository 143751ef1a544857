"""All that an envelope says of what it asks for or answers: of shells, of resources and CIM classes, of event forwarding."""

from analyzer.formats.content import Room
from analyzer.records.sealing import Message
from analyzer.records.wsman import Operation, Said
from analyzer.wsman.cim import cim_half
from analyzer.wsman.forwarding import forward_half
from analyzer.wsman.invoke import invoked
from analyzer.wsman.properties import listed
from analyzer.wsman.structure import Seen
from analyzer.wsman.winrs import operation

_NOT_LOOKED_AT = (401, 407)
"""With these the server (or proxy) refused to look at the body: the client sends it again once it is authenticated."""


def looked_at(status: int | None) -> bool:
    """Somebody looked at the body whose answer has this status."""
    return status not in _NOT_LOOKED_AT


def said(
    message: Message, text: str, seen: Seen, half: tuple[int, tuple[int, ...]], status: int | None, *, compressed: set[str], room: Room | None = None
) -> Said:
    """``message`` as it was described; ``half``: when its first byte was seen, and its packets; ``compressed``, ``room``: as of `operation`."""
    own = operation(message, text, seen, *half, compressed, status, room)
    method = None if own is not None else invoked(message, text, *half, status)
    found = own or method
    if not looked_at(status):
        return Said()
    has_dtd = seen.marks.has_dtd
    told = None if has_dtd else forward_half(message, text, *half)
    asked = None if has_dtd or told is not None else cim_half(message, text, *half)
    shells = () if has_dtd else listed(message, text)
    listing = Operation(message.id, message.exchange, False, *half, "listing", said=shells) if shells else None  # noqa: FBT003
    return Said(found, method is not None, asked, told, listing)


def said_in_clear(message: Message, text: str, seen: Seen, half: tuple[int, tuple[int, ...]], status: int | None) -> Said | None:
    """The same of a clear message on its own; None where that depends on others (its streams are compressed), or
    nobody looked at it."""
    compressed: set[str] = set()
    room = Room(0)
    found = said(message, text, seen, half, status, compressed=compressed, room=room)
    return None if compressed or room.full or not looked_at(status) else found
