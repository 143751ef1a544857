"""A rule as a declared opinion. A rule's module holds its document (docstring) and ``OPINION``; everything else is done here and in the catalogue.

    def see(evidence):                      # which facts show it: one `Sign` each, in order of place
        for logon in refused_by(evidence, "clock_skew"):
            yield Sign(logon, logon.exchanges, logon.packets)

    def why(tell):                          # the words for the signs of one finding
        first = tell.first.fact
        return f"The server refused {first.user}: its clock differs ({tell.packet(first.packets[0])})."

    OPINION = Opinion(title="…", severity=Severity.MEDIUM, confidence=0.9, owner=Owner.CLIENT,
                      reference="RFC 4120 section 7.5.9", advice="…", see=see, why=why)

The id comes from the file's place (``FAMILY/NAME.py``). Signs are grouped by ``each`` (default: client host and server endpoint): one group is one
finding. Title, severity, confidence and advice are values, or functions of the `Tell` where they depend on what was seen. ``explains`` names the rules
whose findings on the same connections are symptoms of this one; ``fails`` the requirements of the scorecard that a finding fails. A threshold is a
`Param`: then ``see`` is called with a second argument, the values by name, and ``tell.value(name)`` gives one to the words.
"""

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from enum import StrEnum
from functools import wraps
from typing import Any, Generic, TypeAlias, TypeVar

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Quotation, Severity
from analyzer.records.quality import Absent
from analyzer.records.sigma import Detection
from analyzer.records.transport import Connection
from analyzer.rules.reading import Told, packet

__all__ = [
    "Detection",
    "Evidence",
    "Fact",
    "Opinion",
    "Owner",
    "Param",
    "Severity",
    "Sign",
    "Signs",
    "Tell",
    "Words",
    "alone",
    "endpoint",
    "once",
    "place",
    "place_and",
    "together",
    "told",
]
F = TypeVar("F")
T = TypeVar("T")
_PACKETS = 64
_SEVERAL = 2


class Owner(StrEnum):
    """Which party has to change something."""

    CLIENT = "client"
    PROXY = "proxy"
    SERVER = "server"
    NETWORK = "network"
    CAPTURE = "capture"


class Param(Struct, frozen=True, gc=False):
    """A threshold of a rule: its name in ``[rules."FAMILY.NAME"]`` of the configuration, its value unless set there, its unit, and what it decides."""

    name: str
    default: float
    unit: str
    means: str


class Fact(Struct, frozen=True, gc=False):
    """What a rule has found out for its signs, where no record holds it: a base for its own small records."""


class Sign(Struct, Generic[F], frozen=True, gc=False):
    """One fact that shows it, with the exchanges and packet keys that hold it. ``connections``: those of the exchanges, unless given.

    ``confidence`` and ``user``: where this sign's differ from the opinion's and from what the connection tells.
    """

    fact: F
    exchanges: tuple[str, ...] = ()
    packets: tuple[int, ...] = ()
    connections: tuple[str, ...] = ()
    user: str | None = None
    confidence: float | None = None


Signs: TypeAlias = Iterator[Sign[F]]
"""What ``see`` yields."""


class _Kept(Generic[T]):
    """A property that is worked out when it is first asked for, and then stands in its object's own dictionary, where it is found first. `cached_property` does
    the same, but locks; and of findings there are many."""

    def __init__(self, make: Callable[[Any], T]) -> None:
        self._make, self._name, self.__doc__ = make, make.__name__, make.__doc__

    def __get__(self, one: object, _: type | None = None) -> T:
        made = one.__dict__[self._name] = self._make(one)
        return made


class Tell(Struct, Generic[F], frozen=True, dict=True):
    """The signs of one finding, at least one, in order of place, and the values of the rule's parameters. What is worked out of them is kept."""

    evidence: Evidence
    signs: tuple[Sign[F], ...]
    values: Mapping[str, float]

    @property
    def first(self) -> Sign[F]:
        """The first sign."""
        return self.signs[0]

    @property
    def count(self) -> int:
        """How many signs."""
        return len(self.signs)

    @_Kept
    def facts(self) -> tuple[F, ...]:
        """What the signs rest on."""
        return tuple([sign.fact for sign in self.signs])

    @_Kept
    def connection(self) -> Connection:
        """The connection of the first sign that has any."""
        return self.evidence.connections[self.connections[0]]

    @_Kept
    def connections(self) -> tuple[str, ...]:
        """Ids of the connections of all signs, without repeats."""
        if len(self.signs) == 1:
            return _distinct(self.signs[0].connections or _connections(self.evidence, self.signs[0]))
        return tuple(dict.fromkeys([identity for sign in self.signs for identity in sign.connections or _connections(self.evidence, sign)]))

    @_Kept
    def users(self) -> tuple[str, ...]:
        """The users of the signs, without repeats."""
        if len(self.signs) == 1:
            return (self.signs[0].user,) if self.signs[0].user else ()
        return tuple(dict.fromkeys([sign.user for sign in self.signs if sign.user]))

    def value(self, name: str) -> float:
        """The value of one of the rule's parameters, in its unit."""
        return self.values[name]

    def packet(self, key: int) -> str:
        """A packet for a sentence: ``packet 12``, with several captures ``packet 12 of a.pcap``."""
        return packet(self.evidence, key)


