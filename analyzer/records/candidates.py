"""Exchanges by what is asked of them most: status, fields, protection of bodies, role of their connection. Rules start from these, not from all exchanges.

Each is made in one walk over the exchanges of an evidence and kept in its index. Answers are in order of place.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Connection

_IDENTIFY = ("Identify", "IdentifyResponse")


def winrm(evidence: Evidence) -> tuple[Exchange, ...]:
    """The exchanges of WinRM connections."""
    every, wanted = evidence.exchanges, evidence.winrm
    return evidence.index.once("winrm", lambda: tuple([one for one in every.values() if one.connection in wanted]))


def connections(evidence: Evidence) -> tuple[Connection, ...]:
    """The connections that carry WinRM."""
    every, wanted = evidence.connections, evidence.winrm
    return evidence.index.once("winrm connections", lambda: tuple([one for identity, one in every.items() if identity in wanted]))


def with_role(evidence: Evidence, *wanted: Role) -> tuple[Exchange, ...]:
    """Those whose connection is one of these in its route."""
    own, roles, unknown = winrm(evidence), evidence.roles, Role.UNKNOWN
    return evidence.index.once(("role", wanted), lambda: tuple([one for one in own if roles.get(one.connection, unknown) in wanted]))


def with_status(evidence: Evidence, *statuses: int) -> tuple[Exchange, ...]:
    """Those with one of these final statuses."""
    return _at(evidence, [_statuses(evidence).get(status) for status in statuses])


def with_status_from(evidence: Evidence, first: int, last: int = 999) -> tuple[Exchange, ...]:
    """Those with a final status from ``first`` to ``last``."""
    known = _statuses(evidence)
    return _at(evidence, [known[status] for status in known if first <= status <= last])


def asked_with(evidence: Evidence, *names: str) -> tuple[Exchange, ...]:
    """Those whose request has a field with one of these names (in lower case)."""
    return _named(evidence, names, of_request=True)


def answered_with(evidence: Evidence, *names: str) -> tuple[Exchange, ...]:
    """Those whose final response has a field with one of these names (in lower case)."""
    return _named(evidence, names, of_request=False)


def asked_values(evidence: Evidence, name: str) -> Mapping[str, array[int]]:
    """The values of the first field with this name (in lower case) of requests, each with the places of its exchanges in `winrm`, which are in order."""
    own = winrm(evidence)
    shapes = _shapes(evidence, of_request=True).get(name, [])
    return evidence.index.once(("values", name), lambda: _by_value(own, shapes))


def _by_value(own: tuple[Exchange, ...], shapes: Sequence[tuple[int, array[int]]]) -> dict[str, array[int]]:
    found: dict[str, array[int]] = {}
    for at, places in shapes:
        for place in places:
            half = own[place].request
            if not isinstance(half, Absent):
                value = half.headers[at].value
                known = found.get(value)
                if known is None:
                    known = found[value] = array("L")
                known.append(place)
    return found if len(shapes) == 1 else {value: array("L", sorted(places)) for value, places in found.items()}


def asked_targets(evidence: Evidence) -> Mapping[str, array[int]]:
    """What requests ask for as they were sent, each with the places of its exchanges in `winrm`."""
    own = winrm(evidence)
    return evidence.index.once("targets", lambda: _by_target(own))


def _by_target(own: tuple[Exchange, ...]) -> dict[str, array[int]]:
    found: dict[str, array[int]] = {}
    for place, exchange in enumerate(own):
        if not isinstance(exchange.request, Absent):
            known = found.get(exchange.request.target)
            if known is None:
                known = found[exchange.request.target] = array("L")
            known.append(place)
    return found


def in_version(evidence: Evidence, version: str) -> tuple[Exchange, ...]:
    """Those whose request or response has this version of HTTP."""
    own = winrm(evidence)
    known = evidence.index.once("versions", lambda: _by_version(own))
    return _at(evidence, [places for versions, places in known.items() if version in versions])


def _by_version(own: tuple[Exchange, ...]) -> dict[tuple[str | None, str | None], array[int]]:
    found: dict[tuple[str | None, str | None], array[int]] = {}
    for place, exchange in enumerate(own):
        versions = (
            None if isinstance(exchange.request, Absent) else exchange.request.version,
            None if isinstance(exchange.response, Absent) else exchange.response.version,
        )
        known = found.get(versions)
        if known is None:
            known = found[versions] = array("L")
        known.append(place)
    return found


def at_places(evidence: Evidence, found: Iterable[array[int]]) -> tuple[Exchange, ...]:
    """The exchanges at these places in `winrm`."""
    return _at(evidence, found)


def asked_in(evidence: Evidence, *protections: Protection) -> tuple[Exchange, ...]:
    """Those whose request's body is protected in one of these ways."""
    known = _bodies(evidence).asked
    return _at(evidence, [known.get(one) for one in protections])


