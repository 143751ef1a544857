"""What messages say of a shell itself: its properties, each with who claims it, and what happened to it as a whole."""

from typing import NamedTuple


class ShellFact(NamedTuple):
    """A property of a shell as a message has it. ``name``: the protocol's own word (``Owner``, ``ProcessId``, ``PSVersion``); ``value``: its text, of what has
    parts JSON. What the client says is what it wished, what the server says is what it made of it."""

    name: str
    value: str
    by_client: bool
    ts_ns: int
    packets: tuple[int, ...]


class ShellEvent(NamedTuple):
    """Something that was done to a shell as a whole. ``what``: create, disconnect, reconnect, connect, delete (requests of clients), state, keys, host call,
    host answer (messages of PSRP that belong to no pipeline). ``text``: what such a message says. ``outcome``: done, refused, or None where the answer is not
    in the capture."""

    what: str
    text: str
    by_client: bool
    client: str
    exchange: str
    ts_ns: int
    packets: tuple[int, ...]
    outcome: str | None = None
    asked_as: str | None = None
    """The account that the client had logged on with; None where it did not, or no key shows it."""
    command: str | None = None
    """Of requests that name one: the command's id."""


REQUESTS = ("create", "disconnect", "reconnect", "connect", "delete")
"""What clients ask of a shell as a whole."""


def said(facts: tuple[ShellFact, ...], name: str, *, by_client: bool | None = None) -> str | None:
    """The last value of that name: the server's, else (``by_client`` None) what the client wished."""
    found: dict[bool, str] = {fact.by_client: fact.value for fact in facts if fact.name == name}
    return found.get(False, found.get(True)) if by_client is None else found.get(by_client)
