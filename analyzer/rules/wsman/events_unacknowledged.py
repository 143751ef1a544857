"""A collector did not acknowledge what a source of event forwarding sent.

Detects
    Events, heartbeats and other messages of a source that ask for an acknowledgement (AckRequested) and got none: a
    fault or an error of HTTP came back, an answer that is no Ack, or the connection ended first. Without an answer it
    counts only where nothing of the collector's side is missing in the capture. Whether the events were sent again on
    another connection is told.
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

from analyzer.records.forwarding import Acknowledged, Delivery, Kind
from analyzer.records.waiting import Stop
from analyzer.rules.reading import counted
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_ASKING = (Kind.EVENTS, Kind.HEARTBEAT, Kind.DROPPED, Kind.ENDED)
_WORDS = {Kind.EVENTS: "events", Kind.HEARTBEAT: "a heartbeat", Kind.DROPPED: "word of dropped events", Kind.ENDED: "the end of a subscription"}


class Lost(Fact, frozen=True):
    """A delivery without its acknowledgement, and the one that brought the same events again."""

    one: Delivery
    again: Delivery | None


def see(evidence: Evidence) -> Signs[Lost]:
    """One sign for each delivery."""
    own = evidence.forwarding.deliveries
    if not own:
        return
    again = {one.again: one for one in reversed(own) if one.again is not None}
    ended = {one.exchange for one in evidence.unanswered if one.stop is not Stop.PENDING}
    for one in own:
        if one.kind not in _ASKING:
            continue
        hop = evidence.near.get(one.id)
        silent = one.acknowledged is Acknowledged.NOT_SEEN and (one.id in ended or (hop is not None and hop.far in ended))
        if silent or one.acknowledged in (Acknowledged.REFUSED, Acknowledged.OTHER):
            later = again.get(one.id)
            both = (one,) if later is None else (one, later)
            packets = (*one.packets[:1], *one.answer_packets[:1], *(() if later is None else later.packets[:1]))
            yield Sign(Lost(one, later), tuple(each.id for each in both), packets, user=one.user)


def severity(tell: Tell[Lost]) -> Severity:
    """Low where all of it came again."""
    return Severity.LOW if all(one.again is not None or one.one.kind is Kind.HEARTBEAT for one in tell.facts) else Severity.MEDIUM


def why(tell: Tell[Lost]) -> str:
    """Who sent how many, what came back, and whether they were sent again."""
    one = tell.first.fact.one
    events = sum(fact.one.events for fact in tell.facts)
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
    elif events:
        said.append("They were not sent again in this capture.")
    return " ".join(said)


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
