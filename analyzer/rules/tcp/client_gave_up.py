"""The client stops waiting before the server answers.

Detects
    A FIN or RST of the client while a request waited for its answer for 5 seconds and more. With decrypted bodies, the
    OperationTimeout that the request asks for: the server may wait that long before it answers.
Impact
    A client whose own read timeout is shorter than its OperationTimeout breaks off a healthy wait. It reports a
    timeout or "connection aborted", and the command goes on at the server without it.
False positives
    A person who stops a command ends its connection in the same way: one such end after an uneven time is only told as
    information, unless a later request of the same client fails.
Requires
    Both directions of the connection; for the comparison, a key or password that decrypts the request.
References
    DSP0226 section 6.1 (OperationTimeout); MS-WSMV 3.1.4.14.
"""

from collections.abc import Mapping

from analyzer.records.story import Failure
from analyzer.records.waiting import Stop
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.tcp._waiting import Wait, sign, waiting
from analyzer.rules.telling import Evidence, Opinion, Owner, Param, Severity, Signs, Tell

_WAITED = Param("waited_s", 5.0, "seconds", "how long the request had waited when the client ended the connection, at least")
_ROUND_S = (5, 10, 15, 20, 30, 40, 45, 60, 90, 100, 120, 180, 240, 300, 600)
"""What people set time-outs to."""
_NEAR_S = 0.4
_ALIKE = 0.05
_LEAST = 2


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Wait]:
    """Requests that the client gave up, except where the server let the OperationTimeout pass (tcp.never-answered)."""
    for wait in waiting(evidence, Stop.GAVE_UP):
        allowed = words.timeout_s(evidence, wait.one)
        overdue = allowed is not None and wait.one.waited_ns > allowed * 1e9
        if wait.one.waited_ns >= values["waited_s"] * 1e9 and not overdue:
            yield sign(evidence, wait, wait.one.closing.packet if wait.one.closing else None)


def why(tell: Tell[Wait]) -> str:
    first = tell.first.fact.one
    connection = tell.evidence.connections[first.connection]
    name = words.party(tell.evidence, connection, client=True)
    text = f"{name[0].upper()}{name[1:]} sent {words.what(tell.evidence, first)} on {first.connection} ({tell.packet(first.packet)})."
    if first.closing is not None:
        text += (
            f" It ended the connection {words.s(first.waited_ns)} later, without an answer "
            f"({words.closed(first.closing)} of the client, {tell.packet(first.closing.packet)})."
        )
    if tell.count > 1:
        text += f" This happened {words.times(tell.count)}, after {words.spread(wait.one.waited_ns for wait in tell.facts)}."
    allowed = words.timeout_s(tell.evidence, first)
    if allowed is not None:
        text += f" The request lets the server wait {allowed:g} s (OperationTimeout), longer than the client itself waits."
    else:
        text += " The OperationTimeout of the request cannot be read; 60 s is usual, and the server may wait that long."
    failed = _failed_next(tell)
    if failed is not None:
        text += f" Its last request to this server, sent later, was answered with an error ({failed.exchange})."
    return text


def _failed_next(tell: Tell[Wait]) -> Failure | None:
    """The client's last request to the same server, sent after it gave up and answered with an error: its program had not been ended."""
    first = tell.first.fact.one
    own = tell.evidence.connections[first.connection]
    for failure in tell.evidence.story.failures:
        there = tell.evidence.connections[failure.connection]
        same = (there.client.host, there.server) == (own.client.host, own.server)
        if same and failure.exchange is not None and failure.status is not None and first.closing is not None and failure.at_ns > first.closing.ts_ns:
            return failure
    return None


def severity(tell: Tell[Wait]) -> Severity:
    if not _is_a_limit(tell):
        return Severity.INFO if _failed_next(tell) is None else Severity.LOW
    known = words.timeout_s(tell.evidence, tell.first.fact.one) is not None
    return Severity.MEDIUM if known and tell.count >= _LEAST else Severity.LOW


def _is_a_limit(tell: Tell[Wait]) -> bool:
    waited = sorted(wait.one.waited_ns / 1e9 for wait in tell.facts)
    middle = waited[len(waited) // 2]
    alike = sum(abs(one - middle) <= _ALIKE * middle for one in waited)
    return alike >= _LEAST or any(abs(middle - even) <= _NEAR_S for even in _ROUND_S)


def confidence(tell: Tell[Wait]) -> float:
    if not _is_a_limit(tell):
        return 0.5
    return 0.95 if words.timeout_s(tell.evidence, tell.first.fact.one) is not None else 0.8


OPINION = Opinion(
    title="Client closes the connection before the server answers",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=confidence,
    owner=Owner.CLIENT,
    reference="DSP0226 section 6.1",
    advice=(
        "Make the client wait longer than its OperationTimeout, or lower OperationTimeout below the client's read timeout. "
        "pywinrm: read_timeout_sec above operation_timeout_sec. Ansible: ansible_winrm_read_timeout_sec above ansible_winrm_operation_timeout_sec. "
        "PowerShell: New-PSSessionOption -OperationTimeout."
    ),
    see=see,
    why=why,
    explains=("http.encrypted-body-refused",),
    params=(_WAITED,),
)
