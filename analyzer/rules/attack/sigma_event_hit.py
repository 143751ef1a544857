"""A Sigma rule of the user fits a forwarded event, or what an operation on a CIM class asks for.

Detects
    Events that sources sent to their collector, by the log source of the rule: a log of Windows (service) or a kind of
    event (category), with Sysmon's names of fields also where the log Security tells the same. Of operations: a service
    that is made (as events 7045 and 4697), a value of the registry that is set (as Sysmon's 13), a task that is
    registered (as 4698), and the program of service and task as a process. The rules are those of --sigma.
Impact
    The same rules that hunt in the collector's logs then hunt in its traffic, also where the collector lost events.
False positives
    As often as the rule itself. Of an operation only the fields that the traffic holds are there, and that it was asked
    for does not prove that the program ran. A rule that wants fields to be absent fits more often than in a log.
Requires
    Bodies that can be read (clear text or decrypted), and a folder of rules.
References
    Sigma specification 2, taxonomy; the rule's own references.
"""

from analyzer.records.sigma import SigmaEventHit
from analyzer.rules.attack._sigma import attack, reference, severity, title
from analyzer.rules.reading import counted
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell


class Fit(Fact, frozen=True):
    """What a rule fits. ``where``: the computer that logged it, or the server that was asked; ``at_ns``: when."""

    hit: SigmaEventHit
    where: str
    at_ns: int | None


def see(evidence: Evidence) -> Signs[Fit]:
    """One sign for each rule and event or operation."""
    if not evidence.sigma_event_hits:
        return
    events = {one.id: one for one in evidence.forwarding.events}
    operations = {one.id: one for one in evidence.operations}
    for hit in evidence.sigma_event_hits:
        event, operation = events.get(hit.subject), operations.get(hit.subject)
        if event is not None and hit.forwarded:
            yield Sign(Fit(hit, event.event.computer or event.source, event.event.time_ns), (event.delivery,), event.packets)
        elif operation is not None:
            yield Sign(Fit(hit, operation.server, None), (operation.id,), operation.packets, (), operation.user)


def each(_: Evidence, sign: Sign[Fit]) -> tuple[str, str, bool]:
    """One finding for each rule and computer."""
    return sign.fact.hit.rule, sign.fact.where.lower(), sign.fact.hit.forwarded


def why(tell: Tell[Fit]) -> str:
    hit, where = tell.first.fact.hit, tell.first.fact.where
    at = f" ({tell.packet(tell.first.packets[0])})" if tell.first.packets else ""
    if hit.forwarded:
        what = f'The Sigma rule "{hit.title}" fits {counted(tell.count, "forwarded event")} of {where}.'
        first = f"The first is event {hit.number} of the log {hit.channel}{at}."
    else:
        what = f'The Sigma rule "{hit.title}" fits {counted(tell.count, "operation")} on {where}.'
        first = f"The first asks for what event {hit.number} of the log {hit.channel} would tell{at}."
    return f"{what} {first} The rule is {hit.rule}, level {hit.level}, file {hit.file}. The first is {hit.subject} in the tables."


def _found_in(tell: Tell[Fit]) -> str:
    """Where the first one stands."""
    return tell.first.fact.where


OPINION = Opinion(
    title=title,
    name="A Sigma rule fits a forwarded event or an operation",
    severity=severity,
    worst=Severity.CRITICAL,
    confidence=0.7,
    owner=Owner.CLIENT,
    reference=reference,
    advice="Read the event in the table events, or the operation in the transcript, and the rule's own description of what else it fits.",
    attack=attack,
    destination=_found_in,
    see=see,
    why=why,
    each=each,
)
