"""Encrypted bodies are framed in another way than the specification says.

Detects
    Multipart bodies of encrypted messages that are irregular although they were wholly captured: a part without delimiter, a head that is not understood, a
    token header that does not fit. What could be read of them was read.
Impact
    Strict receivers refuse such messages, and tools may show wrong bytes. The same mark in one client's messages only names the program that made them.
False positives
    Exchange, Windows Event Forwarding and WinRb all write it a little differently, in ways that are read here without complaint.
Requires
    The whole body.
References
    MS-WSMV 2.2.9.1.1.2.
"""

from analyzer.records.http import Exchange
from analyzer.records.issues import Issue
from analyzer.rules.asking import answered_at, asked_at
from analyzer.rules.reading import counted, header, identity, listed, name, packets_of, request
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_CODE = "sealing.malformed"


class Odd(Fact, frozen=True):
    """What was wrong with which half of an exchange."""

    issue: Issue
    exchange: Exchange


def see(evidence: Evidence) -> Signs[Odd]:
    """One sign for each body; the server's side is left out where the client's is known."""
    for issue in evidence.issues:
        exchange = evidence.exchanges.get((issue.record or "").rpartition(".")[0])
        if issue.code == _CODE and exchange is not None and exchange.id not in evidence.far and exchange.connection in evidence.winrm:
            yield Sign(Odd(issue, exchange), (exchange.id,), packets_of([exchange]), user=identity(evidence, exchange.connection))


def _program(tell: Tell[Odd]) -> str | None:
    return header(request(tell.facts[0].exchange), "user-agent")


def why(tell: Tell[Odd]) -> str:
    first = tell.facts[0]
    record = first.issue.record or ""
    where = (asked_at if record.endswith(".q") else answered_at)(tell, first.exchange)
    program = _program(tell)
    return (
        f"{counted(tell.count, 'encrypted body', 'encrypted bodies')} on {name(tell.connection)}{f' ({program})' if program else ''} "
        f"{'does' if tell.count == 1 else 'do'} not follow the specification: {listed(odd.issue.detail for odd in tell.facts)}. The first is in {where} "
        f"({record})."
    )


OPINION = Opinion(
    title="Encrypted bodies have unusual framing",
    severity=Severity.INFO,
    confidence=0.8,
    owner=Owner.CLIENT,
    reference="MS-WSMV 2.2.9.1.1.2",
    advice="Report it to the maker of the program that sends these bodies; where messages are refused, compare them byte by byte with MS-WSMV 2.2.9.1.1.2.",
    see=see,
    why=why,
)
