"""After a pause the server asks for authentication again, and gets it.

Detects
    An encrypted request on an authenticated connection, at least 15 seconds after the last response on it, is
    answered 401; a new logon on the same connection follows and succeeds. One finding counts all of them for a
    client.
Impact
    Each pause costs a logon, and clients that do not expect the 401 fail with a parse error or report a lost shell
    although the connection is fine.
False positives
    A service that was restarted in the pause looks the same.
Requires
    A direct connection or the client's side of the proxy.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "If the connection is not maintained, every request must be
    re-authenticated, which might affect performance."
    MS-WSMV 3.1.4.1.39; RFC 9110 section 15.5.2.
"""

from collections.abc import Mapping

from analyzer.records.auth import Outcome
from analyzer.records.candidates import asked_in
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.rules import microsoft
from analyzer.rules.asking import server_words, where
from analyzer.rules.reading import (
    authenticated,
    before,
    counted,
    header,
    identity,
    message,
    next_handshake,
    packets_of,
    request,
    response,
    seconds,
    status,
)
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell

IDLE = Param("idle", 15, "seconds", "how long the connection must have been silent")
_DEMAND = 401


class Pause(Fact, frozen=True):
    """The request after the pause, how long that was, and the exchange that ended the new logon."""

    exchange: Exchange
    idle_ns: int
    again: Exchange


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Pause]:
    for exchange in asked_in(evidence, Protection.SEALED):
        pause = _pause(evidence, exchange, values["idle"] * 1e9) if status(exchange) == _DEMAND and exchange.id not in evidence.far else None
        if pause is not None:
            members = (pause.exchange, pause.again)
            yield Sign(pause, tuple(one.id for one in members), packets_of(members), user=identity(evidence, exchange.connection))


def _pause(evidence: Evidence, exchange: Exchange, idle_ns: float) -> Pause | None:
    asked = request(exchange)
    found = message(evidence, asked)
    if asked is None or found is None or found.protection is not Protection.SEALED or header(asked, "authorization") is not None:
        return None
    if authenticated(evidence, exchange) is None:
        return None
    previous = before(evidence, exchange)
    last = None if previous is None else response(previous)
    waited_ns = 0 if last is None else asked.first_ns - last.last_ns
    again = next_handshake(evidence, exchange) if waited_ns >= idle_ns else None
    if again is None or again.outcome is not Outcome.ACCEPTED or again.ends is None:
        return None
    return Pause(exchange, waited_ns, evidence.exchanges[again.ends])


def why(tell: Tell[Pause]) -> str:
    first = tell.first.fact
    return (
        f"{counted(tell.count, 'encrypted request')} after a pause got 401 from {server_words(tell.connection)} on an authenticated connection. A new logon "
        f"then succeeded. The first came after {seconds(first.idle_ns)} ({where(tell)}); its new logon ended with {first.again.id}. "
        f"The shortest such pause was {seconds(min(pause.idle_ns for pause in tell.facts))}."
    )


OPINION = Opinion(
    title=lambda tell: f"Server {server_words(tell.connection)} asks for a new logon after each pause",
    name="Server asks for a new logon after each pause",
    severity=Severity.LOW,
    confidence=0.8,
    owner=Owner.CLIENT,
    reference=microsoft.EVERY_REQUEST_AGAIN,
    advice=(
        "Let the client answer a 401 with an empty body by logging on again (WinRb 2.x, pywinrm and Windows do). Or keep "
        "the connection busy with a Receive that waits at the server (OperationTimeout)."
    ),
    see=see,
    why=why,
    params=(IDLE,),
)
