"""Exchanges by what is asked of them most: status, fields, protection of bodies, role of their connection. Rules start from these, not from all exchanges.

Each is made in one walk over the exchanges of an evidence and kept in its index. Answers are in order of place.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import chain
from typing import TYPE_CHECKING

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange, Header
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.records.sealing import IDENTIFY, Message, Protection
from analyzer.records.transport import Connection

if TYPE_CHECKING:
    from analyzer.records.kinds import Kind

_NOTABLE = (*IDENTIFY, "Fault")


def winrm(evidence: Evidence) -> tuple[Exchange, ...]:
    """The exchanges of WinRM connections."""
    every, wanted = evidence.exchanges, evidence.winrm
    return evidence.index.once("winrm", lambda: tuple([one for one in every.values() if one.connection in wanted]))


def connections(evidence: Evidence) -> tuple[Connection, ...]:
    """The connections that carry WinRM."""
    every, wanted = evidence.connections, evidence.winrm
    return evidence.index.once("winrm connections", lambda: tuple([one for identity, one in every.items() if identity in wanted]))


def by_place(evidence: Evidence) -> Mapping[tuple[str, str, int], Sequence[Connection]]:
    """The same by client host and server endpoint, in order of appearance."""
    own = connections(evidence)
    return evidence.index.once("winrm connections by place", lambda: _by_place(own))


def _by_place(own: Iterable[Connection]) -> dict[tuple[str, str, int], list[Connection]]:
    found: dict[tuple[str, str, int], list[Connection]] = {}
    for one in own:
        server = one.server
        place = one.client.host, server.host, server.port
        known = found.get(place)
        if known is None:
            found[place] = [one]
        else:
            known.append(one)
    return found


def alike(evidence: Evidence) -> tuple[Kind, ...]:
    """The kinds of the exchanges of WinRM connections."""
    from analyzer.records.kinds import kinds

    own, messages = winrm(evidence), evidence.messages
    return evidence.index.once("kinds", lambda: kinds(own, messages))


def of_kinds(evidence: Evidence, is_meant: Callable[[Kind], object]) -> tuple[Exchange, ...]:
    """Those of the kinds of which ``is_meant`` is true: it is asked once of each kind, however many exchanges there are."""
    return _at(evidence, [kind.places for kind in alike(evidence) if is_meant(kind)], apart=True)


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
    from analyzer.records.kinds import by

    known = alike(evidence)
    return evidence.index.once("targets", lambda: by(known, lambda kind: None if kind.asked is None else kind.asked.target))


def in_version(evidence: Evidence, version: str) -> tuple[Exchange, ...]:
    """Those whose request or response has this version of HTTP."""
    return of_kinds(evidence, lambda kind: version in (kind.asked and kind.asked.version, kind.answered and kind.answered.version))


def at_places(evidence: Evidence, found: Iterable[array[int]]) -> tuple[Exchange, ...]:
    """The exchanges at these places in `winrm`."""
    return _at(evidence, found)


def asked_in(evidence: Evidence, *protections: Protection) -> tuple[Exchange, ...]:
    """Those whose request's body is protected in one of these ways."""
    return of_kinds(evidence, lambda kind: _asked(kind) in protections)


def answered_in(evidence: Evidence, *protections: Protection) -> tuple[Exchange, ...]:
    """Those whose response's body is protected in one of these ways."""
    return of_kinds(evidence, lambda kind: _answered(kind) in protections)


def said_in(evidence: Evidence, *protections: Protection) -> tuple[Exchange, ...]:
    """Those whose request's or response's body is protected in one of these ways."""
    return of_kinds(evidence, lambda kind: _asked(kind) in protections or _answered(kind) in protections)


def _asked(kind: Kind) -> Protection | None:
    return None if kind.asked is None or kind.asked.said is None else kind.asked.said.protection


def _answered(kind: Kind) -> Protection | None:
    return None if kind.answered is None or kind.answered.said is None else kind.answered.said.protection


def is_clear(found: Message | None) -> bool:
    """A SOAP envelope that anyone on the way can read; Identify, which is anonymous by design, does not count (DSP0226 section 11)."""
    return found is not None and found.protection is Protection.CLEAR and found.operation not in IDENTIFY


def asked_clear(evidence: Evidence) -> tuple[Exchange, ...]:
    """Those whose request is an envelope in clear (`is_clear`)."""
    return evidence.index.once("asked clear", lambda: of_kinds(evidence, asks_clear))


def said_clear(evidence: Evidence) -> tuple[Exchange, ...]:
    """Those whose request or response is an envelope in clear (`is_clear`)."""
    return evidence.index.once("said clear", lambda: of_kinds(evidence, lambda kind: asks_clear(kind) or answers_clear(kind)))


def asks_clear(kind: Kind) -> bool:
    """The request is an envelope in clear (`is_clear`)."""
    return kind.asked is not None and kind.asked.said is not None and kind.asked.said.is_clear


