"""What a proxy saw of credentials, as a list.

What it sees
    For each proxy the authentications towards servers that went through it without TLS, by mechanism, and the tunnels with TLS inside.
Why it matters
    Basic gives the proxy the password. An NTLM response can be guessed offline. A Kerberos ticket hides the password, but shows names, and one with RC4 can be
    guessed as well. CredSSP's inner TLS and TLS in a tunnel show nothing. Whoever runs the proxy has this.
When it is wrong
    It is a ledger, no alarm: alarms are rules of their own (auth.basic-cleartext, auth.ntlmv1, proxyauth.*).
Needs
    One leg with a sign of the proxy.
Reference
    Proxy Servers and WinRM, sentence 154.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Audience, Conversation, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.proxy import Role
from analyzer.records.transport import Connection
from analyzer.rules.reading import counted, finding, listed, name, packet, role, who

RULE = "proxy.credential-exposure"
TITLE = "What the proxy saw of credentials"
SEVERITY = Severity.INFO
REFERENCE = "Proxy Servers and WinRM, sentence 154"
ADVICE = (
    "Prefer what shows the proxy nothing: HTTPS in a CONNECT tunnel (-UseSSL, port 5986). If this proxy should be compromised, change the passwords of the "
    "accounts named here."
)
_SHOWS = {
    Mechanism.BASIC: "Basic (the password)",
    Mechanism.DIGEST: "Digest (a response that can be guessed offline)",
    Mechanism.NTLM: "NTLM (a response that can be guessed offline)",
    Mechanism.KERBEROS: "Kerberos (ticket and authenticator)",
    Mechanism.CREDSSP: "CredSSP (nothing without its inner TLS)",
}
_LEGS = (Role.CLIENT_LEG, Role.UPSTREAM_LEG)


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each proxy host that carried credentials without TLS; the upstream leg is left out where the client's is known."""
    seen: dict[str, list[Conversation]] = defaultdict(list)
    tunnels: Counter[str] = Counter()
    for connection in evidence.connections.values():
        where = role(evidence, connection.id)
        if connection.id not in evidence.winrm or where not in _LEGS:
            continue
        proxy = connection.client.host if where is Role.UPSTREAM_LEG else connection.server.host
        tunnels[proxy] += connection.protocol == "tls" and connection.tunnel_of is not None
        if connection.protocol != "tls":
            seen[proxy] += _shown(evidence, connection)
    for proxy, found in seen.items():
        if found:
            yield _finding(evidence, proxy, found, tunnels[proxy])


def _shown(evidence: Evidence, connection: Connection) -> Iterator[Conversation]:
    for found in evidence.conversations_of.get(connection.id, ()):
        own = found.audience is Audience.SERVER and found.mechanism in _SHOWS and not any(identity in evidence.far for identity in found.exchanges)
        if own and any(step.from_client and step.packets and step.token is not None for step in found.steps):
            yield found


def _finding(evidence: Evidence, proxy: str, group: list[Conversation], tunnels: int) -> Finding:
    kinds = Counter(_SHOWS[found.mechanism] for found in group)
    users = [user for found in group if (user := who(found))]
    packets = [step.packets[0] for found in group for step in found.steps if step.from_client and step.packets and step.token is not None]
    first = evidence.connections[group[0].connection]
    why = (
        f"The proxy {proxy} saw {counted(len(group), 'authentication')} towards servers without TLS: "
        f"{listed(f'{number} with {kind}' for kind, number in kinds.items())}"
        f"{f', of {listed(users)}' if users else ''}. The first is on {name(first)}, {packet(evidence, packets[0])}."
    )
    why += f" It saw nothing of what was in {counted(tunnels, 'TLS tunnel')}." if tunnels else ""
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=1.0,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[found.connection for found in group],
        exchanges=[found.exchanges[-1] for found in group],
        packets=packets,
        user=users[0] if len(set(users)) == 1 else None,
    )
