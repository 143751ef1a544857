"""The picture of the whole against a sample's truth: parties, logons, endings. Only what the capture can show is asked for; what it claims must be right."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from analyzer.records.evidence import Evidence
from analyzer.records.story import Certainty, Kind, Party
from analyzer.records.transport import Connection, Side

Truth = dict[str, Any]
Key = tuple[str, int]
"""Client address with port, and the position of an exchange."""
_COMPARED = (Kind.CLIENT, Kind.PROXY, Kind.SOCKS, Kind.SERVER)
_HIDDEN_USERS = ("kerberos", "credssp", "certificate")


class Difference(NamedTuple):
    """How many were right, which were claimed wrongly, which were not found."""

    right: int
    wrong: tuple[str, ...]
    missed: tuple[str, ...]


def parties(known: Truth, evidence: Evidence) -> Difference:
    """A party is right when a true party of its kind has all of its addresses; true ones count where an address of theirs is in the capture."""
    truth = [row for row in known.get("parties", ()) if row["kind"] in {kind.value for kind in _COMPARED}]
    if not truth:
        return Difference(0, (), ())
    seen = {host for party in evidence.story.parties for host in _hosts(party)}
    right, wrong, found = 0, [], set()
    for party in evidence.story.parties:
        if party.kind not in _COMPARED:
            continue
        fitting = [place for place, row in enumerate(truth) if _is_it(party, row)]
        if fitting:
            right += 1
            found.update(fitting)
        elif party.certainty is Certainty.PROVED:
            wrong.append(f"{party.kind.value} {', '.join(sorted(_hosts(party)))}")
    missed = [
        f"{row['kind']} {', '.join(row['endpoints'])}"
        for place, row in enumerate(truth)
        if place not in found and seen & {_host(end) for end in row["endpoints"]}
    ]
    return Difference(right, tuple(wrong), tuple(missed))


def _hosts(party: Party) -> set[str]:
    return {*party.hosts, *(end.host for end in party.listens)}


def _host(endpoint: str) -> str:
    return endpoint.rpartition(":")[0] if endpoint.count(":") == 1 else endpoint


def _is_it(party: Party, row: Mapping[str, Any]) -> bool:
    return bool(party.kind.value == row["kind"] and _hosts(party) <= {_host(end) for end in row["endpoints"]})


def logons(known: Truth, evidence: Evidence) -> Difference:
    """By client connection: mechanism, user and outcome. Users that travel encrypted are asked of nobody."""
    closed = {_peer(one) for one in evidence.connections.values() if one.protocol == "tls" and not one.tls_opened}
    again = {end for twin in known.get("twins") or () for end in _outer(twin)}
    rows = {
        (_row(row), row["first_position"])
        for row in known.get("logons", ())
        if not row.get("hidden") and row["outcome"] != "unfinished" and f"{row['client_ip']}:{row['client_port']}" not in again
    }
    theirs = Counter(row for row, _ in rows if row[0] not in closed)
    if not theirs:
        return Difference(0, (), ())
    hosts = {row["client_ip"] for row in known["logons"]}
    mine: Counter[tuple[str, ...]] = Counter()
    for one in evidence.story.logons:
        connection = evidence.connections[one.client_connection]
        if connection.client.host in hosts and one.outcome.value != "unfinished":
            user = "" if one.mechanism.value in _HIDDEN_USERS else (one.user or "")
            mine[_peer(connection), one.audience.value, one.mechanism.value, user, one.outcome.value] += 1
    wrong, missed = mine - theirs, theirs - mine
    return Difference((mine & theirs).total(), _told(wrong), _told(missed))


def _outer(twin: Sequence[str]) -> tuple[str, ...]:
    """The outer view of a connection behind address translation: the analyzer tells of the inner one, once."""
    return (twin[1],)


def _row(row: Mapping[str, Any]) -> tuple[str, ...]:
    user = "" if row["mechanism"] in _HIDDEN_USERS else (row["user"] or "")
    return f"{row['client_ip']}:{row['client_port']}", row["audience"], row["mechanism"], user, row["outcome"]


def _peer(connection: Connection) -> str:
    return f"{connection.client.host}:{connection.client.port}"


def _told(counted: Counter[tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(" ".join(item) for item in sorted(counted.elements()))


def endings(known: Truth, evidence: Evidence) -> Difference:
    """By connection and capture: which end sent the first FIN or RST, a device's resets told apart."""
    theirs = {
        (row["capture"], f"{row['client_ip']}:{row['client_port']}"): row["ended_first"]
        for row in known.get("endings", ())
        if row.get("ended_first") and not row.get("hidden")
    }
    if not theirs:
        return Difference(0, (), ())
    kinds = {party.id: party.kind for party in evidence.story.parties}
    mine, sure = {}, {}
    for ending in evidence.story.endings.values():
        connection = evidence.connections[ending.connection]
        if connection.tunnel_of is not None:
            continue
        key = (evidence.captures[connection.capture].name, _peer(connection))
        end = evidence.story.ends[ending.connection][ending.side is Side.SERVER]
        closing = connection.closings[0]
        mine[key] = "device" if closing.fits is False else _word(kinds[end])
        sure[key] = ending.certainty is Certainty.PROVED
    both = mine.keys() & theirs.keys()
    right = sum(mine[key] == theirs[key] for key in both)
    wrong = tuple(f"{key[1]}: {mine[key]}, in truth {theirs[key]}" for key in sorted(both) if mine[key] != theirs[key] and sure[key])
    missed = tuple(f"{key[1]}: {theirs[key]}" for key in sorted(theirs.keys() - mine.keys()) if _is_kept(evidence, key))
    return Difference(right, wrong, missed)


