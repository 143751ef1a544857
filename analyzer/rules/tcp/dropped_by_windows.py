"""Windows dropped packets of WinRM, and pktmon says why.

Detects
    A packet of a WinRM connection that an event of Packet Monitor (pktmon) in the trace reports as dropped, with its
    reason and the component of the network stack. Reasons that are TCP's usual ones (a segment that came twice, an
    acknowledgement out of the window, a packet after the end of its connection) are not reported here: they are issues.
Impact
    What was dropped does not arrive: connection attempts time out, requests are sent again or stay unanswered.
False positives
    A component may drop a copy of a packet that another one passes on (a virtual switch, a filter that sends it again). Where the
    connection came up and went on, the severity is low.
Requires
    A trace of pktmon (.etl) of the computer that drops.
References
    Microsoft, "Packet Monitor (Pktmon)"; PKTMON_DROP_REASON of the Windows SDK.
"""

from collections.abc import Iterator

from analyzer.records.capture import Drop
from analyzer.records.ids import packet_key
from analyzer.records.transport import Connection
from analyzer.rules.reading import counted, identity
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, place_and

_USUAL = frozenset((601, 947, 1208, 1210, 1213, 1215, 1216, 1217, 1218, 1219, 1220, 1222, 1224, 1225, 1226, 1227))
"""Reasons that say nothing of a fault: loopback, and what TCP answers itself."""
_FILTERS = frozenset((8, 12, 716, 718, 909, 911, 919, 945, 1207, 1231, 1408))
_IPSEC = frozenset((15, 924, *range(1401, 1408), *range(1409, 1419)))
_NO_LISTENER = frozenset((904, 1204))
_ROUTE = frozenset((907, 908, 915, 922, 923, 928))
_TOO_LARGE = frozenset((23, 208, 920))
_OUTWARDS = ("out", "sent", "egress")


class Lost(Fact, frozen=True):
    """A dropped packet of a WinRM connection."""

    drop: Drop
    connection: Connection


def see(evidence: Evidence) -> Signs[Lost]:
    """One sign for each packet and reason."""
    drops: dict[int, list[Drop]] = {}
    for capture in evidence.captures:
        for drop in capture.drops:
            if drop.code not in _USUAL:
                drops.setdefault(packet_key(capture.ordinal, drop.packet), []).append(drop)
    if not drops:
        return
    for connection in evidence.connections.values():
        if connection.id in evidence.winrm and connection.tunnel_of is None:
            yield from _of(evidence, connection, drops)


def _of(evidence: Evidence, connection: Connection, drops: dict[int, list[Drop]]) -> Iterator[Sign[Lost]]:
    for key in connection.packets:
        for drop in drops.get(key, ()):
            yield Sign(Lost(drop, connection), (), (key,), (connection.id,), identity(evidence, connection.id))


def _where(drop: Drop) -> str:
    return f"{drop.name} (component {drop.component})" if drop.name else f"component {drop.component}"


def why(tell: Tell[Lost]) -> str:
    fact = tell.first.fact
    drop, connection = fact.drop, fact.connection
    going = f", {drop.direction}" if drop.direction else ""
    return (
        f"pktmon reports that Windows dropped {counted(tell.count, 'packet')} between {connection.client.host} and "
        f"{connection.server}. The reason is {drop.reason} ({drop.code}) at {_where(drop)}. "
        f"The first is {tell.packet(tell.first.packets[0])} ({connection.id}{going}), drop location 0x{drop.location:X}."
    )


def severity(tell: Tell[Lost]) -> Severity:
    return Severity.LOW if all(fact.connection.established for fact in tell.facts) else Severity.MEDIUM


def owner(tell: Tell[Lost]) -> Owner:
    fact = tell.first.fact
    if fact.connection.syn != tell.first.packets[0]:
        return Owner.NETWORK
    return Owner.CLIENT if fact.drop.direction in _OUTWARDS else Owner.SERVER


def advice(tell: Tell[Lost]) -> str:
    code = tell.first.fact.drop.code
    if code in _FILTERS:
        return (
            "Look for the rule that drops them: Get-NetFirewallRule for ports 5985 and 5986, and netsh wfp show state for "
            "filters of other products. Events 5152 and 5157 of the Security log name the filter, once auditing is on."
        )
    if code in _IPSEC:
        return "Compare the IPsec (connection security) rules of both hosts: Get-NetIPsecRule and Get-NetIPsecQuickModeSA."
    if code in _NO_LISTENER:
        return "Check that WinRM listens on that port and address: winrm enumerate winrm/config/listener, and netstat -ano."
    if code in _ROUTE:
        return "Check the route and the neighbor to the destination: Find-NetRoute, Get-NetNeighbor."
    if code in _TOO_LARGE:
        return "Compare the MTU of the path with the interface's: Get-NetIPInterface, and ping -f -l SIZE."
    return "pktmon list shows what the component is; pktmon counters --drop-reason whether it goes on."


OPINION = Opinion(
    title=lambda tell: f"Windows dropped WinRM packets: {tell.first.fact.drop.reason}"[:69],
    name="Windows dropped WinRM packets",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.95,
    owner=owner,
    reference="Microsoft, Packet Monitor (Pktmon)",
    advice=advice,
    see=see,
    why=why,
    each=place_and(lambda fact: (fact.drop.code, fact.drop.component)),
    explains=("tcp.service-unreachable", "tcp.never-answered", "tcp.silent-drop", "tcp.client-gave-up", "tcp.retry-storm"),
)
