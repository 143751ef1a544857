"""Which exchange before a proxy is which one behind it.

Strategy: exchanges are paired by what a proxy may not change (method, credentials, body digest) inside the time of the one
before it; the pairs of connections that come of it, and how many exchanges each has, have to be those of the proxy's own port
log where it has one. Inside TLS
the connections are paired by the log or by equal bytes, and their exchanges in order.
"""

import json
import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from lab import network
from lab.processes import LabError
from lab.streams import Connection, Exchange

CLOCK_ROOM_S = 0.002
End = tuple[str, int]
"""An exchange: the connection's name and the position."""


def leg(connection: Connection, *, proxied: bool, redirected: bool = False) -> str:
    """The connection's place; with `redirected` the router hands the clients' connections to the server over to the proxy."""
    if not proxied:
        return "direct"
    if connection.protocol == "connect":
        return "tunnel"
    if split(connection.client)[0] in network.SOURCES:
        return "upstream_leg"
    return "direct" if split(connection.server)[0] in network.SERVERS and not redirected else "client_leg"


def split(place: str) -> tuple[str, int]:
    host, _, port = place.rpartition(":")
    return host, int(port)


def hops(found: list[Connection], shifts: dict[str, float], allowed: set[tuple[str, str]] | None, *, redirected: bool = False) -> list[tuple[End, End]]:
    """Pairs of (exchange before a proxy, exchange behind it). `allowed` are the pairs of connections that the proxy's log
    names, for exchanges that nothing else tells apart; None when the pairs are to be checked against that log later."""
    last = {c.name for c in found if split(c.server)[0] in network.SERVERS and leg(c, proxied=True, redirected=redirected) != "client_leg"}
    near = [(c, x) for c in found if c.name not in last for x in c.exchanges]
    far = [(c, x) for c in found if leg(c, proxied=True) == "upstream_leg" for x in c.exchanges]
    near.sort(key=lambda pair: pair[1].request_time - shifts[pair[0].capture])
    far.sort(key=lambda pair: pair[1].request_time - shifts[pair[0].capture])

    def fits(before: tuple[Connection, Exchange], behind: tuple[Connection, Exchange]) -> bool:
        asked = network.PROXY_INSIDE if redirected and split(before[0].server)[0] in network.SERVERS else split(before[0].server)[0]
        reached = split(behind[0].client)[0] in network.sources_of(asked)
        known = allowed is None or (before[0].name, behind[0].name) in allowed
        return reached and known and _fits(*before, *behind, shifts)

    choices = {i: [j for j, behind in enumerate(far) if fits(before, behind)] for i, before in enumerate(near)}
    chosen: dict[int, int] = {}
    while open_ := {i: [j for j in js if j not in chosen.values()] for i, js in choices.items() if i not in chosen}:
        # Whoever has the fewest choices left chooses first, and takes the earliest.
        i = min(open_, key=lambda i: (len(open_[i]) or len(far) + 1, i))
        if not open_[i]:
            break
        chosen[i] = open_[i][0]
    return [((near[i][0].name, near[i][1].position), (far[j][0].name, far[j][1].position)) for i, j in sorted(chosen.items())]


def tunnels(found: list[Connection]) -> list[tuple[str, str]]:
    """Pairs of (connection inside a CONNECT tunnel, upstream connection) that carried the same bytes to the server."""
    pairs = []
    for near in (connection for connection in found if connection.inside):
        match = next((c for c in found if c is not near and near.to_server.data == c.to_server.data), None)
        if match is not None:
            pairs.append((near.name, match.name))
    return pairs


