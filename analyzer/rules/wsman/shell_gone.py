"""A shell or command that the client uses no longer exists on the server.

Detects
    A fault that says that a shell, command or enumeration is not there (2150858843 for a ShellId, and others), on a
    request that goes on with it. How long the shell had not been used, whether someone closed it, and whether another
    computer answered come from the other messages of the capture.
Impact
    What ran in the shell is lost, and the client has to begin again. The usual reasons are the idle timeout of
    shells, a restart of WinRM or the server, and a load balancer that sends the client to another server.
False positives
    A client that deletes a shell and reads from it at the same time gets this fault in normal work; that is left out
    where the deletion is in the capture.
Requires
    Readable messages: clear text, or a key.
References
    MS-WSMV section 3.1.4.1.31; Windows SDK, wsmerror.h.
"""

from collections.abc import Hashable

from analyzer.records.http import Exchange
from analyzer.rules.reading import message, request, response, seconds, succeeded, winrm_exchanges
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, place
from analyzer.rules.wsman._faults import Failure, failures, graded, headline, meaning, places, remedy, server, told


class Gone(Fact, frozen=True):
    """A failure, the last exchange before it that used the same shell successfully, and the one that closed the shell."""

    failure: Failure
    used: Exchange | None
    closed: Exchange | None


def see(evidence: Evidence) -> Signs[Gone]:
    found = list(failures(evidence, "gone"))
    if not found:
        return
    uses, ends = _uses(evidence, {one.fact.shell for one in found if one.fact.shell})
    for one in found:
        failure = one.fact
        gone = Gone(failure, _last(uses, failure), _last(ends, failure))
        yield Sign(gone, one.exchanges, one.packets, user=one.user)


def _uses(evidence: Evidence, shells: set[str]) -> tuple[dict[str, list[Exchange]], dict[str, list[Exchange]]]:
    """The exchanges in which these shells were used, and those in which they were closed, both with success."""
    uses: dict[str, list[Exchange]] = {}
    ends: dict[str, list[Exchange]] = {}
    for exchange in winrm_exchanges(evidence):
        if exchange.id in evidence.far or not succeeded(exchange):
            continue
        ours, theirs = message(evidence, request(exchange)), message(evidence, response(exchange))
        shell = next((found.shell_id.upper() for found in (ours, theirs) if found is not None and found.shell_id), None)
        if shell in shells and shell is not None:
            deleted = ours is not None and ours.operation == "Delete"
            (ends if deleted else uses).setdefault(shell, []).append(exchange)
    return uses, ends


def _last(uses: dict[str, list[Exchange]], failure: Failure) -> Exchange | None:
    before = failure.answer.first_ns
    own = uses.get(failure.shell or "", ())
    return max((one for one in own if _answered(one) < before), key=_answered, default=None)


def _answered(exchange: Exchange) -> int:
    answer = response(exchange)
    return 0 if answer is None else answer.last_ns


def by_shell(evidence: Evidence, one: Sign[Gone]) -> Hashable:
    """One finding for each client host, endpoint and shell."""
    return place(evidence, one), one.fact.failure.shell, one.fact.failure.code


def _plain(tell: Tell[Gone]) -> Tell[Failure]:
    """The same signs with the failures as their facts."""
    signs = tuple(Sign(one.fact.failure, one.exchanges, one.packets, one.connections, one.user) for one in tell.signs)
    return Tell(tell.evidence, signs, tell.values)


def title(tell: Tell[Gone]) -> str:
    shell = tell.first.fact.failure.shell
    return headline(f"Shell {shell[:8]} no longer exists on {server(_plain(tell))}" if shell else f"A shell or command is gone on {server(_plain(tell))}")


def why(tell: Tell[Gone]) -> str:
    plain = _plain(tell)
    return f"{told(plain)}{_shell(tell) or meaning(plain)}{places(plain)}"


def _shell(tell: Tell[Gone]) -> str:
    gone = tell.first.fact
    if gone.failure.shell is None:
        return ""
    about = f" Shell {gone.failure.shell}"
    if gone.closed is not None and (answer := response(gone.closed)) is not None:
        return f"{about} had been closed by {gone.closed.id} ({tell.packet(answer.packets[0])})."
    if gone.used is None or (last := response(gone.used)) is None or gone.failure.asked is None:
        return f"{about} is not used with success earlier in this capture, so when it ended cannot be told."
    idle = seconds(gone.failure.asked.first_ns - last.last_ns)
    return (
        f"{about} was last used with success {idle} before ({tell.packet(last.packets[0])}).{_machine(tell, gone)} "
        "No request in this capture closed it. "
        "Usual causes are its idle timeout, or a restart of WinRM or the server."
    )


def _machine(tell: Tell[Gone], gone: Gone) -> str:
    if gone.used is None:
        return ""
    then, here = gone.used.connection, gone.failure.exchange.connection
    used, now = _name(tell.evidence, then), _name(tell.evidence, here)
    if used is None or now is None:
        return ""
    if used.lower() != now.lower():
        return f" The logon before was answered by {used}, this one by {now}: a load balancer changed the server."
    return f" Both requests went over one connection to {now}." if then == here else f" The logons of both connections were answered by {now}."


def _name(evidence: Evidence, connection: str) -> str | None:
    """The server's own name, as its NTLM challenge on this connection has it."""
    return next((found.server_name for found in evidence.conversations_of.get(connection, ()) if found.server_name), None)


def advice(tell: Tell[Gone]) -> str:
    return f"{remedy(_plain(tell))} Idle timeouts: IdleTimeout of winrm/config/winrs, and IdleTimeoutSec of the session (New-PSSessionOption)."


def worth(tell: Tell[Gone]) -> Severity:
    """Low where the client went on with another shell."""
    return graded(Severity.LOW, Severity.MEDIUM)(_plain(tell))


OPINION = Opinion(
    title=title,
    name="A shell or command no longer exists on the server",
    severity=worth,
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="MS-WSMV section 3.1.4.1.31",
    advice=advice,
    see=see,
    why=why,
    each=by_shell,
)
