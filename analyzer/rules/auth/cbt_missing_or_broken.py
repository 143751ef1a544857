"""An NTLM logon inside TLS is not bound to the certificate of the server that it reaches.

What it sees
    NTLMv2 responses inside TLS. Broken: the channel binding that a response carries (MsvAvChannelBindings) is not the one that follows from the certificate of
    its TLS connection; high when the logon is refused, medium when it is accepted. Missing: it carries none; medium when the logon is refused, low when it is
    accepted.
Why it matters
    A server with CbtHardeningLevel Strict refuses such a logon, and the client reports wrong credentials. A server that accepts it (Relaxed takes one that is
    missing, None anything) lets a logon be relayed through somebody else's TLS, which is what the binding is there to prevent.
When it is wrong
    Broken is a comparison of bytes: another certificate than the client saw came in between, by an inspection that was decided on, a proxy that ends TLS, or
    an attack. When a missing one is refused, a wrong password looks the same; the confidence is lower then.
Needs
    A key log that opens the TLS, and the certificate in the capture (with TLS 1.3 the key log must hold the server's handshake secret).
Reference
    MS-NLMP 2.2.2.1 and 3.1.5.1.2; RFC 5929 section 4; MS-WSMV 2.2.4.34.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Audience, Conversation, NtlmToken, Outcome, Step
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.transport import Connection
from analyzer.rules.reading import counted, finding, name, packet, who

RULE = "auth.cbt-missing-or-broken"
TITLE = "An NTLM logon is not bound to the server's certificate"
SEVERITY = Severity.HIGH
REFERENCE = "RFC 5929 section 4; MS-NLMP 2.2.2.1"
ADVICE = (
    "Let TLS run from the client to the server: exempt WinRM from inspection, and pass 5986 on as TCP instead of ending TLS at a proxy. Where the binding is "
    "missing, use a client that sends it (Windows, pypsrp, pywinrm), then set CbtHardeningLevel to Strict on the server "
    '(winrm set winrm/config/service/auth @{CbtHardeningLevel="Strict"}).'
)
_SEVERITIES = {(True, True): Severity.HIGH, (True, False): Severity.MEDIUM, (False, True): Severity.MEDIUM, (False, False): Severity.LOW}
"""By (broken, refused)."""
_SURE, _UNSURE = 1.0, 0.6


class Logon(Struct, frozen=True, gc=False):
    """A conversation, its NTLM response, and the binding that this carries."""

    conversation: Conversation
    step: Step
    binding: bytes | None


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host, endpoint, kind (broken or missing) and outcome."""
    groups: dict[tuple[str, str, int, bool, bool], list[Logon]] = defaultdict(list)
    for conversation in evidence.conversations:
        connection = evidence.connections[conversation.connection]
        logon = _logon(conversation)
        if logon is None or not conversation.over_tls or connection.id not in evidence.winrm or conversation.audience is not Audience.SERVER:
            continue
        wanted = None if connection.tls is None else connection.tls.channel_binding
        broken = logon.binding is not None and wanted is not None and logon.binding != wanted
        second_leg = any(exchange in evidence.far for exchange in conversation.exchanges)
        if broken or (logon.binding is None and not second_leg):
            refused = conversation.outcome is Outcome.REFUSED
            groups[connection.client.host, connection.server.host, connection.server.port, broken, refused].append(logon)
    for (*_, broken, refused), group in groups.items():
        yield _finding(evidence, group, broken=broken, refused=refused)


def _logon(conversation: Conversation) -> Logon | None:
    """The last NTLMv2 response of a conversation."""
    for step in reversed(conversation.steps):
        token = None if step.token is None else step.token.ntlm
        if isinstance(token, NtlmToken) and token.version == "ntlmv2" and step.packets:
            return Logon(conversation, step, token.channel_bindings)
    return None


def _owner(evidence: Evidence, binding: bytes | None) -> Connection | None:
    """The connection on which the certificate was shown that a binding belongs to."""
    return next((one for one in evidence.connections.values() if one.tls is not None and one.tls.channel_binding == binding), None)


def _finding(evidence: Evidence, group: list[Logon], *, broken: bool, refused: bool) -> Finding:
    first = group[0]
    connection = evidence.connections[first.conversation.connection]
    shown = _owner(evidence, first.binding) if broken and first.binding is not None else None
    user = who(first.conversation)
    why = (
        f"{counted(len(group), 'NTLM response')}{f' of {user}' if user else ''} inside the TLS of {name(connection)} "
        f"{'carries' if len(group) == 1 else 'carry'} {_what(connection, first)}; the first is in {packet(evidence, first.step.packets[0])}. "
        f"The server {'refused' if refused else 'accepted'} {'it' if len(group) == 1 else 'them'}."
    )
    if shown is not None:
        why += f" The binding is that of the certificate which the client was shown on {name(shown)}."
    return finding(
        evidence,
        rule=RULE,
        severity=_SEVERITIES[broken, refused],
        confidence=_SURE if broken or not refused else _UNSURE,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[*(logon.conversation.connection for logon in group), *([] if shown is None else [shown.id])],
        exchanges=[logon.step.exchange for logon in group],
        packets=[key for logon in group for key in logon.step.packets[:1]],
        user=user,
        attack=("T1557",) if broken else (),
    )


def _what(connection: Connection, logon: Logon) -> str:
    if logon.binding is None or connection.tls is None or connection.tls.channel_binding is None:
        return "no channel binding"
    return f"the channel binding {logon.binding.hex()}, where the certificate of this connection asks for {connection.tls.channel_binding.hex()}"
