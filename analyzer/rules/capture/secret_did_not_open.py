"""A secret was given for these messages and does not open them.

What it sees
    Sealed messages for which a secret was tried that did not prove right, on connections where none opened.
Why it matters
    The given password, hash or key belongs to another account, another time or another session.
When it is wrong
    Where no secret was given nothing is said. Single messages that do not open beside others that do are enc.signature-invalid.
Needs
    A secrets file.
Reference
    MS-NLMP 3.3.2; MS-WSMV 2.2.9.1.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Connection
from analyzer.rules.capture._notes import Words, note, places, winrm
from analyzer.rules.reading import counted, listed, message, name, packet, request, response

RULE = "capture.secret-did-not-open"
TITLE = "A given secret does not open the messages"
SEVERITY = Severity.INFO
REFERENCE = "MS-NLMP 3.3.2"
ADVICE = "Check user, domain and password in the secrets file against the identity shown, and give the secret that was valid at the time of the capture."
_WRONG = "wrong "
"""How the reason begins when a secret was tried in vain."""


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    closed = {found.id: tried for found in winrm(evidence) if (tried := _tried(evidence, found))}
    for group in places(evidence.connections[identity] for identity in closed).values():
        first = group[0]
        found = [one for connection in group for one in closed[connection.id]]
        secrets = listed(one.secret for one in found if one.secret is not None)
        why = (
            f"{counted(len(found), 'sealed message')} of {first.client.host} to {first.server.host}:{first.server.port} did not open"
            f"{f' with {secrets}' if secrets else ''}: {listed(one.opened_detail or 'no reason known' for one in found)}. The first connection is "
            f"{name(first)}, from {packet(evidence, first.packets[0])} on."
        )
        yield note(evidence, Words(RULE, TITLE, ADVICE, REFERENCE), why, group)


def _tried(evidence: Evidence, connection: Connection) -> list[Message]:
    """The messages that a secret was tried on in vain; none when any opened."""
    halves = [half for exchange in evidence.exchanges_of.get(connection.id, ()) for half in (request(exchange), response(exchange))]
    sealed = [found for half in halves if (found := message(evidence, half)) is not None and found.protection is Protection.SEALED]
    if any(found.opened for found in sealed):
        return []
    return [found for found in sealed if found.opened_absent == "sealed" and (found.secret is not None or (found.opened_detail or "").startswith(_WRONG))]
