"""Findings that say the same of the same party become one incident."""

import re
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.incidents.clients import clients
from analyzer.incidents.leads import lead
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.incident import Incident
from analyzer.records.proxy import Role
from analyzer.records.story import Certainty, Kind, Outcome

_ORDER = {severity: -place for place, severity in enumerate(Severity)}
_KINDS = {"client": (Kind.CLIENT,), "proxy": (Kind.PROXY, Kind.SOCKS), "server": (Kind.SERVER,)}
_NUMBER = re.compile(r"\d+")
_PACKETS = 32
_HALF = 0.5


class Told(NamedTuple):
    """What is known of the rules: their titles, which rules follow from which, and (symptom, cause) of each finding that is not told."""

    titles: Mapping[str, str]
    consequences: Mapping[str, Sequence[str]]
    left_out: Sequence[tuple[Finding, Finding]]


def incidents(evidence: Evidence, findings: Sequence[Finding], told: Told) -> tuple[Incident, ...]:
    """``findings`` are in the order of their ids: the first is ``f1``."""
    facts = _Facts(evidence)
    groups: dict[Hashable, list[tuple[str, Finding]]] = defaultdict(list)
    seen: dict[Hashable, Hashable] = {}
    for place, finding in enumerate(findings, 1):
        says = finding.rule, finding.owner, _same_words(finding)
        events = [(says, facts.request_of[identity]) for identity in finding.exchanges if identity in facts.request_of]
        key = next((seen[event] for event in events if event in seen), (*says, facts.party(finding)))
        seen.update(dict.fromkeys(events, key))
        groups[key].append((f"f{place}", finding))
    made = [(facts.incident(group, told), group) for group in groups.values()]
    made.sort(key=lambda item: (_ORDER[item[0].severity], item[0].first_ns, item[0].rule, int(item[0].findings[0][1:])))
    named = [replace(one, id=f"i{place}") for place, (one, _) in enumerate(made, 1)]
    whose = {id(finding): place for place, (_, group) in enumerate(made) for _, finding in group}
    explains: dict[int, dict[str, None]] = defaultdict(dict)
    for symptom, cause in told.left_out:
        if id(cause) in whose:
            explains[whose[id(cause)]][symptom.rule] = None
    concerned = [facts.concerned(group) for _, group in made]
    return tuple(
        replace(one, explains=tuple(explains.get(place, ())), explained_by=cause)
        for place, (one, cause) in enumerate(zip(named, _causes(named, concerned, told.consequences), strict=True))
    )


def _same_words(finding: Finding) -> str:
    """The title without what tells one client from the next: its address, its user, and a number at the beginning, which counts what this finding holds."""
    words = finding.title
    for name in (finding.user, finding.source):
        for part in (name, name.rpartition("\\")[2]) if name else ():
            words = words.replace(part, "*") if part else words
    return _NUMBER.sub("#", words) if words[:1].isdigit() else words


class _Facts:
    """What the evidence tells of the findings, looked up once for all of them."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.clients = clients(evidence)
        self.kinds = {party.id: party.kind for party in evidence.story.parties}
        self.request_of = {identity: fate.request for fate in evidence.story.fates.values() for identity in (fate.request, *fate.forwarded_as)}
        self.logon_of = {identity: logon.id for logon in evidence.story.logons for identity in logon.exchanges}
        self.waited = {one.exchange: one.waited_ns for one in evidence.unanswered if one.exchange is not None}

    def party(self, finding: Finding) -> str | None:
        """The party that owns it, at an end of its connections; for what a client has to change, where it went."""
        ends = [self.evidence.story.ends[identity] for identity in finding.connections if identity in self.evidence.story.ends]
        if not ends:
            return None
        wanted = _KINDS.get(finding.owner or "", ()) if finding.owner != "client" else ()
        first = [party for party in (ends[0][1], ends[0][0]) if self.kinds.get(party) in wanted]
        if len(first) == 1:  # in a chain of proxies the one at the connection that the finding is about
            return first[0]
        own = Counter(party for end in ends for party in (end[1], end[0]) if self.kinds.get(party) in wanted)
        if own:
            return own.most_common(1)[0][0]
        opener, listener = ends[0]
        return opener if finding.owner == "proxy" and self.evidence.roles.get(finding.connections[0]) is Role.UPSTREAM_LEG else listener

    def concerned(self, group: Iterable[tuple[str, Finding]]) -> frozenset[str]:
        """The clients of all findings."""
        return frozenset(host for _, finding in group for host in self.clients.of(finding))

    def incident(self, group: Sequence[tuple[str, Finding]], told: Told) -> Incident:
        """The incident, without its id."""
        found = [finding for _, finding in group]
        first, exchanges = found[0], {identity for finding in found for identity in finding.exchanges}
        concerned, party = self.concerned(group), self.party(first)
        requests = {self.request_of[identity] for identity in exchanges if identity in self.request_of}
        sure = min(finding.confidence for finding in found)
        severity = min((finding.severity for finding in found), key=lambda one: _ORDER[one])
        return Incident(
            id="",
            rule=first.rule,
            owner=first.owner,
            party=party,
            severity=severity,
            title=first.title if len({finding.title for finding in found}) == 1 else told.titles.get(first.rule, first.title),
            clients=len(concerned),
            clients_total=len(self.clients.at(party) | concerned),
            first_ns=min(finding.first_ns for finding in found),
            last_ns=max(finding.last_ns for finding in found),
            findings=tuple(identity for identity, _ in group),
            logons=len({self.logon_of[identity] for identity in exchanges if identity in self.logon_of}),
            requests=len(requests),
            cost_ns=self._cost(requests),
            certainty=Certainty.PROVED if sure >= 1 else Certainty.INFERRED if sure >= _HALF else Certainty.UNKNOWN,
            background=severity is Severity.INFO,
            change=lead(first),
            packets=first.packets[:_PACKETS],
        )

    def _cost(self, requests: Iterable[str]) -> int | None:
        """How long clients waited for the requests that failed; None when none failed."""
        spent = []
        for identity in requests:
            fate = self.evidence.story.fates[identity]
            took = fate.waited_ns if fate.waited_ns is not None else self.waited.get(identity)
            if took is not None and fate.outcome not in (Outcome.ANSWERED, Outcome.REFUSED):
                spent.append(took)
        return sum(spent) if spent else None


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
