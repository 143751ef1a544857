"""A password or key was given for these messages and does not decrypt them.

Detects
    Encrypted messages for which a given password, hash or key was tried that did not prove right, on connections
    where none was decrypted.
Impact
    The given password, hash or key belongs to another account, another time or another session.
False positives
    Where none was given nothing is said. Single messages that are not decrypted, where others on the connection are,
    are enc.signature-invalid.
Requires
    A file for --secrets.
References
    MS-NLMP 3.3.2; MS-WSMV 2.2.9.1.
"""

from analyzer.records.candidates import with_message
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Connection
from analyzer.rules.capture._notes import ends, first_of, sign, winrm
from analyzer.rules.reading import counted, listed, message, request, response
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_WRONG = "wrong "
"""How the reason begins when a password or key was tried without success."""


def see(evidence: Evidence) -> Signs[list[Message]]:
    """One sign for each connection, with its messages."""
    failed = {exchange.connection for exchange in with_message(evidence, "tried", _is_tried, encrypted=True)}
    for found in winrm(evidence) if failed else ():
        if found.id not in failed:
            continue
        tried = _tried(evidence, found)
        if tried:
            yield sign(evidence, tried, found)


def _tried(evidence: Evidence, connection: Connection) -> list[Message]:
    """The messages that a password or key was tried on without success; none when any was decrypted."""
    halves = [half for exchange in evidence.exchanges_of.get(connection.id, ()) for half in (request(exchange), response(exchange))]
    encrypted = [found for half in halves if (found := message(evidence, half)) is not None and found.protection is Protection.SEALED]
    if any(found.opened for found in encrypted):
        return []
    return [found for found in encrypted if _is_tried(found)]


def _is_tried(found: Message) -> bool:
    wrong = found.opened_absent == "sealed" and (found.secret is not None or (found.opened_detail or "").startswith(_WRONG))
    return wrong and found.protection is Protection.SEALED and not found.opened


def why(tell: Tell[list[Message]]) -> str:
    found = [one for tried in tell.facts for one in tried]
    secrets = listed(one.secret for one in found if one.secret is not None)
    return (
        f"{counted(len(found), 'encrypted message')} of {ends(tell)} could not be decrypted"
        f"{f' with {secrets}' if secrets else ''}: {listed(one.opened_detail or 'no reason known' for one in found)}. The first connection begins with "
        f"{first_of(tell)}."
    )


OPINION = Opinion(
    title=lambda tell: f"Given password or key does not fit {tell.first.user or tell.connection.client.host}",
    name="A given password or key does not decrypt the messages",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CAPTURE,
    reference="MS-NLMP 3.3.2",
    advice=(
        "Check user, domain and password in the file for --secrets against the identity shown. "
        "Give the password or key that was valid at the time of the capture."
    ),
    see=see,
    why=why,
)