def _word(kind: Kind) -> str:
    return "proxy" if kind is Kind.SOCKS else kind.value


def _is_kept(evidence: Evidence, key: tuple[str, str]) -> bool:
    """The connection is among those that carry WinRM."""
    return any(
        _peer(one) == key[1] and evidence.captures[one.capture].name == key[0] and one.id in evidence.winrm and one.twin_of is None
        for one in evidence.connections.values()
    )


class Expected(NamedTuple):
    """A request as the truth has it: how it was forwarded (keys of exchanges), the status that came back, the outcomes that fit, the account it ran as."""

    forwarded: tuple[Key, ...]
    status: int | None
    outcomes: frozenset[str]
    ran_as: str | None


def fates(known: Truth, evidence: Evidence) -> Difference:
    """Each request of a client: the exchanges that it went on as, what came back, who answered, as whom it ran; all out of the endpoints' and proxies' logs."""
    theirs = _requests(known)
    mine, right, wrong, found = evidence.story.fates, 0, [], set()
    for fate in mine.values():
        key = _key(evidence, fate.request)
        expected = theirs.get(key)
        if expected is None or evidence.connections[evidence.exchanges[fate.request].connection].tunnel_of is not None:
            continue
        found.add(key)
        forwarded = tuple(_key(evidence, one) for one in fate.forwarded_as)
        said = Expected(forwarded, fate.status, frozenset({fate.outcome.value}), _bare(fate.ran_as))
        fits = said.forwarded == expected.forwarded and said.status == expected.status and said.outcomes <= expected.outcomes
        if fits and (said.ran_as is None or said.ran_as == expected.ran_as):
            right += 1
        elif fate.certainty is Certainty.PROVED:
            wrong.append(f"{key}: {said}, in truth {expected}")
    kept = {_peer(one) for one in evidence.connections.values() if one.id in evidence.winrm and one.twin_of is None and one.tunnel_of is None}
    missed = [f"{key}" for key in sorted(theirs.keys() - found) if key[0] in kept]
    return Difference(right, tuple(wrong), tuple(missed))


def _key(evidence: Evidence, exchange: str) -> Key:
    own = evidence.exchanges[exchange]
    return _peer(evidence.connections[own.connection]), own.position


def _bare(account: str | None) -> str | None:
    return None if account is None else account.rpartition("\\")[2].lower()


def _requests(known: Truth) -> dict[Key, Expected]:
    """What the truth tells of requests that a client made. Those inside TLS or a tunnel, and those whose other side is ambiguous, are asked of nobody."""
    rows = {(f"{row['client_ip']}:{row['client_port']}", row["position"]): row for row in known["exchanges"] if not row["in_tunnel"]}
    onward = {_pair(near): _pair(far) for near, far in known["hops"]}
    far = set(onward.values())
    unsure = {_pair(end) for hop in known.get("ambiguous_hops", ()) for end in hop}
    clients = set(known["topology"]["clients"].values())
    again = {end for twin in known.get("twins") or () for end in twin}
    made = {}
    for key, row in rows.items():
        chain = tuple(_chain(key, onward))
        if key in far or {key, *chain} & unsure or row["client_ip"] not in clients or key[0] in again:
            continue
        last = chain[-1] if chain else key
        got = rows[chain[0]]["status"] if chain and chain[0] in rows else None
        made[key] = Expected(chain, row["status"], _outcomes(row["status"], got, forwarded=bool(chain)), _runner(known, last))
    return made


def _pair(end: Sequence[Any]) -> Key:
    return end[0], end[1]


def _chain(key: Key, onward: Mapping[Key, Key]) -> Iterator[Key]:
    while key in onward:
        key = onward[key]
        yield key


def _outcomes(status: int | None, far: int | None, *, forwarded: bool) -> frozenset[str]:
    if status is None:
        return frozenset({"cut", "reset", "unanswered"})
    if status == 407:
        return frozenset({"not_forwarded"})
    if status == 401:
        return frozenset({"refused"})
    if status < 400:
        return frozenset({"answered"})
    if forwarded and far != status:
        return frozenset({"error_by_proxy"})
    return frozenset({"fault", "error_by_server", *([] if forwarded else ["error_by_proxy"])})


def _runner(known: Truth, place: Key) -> str | None:
    """The user that the connection of an exchange was last logged on as, by the server's log, when it was asked."""
    own = [row for row in known["authentications"] if f"{row['client_ip']}:{row['client_port']}" == place[0] and row["audience"] == "server"]
    then = [row for row in own if row["first_position"] <= place[1] and row["outcome"] == "accepted"]
    return then[-1]["user"].lower() if then and then[-1]["user"] else None
