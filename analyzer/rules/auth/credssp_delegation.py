"""CredSSP hands the user's password to the server.

What it sees
    An accepted CredSSP handshake: information on a direct connection, low when it goes through a proxy, medium when its inner TLS is older
    than 1.2.
Why it matters
    CredSSP sends the password (or smart card PIN) itself, sealed for whoever ends the inner TLS. The server, and everyone who controls it, can use it anywhere.
    Behind a proxy the user cannot see which server that is.
When it is wrong
    An administrator who needs a second hop has chosen this. The inner TLS goes through the proxy unopened unless the proxy ends it,
    so that a proxy alone is low and not an alarm; the version of the TSRequest is inside that TLS and is not looked at.
Needs
    The handshake on a direct connection or the client's leg.
Reference
    MS-CSSP 3.1.5 and 5.1; MS-WSMV 2.2.9.1.3; Proxy Servers and WinRM, sentences 133 and 154.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Audience, Conversation, Mechanism, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.proxy import Role
from analyzer.rules.reading import counted, finding, name, packet, role, who

RULE = "auth.credssp-delegation"
TITLE = "CredSSP hands the password to the server"
SEVERITY = Severity.LOW
REFERENCE = "MS-CSSP 5.1"
ADVICE = (
    "Use Kerberos with resource-based constrained delegation, or JEA, for the second hop. Where CredSSP must be: AllowFreshCredentials for named servers only, "
    "HTTPS end to end, TLS 1.2 or newer; otherwise Disable-WSManCredSSP on clients and servers."
)
_OLD = ("SSL 3.0", "TLS 1.0", "TLS 1.1")
_CONFIDENCE = 0.9


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int], list[Conversation]] = defaultdict(list)
    for conversation in evidence.conversations:
        own = conversation.mechanism is Mechanism.CREDSSP and conversation.outcome is Outcome.ACCEPTED and conversation.audience is Audience.SERVER
        if own and conversation.connection in evidence.winrm and not any(identity in evidence.far for identity in conversation.exchanges):
            connection = evidence.connections[conversation.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(conversation)
    for group in groups.values():
        yield _finding(evidence, group)


def _version(conversation: Conversation) -> str | None:
    """The version of the inner TLS that the server's hello names; that of 1.3 is 1.2's (RFC 8446 section 5.1)."""
    records = [step.token.tls for step in conversation.steps if step.token is not None and step.token.tls is not None and not step.from_client]
    return next((found.version for found in records if "server_hello" in found.handshakes), None)


def _severity(evidence: Evidence, group: list[Conversation]) -> Severity:
    if any(_version(conversation) in _OLD for conversation in group):
        return Severity.MEDIUM
    return SEVERITY if _is_proxied(evidence, group) else Severity.INFO


def _is_proxied(evidence: Evidence, group: list[Conversation]) -> bool:
    return any(role(evidence, conversation.connection) in (Role.CLIENT_LEG, Role.UPSTREAM_LEG) for conversation in group)


def _finding(evidence: Evidence, group: list[Conversation]) -> Finding:
    first = group[0]
    packets = [key for conversation in group for step in conversation.steps[-2:] for key in step.packets[:1]]
    version = _version(first)
    why = (
        f"{counted(len(group), 'CredSSP handshake')} of {name(evidence.connections[first.connection])} succeeded"
        f"{' through a proxy' if _is_proxied(evidence, group) else ''}{f', the inner TLS at version {version}' if version else ''}; the first ends with "
        f"{first.ends or first.exchanges[-1]}, {packet(evidence, packets[0]) if packets else ''}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=_severity(evidence, group),
        confidence=_CONFIDENCE,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[conversation.connection for conversation in group],
        exchanges=[conversation.ends or conversation.exchanges[-1] for conversation in group],
        packets=packets,
        user=who(first),
    )