def answered_in(evidence: Evidence, *protections: Protection) -> tuple[Exchange, ...]:
    """Those whose response's body is protected in one of these ways."""
    known = _bodies(evidence).answered
    return _at(evidence, [known.get(one) for one in protections])


def said_in(evidence: Evidence, *protections: Protection) -> tuple[Exchange, ...]:
    """Those whose request's or response's body is protected in one of these ways."""
    bodies = _bodies(evidence)
    return _at(evidence, [known.get(one) for one in protections for known in (bodies.asked, bodies.answered)])


def is_clear(found: Message | None) -> bool:
    """A SOAP envelope that anyone on the way can read; Identify, which is anonymous by design, does not count (DSP0226 section 11)."""
    return found is not None and found.protection is Protection.CLEAR and found.operation not in _IDENTIFY


def asked_clear(evidence: Evidence) -> tuple[Exchange, ...]:
    """Those whose request is an envelope in clear (`is_clear`)."""
    return evidence.index.once("asked clear", lambda: _at(evidence, [_bodies(evidence).asked_clear]))


def said_clear(evidence: Evidence) -> tuple[Exchange, ...]:
    """Those whose request or response is an envelope in clear (`is_clear`)."""
    bodies = _bodies(evidence)
    return evidence.index.once("said clear", lambda: _at(evidence, [bodies.asked_clear, bodies.answered_clear]))


def messages_where(evidence: Evidence, name: str, is_meant: Callable[[Message], object], *, encrypted: bool = False) -> tuple[Message, ...]:
    """Messages of whatever connection of which ``is_meant`` is true; ``name`` stands for that function. ``encrypted``: only those that are, or were."""
    known = _encrypted(evidence) if encrypted else evidence.messages.values()
    return evidence.index.once(("messages", name), lambda: tuple([one for one in known if is_meant(one)]))


def _encrypted(evidence: Evidence) -> tuple[Message, ...]:
    known = evidence.messages
    return evidence.index.once("encrypted", lambda: tuple([one for one in known.values() if one.parts or one.protection is Protection.SEALED or one.opened]))


def with_message(evidence: Evidence, name: str, is_meant: Callable[[Message], object], *, encrypted: bool = False) -> tuple[Exchange, ...]:
    """Those with a message, asked or answered, of which ``is_meant`` is true; as in `messages_where`."""
    found = messages_where(evidence, name, is_meant, encrypted=encrypted)
    own = winrm(evidence) if found else ()
    return evidence.index.once(("with", name), lambda: _of(own, {message.exchange for message in found}))


def _of(own: tuple[Exchange, ...], wanted: AbstractSet[str]) -> tuple[Exchange, ...]:
    return tuple([one for one in own if one.id in wanted])


def _at(evidence: Evidence, found: Iterable[array[int] | None]) -> tuple[Exchange, ...]:
    some = [places for places in found if places]
    if not some:
        return ()
    own = winrm(evidence)
    places = some[0] if len(some) == 1 else sorted({place for part in some for place in part})
    return tuple([own[place] for place in places])


