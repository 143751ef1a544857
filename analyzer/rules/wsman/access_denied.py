"""The server accepted the logon and refuses what the user asks for.

What it sees
    A fault that says access denied (5, 0x80070005, WMI's 0x80041003, a RunAs account that cannot log on, or the
    subcode AccessDenied) in a response that could be read.
Why it matters
    This is the "Access is denied" that users report. The password is right; the account lacks a right: on WinRM
    itself (RootSDDL), on the session configuration (endpoint), on the WMI namespace, or on the event log.
When it is wrong
    A program that asks for more than it needs and does without it meets this fault, too.
Needs
    Readable messages: clear text, or a key.
Reference
    MS-WSMV section 2.2.4.43; Microsoft, "Authentication for Remote Connections".
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Severity
from analyzer.rules.telling import Opinion, Owner, Sign, Tell
from analyzer.rules.wsman._faults import (
    Failure,
    by_code,
    failures,
    headline,
    meaning,
    places,
    remedy,
    server,
    told,
    whom,
)


def see(evidence: Evidence) -> Iterator[Sign[Failure]]:
    """Faults about rights."""
    return failures(evidence, "access")


def title(tell: Tell[Failure]) -> str:
    """Who is refused, and where."""
    return headline(f"Access is denied for {whom(tell)} on {server(tell)}")


def why(tell: Tell[Failure]) -> str:
    """That the logon was good, and what was refused."""
    return f"{told(tell)}{meaning(tell)}{_good_logon(tell)}{places(tell)}"


def _good_logon(tell: Tell[Failure]) -> str:
    first = tell.first.fact
    refused = first.fault.subcode == "AccessDenied" or (first.meaning is not None and "ACCESS_DENIED" in first.meaning.symbol)
    if not refused or not first.logged_on:
        return ""
    return f" The logon of {tell.users[0] if tell.users else 'this client'} was accepted before, so its password is not the cause."


OPINION = Opinion(
    title=title,
    name="Access is denied after a good logon",
    severity=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="MS-WSMV section 2.2.4.43",
    advice=remedy,
    see=see,
    why=why,
    each=by_code,
)
