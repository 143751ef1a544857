"""Responses of logons as lines for hashcat, one for each distinct response, whichever legs it was seen on.

NTLM (message 3 with the challenge that it answers) gives modes 5600 and 5500. Of Kerberos only the service ticket in the AP-REQ is there: under an RC4 key it
is a line of mode 13100; under AES keys a line needs the name of the service's account, which the ticket does not tell, so none is made.
"""

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.auth.schemes import ntlm
from analyzer.auth.schemes.scapy_adapter import Ticket
from analyzer.records.auth import Conversation, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.hashes import HashLine
from analyzer.records.quality import Absent
from analyzer.sealing.contexts import ntlm_message, tokens
from analyzer.sealing.tickets import service_ticket

_V1_SIZE, _PROOF = 24, 16
_SHORTEST_V2 = 44
_RC4 = 23
_CHECKSUM = 16


class _Response(NamedTuple):
    mode: int
    line: str
    user: str
    domain: str
    service: str | None


def hash_lines(evidence: Evidence) -> tuple[HashLine, ...]:
    """The lines in order of first sight."""
    found: dict[str, HashLine] = {}
    for conversation in evidence.conversations:
        response = _ntlm(conversation, evidence) if conversation.mechanism is Mechanism.NTLM else _kerberos(conversation, evidence)
        if response is None:
            continue
        packets = tuple(sorted({key for step in conversation.steps if step.from_client for key in step.packets[-1:]}))
        connections, outcomes = (conversation.connection,), (conversation.outcome.value,)
        made = HashLine(*response, packets, connections, outcomes)
        known = found.get(made.line)
        found[made.line] = made if known is None else _merged(known, made)
    return tuple(found.values())


def _merged(one: HashLine, other: HashLine) -> HashLine:
    return replace(
        one,
        packets=tuple(sorted({*one.packets, *other.packets})),
        connections=tuple(dict.fromkeys((*one.connections, *other.connections))),
        outcomes=tuple(dict.fromkeys((*one.outcomes, *other.outcomes))),
    )


def _ntlm(conversation: Conversation, evidence: Evidence) -> _Response | None:
    third, second = (ntlm_message(conversation, evidence.exchanges, message=number) for number in (3, 2))
    if third is None or second is None or len(second) < 32:
        return None
    fields = ntlm.authenticate_fields(third).value
    if isinstance(fields, Absent):
        return None
    flags = fields.flags or 0
    user, domain = ntlm.text(fields.user, flags), ntlm.text(fields.domain, flags)
    if not user or not _plain(user) or not _plain(domain):
        return None
    challenge, response = second[24:32].hex(), fields.nt_response
    if len(response) == _V1_SIZE:
        line = f"{user}::{domain}:{fields.lm_response.hex()}:{response.hex()}:{challenge}"
        return _Response(5500, line, user, domain, None) if len(fields.lm_response) == _V1_SIZE else None
    if len(response) < _SHORTEST_V2:
        return None
    return _Response(5600, f"{user}::{domain}:{challenge}:{response[:_PROOF].hex()}:{response[_PROOF:].hex()}", user, domain, None)


def _plain(name: str) -> bool:
    """A name that cannot break the line."""
    return name.isprintable() and ":" not in name


def _kerberos(conversation: Conversation, evidence: Evidence) -> _Response | None:
    if conversation.mechanism is not Mechanism.KERBEROS:
        return None
    for ticket in _tickets(conversation, evidence):
        cipher = ticket.encrypted.cipher
        names = (ticket.service, ticket.realm)
        if ticket.encrypted.etype == _RC4 and len(cipher) > _CHECKSUM and all(_plain(name) and not set(name) & set("$*") for name in names):
            line = f"$krb5tgs$23$*unknown${ticket.realm}${ticket.service}*${cipher[:_CHECKSUM].hex()}${cipher[_CHECKSUM:].hex()}"
            return _Response(13100, line, "", ticket.realm, ticket.service)
    return None


def _tickets(conversation: Conversation, evidence: Evidence) -> Iterator[Ticket]:
    for raw in tokens(conversation, evidence.exchanges):
        ticket = service_ticket(raw)
        if ticket is not None:
            yield ticket
