"""What the rules about captures share: WinRM connections as signs, and the words for the capture that holds them."""

from collections.abc import Sequence
from typing import Any, TypeVar

from analyzer.records.transport import Connection
from analyzer.rules.reading import identity
from analyzer.rules.telling import Evidence, Sign, Tell

_F = TypeVar("_F")
_LONG = 40


def sign(evidence: Evidence, fact: _F, connection: Connection, packets: Sequence[int] | None = None) -> Sign[_F]:
    """A fact about a connection; without ``packets`` its first one shows it."""
    keys = tuple(connection.packets[:1] if packets is None else packets)
    return Sign(fact, (), keys, (connection.id,), identity(evidence, connection.id))


def by_capture(evidence: Evidence, one: Sign[Any]) -> int:
    """One finding for each capture."""
    return evidence.connections[one.connections[0]].capture


def capture_name(tell: Tell[Any]) -> str:
    """The name of the file."""
    return tell.evidence.captures[tell.connection.capture].name


def short_name(tell: Tell[Any]) -> str:
    """The same for a title: the end of a long one."""
    whole = capture_name(tell)
    return whole if len(whole) <= _LONG else f"…{whole[1 - _LONG :]}"


def server(tell: Tell[Any]) -> str:
    """``10.9.2.30:5985``."""
    return f"{tell.connection.server.host}:{tell.connection.server.port}"


def ends(tell: Tell[Any]) -> str:
    """``10.9.1.11 to 10.9.2.30:5985``."""
    return f"{tell.connection.client.host} to {server(tell)}"


def first_of(tell: Tell[Any]) -> str:
    """``packet 1 (c1)``: where the first connection begins."""
    return f"{tell.packet(tell.connection.packets[0])} ({tell.connection.id})"


def winrm(evidence: Evidence, capture: int | None = None) -> list[Connection]:
    """The connections that carry WinRM (of one capture), those inside tunnels left out, since their packets are the tunnel's."""
    return [
        found
        for found in evidence.connections.values()
        if found.id in evidence.winrm and found.tunnel_of is None and found.packets and (capture is None or found.capture == capture)
    ]
