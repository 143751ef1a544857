"""Findings that say the same of the same party become one incident."""

from collections import defaultdict
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.incidents.facts import About, Crowd, says_of
from analyzer.incidents.leads import lead
from analyzer.records.finding import Finding, Severity
from analyzer.records.incident import Incident
from analyzer.records.story import Certainty

_ORDER = {severity: -place for place, severity in enumerate(Severity)}
_INFO = Severity.INFO
_PROVED, _INFERRED, _UNKNOWN = Certainty.PROVED, Certainty.INFERRED, Certainty.UNKNOWN
"""Asked of every incident: as members of their classes they take five times as long to get at."""
_PACKETS = 32
_HALF = 0.5


class Told(NamedTuple):
    """What is known of the rules: their titles, which rules follow from which, and (symptom, cause) of each finding that is not told."""

    titles: Mapping[str, str]
    consequences: Mapping[str, Sequence[str]]
    left_out: Sequence[tuple[Finding, Finding]]


class Known(NamedTuple):
    """What the evidence tells: of each finding, in their order, ``follows`` being a place among all of them; and who the clients are."""

    about: Sequence[About]
    crowd: Crowd


def incidents(findings: Sequence[Finding], known: Known, told: Told) -> tuple[Incident, ...]:
    """``findings`` are in the order of their ids: the first is ``f1``."""
    groups = _groups(findings, known.about)
    groups.sort(key=lambda group: (_ORDER[group.severity], group.first_ns, group.findings[0].rule, group.places[0]))
    made = [_incident(f"i{place}", group, known.crowd, told) for place, group in enumerate(groups, 1)]
    explains = _explains(groups, told.left_out) if told.left_out else {}
    causes = _causes(made, [group.clients for group in groups], told.consequences)
    return tuple(
        [
            replace(one, explains=tuple(explains[place]) if place in explains else (), explained_by=cause) if cause is not None or place in explains else one
            for place, (one, cause) in enumerate(zip(made, causes, strict=True))
        ]
    )


class _Group(NamedTuple):
    """The findings of an incident, their places among all, what is known of them, and the clients of all of them."""

    places: Sequence[int]
    findings: Sequence[Finding]
    about: Sequence[About]
    clients: frozenset[str]
    severity: Severity
    first_ns: int


def _groups(findings: Sequence[Finding], about: Sequence[About]) -> list[_Group]:
    """Those that say the same of the same party."""
    groups: dict[Hashable, list[int]] = {}
    keys: list[Hashable] = []
    for place, (finding, one) in enumerate(zip(findings, about, strict=True)):
        key = (says_of(finding), one.party) if one.follows is None else keys[one.follows]
        keys.append(key)
        group = groups.get(key)
        if group is None:
            groups[key] = [place]
        else:
            group.append(place)
    return [_group(places, findings, about) for places in groups.values()]


def _group(places: Sequence[int], findings: Sequence[Finding], about: Sequence[About]) -> _Group:
    if len(places) == 1:
        finding, one = findings[places[0]], about[places[0]]
        return _Group(places, (finding,), (one,), one.clients, finding.severity, finding.first_ns)
    found, own = [findings[place] for place in places], [about[place] for place in places]
    clients: frozenset[str] = frozenset().union(*[one.clients for one in own])
    severity = min([finding.severity for finding in found], key=_ORDER.__getitem__)
    return _Group(places, found, own, clients, severity, min([finding.first_ns for finding in found]))


def _explains(groups: Sequence[_Group], left_out: Sequence[tuple[Finding, Finding]]) -> Mapping[int, Mapping[str, None]]:
    """By place of the group, the rules whose findings one of its own explains."""
    causes = {id(cause) for _, cause in left_out}
    whose = {id(finding): place for place, group in enumerate(groups) for finding in group.findings if id(finding) in causes}
    explains: dict[int, dict[str, None]] = defaultdict(dict)
    for symptom, cause in left_out:
        if id(cause) in whose:
            explains[whose[id(cause)]][symptom.rule] = None
    return explains


def _incident(identity: str, group: _Group, crowd: Crowd, told: Told) -> Incident:
    """The incident of a group."""
    found, about, first = group.findings, group.about, group.findings[0]
    party, severity, alone = about[0].party, group.severity, len(found) == 1
    spent = about[0].spent if alone else {request: took for one in about for request, took in one.spent.items()}
    sure = first.confidence if alone else min([finding.confidence for finding in found])
    there = crowd.at(party)
    return Incident(
        id=identity,
        rule=first.rule,
        owner=first.owner,
        party=party,
        severity=severity,
        title=first.title if alone or len({finding.title for finding in found}) == 1 else told.titles.get(first.rule, first.title),
        clients=len(group.clients),
        clients_total=len(there) if group.clients <= there else len(there | group.clients),
        first_ns=group.first_ns,
        last_ns=first.last_ns if alone else max([finding.last_ns for finding in found]),
        findings=tuple([f"f{place + 1}" for place in group.places]),
        logons=len(set(about[0].logons) if alone else {logon for one in about for logon in one.logons}),
        requests=len(set(about[0].requests) if alone else {request for one in about for request in one.requests}),
        cost_ns=sum(spent.values()) if spent else None,
        certainty=_PROVED if sure >= 1 else _INFERRED if sure >= _HALF else _UNKNOWN,
        background=severity is _INFO,
        change=lead(first),
        packets=first.packets[:_PACKETS],
    )


def _causes(found: Sequence[Incident], clients: Sequence[frozenset[str]], consequences: Mapping[str, Sequence[str]]) -> list[str | None]:
    """For each incident the one that it probably follows from: of the same party, with the same clients, by a rule that explains its rule."""
    at: dict[tuple[str | None, str], list[int]] = defaultdict(list)
    for place, one in enumerate(found):
        for rule in consequences.get(one.rule, ()):
            at[one.party, rule].append(place)
    made: list[str | None] = []
    for place, one in enumerate(found):
        causes = [] if one.background else at.get((one.party, one.rule), [])
        made.append(next((found[cause].id for cause in causes if cause != place and clients[place] <= clients[cause]), None))
    return made