def _statuses(evidence: Evidence) -> Mapping[int, array[int]]:
    own = winrm(evidence)
    return evidence.index.once("status", lambda: _by_status(own))


def _by_status(own: tuple[Exchange, ...]) -> dict[int, array[int]]:
    found: dict[int, array[int]] = {}
    for place, exchange in enumerate(own):
        if not isinstance(exchange.response, Absent):
            known = found.get(exchange.response.status)
            if known is None:
                known = found[exchange.response.status] = array("L")
            known.append(place)
    return found


def fields(evidence: Evidence, *, of_request: bool) -> Mapping[tuple[str, ...], array[int]]:
    """The names of the fields of requests (or of final responses) as they were sent, each with the places of its exchanges in `winrm`, which are in order."""
    own = winrm(evidence)
    return evidence.index.once(("fields", of_request), lambda: _by_fields(own, of_request=of_request))


def _by_fields(own: tuple[Exchange, ...], *, of_request: bool) -> dict[tuple[str, ...], array[int]]:
    found: dict[tuple[str, ...], array[int]] = {}
    for place, exchange in enumerate(own):
        half = exchange.request if of_request else exchange.response
        if not isinstance(half, Absent):
            names = tuple([field.name for field in half.headers])
            known = found.get(names)
            if known is None:
                known = found[names] = array("L")
            known.append(place)
    return found


def _shapes(evidence: Evidence, *, of_request: bool) -> Mapping[str, list[tuple[int, array[int]]]]:
    """By name in lower case, what headers have such a field: where it stands first in them, and the places of their exchanges."""
    known = fields(evidence, of_request=of_request)
    return evidence.index.once(("field", of_request), lambda: _by_name(known))


def _by_name(shapes: Mapping[tuple[str, ...], array[int]]) -> dict[str, list[tuple[int, array[int]]]]:
    found: dict[str, list[tuple[int, array[int]]]] = {}
    for names, places in shapes.items():
        first: dict[str, int] = {}
        for at, name in enumerate(names):
            first.setdefault(name.lower(), at)
        for name, at in first.items():
            found.setdefault(name, []).append((at, places))
    return found


def _named(evidence: Evidence, names: Iterable[str], *, of_request: bool) -> tuple[Exchange, ...]:
    known = _shapes(evidence, of_request=of_request)
    return _at(evidence, [places for name in names for _, places in known.get(name, ())])


class Bodies(Struct, frozen=True, gc=False):
    """The places, in `winrm`, of exchanges by what protects the body of the request (or of the response); and of those where it `is_clear`."""

    asked: Mapping[Protection, array[int]]
    answered: Mapping[Protection, array[int]]
    asked_clear: array[int]
    answered_clear: array[int]


def _bodies(evidence: Evidence) -> Bodies:
    own, messages = winrm(evidence), evidence.messages
    return evidence.index.once("bodies", lambda: _by_body(own, messages))


def _by_body(own: tuple[Exchange, ...], messages: Mapping[str, Message]) -> Bodies:
    asked, answered = ({protection: array("L") for protection in Protection} for _ in range(2))
    found = Bodies(asked, answered, array("L"), array("L"))
    for of_request, places, clear in ((True, asked, found.asked_clear), (False, answered, found.answered_clear)):
        last, known = Protection.CLEAR, places[Protection.CLEAR]
        for place, exchange in enumerate(own):
            half = exchange.request if of_request else exchange.response
            message = None if isinstance(half, Absent) else messages.get(half.id)
            if message is None:
                continue
            if message.protection is not last:  # most are as the one before: it is looked up only where it is not
                last, known = message.protection, places[message.protection]
            known.append(place)
            if last is Protection.CLEAR and message.operation not in _IDENTIFY:
                clear.append(place)
    return found
