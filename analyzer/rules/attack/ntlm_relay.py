"""Somebody in between passes a victim's NTLM logon on to WinRM.

What it sees
    One server challenge on two connections of which the first ends at the host where the second begins, the second carries WinRM, and the first asks for
    something else: another method than POST, or another path than WinRM's.
Why it matters
    It is how a relay works: the victim believes to log on to a web page, a file or a proxy, and the attacker gets a WinRM session in the victim's name.
When it is wrong
    A reverse proxy that leads another path to /wsman looks alike only if it changes the method as well or rewrites the path of a request that is no WinRM; the
    same request on both connections is never counted. An equal
    NTProofStr adds nothing: it is made over the server challenge, so it can only be equal where that is.
Needs
    Both connections.
Reference
    ATT&CK T1557.001; MS-NLMP 5.1.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.auth import Audience, Conversation, Mechanism, Step
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.rules.reading import finding, name, packet, packets_of, request, who

RULE = "attack.ntlm-relay"
TITLE = "An NTLM logon is relayed to WinRM"
SEVERITY = Severity.CRITICAL
REFERENCE = "ATT&CK T1557.001"
ADVICE = (
    "Isolate the host in between, and treat the account as used by the attacker on the server. Require HTTPS with CbtHardeningLevel Strict for WinRM, SMB "
    "signing, and no LLMNR, NBT-NS or WPAD; use Kerberos or put the account into Protected Users."
)
_PATHS = ("/wsman", "/powershell")


class Relay(Struct, frozen=True, gc=False):
    """The victim's conversation and the one with the server."""

    victim: Conversation
    server: Conversation


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each challenge that was passed on."""
    by_challenge: dict[bytes, list[Conversation]] = defaultdict(list)
    for conversation in evidence.conversations:
        if conversation.mechanism is Mechanism.NTLM and conversation.server_challenge is not None:
            by_challenge[conversation.server_challenge].append(conversation)
    for group in by_challenge.values():
        relay = next(_relays(evidence, group), None)
        if relay is not None:
            yield _finding(evidence, relay)


def _relays(evidence: Evidence, group: list[Conversation]) -> Iterator[Relay]:
    """Pairs of conversations with the same challenge where a host is the server of one that is not WinRM and the client of one that is."""
    onward: dict[str, list[Conversation]] = defaultdict(list)
    for other in group:
        if other.audience is Audience.SERVER and all(_is_winrm(evidence, identity) for identity in other.exchanges):
            onward[evidence.connections[other.connection].client.host].append(other)
    for one in group:
        near = evidence.connections[one.connection]
        if near.twin_of is not None or near.server.host not in onward or any(_is_winrm(evidence, identity) for identity in one.exchanges):
            continue
        for other in onward[near.server.host]:
            if near.id != other.connection and near.client.host != evidence.connections[other.connection].client.host:
                yield Relay(one, other)


def _is_winrm(evidence: Evidence, exchange: str) -> bool:
    """A request of WinRM, or one that is not known and might be."""
    asked = request(evidence.exchanges[exchange])
    if asked is None or asked.method == "CONNECT":
        return True
    before, scheme, rest = asked.target.partition("://")
    path = "/" + rest.partition("/")[2] if scheme and before.isalpha() else asked.target
    return asked.method == "POST" and path.lower().startswith(_PATHS)


def _token(conversation: Conversation) -> Step | None:
    return next((step for step in conversation.steps if step.token is not None and step.token.step == "challenge" and step.packets), None)


def _finding(evidence: Evidence, relay: Relay) -> Finding:
    near, far = evidence.connections[relay.victim.connection], evidence.connections[relay.server.connection]
    asked = request(evidence.exchanges[relay.victim.exchanges[0]])
    steps = [step for step in (_token(relay.victim), _token(relay.server)) if step is not None]
    places = " and ".join(packet(evidence, step.packets[0]) for step in steps)
    user = who(relay.server) or who(relay.victim)
    challenge = (relay.server.server_challenge or b"").hex()
    why = (
        f"The server challenge {challenge} of {name(far)} was shown to {near.client.host} on {name(near)} as well ({places}), "
        f"where the client asked for {f'{asked.method} {asked.target}' if asked is not None else 'something else'}: {near.server.host} passes the logon"
        f"{f' of {user}' if user else ''} on to WinRM. It ended {relay.server.outcome.value}."
    )
    exchanges = [*relay.victim.exchanges, *relay.server.exchanges]
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[far.id, near.id],
        exchanges=exchanges,
        packets=[*(step.packets[0] for step in steps), *packets_of(evidence.exchanges[identity] for identity in exchanges)],
        user=user,
        attack=("T1557.001", "T1021.006"),
    )
