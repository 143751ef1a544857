"""What the evidence tells of each finding, worked out once: incidents are made of these, so that they can be made of the findings of several evidences, too."""

import re
from array import array
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from analyzer.incidents.clients import clients
from analyzer.records.arrays import Ints
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.proxy import Role
from analyzer.records.story import Kind, Outcome

_SEVERAL = 2
_NONE = array("q")
_NO_TIME: Mapping[int, int] = {}
"""Nothing is ever added to these."""
_NUMBER = re.compile(r"\d+")
_KINDS = {"client": (Kind.CLIENT,), "proxy": (Kind.PROXY, Kind.SOCKS), "server": (Kind.SERVER,)}


class About(Struct, frozen=True, gc=False):
    """What one finding is about, in numbers where only their count matters.

    ``follows``: the place, among the findings of its evidence, of an earlier one that says the same of one of its requests.
    ``requests``: the clients' requests behind its exchanges; ``logons``: those that it is about; both by hashes of their ids.
    ``spent``: of the requests that failed, how long the client waited for each (ns).
    """

    party: str | None
    """The party that owns it, at an end of its connections; for what a client has to change, where it went."""
    follows: int | None
    requests: Ints
    clients: frozenset[str]
    logons: Ints
    spent: Mapping[int, int]


class Crowd(Struct, frozen=True, gc=False):
    """The addresses of all clients, and of those whose requests parties got, by the ids of those parties that findings are about."""

    all: frozenset[str]
    of_party: Mapping[str, frozenset[str]]

    def at(self, party: str | None) -> frozenset[str]:
        """The clients of a party; of an unknown one all."""
        return self.all if party is None else self.of_party.get(party, frozenset())


def crowd(evidence: Evidence, told: Sequence[About]) -> Crowd:
    """Those that the evidence shows."""
    who = clients(evidence)
    named = dict.fromkeys([one.party for one in told])
    return Crowd(who.all, {party: who.at(party) for party in named if party is not None})


def about(evidence: Evidence, findings: Sequence[Finding]) -> tuple[About, ...]:
    """What each of the findings is about, in their order."""
    facts = _Facts(evidence)
    behind = [facts.behind(finding) for finding in findings]
    again = _again(findings, behind)
    seen: dict[Hashable, dict[str, int]] = {}
    made = []
    for place, (finding, there) in enumerate(zip(findings, behind, strict=True)):
        follows = None
        if finding.rule in again and there.requests:
            own = seen.setdefault(says_of(finding), {})
            follows = next((own[request] for request in there.requests if request in own), None) if own else None
            own.update(dict.fromkeys(there.requests, place if follows is None else follows))
        made.append(About(facts.party(finding, there.ends), follows, there.hashes, there.clients, there.logons, there.spent))
    return tuple(made)


def _again(findings: Sequence[Finding], behind: Sequence["_Behind"]) -> set[str]:
    """The rules that speak of one request in several findings, as few do: of others no finding says again what one before it said of the same request."""
    found = set()
    seen: dict[str, set[str]] = {}
    for finding, there in zip(findings, behind, strict=True):
        own = seen.get(finding.rule)
        if own is None:
            own = seen[finding.rule] = set()
        before = len(own)
        own.update(there.requests)
        if len(own) < before + len(there.requests):
            found.add(finding.rule)
    return found


def says_of(finding: Finding) -> Hashable:
    """What a finding says: its rule, whom it is up to, and its title without what tells one client from the next: its address, its user, and a number at the
    beginning, which counts what this finding holds."""
    words = finding.title
    for name in (finding.user, finding.source):
        if name and name[name.rfind("\\") + 1 :] in words:  # as of few: most titles name nobody
            for part in (name, name.rpartition("\\")[2]):
                words = words.replace(part, "*") if part else words
    return finding.rule, finding.owner, _NUMBER.sub("#", words) if words[:1].isdigit() else words


class _Behind(NamedTuple):
    """What stands behind exchanges and connections: the clients' requests in their order, their hashes and those of the logons, the clients, what was waited
    for those that failed, and the parties at the connections' ends."""

    requests: tuple[str, ...]
    hashes: Ints
    logons: Ints
    clients: frozenset[str]
    spent: Mapping[int, int]
    ends: tuple[tuple[str, str], ...]


class _Facts:
    """What the evidence tells of the findings, looked up once for all of them."""

    def __init__(self, evidence: Evidence) -> None:
        self.evidence = evidence
        self.clients = clients(evidence)
        self.kinds = {party.id: party.kind for party in evidence.story.parties}
        fates = evidence.story.fates
        self.request_of = {identity: identity for identity in fates}
        self.request_of |= {identity: fate.request for fate in fates.values() if fate.forwarded_as for identity in fate.forwarded_as}
        self.logon_of = {identity: logon.conversations[0] for logon in evidence.story.logons for identity in logon.exchanges}
        self.spent = _spent(evidence)
        self._known: dict[tuple[tuple[str, ...], tuple[str, ...]], _Behind] = {}

    def behind(self, finding: Finding) -> _Behind:
        """What is behind its exchanges and connections, which several rules often speak of."""
        key = finding.connections, finding.exchanges
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._behind(finding)
        return known

    def _behind(self, finding: Finding) -> _Behind:
        exchanges, ends = finding.exchanges, self.evidence.story.ends
        found = [one for one in map(self.request_of.get, exchanges) if one is not None]
        requests = tuple(found if len(found) < _SEVERAL else dict.fromkeys(found))
        logons = [one for one in map(self.logon_of.get, exchanges) if one is not None] if self.logon_of else ()
        return _Behind(
            requests,
            array("q", [hash(one) for one in requests]) if requests else _NONE,
            array("q", [hash(one) for one in (logons if len(logons) < _SEVERAL else set(logons))]) if logons else _NONE,
            self.clients.of(finding),
            {hash(identity): self.spent[identity] for identity in requests if identity in self.spent} if self.spent else _NO_TIME,
            tuple([ends[identity] for identity in finding.connections if identity in ends]),
        )

    def party(self, finding: Finding, ends: Sequence[tuple[str, str]]) -> str | None:
        """The one that a finding is up to; ``ends``: the parties at the ends of its connections."""
        if not ends:
            return None
        wanted = _KINDS.get(finding.owner or "", ()) if finding.owner != "client" else ()
        if wanted and len(ends) == 1:  # as of most findings
            opener, listener = ends[0]
            there, here = self.kinds.get(listener) in wanted, self.kinds.get(opener) in wanted
            if there or here:  # where both are, the one that is asked
                return listener if there else opener
        first = [party for party in (ends[0][1], ends[0][0]) if self.kinds.get(party) in wanted] if wanted else ()
        if len(first) == 1:  # in a chain of proxies the one at the connection that the finding is about
            return first[0]
        own = Counter([party for end in ends for party in (end[1], end[0]) if self.kinds.get(party) in wanted]) if wanted else None
        if own:
            return own.most_common(1)[0][0]
        opener, listener = ends[0]
        return opener if finding.owner == "proxy" and self.evidence.roles.get(finding.connections[0]) is Role.UPSTREAM_LEG else listener


def _spent(evidence: Evidence) -> dict[str, int]:
    """Of the requests that failed, how long the client waited for each (ns)."""
    waited = {one.exchange: one.waited_ns for one in evidence.unanswered if one.exchange is not None}
    spent = {}
    for identity, fate in evidence.story.fates.items():
        if fate.outcome not in (Outcome.ANSWERED, Outcome.REFUSED):
            took = fate.waited_ns if fate.waited_ns is not None else waited.get(identity)
            if took is not None:
                spent[identity] = took
    return spent
