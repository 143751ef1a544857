"""Exchanges by what is asked of them most: status, fields, protection of bodies, role of their connection. Rules start from these, not from all exchanges.

Each is made in one walk over the exchanges of an evidence and kept in its index. Answers are in order of place.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange, Header
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Connection

_Places = dict[str, "array[int]"]


class Fields(Struct, frozen=True, gc=False):
    """The places, in `winrm`, of the exchanges whose request (or response) has a field, by its name in lower case."""

    asked: Mapping[str, array[int]]
    answered: Mapping[str, array[int]]


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
    known = _fields(evidence).asked
    return _at(evidence, [known.get(name) for name in names])


def answered_with(evidence: Evidence, *names: str) -> tuple[Exchange, ...]:
    """Those whose final response has a field with one of these names (in lower case)."""
    known = _fields(evidence).answered
    return _at(evidence, [known.get(name) for name in names])


def asked_in(evidence: Evidence, *protections: Protection) -> tuple[Exchange, ...]:
    """Those whose request's body is protected in one of these ways."""
    known = _protections(evidence, of_request=True)
    return _at(evidence, [known.get(one) for one in protections])


def answered_in(evidence: Evidence, *protections: Protection) -> tuple[Exchange, ...]:
    """Those whose response's body is protected in one of these ways."""
    known = _protections(evidence, of_request=False)
    return _at(evidence, [known.get(one) for one in protections])


def said_in(evidence: Evidence, *protections: Protection) -> tuple[Exchange, ...]:
    """Those whose request's or response's body is protected in one of these ways."""
    asked, answered = _protections(evidence, of_request=True), _protections(evidence, of_request=False)
    return _at(evidence, [known.get(one) for one in protections for known in (asked, answered)])


def messages_where(evidence: Evidence, name: str, is_meant: Callable[[Message], object]) -> tuple[Message, ...]:
    """Messages of whatever connection of which ``is_meant`` is true; ``name`` stands for that function."""
    known = evidence.messages
    return evidence.index.once(("messages", name), lambda: tuple([one for one in known.values() if is_meant(one)]))


def with_message(evidence: Evidence, name: str, is_meant: Callable[[Message], object]) -> tuple[Exchange, ...]:
    """Those with a message, asked or answered, of which ``is_meant`` is true; ``name`` stands for that function."""
    found = messages_where(evidence, name, is_meant)
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


def _fields(evidence: Evidence) -> Fields:
    own = winrm(evidence)
    return evidence.index.once("fields", lambda: _by_field(own))


def _by_field(own: tuple[Exchange, ...]) -> Fields:
    asked: _Places = {}
    answered: _Places = {}
    lower: dict[str, str] = {}
    for place, exchange in enumerate(own):
        if not isinstance(exchange.request, Absent):
            _note(asked, lower, exchange.request.headers, place)
        if not isinstance(exchange.response, Absent):
            _note(answered, lower, exchange.response.headers, place)
    return Fields(asked, answered)


def _note(found: _Places, lower: dict[str, str], fields: tuple[Header, ...], place: int) -> None:
    for field in fields:
        name = lower.get(field.name)
        if name is None:
            name = lower[field.name] = field.name.lower()
        known = found.get(name)
        if known is None:
            known = found[name] = array("L")
        if not known or known[-1] != place:
            known.append(place)


def _protections(evidence: Evidence, *, of_request: bool) -> Mapping[Protection, array[int]]:
    own, messages = winrm(evidence), evidence.messages
    return evidence.index.once(("protection", of_request), lambda: _by_protection(own, messages, of_request=of_request))


def _by_protection(own: tuple[Exchange, ...], messages: Mapping[str, Message], *, of_request: bool) -> dict[Protection, array[int]]:
    found = {protection: array("L") for protection in Protection}
    for place, exchange in enumerate(own):
        half = exchange.request if of_request else exchange.response
        message = None if isinstance(half, Absent) else messages.get(half.id)
        if message is not None:
            found[message.protection].append(place)
    return found
