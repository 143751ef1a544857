"""A PowerShell session that one client left is connected to by another address or account.

Detects
    A request to connect to a shell (Connect) that the server answered, from another address than that of the request
    before it about the whole shell (create, disconnect, reconnect or connect), or by another account. A Reconnect
    comes from the client that disconnected and is told only where address or account differ.
Impact
    The client that connects gets the session as it is: its variables, loaded credentials, running commands, and the
    output that no one has read yet. It begins no new session, so that logs of new sessions do not show it.
False positives
    Disconnected sessions are made for this: work begun at the office goes on at home. Addresses change with a VPN, a
    lease or address translation. Windows lets only the account that made a session connect to it, so that another
    account may be the same one spelled otherwise. Where it cannot be told, no account is compared.
Requires
    Bodies that can be read: clear text, or decrypted with a password, key or key log.
References
    MS-WSMV 3.1.4.13 and 3.1.4.14; Microsoft Learn, about_Remote_Disconnected_Sessions; ATT&CK T1563, T1021.006.
"""

from analyzer.records.sessions import ShellEvent
from analyzer.records.wsman import Shell
from analyzer.rules.reading import counted
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_TAKES = ("connect", "reconnect")
_HAS = ("create", "disconnect", *_TAKES)


class Taken(Fact, frozen=True):
    """The request that connected to the shell, and the one before it about the whole shell."""

    shell: Shell
    before: ShellEvent
    after: ShellEvent

    @property
    def another_account(self) -> bool:
        """Both accounts are known, and are two."""
        return differ(self.before.asked_as, self.after.asked_as)


def differ(one: str | None, other: str | None) -> bool:
    """Two accounts that cannot be one: names differ, whatever the spelling of the domain."""
    return bool(one and other) and _name(one or "") != _name(other or "")


def _name(account: str) -> str:
    return account.rpartition("\\")[2].partition("@")[0].casefold()


def see(evidence: Evidence) -> Signs[Taken]:
    """One sign for each change of hands."""
    for shell in evidence.shells:
        before: ShellEvent | None = None
        for event in shell.events:
            if event.what not in _HAS or event.outcome != "done" or event.command is not None or not event.by_client:
                continue
            if before is not None and event.what in _TAKES and (event.client != before.client or differ(before.asked_as, event.asked_as)):
                connection = evidence.exchanges[event.exchange].connection if event.exchange in evidence.exchanges else None
                connections = (connection,) if connection else ()
                packets = tuple(sorted({*before.packets[:1], *event.packets}))
                yield Sign(Taken(shell, before, event), (event.exchange,), packets, connections, event.asked_as)
            before = event


def place(_: Evidence, sign: Sign[Taken]) -> tuple[str, str]:
    """One finding for each shell."""
    return sign.fact.shell.server, sign.fact.shell.id


def severity(tell: Tell[Taken]) -> Severity:
    """An address alone changes every day; an account does not."""
    return Severity.LOW if any(sign.fact.another_account for sign in tell.signs) else Severity.INFO


def destination(tell: Tell[Taken]) -> str:
    """The server."""
    return tell.first.fact.shell.server


def _who(event: ShellEvent) -> str:
    return f"{event.client} ({event.asked_as})" if event.asked_as else event.client


_DID = {"create": "created", "disconnect": "left", "connect": "had", "reconnect": "had"}


def why(tell: Tell[Taken]) -> str:
    """Who had it, and who has it now."""
    fact = tell.first.fact
    before, after, shell = fact.before, fact.after, fact.shell
    said = [
        f"{_who(before)} {_DID[before.what]} the session {shell.id} on {shell.server} ({tell.packet(before.packets[0])}).",
        f"{_who(after)} connected to it ({tell.packet(after.packets[0])}).",
    ]
    if tell.count > 1:
        said.append(f"It changed hands {counted(tell.count, 'time')}.")
    later = sum(command.shell == shell.id and command.server == shell.server and command.first_ns >= after.ts_ns for command in tell.evidence.commands)
    if later:
        said.append(f"{counted(later, 'command')} ran in it afterwards.")
    return " ".join(said)


OPINION = Opinion(
    title=lambda tell: f"Session on {destination(tell)} taken over by {tell.first.fact.after.client}",
    name="Session taken over by another address or account",
    severity=severity,
    worst=Severity.LOW,
    confidence=0.9,
    owner=Owner.CLIENT,
    reference="MS-WSMV 3.1.4.13",
    advice="Ask the account's owner whether they connected from both addresses. The transcript shows what ran before and afterwards.",
    attack=("T1563", "T1021.006"),
    destination=destination,
    see=see,
    why=why,
    each=place,
)