def of_tls(found: list[Connection], logged: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The logged pairs of which one connection or both are TLS. The proxy's log does not know that what a tunnel carries is a
    connection of its own; here that one takes the tunnel's place."""
    names, secret = {c.name for c in found}, {c.name for c in found if c.protocol == "tls"}
    carried = {(near + ".t" if near + ".t" in names else near, far) for near, far in logged}
    return {(near, far) for near, far in carried if {near, far} & secret and near in names}


def in_order(found: list[Connection]) -> set[tuple[str, str]]:
    """Connections of a proxy or wrapper that ends or begins TLS and logs nothing, one upstream connection for each of the clients' in the order of
    time; their exchanges are compared afterwards."""
    wrapped = [c for c in found if c.client.startswith("127.")]
    near = wrapped or [c for c in found if c.protocol == "tls" and leg(c, proxied=True) == "client_leg" and not c.inside]
    far = [c for c in found if (c.protocol == "tls" if wrapped else leg(c, proxied=True) == "upstream_leg")]
    return {(a.name, b.name) for a, b in zip(near, far, strict=True)} if near and len(near) == len(far) else set()


def hops_inside_tls(found: list[Connection], inner: list[dict[str, Any]], pairs: set[tuple[str, str]]) -> list[tuple[End, End]]:
    """Pairs of exchanges of which one or both are inside TLS: of connections that belong together, in order, when their
    statuses are equal."""

    def told(name: str) -> list[tuple[str, int | None]]:
        clear = [(x.method, x.status) for c in found if c.name == name for x in c.exchanges]
        return clear or [(row["method"], row["status"]) for row in inner if _row_name(row) == name]

    rows: list[tuple[End, End]] = []
    secret = {c.name for c in found if c.protocol == "tls"}
    for near, far in sorted(pairs):
        if not {near, far} & secret:
            continue
        if told(near) != told(far):
            msg = f"exchanges inside TLS differ: {near} {told(near)}, {far} {told(far)}"
            raise LabError(msg)
        rows += [((near, position), (far, position)) for position in range(1, len(told(near)) + 1)]
    return rows


def _row_name(row: dict[str, Any]) -> str:
    return f"{row['client_ip']}:{row['client_port']}" + (".t" if row["in_tunnel"] else "")


def _fits(near_c: Connection, near: Exchange, far_c: Connection, far: Exchange, shifts: dict[str, float]) -> bool:
    cut = len(far.body) < len(near.body) and far.body and near.body.startswith(far.body)
    same = near.method == far.method and (near.body_sha256 == far.body_sha256 or cut)
    if not same or near.authorization != far.authorization:
        return False
    room, lag = CLOCK_ROOM_S, shifts[far_c.capture] - shifts[near_c.capture]
    if far.request_time - lag < near.request_time - room:
        return False
    # A server may answer what a cut left after the proxy has answered the client itself.
    if near.response_time is None or far.response_time is None or cut:
        return True
    return far.response_time - lag <= near.response_time + room


def proxy_pairs(text: str) -> Counter[tuple[str, str]]:
    """Pairs of connections (client's address, upstream address) of a proxy's port log, JSON lines among others, and how many
    exchanges it logged of each; 0 when it logs connections, not exchanges."""
    found: Counter[tuple[str, str]] = Counter()
    for row in (json.loads(line) for line in re.findall(r"\{\"client\".*?\}", text)):
        if row.get("upstream", "").rpartition(":")[0] in network.SOURCES and not row["upstream"].endswith((":0", ":5985")):
            found[row["client"], row["upstream"]] += "status" in row
    return found


def check_proxy(
    mine: set[tuple[str, str]], counts: Mapping[tuple[str, str], tuple[int, int]], logged: Counter[tuple[str, str]], *, several: bool = False
) -> str:
    """Compare paired connections with the proxy's own port log; where that has a line per exchange, also how many exchanges
    each pair had. `counts`: by connections, the hops with both answers, which a proxy must log, and all, which it may."""
    if not logged:
        return "the proxy logs no upstream ports"
    plain = {(near.removesuffix(".t"), far) for near, far in mine}
    if several:
        # Not each of several proxies logs the ports of its upstream connections.
        own = {near for near, _ in logged}
        plain = {pair for pair in plain if pair[0] in own}
    if set(logged) != plain:
        msg = f"proxy log and pairs differ: only log {set(logged) - plain}, only pairs {plain - set(logged)}"
        raise LabError(msg)
    other = {pair: (logged[pair], least, most) for pair, (least, most) in counts.items() if logged[pair] and not least <= logged[pair] <= most}
    if other:
        msg = f"proxy log and exchanges differ in number: {other}"
        raise LabError(msg)
    exchanges = f", and {logged.total()} exchanges on them" if logged.total() else ""
    return f"{len(logged)} pairs of connections: equal{exchanges}"


def counted(found: list[Connection], hops_: list[tuple[End, End]]) -> dict[tuple[str, str], tuple[int, int]]:
    """How many exchanges each pair of connections carried: with an answer on both legs, and all."""
    told = {(c.name, x.position) for c in found for x in c.exchanges if x.status is not None}
    every = Counter((near[0], far[0]) for near, far in hops_)
    whole = Counter((near[0], far[0]) for near, far in hops_ if near in told and far in told)
    return {pair: (whole[pair], count) for pair, count in every.items()}