def once(ask: Callable[[Tell[Any]], T]) -> Callable[[Tell[Any]], T]:
    """A question that title, words and confidence of an opinion ask alike: answered once for each finding."""
    name = f"{ask.__module__}.{ask.__qualname__}"

    @wraps(ask)
    def told(tell: Tell[Any]) -> T:
        known = tell.__dict__
        if name not in known:
            known[name] = ask(tell)
        made: T = known[name]
        return made

    return told


Words: TypeAlias = Callable[[Tell[Any]], str]
Key: TypeAlias = Callable[[Evidence, Sign[Any]], Hashable]


def place(evidence: Evidence, sign: Sign[Any]) -> Hashable:
    """One finding for each client host and server endpoint."""
    own = evidence.connections[sign.connections[0] if sign.connections else evidence.exchanges[sign.exchanges[0]].connection]
    server = own.server
    return own.client.host, server.host, server.port


def endpoint(evidence: Evidence, sign: Sign[Any]) -> Hashable:
    """One finding for each server endpoint, whoever its clients are."""
    own = evidence.connections[_connections(evidence, sign)[0]]
    return own.server.host, own.server.port


def place_and(part: Callable[[Any], Hashable]) -> Key:
    """One finding for each client host, server endpoint and ``part`` of the fact."""
    return lambda evidence, sign: (place(evidence, sign), part(sign.fact))


def alone(_: Evidence, sign: Sign[Any]) -> Hashable:
    """One finding for each sign."""
    return id(sign)


def together(_: Evidence, __: Sign[Any]) -> Hashable:
    """One finding for all signs."""
    return None


class Opinion(Struct, frozen=True, gc=False, kw_only=True):
    """What a rule thinks of its signs; the module's docstring says how to use it."""

    title: str | Words
    severity: Severity | Callable[[Tell[Any]], Severity]
    confidence: float | Callable[[Tell[Any]], float]
    reference: str | Quotation | Words
    """The section that it rests on, or the sentence itself where the document is quoted."""
    advice: str | Told | Callable[[Tell[Any]], "str | Told"]
    see: Callable[..., Iterable[Sign[Any]]]
    why: Words
    owner: Owner | Callable[[Tell[Any]], Owner]
    each: Key = place
    attack: tuple[str, ...] | Callable[[Tell[Any]], tuple[str, ...]] = ()
    explains: tuple[str, ...] = ()
    habit: tuple[str, ...] = ()
    """Symptoms on other connections of the same client to the same endpoint: what one side does to every connection."""
    leads_to: tuple[str, ...] = ()
    """Rules whose findings say of themselves what is worth telling, and follow from this one where both are about the same clients and party."""
    fails: tuple[str, ...] = ()
    fails_alone: tuple[str, ...] = ()
    """Requirements that a finding fails unless another finding explains it: then that one's requirement is failed."""
    params: tuple[Param, ...] = ()
    looks_for: tuple[Detection, ...] = ()
    """What lines of commands and scripts show it: each that fits is among ``evidence.sightings``."""
    destination: Words | None = None
    """Where it happened, where that is not the server end of the first connection."""
    name: str | None = None
    """The title of the rule in lists, where ``title`` is a function."""
    worst: Severity | None = None
    """The highest severity it gives, where ``severity`` is a function."""


def told(opinion: Opinion, rule: str, evidence: Evidence, given: Mapping[str, float] | None = None) -> Iterator[Finding]:
    """The findings of an opinion. ``given``: values of parameters from the configuration."""
    values = {param.name: (given or {}).get(param.name, param.default) for param in opinion.params}
    signs = opinion.see(evidence, values) if opinion.params else opinion.see(evidence)
    for group in _by_place(evidence, signs) if opinion.each is place else _by_key(opinion.each, evidence, signs):
        yield _finding(opinion, rule, Tell(evidence, tuple(group), values))


def _by_key(key: Key, evidence: Evidence, signs: Iterable[Sign[Any]]) -> Iterable[list[Sign[Any]]]:
    groups: dict[Hashable, list[Sign[Any]]] = {}
    for sign in signs:
        groups.setdefault(key(evidence, sign), []).append(sign)
    return groups.values()


def _by_place(evidence: Evidence, signs: Iterable[Sign[Any]]) -> Iterable[list[Sign[Any]]]:
    """By `place`, which is asked once of each connection."""
    groups: dict[Hashable, list[Sign[Any]]] = {}
    of: dict[str, list[Sign[Any]]] = {}
    for sign in signs:
        first = sign.connections[0] if sign.connections else evidence.exchanges[sign.exchanges[0]].connection
        group = of.get(first)
        if group is None:
            group = of[first] = groups.setdefault(place(evidence, sign), [])
        group.append(sign)
    return groups.values()


