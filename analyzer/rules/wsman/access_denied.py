"""The server accepted the logon and refuses what the user asks for.

Detects
    A fault that says access denied (5, 0x80070005, WMI's 0x80041003, a RunAs account that cannot log on, or the
    subcode AccessDenied) in a response that could be read.
Impact
    This is the "Access is denied" that users report. The password is right; the account lacks a right: on WinRM
    itself (RootSDDL), on the session configuration (endpoint), on the WMI namespace, or on the event log.
False positives
    A program that asks for more than it needs and does without it meets this fault, too.
Requires
    Readable messages: clear text, or a key.
References
    MS-WSMV section 2.2.4.43; Microsoft, "Authentication for Remote Connections".
"""

from analyzer.rules.telling import Owner, Severity, Tell
from analyzer.rules.wsman._faults import Failure, opinion, server, whom


def _good_logon(tell: Tell[Failure]) -> str:
    first = tell.first.fact
    refused = first.fault.subcode == "AccessDenied" or (first.meaning is not None and "ACCESS_DENIED" in first.meaning.symbol)
    if not refused or not first.logged_on:
        return ""
    return f" The logon of {tell.users[0] if tell.users else 'this client'} was accepted before, so its password is not the cause."


OPINION = opinion(
    "access",
    title=lambda tell: f"Access is denied for {whom(tell)} on {server(tell)}",
    name="Access is denied after a good logon",
    severity=Severity.MEDIUM,
    owner=Owner.SERVER,
    reference="MS-WSMV section 2.2.4.43",
    also=_good_logon,
)
