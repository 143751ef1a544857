"""What messages of PSRP that belong to no pipeline say of a session: capabilities, versions, arguments, states, keys, and calls to the client's host.

SESSION_CAPABILITY         versions of both sides (MS-PSRP 2.2.2.1)
INIT_RUNSPACEPOOL          how many runspaces the client wants, its host, its application arguments, in which its PSVersionTable is (2.2.2.2)
CONNECT_RUNSPACEPOOL       the same of a client that takes a disconnected pool over (2.2.2.28)
APPLICATION_PRIVATE_DATA   what the server tells the application, in which its PSVersionTable is (2.2.2.13)
PUBLIC_KEY, …              the exchange of the key that SecureStrings travel under (2.2.2.3 to 2.2.2.5)

That key can be read only with the client's RSA key, which never travels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from analyzer.psrp import hosts, objects
from analyzer.psrp.clixml import named, string, tree, value

if TYPE_CHECKING:
    from xml.etree import ElementTree as ET

    from analyzer.psrp.fragments import PsMessage

_STATES = ("BeforeOpen", "Opening", "Opened", "Closed", "Closing", "Broken", "NegotiationSent", "NegotiationSucceeded", "Connecting", "Disconnected")
"""Of a RUNSPACEPOOL_STATE by number (MS-PSRP 2.2.3.4)."""
_POOL = ("MinRunspaces", "MaxRunspaces", "PSThreadOptions", "ApartmentState")
LONGEST = 64 << 10
"""Characters of the JSON of one property that are kept whole; what is longer is left out."""
KEYS = {
    "PUBLIC_KEY_REQUEST": "the server asks for the client's public key",
    "PUBLIC_KEY": "the client's public RSA key",
    "ENCRYPTED_SESSION_KEY": "the session key, encrypted for the client's RSA key",
}
_HOST = {"RUNSPACEPOOL_HOST_CALL": ("host call", hosts.call), "RUNSPACEPOOL_HOST_RESPONSE": ("host answer", hosts.answer)}


class Said(NamedTuple):
    """``facts``: properties as (name, value); ``event``: (what, text) of what happened, or None; ``longer``: properties that were left out."""

    facts: tuple[tuple[str, str], ...] = ()
    event: tuple[str, str] | None = None
    longer: int = 0


def said(message: PsMessage) -> Said:
    """Of one message. What lacks bytes, and is no tree, says nothing."""
    kind = message.kind
    if kind in KEYS:
        return Said((), ("keys", KEYS[kind]))
    if kind in _HOST:
        what, made = _HOST[kind]
        return Said((), (what, made(message.text)))
    root = tree(message.text) if kind in _READ else None
    if root is None:
        return Said()
    if kind == "RUNSPACEPOOL_STATE":
        return _state(root)
    facts = tuple(fact for fact in _READ[kind](root) if fact[1])
    kept = tuple(fact for fact in facts if len(fact[1]) <= LONGEST)
    return Said(kept, longer=len(facts) - len(kept))


def _state(root: ET.Element) -> Said:
    number = value(named(root, "RunspaceState"))
    name = _STATES[int(number)] if number.isascii() and number.isdigit() and len(number) < 3 and int(number) < len(_STATES) else number
    failure = named(root, "ExceptionAsErrorRecord")
    why = "" if failure is None else value(failure)
    return Said((("RunspacePoolState", name),), ("state", f"{name}: {why}" if why else name)) if name else Said()


def _capability(root: ET.Element) -> list[tuple[str, str]]:
    found = {"PSRPVersion": "protocolversion", "PSVersion": "PSVersion", "SerializationVersion": "SerializationVersion"}
    return [(name, value(named(root, member))) for name, member in found.items()]


def _pool(root: ET.Element) -> list[tuple[str, str]]:
    found = [(name, value(named(root, name))) for name in _POOL]
    arguments, host = named(root, "ApplicationArguments"), named(root, "HostInfo")
    found += [("ApplicationArguments", _json(arguments)), ("HostInfo", _json(host))]
    return [*found, ("PSVersionTable", _table(arguments))]


def _private(root: ET.Element) -> list[tuple[str, str]]:
    data = named(root, "ApplicationPrivateData")
    return [("ApplicationPrivateData", _json(data)), ("PSVersionTable", _table(data))]


def _json(element: ET.Element | None) -> str:
    return "" if element is None or (found := objects.plain(element)) in (None, {}, []) else objects.text_of(found)


def _table(element: ET.Element | None) -> str:
    """The table of versions, which lies in the arguments of both sides."""
    found = None if element is None else objects.plain(element)
    table = found.get("PSVersionTable") if isinstance(found, dict) else None
    return objects.text_of(table) if isinstance(table, dict) else ""


def _limits(root: ET.Element) -> list[tuple[str, str]]:
    return [(name, value(named(root, name))) for name in _POOL[:2]]


_READ = {
    "SESSION_CAPABILITY": _capability,
    "INIT_RUNSPACEPOOL": _pool,
    "CONNECT_RUNSPACEPOOL": _pool,
    "APPLICATION_PRIVATE_DATA": _private,
    "RUNSPACEPOOL_INIT_DATA": _limits,
    "RUNSPACEPOOL_STATE": _capability,
}


def process_id(message: PsMessage) -> str | None:
    """The process of the server that wrote an INFORMATION_RECORD (MS-PSRP 2.2.2.26): the host of the session, or one that it started for a job."""
    root = tree(message.text)
    found = "" if root is None else string(value(named(root, "ProcessId")))
    return found if found.isascii() and found.isdigit() else None
