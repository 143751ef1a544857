"""An NTLM logon inside TLS is not bound to the certificate of the server that it reaches.

Detects
    NTLMv2 responses inside TLS. Broken: the channel binding that a response carries (MsvAvChannelBindings) is not the
    one that follows from the certificate of its TLS connection; high when the logon is refused, medium when it is
    accepted. Missing: it carries none; medium when the logon is refused, low when it is accepted.
Impact
    A server with CbtHardeningLevel Strict refuses such a logon, and the client reports wrong credentials. A server
    that accepts it (Relaxed takes one that is missing, None anything) lets a logon be relayed through someone else's
    TLS, which is what the binding is there to prevent.
False positives
    Broken is a comparison of bytes: another certificate than the client saw came in between, by an inspection that
    was decided on, a proxy that ends TLS, or an attack. When a missing one is refused, a wrong password looks the
    same; the confidence is lower then.
Requires
    A key log that decrypts the TLS, and the certificate in the capture (with TLS 1.3 the key log must hold the
    server's handshake secret).
References
    MS-NLMP 2.2.2.1 and 3.1.5.1.2; RFC 5929 section 4; MS-WSMV 2.2.4.34.
"""

from analyzer.records.auth import Audience, Conversation, NtlmToken, Outcome, Step
from analyzer.records.transport import Connection
from analyzer.rules.asking import where
from analyzer.rules.reading import counted, name, who
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, place_and

_SEVERITIES = {(True, True): Severity.HIGH, (True, False): Severity.MEDIUM, (False, True): Severity.MEDIUM, (False, False): Severity.LOW}
"""By (broken, refused)."""
_SURE, _UNSURE = 1.0, 0.6


class Unbound(Fact, frozen=True):
    """A logon: the binding that its NTLM response carries, the one that its connection asks for, and the connection with the carried one's certificate."""

    conversation: Conversation
    binding: bytes | None
    wanted: bytes | None
    shown: Connection | None
    refused: bool

    @property
    def broken(self) -> bool:
        """It carries a binding, to another certificate."""
        return self.binding is not None


def see(evidence: Evidence) -> Signs[Unbound]:
    """One sign for each logon whose binding is missing or another one."""
    owners: dict[bytes, Connection] = {}
    for one in evidence.connections.values():
        if one.tls is not None and one.tls.channel_binding is not None:
            owners.setdefault(one.tls.channel_binding, one)
    for conversation in evidence.conversations:
        step = _response(conversation) if conversation.over_tls else None
        if step is None or conversation.connection not in evidence.winrm or conversation.audience is not Audience.SERVER:
            continue
        connection = evidence.connections[conversation.connection]
        binding = _binding(step)
        wanted = None if connection.tls is None else connection.tls.channel_binding
        broken = binding is not None and wanted is not None and binding != wanted
        server_side = any(exchange in evidence.far for exchange in conversation.exchanges)
        if broken or (binding is None and not server_side):
            shown = owners.get(binding) if binding is not None else None
            fact = Unbound(conversation, binding, wanted, shown, conversation.outcome is Outcome.REFUSED)
            connections = (connection.id,) if shown is None else (connection.id, shown.id)
            yield Sign(fact, (step.exchange,), step.packets[:1], connections, who(conversation))


def _response(conversation: Conversation) -> Step | None:
    """The step with the last NTLMv2 response of a conversation."""
    for step in reversed(conversation.steps):
        token = None if step.token is None else step.token.ntlm
        if isinstance(token, NtlmToken) and token.version == "ntlmv2" and step.packets:
            return step
    return None


def _binding(step: Step) -> bytes | None:
    token = None if step.token is None else step.token.ntlm
    return token.channel_bindings if isinstance(token, NtlmToken) else None


def title(tell: Tell[Unbound]) -> str:
    if tell.first.fact.broken:
        return f"NTLM logon at {tell.connection.server.host} is bound to another certificate"
    return "NTLM logon over TLS is not bound to the server's certificate"


def why(tell: Tell[Unbound]) -> str:
    fact = tell.first.fact
    one = tell.count == 1
    what = "no channel binding"
    if fact.binding is not None and fact.wanted is not None:
        what = f"the channel binding {fact.binding.hex()}, where the certificate of this connection asks for {fact.wanted.hex()}"
    shown = f" The binding is that of the certificate that the client was shown on {name(fact.shown)}." if fact.shown is not None else ""
    return (
        f"{counted(tell.count, 'NTLM response')}{f' of {tell.first.user}' if tell.first.user else ''} inside the TLS of {name(tell.connection)} "
        f"{'carries' if one else 'carry'} {what}. The first is {where(tell)}. The server {'refused' if fact.refused else 'accepted'} "
        f"{'it' if one else 'them'}.{shown}"
    )


OPINION = Opinion(
    title=title,
    name="NTLM logon over TLS is not bound to the server's certificate",
    severity=lambda tell: _SEVERITIES[tell.first.fact.broken, tell.first.fact.refused],
    worst=Severity.HIGH,
    confidence=lambda tell: _SURE if tell.first.fact.broken or not tell.first.fact.refused else _UNSURE,
    owner=lambda tell: Owner.PROXY if tell.first.fact.broken else Owner.CLIENT,
    reference="RFC 5929 section 4; MS-NLMP 2.2.2.1",
    advice=(
        "Let TLS run from the client to the server: exempt WinRM from inspection, and let a proxy pass port 5986 as TCP. "
        "Where the binding is missing, use a client that sends it (Windows, pypsrp, pywinrm). Then set CbtHardeningLevel "
        'to Strict on the server (winrm set winrm/config/service/auth @{CbtHardeningLevel="Strict"}).'
    ),
    attack=lambda tell: ("T1557",) if tell.first.fact.broken else (),
    see=see,
    why=why,
    each=place_and(lambda fact: (fact.broken, fact.refused)),
)