def _finding(opinion: Opinion, rule: str, tell: Tell[Any]) -> Finding:
    """The one way to make a finding: its subject is the first connection, and the times of its exchanges (without any, of its connections) are its times."""
    evidence, signs, connections = tell.evidence, tell.signs, tell.connections
    if len(signs) == 1:  # as of most findings
        only = signs[0]
        exchanges, packets, user, confidence = _distinct(only.exchanges), only.packets, only.user or None, only.confidence
    else:
        users = tell.users
        exchanges = _distinct(tuple([identity for sign in signs for identity in sign.exchanges]))
        packets = tuple([key for sign in signs for key in sign.packets])
        user = users[0] if len(users) == 1 else None
        given = [sign.confidence for sign in signs if sign.confidence is not None]
        confidence = max(given) if len(given) == len(signs) else None
    if confidence is None:
        confidence = opinion.confidence(tell) if callable(opinion.confidence) else opinion.confidence
    advice = opinion.advice(tell) if callable(opinion.advice) else opinion.advice
    reference = opinion.reference(tell) if callable(opinion.reference) else opinion.reference
    first = tell.connection
    began, ended = _times(evidence, exchanges) or _lasted(evidence, connections)
    return Finding(
        rule=rule,
        subject=connections[0],
        severity=opinion.severity if isinstance(opinion.severity, Severity) else opinion.severity(tell),
        confidence=confidence,
        title=opinion.title(tell) if callable(opinion.title) else opinion.title,
        why=opinion.why(tell),
        evidence=(*connections, *exchanges),
        packets=_first_ones(packets),
        advice=advice if isinstance(advice, str) else advice.about(evidence, connections),
        reference=reference if isinstance(reference, str) else reference.reference,
        first_ns=began,
        last_ns=ended,
        connections=tuple(connections),
        exchanges=tuple(exchanges),
        attack=opinion.attack(tell) if callable(opinion.attack) else opinion.attack,
        user=user,
        source=first.client.host,
        destination=(None if opinion.destination is None else opinion.destination(tell)) or str(first.server),
        owner=opinion.owner if isinstance(opinion.owner, Owner) else opinion.owner(tell),
        settings=() if isinstance(advice, str) else advice.settings(evidence, connections),
        reference_text=None if isinstance(reference, str) else reference.text,
    )


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    return names if len(names) < 2 else tuple(dict.fromkeys(names))


def _connections(evidence: Evidence, sign: Sign[Any]) -> tuple[str, ...]:
    if sign.connections:
        return sign.connections
    if len(sign.exchanges) == 1:
        return (evidence.exchanges[sign.exchanges[0]].connection,)
    return tuple(dict.fromkeys([evidence.exchanges[identity].connection for identity in sign.exchanges]))


def _first_ones(packets: Iterable[int]) -> tuple[int, ...]:
    """The first packets, each once, in order."""
    if isinstance(packets, tuple) and (len(packets) < _SEVERAL or (len(packets) == _SEVERAL and packets[0] < packets[1])):  # as of most findings
        return packets
    return tuple(sorted(dict.fromkeys(packets))[:_PACKETS])


def _lasted(evidence: Evidence, connections: Iterable[str]) -> tuple[int, int]:
    """When the first of these connections began, and when the last of them ended."""
    found = [evidence.connections[identity] for identity in connections]
    return min([one.first_ns for one in found]), max([one.last_ns for one in found])


def _times(evidence: Evidence, exchanges: Iterable[str]) -> tuple[int, int] | None:
    """When the first of their halves began or ended, and when the last one did; None where there is none."""
    found = [evidence.exchanges[identity] for identity in exchanges]
    if len(found) == 1:  # as of most findings
        one, other = found[0].request, found[0].response
        if isinstance(one, Absent) or isinstance(other, Absent):
            half = other if isinstance(one, Absent) else one
            return None if isinstance(half, Absent) else (min(half.first_ns, half.last_ns), max(half.first_ns, half.last_ns))
        if one.first_ns <= one.last_ns <= other.first_ns <= other.last_ns:
            return one.first_ns, other.last_ns
        return min(one.first_ns, one.last_ns, other.first_ns, other.last_ns), max(one.first_ns, one.last_ns, other.first_ns, other.last_ns)
    asked = [one.request for one in found if not isinstance(one.request, Absent)]
    answered = [one.response for one in found if not isinstance(one.response, Absent)]
    times = [one.first_ns for one in asked]
    times += [one.last_ns for one in asked]
    times += [one.first_ns for one in answered]
    times += [one.last_ns for one in answered]
    return (min(times), max(times)) if times else None
