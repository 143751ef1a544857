"""The scope that people ask for, in their words: times with a zone, hosts, networks, ports; and told in words again."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from ipaddress import ip_network

from analyzer.errors import UsageError
from analyzer.settings import Scope
from analyzer.tables.times import rfc3339

_TIME = re.compile(r"(?P<whole>[^.,]*)(?:[.,](?P<fraction>[0-9]{1,9}))?(?P<zone>Z|[+-][0-9:]+)?", re.IGNORECASE)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NS = 1_000_000_000


def scope(
    since: str | None = None,
    until: str | None = None,
    nets: Iterable[str] = (),
    ports: Iterable[int] = (),
    *,
    all_http: bool = False,
    negotiate: bool = False,
) -> Scope:
    """``since`` and ``until``: ISO 8601 with a zone; both belong to the scope. ``nets``: addresses and networks. `UsageError`: one cannot be read."""
    begin, end = (None if text is None else time_ns(text) for text in (since, until))
    if begin is not None and end is not None and begin > end:
        msg = f"the scope ends ({until}) before it begins ({since})"
        raise UsageError(msg)
    known = tuple(dict.fromkeys(map(_net, nets)))
    return Scope(all_http=all_http or negotiate, negotiate=negotiate, since_ns=begin, until_ns=end, nets=known, ports=tuple(dict.fromkeys(map(_port, ports))))


def time_ns(text: str) -> int:
    """Nanoseconds since 1970 of a time in ISO 8601, which says its zone (``2026-11-24T10:24:31.055Z``, ``2026-11-24T11:24+01:00``)."""
    told = _TIME.fullmatch(text.strip())
    try:
        moment = datetime.fromisoformat("" if told is None else told["whole"] + (told["zone"] or "").upper())
    except ValueError as error:
        msg = f"{text!r} is not a time: write it as 2026-11-24T10:24:31Z or 2026-11-24T11:24:31+01:00"
        raise UsageError(msg) from error
    if moment.tzinfo is None:
        msg = f"{text!r} has no zone: add Z for UTC, or an offset such as +01:00"
        raise UsageError(msg)
    past = moment - _EPOCH
    fraction = "" if told is None else told["fraction"] or ""
    return (past.days * 86_400 + past.seconds) * _NS + int(fraction.ljust(9, "0"))


def words(asked: Scope) -> tuple[str, ...]:
    """What of the captures is looked at; empty when that is all of them."""
    found = []
    if asked.since_ns is not None:
        found.append(f"from {rfc3339(asked.since_ns)}")
    if asked.until_ns is not None:
        found.append(f"to {rfc3339(asked.until_ns)}")
    if asked.nets:
        found.append(f"hosts {', '.join(net.removesuffix('/32').removesuffix('/128') for net in asked.nets)}")
    if asked.ports:
        found.append(f"ports {', '.join(map(str, asked.ports))}")
    return tuple(found)


def _net(text: str) -> str:
    try:
        return str(ip_network(text.strip(), strict=False))
    except ValueError as error:
        msg = f"{text!r} is neither an address nor a network (10.0.0.5, 10.0.0.0/8, fd00::/8); names are not looked up"
        raise UsageError(msg) from error


def _port(number: int) -> int:
    if not 0 <= number <= 0xFFFF:
        msg = f"{number} is not a port"
        raise UsageError(msg)
    return number
