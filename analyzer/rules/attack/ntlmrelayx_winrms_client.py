"""Requests that impacket's relay tool sends.

Detects
    Authentication requests whose body is ``<xml></xml>`` (11 bytes), or readable messages with the MessageIDs that
    impacket's ntlmrelayx has built in.
Impact
    No WinRM client sends these. The tool logs on to WinRM with another user's relayed credentials.
False positives
    The tool is also used in authorized tests. Its constants may change, so that nothing found means nothing.
Requires
    The requests on one side of a proxy, not encrypted.
References
    ATT&CK T1557.001 and T1021.006.
"""

from analyzer.records.candidates import asked_with, with_message
from analyzer.records.http import Exchange
from analyzer.records.quality import Absent
from analyzer.records.sealing import Message
from analyzer.rules.asking import server_words, where
from analyzer.rules.reading import counted, header, identity, listed, message, packets_of, request, winrm_exchanges
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_BODY = b"<xml></xml>"
_MESSAGE_IDS = (
    "uuid:2a8ac24f-00f0-4a87-860c-bf58d33a1e0a",
    "uuid:10000000-0000-0000-0000-000000000002",
    "uuid:10000000-0000-0000-0000-000000000004",
)


class Mark(Fact, frozen=True):
    """A request and what in it is the tool's."""

    exchange: Exchange
    what: str


def see(evidence: Evidence) -> Signs[Mark]:
    """One sign for each such request; the server side is left out where the client's is known."""
    marked = {one.id for one in with_message(evidence, "message ids of a tool", _is_named)}
    marked |= {one.id for one in asked_with(evidence, "authorization") if not isinstance(one.request, Absent) and one.request.body.size == len(_BODY)}
    for exchange in winrm_exchanges(evidence) if marked else ():
        if exchange.id not in marked:
            continue
        what = None if exchange.id in evidence.far else _mark(evidence, exchange)
        if what is not None:
            yield Sign(Mark(exchange, what), (exchange.id,), packets_of([exchange]), user=identity(evidence, exchange.connection))


def _is_named(found: Message) -> bool:
    return found.from_client and found.message_id is not None and found.message_id.lower() in _MESSAGE_IDS


def _mark(evidence: Evidence, exchange: Exchange) -> str | None:
    asked = request(exchange)
    if asked is None or not asked.packets:
        return None
    if asked.body.size == len(_BODY) and asked.body.starts == _BODY and header(asked, "authorization") is not None:
        return "an authentication request with the body <xml></xml>"
    found = message(evidence, asked)
    identifier = "" if found is None else (found.message_id or "").lower()
    return f"the MessageID {identifier}" if identifier in _MESSAGE_IDS else None


def why(tell: Tell[Mark]) -> str:
    return (
        f"{tell.connection.client.host} sent {counted(tell.count, 'request')} to {server_words(tell.connection)} with what ntlmrelayx (impacket) has built in: "
        f"{listed(mark.what for mark in tell.facts)}. The first is {where(tell)}. The tool logs on with another user's relayed credentials."
    )


OPINION = Opinion(
    title=lambda tell: f"Requests of the relay tool ntlmrelayx from {tell.connection.client.host}",
    name="Requests of the relay tool ntlmrelayx",
    severity=Severity.HIGH,
    confidence=0.9,
    owner=Owner.CLIENT,
    reference="ATT&CK T1557.001",
    advice=(
        "Isolate the source host. Find whose logon it was (event 4624 on the server, by time and address) and what was run. Require CbtHardeningLevel Strict "
        "on HTTPS listeners."
    ),
    attack=("T1557.001", "T1021.006"),
    see=see,
    why=why,
)
