"""Clear-text WinRM goes straight to the server.

Detects
    A SOAP envelope on a connection that is neither TLS nor part of a proxied path. WS-Management's Identify, which is anonymous by design, does not count, nor
    does a connection between two programs on one host.
Impact
    Anyone on the path can read and change every command and every result. It only works when the service allows unencrypted traffic.
False positives
    Never about the fact. A short envelope that the capture cut before its action may be an Identify and is not counted.
Requires
    The connection.
References
    MS-WSMV 3.2.4.1.22.1 and 2.2.9.1.
"""

from analyzer.records.proxy import Role
from analyzer.rules.enc._clear import ENCRYPT, Run, clear_exchanges, runs, told
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs


def see(evidence: Evidence) -> Signs[Run]:
    return runs(evidence, clear_exchanges(evidence, Role.DIRECT, Role.UNKNOWN))


OPINION = Opinion(
    title="WinRM messages are not encrypted",
    severity=Severity.HIGH,
    confidence=1.0,
    owner=Owner.SERVER,
    reference="MS-WSMV 3.2.4.1.22.1",
    advice=ENCRYPT,
    see=see,
    why=told,
)
