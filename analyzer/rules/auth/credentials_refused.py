"""The server refuses a client's credentials.

What it sees
    An authentication that went its whole way (the last message of an NTLM, Kerberos or CredSSP handshake, or Basic credentials, was sent) on one connection of
    each leg, and was answered with a bare 401.
Why it matters
    The path is in order, the credentials are not: a wrong password, an unknown or locked account, an expired ticket, or a user without the right to log on.
When it is wrong
    A locked or expired account looks the same. A handshake that the proxy spread over several connections fails with the right password too; it is not
    counted, nor is one whose upstream leg is missing where those of others are in the evidence; with the client's leg of a proxied path alone, where that
    cannot be seen, the confidence is low. Requests with clear-text SOAP are refused
    for another reason and not counted either, even where the server serves clear text to others: it may not always have done so.
Needs
    A direct connection, or both legs. With the password or NT hash of the identity in a secrets file it also says whether the client's answer (NTLM, Basic) was
    made with it: when it was, the server refused for another reason; when not, the client used another password.
Reference
    RFC 9110 section 15.5.2; MS-NLMP 3.2.5.1.2.
"""

from collections import defaultdict
from collections.abc import Iterator
from collections.abc import Set as AbstractSet

from analyzer.records.auth import Audience, Conversation, Mechanism, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.transport import Endpoint
from analyzer.rules.reading import (
    CONNECTION_BASED,
    counted,
    finding,
    is_clear,
    listed,
    message,
    name,
    of_them,
    owner,
    packet,
    packets_of,
    request,
    role,
    upstream,
    who,
)

RULE = "auth.credentials-refused"
TITLE = "The server refuses the credentials"
SEVERITY = Severity.MEDIUM
REFERENCE = "RFC 9110 section 15.5.2"
ADVICE = (
    "Check user name, domain and password, whether the account is locked or expired, and its right to use WinRM (group Remote Management Users); the server's "
    "security log says why (event 4625)."
)
FITS = (
    "The password given is the one that the client used, so it is not the password: look whether the account is disabled, locked, expired or must change its "
    "password, whether it may log on over the network and has the right to use WinRM (group Remote Management Users), and at the reason in the server's "
    "security log (event 4625)."
)
OTHER = (
    "The client used another password than the one given: check what is stored at the client (credential manager, inventory, vault) and when the password "
    "was changed. If the secret given is older than the capture, the account may still be at fault (event 4625)."
)
_DEMAND = 401
_SURE, _UNSURE = 0.9, 0.5


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Conversation]] = defaultdict(list)
    passed_on = {evidence.connections[hop.near_connection].server for hop in evidence.hops}
    for conversation in evidence.conversations:
        connection = evidence.connections[conversation.connection]
        if connection.id in evidence.winrm and _refused(conversation) and _straight(evidence, conversation, passed_on) and not _clear(evidence, conversation):
            groups[connection.client.host, connection.server.host, connection.server.port].append(conversation)
    for group in groups.values():
        yield _finding(evidence, group)


def _refused(conversation: Conversation) -> bool:
    if conversation.audience is not Audience.SERVER or conversation.outcome is not Outcome.REFUSED or conversation.final_status != _DEMAND:
        return False
    steps = [step.token.step for step in conversation.steps if step.token is not None]
    if conversation.mechanism is Mechanism.NTLM:
        # Without the challenge on the same connection nobody knows what the client answered.
        return "challenge" in steps and steps[-1] == "authenticate"
    return conversation.mechanism in (*CONNECTION_BASED, Mechanism.BASIC) and bool(steps)


def _straight(evidence: Evidence, conversation: Conversation, passed_on: AbstractSet[Endpoint]) -> bool:
    """All of it went over one upstream connection, with nobody else's requests in between; the client's own leg tells the story where it is known.

    A handshake of which the upstream leg is known in part only says nothing, nor does one of which it is not known at all although the upstream legs of this
    proxy (an endpoint of ``passed_on``) are in the evidence: it may have gone over several.
    """
    if any(owner(evidence, identity) is not None for identity in conversation.exchanges):
        return False
    fars = [far for identity in conversation.exchanges if (far := upstream(evidence, identity)) is not None]
    if not fars:
        return evidence.connections[conversation.connection].server not in passed_on
    if len(fars) < len(conversation.exchanges) or len({far.connection for far in fars}) > 1:
        return False
    between = [other for other in evidence.exchanges_of[fars[0].connection] if fars[0].position < other.position < fars[-1].position and other not in fars]
    return not between


def _clear(evidence: Evidence, conversation: Conversation) -> bool:
    return is_clear(message(evidence, request(evidence.exchanges[conversation.exchanges[-1]]))) and conversation.mechanism is not Mechanism.BASIC


def _part(number: int, whole: int) -> str:
    return f"{number:,} of {whole:,}" if number < whole else "them" if whole > 1 else "it"


def _finding(evidence: Evidence, group: list[Conversation]) -> Finding:
    first = evidence.connections[group[0].connection]
    blind = role(evidence, first.id) is Role.CLIENT_LEG and not any(identity in evidence.near for conversation in group for identity in conversation.exchanges)
    users = [found for conversation in group if (found := who(conversation))]
    lasts: list[Exchange] = [evidence.exchanges[conversation.exchanges[-1]] for conversation in group]
    packets = packets_of(lasts)
    why = (
        f"{first.server.host}:{first.server.port} refused {counted(len(group), 'authentication')} of {first.client.host}"
        f"{f' as {listed(users)}' if users else ''} ({listed(conversation.mechanism.value for conversation in group)}) "
        "with 401 although all messages went over one connection in order; the first is "
        f"{lasts[0].id} on {name(first)}, {packet(evidence, packets[0]) if packets else ''}."
    )
    fitting, other = (sum(conversation.verifies is verdict for conversation in group) for verdict in (True, False))
    if fitting:
        why += f" With the secret given {of_them(fitting, fitting + other, 'verifies', 'verify')}: the server refused for another reason than the password."
    if other:
        why += f" The secret given does not fit {_part(other, fitting + other)}: the client used another one."
    if blind:
        why += " The upstream leg is not in the evidence: a handshake that the proxy spread over several connections looks the same."
    fars = [far for conversation in group for identity in conversation.exchanges if (far := upstream(evidence, identity)) is not None]
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=_UNSURE if blind else _SURE,
        title=TITLE,
        why=why,
        advice=FITS if fitting and not other else OTHER if other and not fitting else ADVICE,
        reference=REFERENCE,
        connections=[*(conversation.connection for conversation in group), *(far.connection for far in fars)],
        exchanges=[*(identity for conversation in group for identity in conversation.exchanges), *(far.id for far in fars)],
        packets=packets,
        user=users[0] if users else None,
    )
