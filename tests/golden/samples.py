"""One sample's truth against one run of the analyzer: pure functions, so that the tests and the accuracy table say the same.

Strategy: both sides are brought to plain values under the same keys, then compared as sets; what differs is a `Problem` in words. A connection's key is its
capture, its client's and its server's address, and whether it lies inside a CONNECT tunnel; an exchange's is that and its position. Truth comes from the
endpoints, who know more than the wire shows: `_shown` drops what no reader of the capture could know without keys.
"""

import json
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from analyzer.records.auth import Conversation
from analyzer.records.evidence import Evidence
from analyzer.records.http import Exchange
from analyzer.records.ids import key_capture, key_number
from analyzer.records.quality import Absent
from analyzer.records.result import Result
from analyzer.records.transport import Connection, Stream

Truth = dict[str, Any]
"""truth.json; lab/README.md tells its keys."""

SEALED_IDENTITIES = ("kerberos", "credssp", "certificate")
"""Mechanisms whose user travels encrypted: without keys the analyzer must not name one, unless the KDC's answer is in the capture."""
GRAVE = ("medium", "high", "critical")
SHOWN = 6
"""How many differing items a problem lists."""


class Problem(NamedTuple):
    """One difference: ``part`` is connections, exchanges, hops, authentications or findings; ``text`` says which way."""

    part: str
    text: str


class Count(NamedTuple):
    """How many were found rightly, claimed wrongly and not found. What may or may not be found counts nowhere."""

    right: int = 0
    wrong: int = 0
    missed: int = 0


class Packet(NamedTuple):
    """A packet as Wireshark numbers it."""

    capture: str
    number: int

    def __str__(self) -> str:
        return f"{self.capture} packet {self.number}"


class Place(NamedTuple):
    """Where a connection is: ``inside`` is true for the one that a CONNECT tunnel carries, which has the tunnel's addresses."""

    capture: str
    client: str
    server: str
    inside: bool


class Login(NamedTuple):
    """An authentication: on which connection, to whom, with what, as whom, and how it ended."""

    connection: str
    audience: str
    mechanism: str
    user: str | None
    domain: str | None
    outcome: str

    def part_of(self, whole: "Login") -> bool:
        """Whether this says nothing that ``whole`` contradicts: a reader who sees half of it may know less, not else."""
        named = all(mine in (None, theirs) for mine, theirs in zip(self[3:5], whole[3:5], strict=True))
        alike = self.mechanism in ("unknown", whole.mechanism) and self.outcome in ("unfinished", "abandoned", whole.outcome)
        return self[:2] == whole[:2] and named and alike


@dataclass(frozen=True, slots=True)
class Comparison:
    """What differs in one sample, and the counts for the accuracy table. ``unwritten``: expected rules that the catalogue lacks."""

    name: str
    problems: tuple[Problem, ...]
    findings: Count
    hops: Count
    identities: Count
    unwritten: tuple[str, ...]


def truth(folder: Path) -> Truth:
    """The truth of the sample in ``folder``."""
    loaded: Truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    return loaded


def captures(folder: Path, known: Truth) -> list[str]:
    """The paths of the sample's captures, in the order that truth.json gives."""
    return [str(folder / name) for name in known["captures"]]


def compared(known: Truth, result: Result, catalogue: Iterable[str]) -> Comparison:
    """Everything that differs between a sample's truth and a run without keys. ``catalogue``: the ids of the rules that exist."""
    evidence = result.evidence
    findings, finding_problems, unwritten = _findings(known, result, frozenset(catalogue))
    hops, hop_problems = _hops(known, evidence)
    identities, identity_problems = _identities(known, evidence)
    problems = (*_connections(known, evidence), *_exchanges(known, evidence), *hop_problems, *identity_problems, *finding_problems)
    return Comparison(known["name"], problems, findings, hops, identities, unwritten)


def _row_place(row: Mapping[str, Any]) -> Place:
    inside = bool(row.get("in_tunnel"))
    return Place(row["capture"], f"{row['client_ip']}:{row['client_port']}", f"{row['server_ip']}:{row['server_port']}", inside)


def _place(connection: Connection, evidence: Evidence) -> Place:
    client, server = connection.client, connection.server
    name = evidence.captures[connection.capture].name
    return Place(name, f"{client.host}:{client.port}", f"{server.host}:{server.port}", connection.tunnel_of is not None)


