"""What the rules about captures share: WinRM connections as signs, and the words for the capture that holds them."""

from collections.abc import Sequence
from typing import Any, TypeVar

from analyzer.records.transport import Connection
from analyzer.rules.reading import counted, identity
from analyzer.rules.telling import Evidence, Sign, Tell

_F = TypeVar("_F")
_LONG = 40


def sign(evidence: Evidence, fact: _F, connection: Connection, packets: Sequence[int] | None = None) -> Sign[_F]:
    """A fact about a connection; without ``packets`` its first one shows it."""
    keys = tuple(connection.packets[:1] if packets is None else packets)
    return Sign(fact, (), keys, (connection.id,), identity(evidence, connection.id))


def by_capture(evidence: Evidence, one: Sign[Any]) -> int:
    """One finding for each capture point."""
    return evidence.connections[one.connections[0]].point


def capture_name(tell: Tell[Any]) -> str:
    """The name of the file; of the first one where the capture point wrote several."""
    names = [capture.name for capture in tell.evidence.captures if capture.point == tell.connection.point]
    return names[0] + (f" and {counted(len(names) - 1, 'more file')} of it" if len(names) > 1 else "")


def short_name(tell: Tell[Any]) -> str:
    """The same for a title: the end of a long one."""
    return short(tell.evidence.captures[tell.connection.point].name)


def short(whole: str) -> str:
    """A name for a title: the end of a long one."""
    return whole if len(whole) <= _LONG else f"…{whole[1 - _LONG :]}"


def server(tell: Tell[Any]) -> str:
    """``10.9.2.30:5985``."""
    return str(tell.connection.server)


def ends(tell: Tell[Any]) -> str:
    """``10.9.1.11 to 10.9.2.30:5985``; of several clients their number: ``3 clients to 10.9.2.30:5985``."""
    connections = tell.evidence.connections
    hosts = {connections[identity].client.host for identity in tell.connections}
    return f"{tell.connection.client.host if len(hosts) == 1 else counted(len(hosts), 'client')} to {server(tell)}"


def first_of(tell: Tell[Any]) -> str:
    """``packet 1 (c1)``: where the first connection begins."""
    return f"{tell.packet(tell.connection.packets[0])} ({tell.connection.id})"


def winrm(evidence: Evidence, point: int | None = None) -> Sequence[Connection]:
    """The connections that carry WinRM (of one capture point), those inside tunnels left out, since their packets are the tunnel's."""
    every, wanted = evidence.connections, evidence.winrm
    own = evidence.index.once(
        "connections with packets",
        lambda: tuple([found for found in every.values() if found.id in wanted and found.tunnel_of is None and found.packets]),
    )
    return own if point is None else [found for found in own if found.point == point]
