"""Which connections are opened together."""

from collections import defaultdict

from analyzer.records.evidence import Evidence
from analyzer.sealing.opening import Talk


def together(evidence: Evidence) -> list[list[Talk]]:
    """The WinRM connections, those of one client with one server together: a secret that proved right for one of them most likely opens the others. With them
    go the other sides of a proxy and other views of the same connections, of which any may have the handshake."""
    home: dict[object, object] = {}

    def root(name: object) -> object:
        while home.setdefault(name, name) != name:
            home[name] = home.setdefault(home[name], home[name])
            name = home[name]
        return name

    own = {identity: (connection.client.host, connection.server) for identity, connection in evidence.connections.items() if identity in evidence.winrm}
    pairs = [(hop.near_connection, hop.far_connection) for hop in evidence.hops]
    pairs += [(connection.twin_of, identity) for identity, connection in evidence.connections.items() if connection.twin_of is not None]
    for one, other in pairs:
        if one in own and other in own:
            home[root(own[other])] = root(own[one])
    groups: dict[object, list[Talk]] = defaultdict(list)
    joined = bool(home)
    for identity, ends in own.items():
        talk = Talk(evidence.connections[identity], evidence.exchanges_of.get(identity, ()), evidence.conversations_of.get(identity, ()))
        groups[root(ends) if joined else ends].append(talk)
    return list(groups.values())