def _peer(connection: Connection) -> str:
    """How truth.json names a connection: by its client's address, which no other connection of the sample has."""
    return f"{connection.client.host}:{connection.client.port}" + (".t" if connection.tunnel_of is not None else "")


def _row_peer(row: Mapping[str, Any]) -> str:
    return f"{row['client_ip']}:{row['client_port']}" + (".t" if row.get("in_tunnel") else "")


def _status(exchange: Exchange) -> int | None:
    return None if isinstance(exchange.response, Absent) else exchange.response.status


def _listed(items: Iterable[object]) -> str:
    ordered = sorted(items, key=str)
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return "; ".join(str(item) for item in ordered[:SHOWN]) + more


def _connections(known: Truth, evidence: Evidence) -> Iterable[Problem]:
    """Both legs are there, nothing else is, each with its role, protocol and statuses."""
    silent = {_row_place(row) for row in known["connections_without_data"]}
    mine = {_place(connection, evidence): connection for connection in evidence.connections.values()}
    theirs = {_row_place(row): row for row in known["connections"]}
    if missing := theirs.keys() - mine.keys():
        yield Problem("connections", f"not found: {_listed(missing)}")
    if extra := mine.keys() - theirs.keys() - silent:
        yield Problem("connections", f"not in the truth: {_listed(extra)}")
    for place, row in theirs.items():
        if place not in mine:
            continue
        connection = mine[place]
        role = str(evidence.roles[connection.id])
        if role not in (row["leg"], *row.get("open_legs", ())):
            yield Problem("connections", f"{connection.id} is {role}, in truth {row['leg']}")
        if connection.protocol != row["protocol"]:
            yield Problem("connections", f"{connection.id} speaks {connection.protocol}, in truth {row['protocol']}")
        statuses = [_status(exchange) for exchange in evidence.exchanges_of.get(connection.id, ())]
        if not row.get("hidden") and statuses != row["statuses"]:
            yield Problem("connections", f"{connection.id} has statuses {statuses}, in truth {row['statuses']}")


def _first_packets(exchange: Exchange, evidence: Evidence) -> tuple[Packet | None, Packet | None]:
    """The packets in which request and response begin: those of their first bytes, which need not be the first ones captured."""
    connection = evidence.connections[exchange.connection]
    request = None if isinstance(exchange.request, Absent) else _carrier(connection.to_server, exchange.request.at, evidence)
    response = None if isinstance(exchange.response, Absent) else _carrier(connection.to_client, exchange.response.at, evidence)
    return request, response


def _carrier(stream: Stream, at: int, evidence: Evidence) -> Packet:
    key = stream.extents.packet[bisect_right(stream.extents.stream_at, at) - 1]
    return Packet(evidence.captures[key_capture(key)].name, key_number(key))


def _row_packet(row: Mapping[str, Any], key: str, capture: str) -> Packet | None:
    number = row[key]
    return None if number is None else Packet(row.get(capture, row["capture"]), number)


def _exchanges(known: Truth, evidence: Evidence) -> Iterable[Problem]:
    """Every exchange has the truth's method, target and status, and its messages begin in the same packets. Where the capture lacks a message's first packet
    (null in the truth) nothing is asked of that message."""
    mine: dict[Packet, list[tuple[object, ...]]] = defaultdict(list)
    for exchange in evidence.exchanges.values():
        request, response = _first_packets(exchange, evidence)
        if request is not None and not isinstance(exchange.request, Absent):
            mine[request].append((exchange.request.method, exchange.request.target, _status(exchange), response))
    for row in known["exchanges"]:
        begins, answered = _row_packet(row, "request_packet", "capture"), _row_packet(row, "response_packet", "response_capture")
        if begins is None:
            continue
        # A packet can carry the beginnings of several pipelined requests: they are in the same order on both sides.
        found = mine[begins].pop(0) if mine[begins] else None
        lost = answered is None and row["status"] is not None
        wanted = (row["method"], row["target"], row["status"], answered)
        if found is None or found[:2] != wanted[:2] or (not lost and found[2:] != wanted[2:]):
            yield Problem("exchanges", f"{begins}: {_told(found)}, in truth {_told(wanted)}")
    if extra := [packet for packet, rest in mine.items() if rest]:
        yield Problem("exchanges", f"in truth no request begins at {_listed(extra)}")


