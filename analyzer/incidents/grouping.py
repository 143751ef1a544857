"""Findings that say the same of the same party become one incident."""

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.incidents.facts import About, Crowd, says_of
from analyzer.incidents.leads import lead
from analyzer.records.finding import Finding, Severity
from analyzer.records.incident import Incident
from analyzer.records.story import Certainty

_ORDER = {severity: -place for place, severity in enumerate(Severity)}
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
    groups: dict[Hashable, list[_Member]] = defaultdict(list)
    keys: list[Hashable] = []
    for place, (finding, about) in enumerate(zip(findings, known.about, strict=True)):
        key = (says_of(finding), about.party) if about.follows is None else keys[about.follows]
        keys.append(key)
        groups[key].append(_Member(f"f{place + 1}", finding, about))
    made = [(_incident(group, known.crowd, told), group) for group in groups.values()]
    made.sort(key=lambda item: (_ORDER[item[0].severity], item[0].first_ns, item[0].rule, int(item[0].findings[0][1:])))
    named = [replace(one, id=f"i{place}") for place, (one, _) in enumerate(made, 1)]
    whose = {id(member.finding): place for place, (_, group) in enumerate(made) for member in group}
    explains: dict[int, dict[str, None]] = defaultdict(dict)
    for symptom, cause in told.left_out:
        if id(cause) in whose:
            explains[whose[id(cause)]][symptom.rule] = None
    clients = [_concerned(group) for _, group in made]
    causes = _causes(named, clients, told.consequences)
    return tuple(
        [
            replace(one, explains=tuple(explains[place]) if place in explains else (), explained_by=cause) if cause is not None or place in explains else one
            for place, (one, cause) in enumerate(zip(named, causes, strict=True))
        ]
    )


class _Member(NamedTuple):
    """A finding of an incident, with its id."""

    id: str
    finding: Finding
    about: About


def _concerned(group: Iterable[_Member]) -> frozenset[str]:
    """The clients of all findings."""
    own = [member.about.clients for member in group]
    return own[0] if len(own) == 1 else frozenset().union(*own)


def _incident(group: Sequence[_Member], crowd: Crowd, told: Told) -> Incident:
    """The incident, without its id."""
    found, first = [member.finding for member in group], group[0].finding
    concerned, party = _concerned(group), group[0].about.party
    spent = {request: took for member in group for request, took in member.about.spent.items()}
    sure = min([finding.confidence for finding in found])
    severity = first.severity if len(found) == 1 else min([finding.severity for finding in found], key=_ORDER.__getitem__)
    return Incident(
        id="",
        rule=first.rule,
        owner=first.owner,
        party=party,
        severity=severity,
        title=first.title if len(found) == 1 or len({finding.title for finding in found}) == 1 else told.titles.get(first.rule, first.title),
        clients=len(concerned),
        clients_total=len(crowd.at(party) | concerned),
        first_ns=min([finding.first_ns for finding in found]),
        last_ns=max([finding.last_ns for finding in found]),
        findings=tuple(member.id for member in group),
        logons=len({logon for member in group for logon in member.about.logons}),
        requests=len({request for member in group for request in member.about.requests}),
        cost_ns=sum(spent.values()) if spent else None,
        certainty=Certainty.PROVED if sure >= 1 else Certainty.INFERRED if sure >= _HALF else Certainty.UNKNOWN,
        background=severity is Severity.INFO,
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
