"""Who the clients are: the machines behind a proxy, not the connections that it opens for them."""

from collections import defaultdict
from collections.abc import Iterable

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.proxy import Role
from analyzer.records.story import Kind

_PROXIES = (Kind.PROXY, Kind.SOCKS)


class Clients:
    """Addresses of clients by exchange, by connection and by party."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._of_exchange: dict[str, str] = {}
        self._of_connection: dict[str, set[str]] = defaultdict(set)
        for fate in evidence.story.fates.values():
            if fate.asked_from is not None:
                for identity in (fate.request, *fate.forwarded_as):
                    self._of_exchange[identity] = fate.asked_from
                    self._of_connection[evidence.exchanges[identity].connection].add(fate.asked_from)
        near = {far: route.client_connection for route in evidence.routes for far in route.upstream_connections}
        for identity in evidence.winrm:
            if not self._of_connection.get(identity):
                self._of_connection[identity] = self._own(identity, near)
        self.all: frozenset[str] = frozenset(host for hosts in self._of_connection.values() for host in hosts)
        self.of_party: dict[str, set[str]] = {}
        for party in evidence.story.parties:
            self.of_party[party.id] = {host for connection in (*party.near, *party.far) for host in self._of_connection.get(connection, ())}

    def _own(self, identity: str, near: dict[str, str]) -> set[str]:
        connection = self._evidence.connections[near.get(identity, identity)]
        return set() if self._evidence.roles.get(connection.id) is Role.UPSTREAM_LEG else {connection.client.host}

    def of(self, finding: Finding) -> frozenset[str]:
        """The clients that a finding is about: those of its exchanges, else of its connections."""
        found = {self._of_exchange[identity] for identity in finding.exchanges if identity in self._of_exchange}
        return frozenset(found or self.on(finding.connections))

    def on(self, connections: Iterable[str]) -> frozenset[str]:
        """The clients whose requests went over these connections."""
        return frozenset(host for identity in connections for host in self._of_connection.get(identity, ()))
