"""A collector did not acknowledge what a source of event forwarding sent.

Detects
    Events, heartbeats and other messages of a source that ask for an acknowledgement (AckRequested) and got none: a
    fault or an error of HTTP came back, an answer that is no Ack, or the connection ended first. Without an answer it
    counts only where nothing of the collector's side is missing in the capture. Whether the events were sent again, in
    the same messages or in others, is told.
Impact
    The source keeps the events and sends them again. Until it can, the collector lacks them; what its log overwrites
    meanwhile is lost. Events that were sent again may be stored twice.
False positives
    A collector that is restarted, or a connection that a source closes when it goes down, costs one acknowledgement.
Requires
    Readable messages: clear text, or a key.
References
    DSP0226 sections 10.2.9.4 and 10.7; MS-WSMV 3.1.4.1.30.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence

from analyzer.records.forwarding import Acknowledged, Delivery, Kind
from analyzer.records.waiting import Stop
from analyzer.rules.reading import counted
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_ASKING = (Kind.EVENTS, Kind.HEARTBEAT, Kind.DROPPED, Kind.ENDED)
_WORDS = {Kind.EVENTS: "events", Kind.HEARTBEAT: "a heartbeat", Kind.DROPPED: "word of dropped events", Kind.ENDED: "the end of a subscription"}


class Lost(Fact, frozen=True):
    """A delivery without its acknowledgement, and the first later one that brought events of it, where all of them came again.

    ``roots``: its events by the first time that each was sent. ``partly``: some came again, or it cannot be told. ``kept``: the collector acknowledged
    all of them another time.
    """

    one: Delivery
    again: Delivery | None
    roots: frozenset[str]
    partly: bool
    kept: bool


def see(evidence: Evidence) -> Signs[Lost]:
    """One sign for each delivery."""
    own = evidence.forwarding.deliveries
    if not own:
        return
    roots, numbered = _roots(evidence)
    ended = {one.exchange for one in evidence.unanswered if one.stop is not Stop.PENDING}
    later: dict[str, Delivery] = {}
    safe = {root for one in own if one.acknowledged is Acknowledged.YES for root in roots.get(one.id, ())}
    lost: list[Lost] = []
    for one in reversed(own):
        mine = roots.get(one.id, frozenset())
        hop = evidence.near.get(one.id)
        silent = one.acknowledged is Acknowledged.NOT_SEEN and (one.id in ended or (hop is not None and hop.far in ended))
        if one.kind in _ASKING and (silent or one.acknowledged in (Acknowledged.REFUSED, Acknowledged.OTHER)):
            resent = [later[root] for root in mine if root in later]
            known = numbered.get(one.id, 0) == one.events > 0
            whole = known and len(resent) == len(mine)
            again = min(resent, key=lambda each: (each.first_ns, each.packets)) if whole else None
            lost.append(Lost(one, again, mine, not whole and (bool(resent) or not known), known and mine <= safe))
        later.update(dict.fromkeys(mine, one))
    for fact in reversed(lost):
        one, again = fact.one, fact.again
        packets = (*one.packets[:1], *one.answer_packets[:1], *(() if again is None else again.packets[:1]))
        yield Sign(fact, (one.id,) if again is None else (one.id, again.id), packets, user=one.user)


def _roots(evidence: Evidence) -> tuple[dict[str, frozenset[str]], Counter[str]]:
    """By delivery its events, each by the first time that it was sent, and how many of them have a number by which they are known again."""
    found: dict[str, set[str]] = defaultdict(set)
    numbered: Counter[str] = Counter()
    for one in evidence.forwarding.events:
        found[one.delivery].add(one.again or one.id)
        numbered[one.delivery] += one.event.record is not None
    return {delivery: frozenset(own) for delivery, own in found.items()}, numbered


def severity(tell: Tell[Lost]) -> Severity:
    """Low where the collector acknowledged all of it in the end."""
    return Severity.LOW if all(one.kept or one.one.kind is Kind.HEARTBEAT for one in tell.facts) else Severity.MEDIUM


def why(tell: Tell[Lost]) -> str:
    """Who sent how many, what came back, and whether they were sent again."""
    one = tell.first.fact.one
    events = _together(tell.facts)
    said = [
        f"{one.machine or one.source} sent {counted(tell.count, 'message')} to {one.collector} that the collector did not acknowledge.",
        f"The first, {tell.packet(one.packets[0])}, brought {counted(one.events, 'event') if one.kind is Kind.EVENTS else _WORDS[one.kind]}; {_came(tell)}.",
    ]
    if tell.count > 1 and events:
        said.append(f"Together they brought {counted(events, 'event')}.")
    later = [fact for fact in tell.facts if fact.again is not None]
    if later and later[0].again is not None:
        whole = len(later) == sum(fact.one.events > 0 for fact in tell.facts)
        said.append(
            f"{'The events were' if whole else f'The events of {len(later):,} of them were'} sent again, first in {tell.packet(later[0].again.packets[0])}."
        )
    elif events and not any(fact.partly for fact in tell.facts):
        said.append("They were not sent again in this capture.")
    elif events:
        said.append("That all of them were sent again cannot be seen in this capture.")
    return " ".join(said)


def _together(facts: Sequence[Lost]) -> int:
    """How many different events; of a delivery of which not all were kept, also the others."""
    roots = {root for fact in facts for root in fact.roots}
    return len(roots) + sum(max(fact.one.events - len(fact.roots), 0) for fact in facts)


def _came(tell: Tell[Lost]) -> str:
    one = tell.first.fact.one
    if one.acknowledged is Acknowledged.NOT_SEEN:
        return "no answer came before the connection ended"
    at = f" ({tell.packet(one.answer_packets[0])})" if one.answer_packets else ""
    if one.acknowledged is Acknowledged.OTHER:
        return f"the answer has no acknowledgement{at}"
    return f"{f'fault {one.fault_code}' if one.fault_code else f'HTTP status {one.status}'} came back{at}"


OPINION = Opinion(
    title="The collector did not acknowledge events",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="DSP0226 section 10.7",
    advice="On the collector, look at the subscription's state (wecutil gr NAME) and at the log Microsoft-Windows-EventCollector/Operational for that time.",
    explains=("wsman.request-failed", "http.request-failed"),
    see=see,
    why=why,
)
