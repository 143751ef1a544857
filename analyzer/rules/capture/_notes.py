"""What the rules about captures share: a finding of level info about connections, with their first packets."""

from collections.abc import Iterable, Sequence

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.transport import Connection
from analyzer.rules.reading import Place, finding, grouped, identity

_MOST = 32


class Words(Struct, frozen=True, gc=False):
    """A rule's own texts."""

    rule: str
    title: str
    advice: str
    reference: str


def note(evidence: Evidence, words: Words, why: str, connections: Sequence[Connection], packets: Iterable[int] = ()) -> Finding:
    """One finding; without ``packets`` the connections' first ones."""
    keys = list(packets) or [connection.packets[0] for connection in connections if connection.packets]
    return finding(
        evidence,
        rule=words.rule,
        severity=Severity.INFO,
        confidence=1.0,
        title=words.title,
        why=why,
        advice=words.advice,
        reference=words.reference,
        connections=[connection.id for connection in connections],
        exchanges=(),
        packets=keys[:_MOST],
        user=identity(evidence, connections[0].id),
    )


def places(connections: Iterable[Connection]) -> dict[Place, list[Connection]]:
    """By client host and endpoint, in order."""
    return grouped(connections, lambda connection: connection)


def winrm(evidence: Evidence, capture: int | None = None) -> list[Connection]:
    """The connections that carry WinRM (of one capture), those inside tunnels left out, since their packets are the tunnel's."""
    return [
        found
        for found in evidence.connections.values()
        if found.id in evidence.winrm and found.tunnel_of is None and found.packets and (capture is None or found.capture == capture)
    ]
