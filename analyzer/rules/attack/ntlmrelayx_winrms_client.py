"""Requests that impacket's relay tool sends.

What it sees
    Authentication requests whose body is ``<xml></xml>`` (11 bytes), or readable messages with the MessageIDs or the address that impacket's ntlmrelayx has
    built in.
Why it matters
    No WinRM client sends these. The tool logs on to WinRM with somebody else's relayed credentials.
When it is wrong
    The tool is also used in authorized tests. Its constants may change, so that nothing found means nothing.
Needs
    The requests on one leg, unsealed.
Reference
    ATT&CK T1557.001 and T1021.006.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.rules.reading import counted, finding, first_packet, header, identity, listed, message, name, packet, packets_of, request, winrm_exchanges

RULE = "attack.ntlmrelayx-winrms-client"
TITLE = "Requests of a relay tool"
SEVERITY = Severity.HIGH
REFERENCE = "ATT&CK T1557.001"
ADVICE = (
    "Isolate the source host, find whose logon it was (event 4624 on the server, by time and address) and what was run, and require CbtHardeningLevel Strict "
    "on HTTPS listeners."
)
_BODY = b"<xml></xml>"
_MESSAGE_IDS = (
    "uuid:2a8ac24f-00f0-4a87-860c-bf58d33a1e0a",
    "uuid:10000000-0000-0000-0000-000000000002",
    "uuid:10000000-0000-0000-0000-000000000004",
)


class Sign(Struct, frozen=True, gc=False):
    """A request and what in it is the tool's."""

    exchange: Exchange
    what: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int], list[Sign]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        what = None if exchange.id in evidence.far else _sign(evidence, exchange)
        if what is not None:
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(Sign(exchange, what))
    for group in groups.values():
        yield _finding(evidence, group)


def _sign(evidence: Evidence, exchange: Exchange) -> str | None:
    asked = request(exchange)
    if asked is None or not asked.packets:
        return None
    if asked.body.size == len(_BODY) and asked.body.starts == _BODY and header(asked, "authorization") is not None:
        return "an authentication request with the body <xml></xml>"
    found = message(evidence, asked)
    identifier = "" if found is None else (found.message_id or "").lower()
    return f"the MessageID {identifier}" if identifier in _MESSAGE_IDS else None


def _finding(evidence: Evidence, group: list[Sign]) -> Finding:
    first = group[0]
    members = [sign.exchange for sign in group]
    key = first_packet(request(first.exchange))
    why = (
        f"{counted(len(group), 'request')} of {name(evidence.connections[first.exchange.connection])} carry what impacket's ntlmrelayx has built in "
        f"({listed(sign.what for sign in group)}): the first is {first.exchange.id}, {packet(evidence, key[0])}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[exchange.connection for exchange in members],
        exchanges=[exchange.id for exchange in members],
        packets=packets_of(members),
        user=identity(evidence, first.exchange.connection),
        attack=("T1557.001", "T1021.006"),
    )
