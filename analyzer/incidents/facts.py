"""What the evidence tells of each finding, worked out once: incidents are made of these, so that they can be made of the findings of several evidences, too."""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from analyzer.incidents.clients import Clients
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.proxy import Role
from analyzer.records.story import Kind, Outcome

_KINDS = {"client": (Kind.CLIENT,), "proxy": (Kind.PROXY, Kind.SOCKS), "server": (Kind.SERVER,)}


class About(Struct, frozen=True, gc=False):
    """What one finding is about.

    ``requests``: the clients' requests behind its exchanges, in their order; ``logons``: those that it is about, by the id of the client's conversation.
    ``spent``: of the requests that failed, how long the client waited for each (ns).
    """

    party: str | None
    """The party that owns it, at an end of its connections; for what a client has to change, where it went."""
    requests: tuple[str, ...]
    clients: frozenset[str]
    logons: frozenset[str]
    spent: Mapping[str, int]


class Crowd(Struct, frozen=True, gc=False):
    """The addresses of all clients, and of those whose requests each party got, by its id."""

    all: frozenset[str]
    of_party: Mapping[str, frozenset[str]]

    def at(self, party: str | None) -> frozenset[str]:
        """The clients of a party; of an unknown one all."""
        return self.all if party is None else self.of_party.get(party, frozenset())


def crowd(clients: Clients) -> Crowd:
    """Those that the evidence shows."""
    return Crowd(clients.all, {party: frozenset(hosts) for party, hosts in clients.of_party.items()})


def about(evidence: Evidence, findings: Sequence[Finding], clients: Clients) -> tuple[About, ...]:
    """What each of the findings is about, in their order."""
    facts = _Facts(evidence, clients)
    return tuple(facts.about(finding) for finding in findings)


class _Facts:
    """What the evidence tells of the findings, looked up once for all of them."""

    def __init__(self, evidence: Evidence, clients: Clients) -> None:
        self.evidence = evidence
        self.clients = clients
        self.kinds = {party.id: party.kind for party in evidence.story.parties}
        self.request_of = {identity: fate.request for fate in evidence.story.fates.values() for identity in (fate.request, *fate.forwarded_as)}
        self.logon_of = {identity: logon.conversations[0] for logon in evidence.story.logons for identity in logon.exchanges}
        self.waited = {one.exchange: one.waited_ns for one in evidence.unanswered if one.exchange is not None}

    def about(self, finding: Finding) -> About:
        requests = tuple(dict.fromkeys(self.request_of[identity] for identity in finding.exchanges if identity in self.request_of))
        logons = frozenset(self.logon_of[identity] for identity in finding.exchanges if identity in self.logon_of)
        return About(self._party(finding), requests, self.clients.of(finding), logons, self._spent(requests))

    def _party(self, finding: Finding) -> str | None:
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

    def _spent(self, requests: Sequence[str]) -> dict[str, int]:
        spent = {}
        for identity in requests:
            fate = self.evidence.story.fates[identity]
            took = fate.waited_ns if fate.waited_ns is not None else self.waited.get(identity)
            if took is not None and fate.outcome not in (Outcome.ANSWERED, Outcome.REFUSED):
                spent[identity] = took
        return spent