def _told(exchange: tuple[object, ...] | None) -> str:
    if exchange is None:
        return "no request begins there"
    method, target, status, answered = exchange
    return f"{method} {target} with status {status}, answered in {answered}"


def _hops(known: Truth, evidence: Evidence) -> tuple[Count, tuple[Problem, ...]]:
    """Pairs must be equal. Of exchanges that cannot be told apart (``ambiguous_hops``) none may be claimed, and an issue must say so."""

    def end(identity: str) -> tuple[str, int]:
        exchange = evidence.exchanges[identity]
        return _peer(evidence.connections[exchange.connection]), exchange.position

    mine = {(end(hop.near), end(hop.far)) for hop in evidence.hops}
    theirs = {((near[0], near[1]), (far[0], far[1])) for near, far in known["hops"]}
    problems = []
    if wrong := mine - theirs:
        problems.append(Problem("hops", f"claimed wrongly: {_listed(wrong)}"))
    missed = set() if "hops" in known.get("hidden", ()) else theirs - mine
    if missed:
        problems.append(Problem("hops", f"not found: {_listed(missed)}"))
    if known.get("ambiguous_hops") and not any(issue.code == "proxy.ambiguous" for issue in evidence.issues):
        problems.append(Problem("hops", "no issue says that exchanges cannot be told apart"))
    return Count(len(mine & theirs), len(wrong), len(missed)), tuple(problems)


def _truly(known: Truth, evidence: Evidence, one: Conversation) -> tuple[str | None, str | None]:
    """Who was logged on, by what the server says."""
    peer = _peer(evidence.connections[one.connection])
    own = [row for row in known["authentications"] if _row_peer(row) == peer and row["outcome"] == str(one.outcome)]
    return (own[0]["user"], own[0]["domain"]) if own else (None, None)


def _identities(known: Truth, evidence: Evidence) -> tuple[Count, tuple[Problem, ...]]:
    """Authentications with their audience, mechanism, user, domain and outcome, as often as they happened."""
    theirs: Counter[Login] = Counter()
    hidden: Counter[Login] = Counter()
    for row in known["authentications"]:
        if row["over_tls"]:
            continue
        named = (None, None) if row["mechanism"] in SEALED_IDENTITIES else (row["user"] or None, row["domain"] or None)
        login = Login(_row_peer(row), row["audience"], row["mechanism"], *named, row["outcome"])
        (hidden if row.get("hidden") else theirs)[login] += 1
    mine: Counter[Login] = Counter()
    for one in evidence.conversations:
        told = one.client_source == "tgs" and (one.client.user, one.client.domain) == _truly(known, evidence, one)
        who = (None, None) if told else (one.client.user or None, one.client.domain or None)
        mine[Login(_peer(evidence.connections[one.connection]), str(one.audience), str(one.mechanism), *who, str(one.outcome))] += 1
    wrong, missed = mine - theirs, theirs - mine
    for login in list(wrong):
        if any(login.part_of(other) for other in hidden):
            del wrong[login]
    problems = []
    if wrong:
        problems.append(Problem("authentications", f"claimed wrongly: {_listed(wrong.elements())}"))
    if missed:
        problems.append(Problem("authentications", f"not found: {_listed(missed.elements())}"))
    return Count((mine & theirs).total(), wrong.total(), missed.total()), tuple(problems)


def _findings(known: Truth, result: Result, catalogue: frozenset[str]) -> tuple[Count, tuple[Problem, ...], tuple[str, ...]]:
    """By rule, not by finding. A rule that the truth leaves open, and one below medium that it does not name, counts nowhere."""
    found = {finding.rule for finding in result.findings}
    grave = {finding.rule: str(finding.severity) for finding in reversed(result.findings) if finding.severity in GRAVE}
    expected, forbidden, open_ = (set(known[key]) for key in ("expected_rules", "forbidden_rules", "open_rules"))
    missed = expected - found
    wrong = (found & forbidden) | (grave.keys() - expected - open_)
    unwritten = tuple(sorted(missed - catalogue))
    problems = [Problem("findings", f"expected, not found: {rule}") for rule in sorted(missed & catalogue)]
    for rule in sorted(wrong):
        word = "forbidden" if rule in forbidden else "the sample is healthy" if known["healthy"] else "not expected"
        problems.append(Problem("findings", f"found {rule} ({grave.get(rule, 'below medium')}): {word}"))
    return Count(len(found & expected), len(wrong), len(missed)), tuple(problems), unwritten
