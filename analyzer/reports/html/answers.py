"""The first screen of the report: what happened, whose part it is, and what to change or to record next."""

from collections.abc import Iterator
from typing import NamedTuple

from analyzer.reports.facts import counted
from analyzer.reports.html.cards import settings
from analyzer.reports.html.overview import Coverage
from analyzer.reports.html.ran import Run
from analyzer.reports.html.source import Row, Source, text

_TO_DO = "To do: "
_KEYS = 3
_COMMANDS = 3
_OWNERS = {"capture": "the capture itself", "network": "the network between the hosts", "client": "the client", "server": "the server", "proxy": "the proxy"}


class Part(NamedTuple):
    """Who has to change something, and the incidents that say so."""

    severity: str
    who: str
    incidents: tuple[tuple[str, str], ...]
    """Id and title."""


class Answers(NamedTuple):
    """``happened``: sentences of the diagnosis; ``change``: what to do, with ``settings`` as the first finding's cell has them; ``record``: what is missing."""

    happened: tuple[str, ...]
    parts: tuple[Part, ...]
    change: tuple[str, ...]
    settings: str
    record: tuple[str, ...]
    ran: tuple[str, ...]
    """The first commands, as far as bodies could be read."""


def told(source: Source) -> list[Row]:
    """The incidents that are not background, the most severe first."""
    return [row for row in source.rows("incidents") if not row["background"]]


def answers(source: Source, covered: Coverage, diagnosis: tuple[str, ...], runs: list[Run]) -> Answers:
    """Made of the diagnosis and the incidents; what to record next of what could not be read."""
    incidents = told(source)
    change = dict.fromkeys(one.removeprefix(_TO_DO) for one in diagnosis if one.startswith(_TO_DO))
    by_incident = {text(one, "incident_id"): text(one, "settings") for one in reversed(source.rows("findings"))}
    first = by_incident.get(text(incidents[0], "incident_id"), "") if incidents else ""
    for row in incidents:
        again = first and _products(by_incident.get(text(row, "incident_id"), "")) == _products(first)
        if row["change"] and row["explained_by"] is None and not again and len(change) < _KEYS:
            change.setdefault(f"{row['change']}.")
    return Answers(
        happened=tuple(one for one in diagnosis if not one.startswith(_TO_DO)),
        parts=tuple(_parts(source, incidents)),
        change=tuple(_without(one, first) for one in change),
        settings=first,
        record=tuple(_record(covered)),
        ran=tuple(one.command for one in runs[:_COMMANDS]),
    )


def _without(change: str, told_: str) -> str:
    """The sentence without the setting that stands below it."""
    for one in settings(told_):
        change = change.replace(f" ({one['product']}: {one['setting']})", "")
    return change


def _products(told_: str) -> frozenset[str]:
    """What the settings of a finding are, whichever products have them: equal ones are one change."""
    return frozenset(str(one["setting"]) for one in settings(told_) if not str(one["product"]).startswith("Windows client"))


def _parts(source: Source, incidents: list[Row]) -> Iterator[Part]:
    parties = {text(row, "party_id"): row for row in source.rows("parties")}
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in incidents:
        grouped.setdefault((text(row, "owner"), text(row, "party_id")), []).append(row)
    for (owner, party), own in grouped.items():
        where = parties.get(party)
        yield Part(text(own[0], "severity"), _who(owner, where), tuple((text(row, "incident_id"), text(row, "title")) for row in own))


def _who(owner: str, party: Row | None) -> str:
    if party is None:
        return _OWNERS.get(owner, "not known")
    named = party_words(party)
    if owner in ("", text(party, "kind")):
        return named
    return f"{_OWNERS.get(owner, owner)}; it shows at {named}"


def party_words(party: Row) -> str:
    """``proxy 10.0.0.5:3128 (squid)``."""
    endpoint = text(party, "endpoints").partition(",")[0]
    product = f" ({party['product']})" if party["product"] else ""
    return f"{party['kind']} {endpoint}{product}"


def _record(covered: Coverage) -> Iterator[str]:
    """What would show more, from what is missing."""
    if covered.one_leg:
        yield f"Record both sides of the proxy: requests look proxied {counted(covered.one_leg, 'time')} and their other side is not in the evidence."
    if covered.missing_bytes:
        on = counted(covered.holed_connections, "connection")
        yield f"Record again without loss: {counted(covered.missing_bytes, 'byte')} on {on} are not in the capture."
    closed = sum(covered.closed.values())
    if closed or covered.tls_connections:
        what = [counted(closed, "encrypted body", "encrypted bodies")] if closed else []
        what += [counted(covered.tls_connections, "TLS connection")] if covered.tls_connections else []
        keys = "; ".join(covered.keys[:_KEYS])
        yield f"To read {' and '.join(what)}, give {keys or 'a key or password (--secrets, --keytab, --keylog)'}."
