"""A Kerberos ticket or its authenticator is encrypted with RC4 or DES.

What it sees
    An AP-REQ whose ticket or authenticator has encryption type 23 or 24 (RC4) or 1 to 3 (DES), on a WinRM connection.
Why it matters
    An RC4 ticket is encrypted with the account's NT hash without salt: whoever records it can guess the service account's password offline, and WinRM's
    messages are sealed with RC4 as well. DES is broken.
When it is wrong
    Never about the fact; old servers and accounts with msDS-SupportedEncryptionTypes unset still need it.
Needs
    The client's AP-REQ.
Reference
    RFC 8429 section 4; RFC 6649; MS-KILE 3.1.5.2.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import KerberosToken, Step
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.reading import counted, finding, listed, name, packet

RULE = "auth.kerberos-weak-etype"
TITLE = "Kerberos with RC4 or DES"
SEVERITY = Severity.LOW
REFERENCE = "RFC 8429 section 4"
ADVICE = (
    "Set msDS-SupportedEncryptionTypes of the service's account to AES (0x18), change its password so that AES keys exist, and forbid RC4 by the policy "
    '"Network security: Configure encryption types allowed for Kerberos".'
)
_WEAK = {1: "DES-CBC-CRC", 2: "DES-CBC-MD4", 3: "DES-CBC-MD5", 23: "RC4-HMAC", 24: "RC4-HMAC-EXP"}


class Weak(Struct, frozen=True, gc=False):
    """A connection, the step with the AP-REQ, its token, and the weak type's name."""

    connection: str
    step: Step
    token: KerberosToken
    etype: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host, endpoint and service; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int, str | None], list[Weak]] = defaultdict(list)
    for conversation in evidence.conversations:
        connection = evidence.connections[conversation.connection]
        if connection.id not in evidence.winrm or any(identity in evidence.far for identity in conversation.exchanges):
            continue
        for step in conversation.steps:
            weak = _weak(connection.id, step)
            if weak is not None:
                groups[connection.client.host, connection.server.host, connection.server.port, weak.token.spn].append(weak)
    for group in groups.values():
        yield _finding(evidence, group)


def _weak(connection: str, step: Step) -> Weak | None:
    token = None if step.token is None else step.token.kerberos
    if not isinstance(token, KerberosToken) or token.message != "AP-REQ" or not step.packets:
        return None
    etype = next((_WEAK[number] for number in (token.etype, token.authenticator_etype) if number in _WEAK), None)
    return None if etype is None else Weak(connection, step, token, etype)


def _finding(evidence: Evidence, group: list[Weak]) -> Finding:
    first = group[0]
    packets = [key for weak in group for key in weak.step.packets[:1]]
    why = (
        f"{counted(len(group), 'AP-REQ')} for {first.token.spn or 'a service without a name'} on {name(evidence.connections[first.connection])} use "
        f"{listed(weak.etype for weak in group)} (ticket {first.token.etype}, authenticator {first.token.authenticator_etype}); the first is in "
        f"{packet(evidence, packets[0])}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=1.0,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[weak.connection for weak in group],
        exchanges=[weak.step.exchange for weak in group],
        packets=packets,
        attack=("T1558.003",),
    )