def answers_clear(kind: Kind) -> bool:
    """The response is one."""
    return kind.answered is not None and kind.answered.said is not None and kind.answered.said.is_clear


def messages_where(evidence: Evidence, name: str, is_meant: Callable[[Message], object], *, encrypted: bool = False, plain: bool = True) -> tuple[Message, ...]:
    """Messages of whatever connection of which ``is_meant`` is true; ``name`` stands for that function. ``encrypted``: only those that are, or were. Not
    ``plain``: only those that are, or have something else that few have (`_is_plain`)."""
    known = _encrypted(evidence) if encrypted else evidence.messages.values() if plain else _notable(evidence)
    return evidence.index.once(("messages", name), lambda: tuple([one for one in known if is_meant(one)]))


def _encrypted(evidence: Evidence) -> tuple[Message, ...]:
    known = _notable(evidence)
    return evidence.index.once("encrypted", lambda: tuple([one for one in known if one.parts or one.protection is Protection.SEALED or one.opened]))


def _notable(evidence: Evidence) -> tuple[Message, ...]:
    """Those that are not plain."""
    known = evidence.messages
    return evidence.index.once("notable", lambda: tuple([one for one in known.values() if not _is_plain(one)]))


def _is_plain(one: Message) -> bool:
    """It is not encrypted and was not, is no fault and no Identify, sets nothing, and is coded in no way."""
    return (
        one.operation not in _NOTABLE
        and one.protection is not Protection.SEALED
        and one.fault_code is None
        and not (one.parts or one.opened or one.settings or one.codings)
        and one.check == "none"
    )


def with_message(evidence: Evidence, name: str, is_meant: Callable[[Message], object], *, encrypted: bool = False, plain: bool = True) -> tuple[Exchange, ...]:
    """Those with a message, asked or answered, of which ``is_meant`` is true; as in `messages_where`."""
    found = messages_where(evidence, name, is_meant, encrypted=encrypted, plain=plain)
    own = winrm(evidence) if found else ()
    return evidence.index.once(("with", name), lambda: _of(own, {message.exchange for message in found}))


def _of(own: tuple[Exchange, ...], wanted: AbstractSet[str]) -> tuple[Exchange, ...]:
    return tuple([one for one in own if one.id in wanted])


def _at(evidence: Evidence, found: Iterable[array[int] | None], *, apart: bool = False) -> tuple[Exchange, ...]:
    """Those at these places. ``apart``: none of them is there twice."""
    some = [places for places in found if places]
    if not some:
        return ()
    own = winrm(evidence)
    places = some[0] if len(some) == 1 else sorted(chain.from_iterable(some) if apart else {place for part in some for place in part})
    return own if len(places) == len(own) else tuple([own[place] for place in places])


def _statuses(evidence: Evidence) -> Mapping[int, array[int]]:
    from analyzer.records.kinds import by

    known = alike(evidence)
    return evidence.index.once("status", lambda: by(known, lambda kind: None if kind.answered is None else kind.answered.status))


def fields(evidence: Evidence, *, of_request: bool) -> Mapping[tuple[str, ...], array[int]]:
    """The names of the fields of requests (or of final responses) as they were sent, each with the places of its exchanges in `winrm`, which are in order."""
    return _fields(evidence, of_request=of_request).places


def heads(evidence: Evidence, names: tuple[str, ...], *, of_request: bool) -> Sequence[tuple[Header, ...]]:
    """All fields that requests (or final responses) with fields of these names have: those that are one object, as of most that are alike, once."""
    return _fields(evidence, of_request=of_request).heads.get(names, ())


class _Fields(Struct, frozen=True, gc=False):
    """By the names of fields: the places of exchanges, and the fields themselves."""

    places: Mapping[tuple[str, ...], array[int]]
    heads: Mapping[tuple[str, ...], list[tuple[Header, ...]]]


def _fields(evidence: Evidence, *, of_request: bool) -> _Fields:
    own = winrm(evidence)
    return evidence.index.once(("fields", of_request), lambda: _by_fields(own, of_request=of_request))


def _by_fields(own: tuple[Exchange, ...], *, of_request: bool) -> _Fields:
    found: dict[tuple[str, ...], array[int]] = {}
    every: dict[tuple[str, ...], list[tuple[Header, ...]]] = {}
    of: dict[int, array[int]] = {}  # by the object, which lives as long as its exchange
    for place, exchange in enumerate(own):
        half = exchange.request if of_request else exchange.response
        if not isinstance(half, Absent):
            known = of.get(id(half.headers))
            if known is None:
                names = tuple([field.name for field in half.headers])
                known = of[id(half.headers)] = found.setdefault(names, array("L"))
                every.setdefault(names, []).append(half.headers)
            known.append(place)
    return _Fields(found, every)


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
