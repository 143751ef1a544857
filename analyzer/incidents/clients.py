"""Who the clients are: the machines behind a proxy, not the connections that it opens for them."""

from collections.abc import Iterable, Mapping

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.proxy import Role
from analyzer.records.story import Kind

_PROXIES = (Kind.PROXY, Kind.SOCKS)


class Clients:
    """Addresses of clients by exchange, by connection and by party."""

    def __init__(self, evidence: Evidence) -> None:
        self._of_exchange: dict[str, str] = {}
        self._of_connection: dict[str, frozenset[str]] = {}
        self._only: dict[str, frozenset[str]] = {}
        last = ("", "")
        for fate in evidence.story.fates.values():
            asked_from = fate.asked_from
            if asked_from is not None:
                for identity in (fate.request, *fate.forwarded_as) if fate.forwarded_as else (fate.request,):
                    self._of_exchange[identity] = asked_from
                    connection = evidence.exchanges[identity].connection
                    if (connection, asked_from) != last:  # of most requests the client is that of the one before
                        known = self._of_connection.get(connection)
                        self._of_connection[connection] = self._alone(asked_from) if known is None else known | {asked_from}
                        last = connection, asked_from
        near = {far: route.client_connection for route in evidence.routes for far in route.upstream_connections}
        for identity in evidence.winrm:
            if identity not in self._of_connection:
                self._of_connection[identity] = self._own(evidence, identity, near)
        self.all: frozenset[str] = frozenset().union(*self._of_connection.values())
        self._parties = {party.id: party for party in evidence.story.parties}
        self._at: dict[str, frozenset[str]] = {}

    def of(self, finding: Finding) -> frozenset[str]:
        """The clients that a finding is about: those of its exchanges, else of its connections."""
        if len(finding.exchanges) == 1:  # as of most findings
            host = self._of_exchange.get(finding.exchanges[0])
            return self.on(finding.connections) if host is None else self._alone(host)
        found = frozenset([self._of_exchange[identity] for identity in finding.exchanges if identity in self._of_exchange])
        return found or self.on(finding.connections)

    def _own(self, evidence: Evidence, identity: str, near: Mapping[str, str]) -> frozenset[str]:
        """The one that opened a connection, or the one on the other side of its proxy."""
        connection = evidence.connections[near.get(identity, identity)]
        return frozenset() if evidence.roles.get(connection.id) is Role.UPSTREAM_LEG else self._alone(connection.client.host)

    def _alone(self, host: str) -> frozenset[str]:
        """One object for all that are about this client only."""
        known = self._only.get(host)
        if known is None:
            known = self._only[host] = frozenset((host,))
        return known

    def on(self, connections: Iterable[str]) -> frozenset[str]:
        """The clients whose requests went over these connections."""
        found = [self._of_connection[identity] for identity in connections if identity in self._of_connection]
        return found[0] if len(found) == 1 else frozenset().union(*found)

    def at(self, party: str | None) -> frozenset[str]:
        """The clients whose requests a party got; of an unknown party all of the evidence."""
        if party is None:
            return self.all
        if party not in self._at:
            own = self._parties.get(party)
            self._at[party] = frozenset() if own is None else self.on((*own.near, *own.far))
        return self._at[party]


def clients(evidence: Evidence) -> Clients:
    """Those of an evidence, worked out once."""
    return evidence.index.once("clients", lambda: Clients(evidence))
