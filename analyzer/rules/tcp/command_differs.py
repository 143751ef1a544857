"""Packets have two versions of a command.

Detects
    Two TCP segments with different bytes for one place of a request that runs a command. Encrypted requests whose
    signature fits are left out: it proves the version that was used.
Impact
    One version is shown as what was run. The server may have taken the other one: which copy a receiver keeps depends
    on its system. Who wants to hide a command from a recording sends a second segment so.
False positives
    A defective network card or device can alter a copy. Then few bytes differ, and the text makes no sense.
Requires
    A request that can be read, with both segments.
References
    RFC 9293 section 3.10.7.4; RFC 9293 section 3.8.1 (a sender may not send other bytes again).
"""

from analyzer.records.sealing import Protection
from analyzer.records.transport import Choice, Conflict
from analyzer.records.wsman import Command
from analyzer.rules.reading import message, request
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_SHOWN = 120
_CHOSEN = {
    Choice.ACKNOWLEDGED: "The server's acknowledgements show that it had this one.",
    Choice.FIRST: "Nothing shows which one the server took; the first one captured is shown as the command.",
    Choice.OWN: "Each capture point has its own; the one of the capture that is read is shown as the command.",
}


class Differs(Fact, frozen=True):
    """A command, and the place of its request for which two packets have different bytes."""

    command: Command
    conflict: Conflict


def see(evidence: Evidence) -> Signs[Differs]:
    differing = {one.id for one in evidence.connections.values() if one.to_server.differing}
    for command in evidence.commands if differing else ():
        for identity in command.exchanges:
            exchange = evidence.exchanges.get(identity)
            if exchange is not None and exchange.connection not in differing:
                continue
            asked = None if exchange is None else request(exchange)
            said = message(evidence, asked)
            if exchange is None or asked is None or said is None or (said.protection is Protection.SEALED and said.check == "good"):
                continue
            for one in evidence.connections[exchange.connection].to_server.differing:
                if any(span.at <= one.stream_at < span.at + span.size for span in asked.body.spans):  # a head names no command
                    packets = (one.used_packet, one.other_packet)
                    yield Sign(Differs(command, one), (identity,), packets, user=command.user)


def why(tell: Tell[Differs]) -> str:
    first = tell.first.fact
    one = first.conflict
    used, other, whole = _versions(first)
    what = f"Command {first.command.id} is" if whole else f"The request of command {first.command.id} has"
    rest = f" {tell.count:,} places of this connection's commands differ so." if tell.count > 1 else ""
    return (
        f"{what} \u201c{used}\u201d in {tell.packet(one.used_packet)}. "
        f"{tell.packet(one.other_packet).capitalize()} has \u201c{other}\u201d for the same bytes of the stream. {_CHOSEN[one.choice]}{rest}"
    )


def _versions(fact: Differs) -> tuple[str, str, bool]:
    """The command in both versions; or the bytes that differ, where these are not in its text once, and False."""
    used, other = (data.decode("utf-8", "replace") for data in (fact.conflict.used, fact.conflict.other))
    text = fact.command.text
    whole = len(fact.conflict.used) == fact.conflict.size and bool(used) and text.count(used) == 1
    if whole:
        used, other = text, text.replace(used, other)
    return _shown(used), _shown(other), whole


def _shown(text: str) -> str:
    line = " ".join(text.split()).replace("\u201d", '"').replace("\u201c", '"')
    return line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"


def severity(tell: Tell[Differs]) -> Severity:
    """High where the command itself has two versions, and nothing shows which of them the server took."""
    return Severity.HIGH if any(_versions(fact)[2] and fact.conflict.choice is not Choice.ACKNOWLEDGED for fact in tell.facts) else Severity.MEDIUM


OPINION = Opinion(
    title="Packets have two versions of a command",
    severity=severity,
    worst=Severity.HIGH,
    confidence=0.8,
    owner=Owner.NETWORK,
    reference="RFC 9293 section 3.10.7.4",
    advice=(
        "Look in the server's logs for the command that it ran. "
        "Event 4688 and PowerShell's event 4104 name it. The table conflicts has both versions. "
        "The TTL and MAC addresses of their packets tell who sent the second one."
    ),
    see=see,
    why=why,
)
