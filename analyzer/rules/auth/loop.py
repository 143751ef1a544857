"""A client authenticates over and over and never gets in.

What it sees
    Within 60 seconds at least three authentications of one client at one endpoint that went their whole way (credentials, or the last message of a handshake,
    were sent) and were refused or ended with a status other than 2xx, and none that ended 2xx among them.
Why it matters
    It is how "Access is denied" looks on the wire. Wrong credentials, clear-text requests to a server that refuses them, a proxy that breaks the handshake and
    a locked account all end here; the other findings tell which.
When it is wrong
    A user who types a wrong password three times in a minute looks the same, and is one.
Needs
    The client's leg or a direct connection.
Reference
    RFC 9110 section 15.5.2.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.auth import Audience, Conversation, Mechanism, Outcome
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.rules.reading import counted, finding, is_clear, listed, message, name, packet, packets_of, request, role, status, who

RULE = "auth.loop"
TITLE = "Authentication is tried again and again without success"
SEVERITY = Severity.HIGH
REFERENCE = "RFC 9110 section 15.5.2"
ADVICE = (
    "Look at the other findings of this client first. Without any: check the credentials and the account (event 4625 on the server tells the "
    "reason), the right "
    "to use WinRM (Remote Management Users), and whether the client may send unencrypted messages to this server."
)
_WINDOW_NS = 60_000_000_000
_LEAST = 3


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Conversation]] = defaultdict(list)
    for conversation in evidence.conversations:
        if (
            conversation.connection in evidence.winrm
            and conversation.audience is Audience.SERVER
            and role(evidence, conversation.connection) is not Role.UPSTREAM_LEG
        ):
            connection = evidence.connections[conversation.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(conversation)
    for group in groups.values():
        run = _longest_run(sorted(group, key=lambda found: found.first_ns))
        if run:
            yield _finding(evidence, run)


def _longest_run(conversations: list[Conversation]) -> list[Conversation]:
    """Failed rounds in a row, the longest row that has three of them within a minute; empty when there is none."""
    best: list[Conversation] = []
    row: list[Conversation] = []
    told = 0  # how much of the row counts: up to the last one that had enough others within the time before it
    for conversation in [*filter(_whole, conversations), None]:
        if conversation is not None and not _succeeded(conversation):
            row.append(conversation)
            enough = row[-_LEAST:]
            if len(enough) == _LEAST and conversation.last_ns - min(other.last_ns for other in enough) <= _WINDOW_NS:
                told = len(row)
            continue
        best = max(best, row[:told], key=len)
        row, told = [], 0
    return best


def _whole(conversation: Conversation) -> bool:
    """The client said all it had to say: credentials, or the last message of a handshake."""
    if conversation.outcome is Outcome.UNFINISHED:
        return False
    sent = [step.token.step for step in conversation.steps if step.from_client and step.token is not None]
    return bool(sent) and (sent[-1] in ("authenticate", "credentials") or conversation.mechanism is Mechanism.KERBEROS)


def _succeeded(conversation: Conversation) -> bool:
    return conversation.outcome is Outcome.ACCEPTED and conversation.final_status is not None and 200 <= conversation.final_status < 300


def _finding(evidence: Evidence, run: list[Conversation]) -> Finding:
    first = evidence.connections[run[0].connection]
    lasts = [evidence.exchanges[conversation.exchanges[-1]] for conversation in run]
    clear = sum(_clear(evidence, exchange) for exchange in lasts)
    user = next((found for conversation in run if (found := who(conversation))), None)
    packets = packets_of(lasts)
    why = (
        f"{first.client.host} was refused {counted(len(run), 'time')} at {first.server.host}:{first.server.port} with "
        f"{listed(conversation.mechanism.value for conversation in run)}{f' as {user}' if user else ''}, from {name(first)} "
        f"({packet(evidence, packets[0]) if packets else 'not captured'}) on; the last answer was {status(lasts[-1])}."
    )
    if clear:
        why += f" {clear} of these requests carried clear-text SOAP: a server that does not allow unencrypted traffic refuses them whatever the password."
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[conversation.connection for conversation in run],
        exchanges=[identity for conversation in run for identity in conversation.exchanges],
        packets=packets,
        user=user,
    )


def _clear(evidence: Evidence, exchange: Exchange) -> bool:
    return is_clear(message(evidence, request(exchange)))
