"""Faults of WS-Management as the rules of this family see them: which request failed, with which code, and whether that
is part of normal work."""

from collections.abc import Callable, Hashable, Mapping

from msgspec.structs import replace

from analyzer.codes.table import KINDS, SUBCODES, Code, fault, in_hex
from analyzer.records.candidates import with_message
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.quality import Absent
from analyzer.records.sealing import Fault, Message
from analyzer.rules.reading import (
    authenticated,
    counted,
    first_packet,
    identity,
    message,
    name,
    request,
    response,
    succeeded,
    winrm_exchanges,
)
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell, Words, place

TIMED_OUT = 0x80338029
UNEXPECTED_SELECTORS = 0x8033805B
_ABORTED = 995
_WAITING = (None, "Receive", "Pull")
"""Requests that wait for something to happen: their time-out means that nothing did. None: the request could not be read."""
_ENDING = ("Delete", "Signal", "Release", "Unsubscribe")
"""Requests that end something: that it has ended already is no failure."""
_LONGEST = 69
_QUOTED = 300


class Failure(Fact, frozen=True):
    """A request that was answered with a fault. ``kind`` is one of `analyzer.codes.table.KINDS`, ``unknown`` where the fault has no code that is known here."""

    exchange: Exchange
    asked: Request | None
    answer: Response
    request: Message | None
    fault: Fault
    code: str | None
    meaning: Code | None
    kind: str
    user: str | None
    logged_on: bool
    """The request came after an accepted logon on its connection."""
    recovered: bool
    """A later request of the same kind, of this client to this endpoint, was answered without a fault."""

    @property
    def operation(self) -> str | None:
        """The request's short action name; None when the request could not be read."""
        found = None if self.request is None else self.request.operation
        return None if isinstance(found, Absent) else found

    @property
    def shell(self) -> str | None:
        """The shell that the request is for."""
        return self.request.shell_id.upper() if self.request is not None and self.request.shell_id else None

    @property
    def resource(self) -> str | None:
        """The last words of the resource URI, as people say it: ``cmd``, ``Microsoft.PowerShell``, ``config/listener``."""
        uri = None if self.request is None else self.request.resource_uri
        return None if not uri else uri.partition("/wsman/1/")[2].removeprefix("windows/shell/") or uri.rpartition("/")[2] or uri


def failures(evidence: Evidence, *kinds: str) -> Signs[Failure]:
    """The faults of these kinds that are not part of normal work, seen on the client's side where that is known; one sign each."""
    found = [failure for failure in _all(evidence) if failure.kind in kinds]
    closed = _closed(evidence) if any(failure.operation in _WAITING for failure in found) else {}
    for failure in found:
        if not _benign(failure, closed):
            yield sign(failure)


def sign(failure: Failure) -> Sign[Failure]:
    """With the packets of the request and of the fault."""
    packets = (*first_packet(failure.asked), *first_packet(failure.answer))
    return Sign(failure, (failure.exchange.id,), packets, user=failure.user)


def _all(evidence: Evidence) -> list[Failure]:
    faulty = [exchange for exchange in with_message(evidence, "fault", _is_fault, plain=False) if _faulty(evidence, exchange)]
    if not faulty:
        return []
    good: dict[tuple[str, str, str | None], int] = {}
    for exchange in winrm_exchanges(evidence):
        answer, found = response(exchange), message(evidence, request(exchange))
        if answer is not None and found is not None and succeeded(exchange):
            good[_likeness(evidence, exchange, found)] = answer.first_ns
    return [made for exchange in faulty if (made := _failure(evidence, exchange, good)) is not None]


def _faulty(evidence: Evidence, exchange: Exchange) -> bool:
    found = message(evidence, response(exchange))
    return found is not None and _is_fault(found) and not _told_elsewhere(evidence, exchange)


def _is_fault(found: Message) -> bool:
    return found.operation == "Fault" or found.fault_code is not None


def _told_elsewhere(evidence: Evidence, exchange: Exchange) -> bool:
    """The client's side of it was read too, or another capture point saw the same connection."""
    hop = evidence.far.get(exchange.id)
    near = None if hop is None else message(evidence, response(evidence.exchanges[hop.near]))
    return (near is not None and near.fault is not None) or evidence.connections[exchange.connection].twin_of is not None


def _likeness(evidence: Evidence, exchange: Exchange, asked: Message | None) -> tuple[str, str, str | None]:
    own = evidence.connections[exchange.connection]
    operation = None if asked is None or isinstance(asked.operation, Absent) else asked.operation
    return own.client.host, str(own.server), operation


def _failure(evidence: Evidence, exchange: Exchange, good: Mapping[tuple[str, str, str | None], int]) -> Failure | None:
    answer = response(exchange)
    told = message(evidence, answer)
    if answer is None or told is None:
        return None
    own = told.fault or Fault()
    meaning = fault(told.fault_code)
    inner = fault(own.inner_code)
    if inner is not None and (meaning is None or meaning.kind == "server"):
        meaning = inner
    asked = request(exchange)
    ours = message(evidence, asked)
    if meaning is not None and meaning.number == UNEXPECTED_SELECTORS and _is_of_no_shell(ours):
        meaning = replace(meaning, kind="target", meaning="The selectors name no instance that the server knows.", remedy=KINDS["target"])
    kind = meaning.kind if meaning is not None else SUBCODES.get(own.subcode or "", "unknown")
    recovered = good.get(_likeness(evidence, exchange, ours), 0) > answer.first_ns
    user = identity(evidence, exchange.connection)
    known = authenticated(evidence, exchange) is not None
    return Failure(exchange, asked, answer, ours, own, told.fault_code, meaning, kind, user, known, recovered)


def _is_of_no_shell(asked: Message | None) -> bool:
    """The request is about a class, a setting or another resource that is no shell: its selectors choose an instance."""
    uri = "" if asked is None else (asked.resource_uri or "").lower()
    return bool(uri) and "/windows/shell" not in uri and "schemas.microsoft.com/powershell" not in uri


def _benign(failure: Failure, closed: Mapping[str, int]) -> bool:
    number = None if failure.meaning is None else failure.meaning.number
    operation = failure.operation
    timed_out = number == TIMED_OUT or (number is None and failure.fault.subcode == "TimedOut")
    if failure.kind == "benign" or (timed_out and operation in _WAITING):
        return True
    ended = failure.kind == "gone" or number == _ABORTED
    if ended and operation in _ENDING:
        return True
    return ended and operation in _WAITING and closed.get(failure.shell or "", failure.answer.first_ns + 1) <= failure.answer.first_ns


def _closed(evidence: Evidence) -> dict[str, int]:
    """When a client first asked to end each shell, or a command in it."""
    out: dict[str, int] = {}
    for exchange in winrm_exchanges(evidence):
        asked = request(exchange)
        found = message(evidence, asked)
        if asked is not None and found is not None and found.operation in ("Delete", "Signal") and found.shell_id:
            out.setdefault(found.shell_id.upper(), asked.first_ns)
    return out


def by_code(evidence: Evidence, one: Sign[Failure]) -> Hashable:
    """One finding for each client host, endpoint and code."""
    return place(evidence, one), one.fact.code or one.fact.fault.subcode


def graded(least: Severity, most: Severity) -> Callable[[Tell[Failure]], Severity]:
    """``least`` where a later request of the same kind went well."""

    def chosen(tell: Tell[Failure]) -> Severity:
        return least if tell.signs[-1].fact.recovered else most

    return chosen


def headline(text: str) -> str:
    """A title of a length that fits."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}…"


def whom(tell: Tell[Failure]) -> str:
    """The user, or the client's address where the user is not known."""
    return tell.users[0] if tell.users else tell.connection.client.host


def server(tell: Tell[Failure]) -> str:
    """Whom the faults name, or the endpoint's address."""
    return tell.first.fact.fault.machine or tell.connection.server.host


def told(tell: Tell[Failure]) -> str:
    """What failed, and in whose words: the first sentences of each of these findings."""
    first, own = tell.first.fact, tell.connection
    kind = f"{first.operation} request" if first.operation else "request"
    where = f" for {first.resource}" if first.resource else ""
    text = (first.fault.text or "")[:_QUOTED]
    said = f' The server says: "{text}"' if text else ""
    return (
        f"{counted(tell.count, kind)}{where} of {whom(tell)} failed on {own.server}. "
        f"The first, {tell.packet(first.answer.packets[0])}, has {coded(first)}.{said}{_recovered(tell)}"
    )


def places(tell: Tell[Failure]) -> str:
    """The ids, which come last."""
    first = tell.first.fact.exchange
    return f" [{first.id} on {name(tell.connection)}]"


def coded(failure: Failure) -> str:
    """The code in decimal and hexadecimal, with its symbol."""
    if failure.code is None:
        return f"the fault {failure.fault.subcode}" if failure.fault.subcode else f"status {failure.answer.status} and a fault without a code"
    inner = f", inside it {failure.fault.inner_code} ({in_hex(failure.fault.inner_code)})" if failure.fault.inner_code else ""
    symbol = f", {failure.meaning.symbol}" if failure.meaning is not None else ""
    return f"fault {failure.code} ({in_hex(failure.code)}{symbol}){inner}"


def meaning(tell: Tell[Failure]) -> str:
    """What the code means, where it is known here."""
    found = tell.first.fact.meaning
    return f" {found.meaning}" if found is not None else ""


def remedy(tell: Tell[Failure]) -> str:
    """What to change, from the table of codes."""
    found = tell.first.fact.meaning
    return "Read the fault's own text, and the server's event logs (Microsoft-Windows-WinRM/Operational)." if found is None else found.remedy


def opinion(
    *kinds: str,
    title: Words,
    name: str,
    owner: Owner,
    reference: str,
    severity: Severity | None = None,
    confidence: float = 0.9,
    also: Words = lambda _: "",
) -> Opinion:
    """What a rule thinks of the faults of some ``kinds``. Without a ``severity`` it is low where a later request of the same kind went well, else medium.

    ``also``: what it says between the meaning of the code and the place.
    """
    return Opinion(
        title=lambda tell: headline(title(tell)),
        name=name,
        severity=severity or graded(Severity.LOW, Severity.MEDIUM),
        worst=severity or Severity.MEDIUM,
        confidence=confidence,
        owner=owner,
        reference=reference,
        advice=remedy,
        see=lambda evidence: failures(evidence, *kinds),
        why=lambda tell: f"{told(tell)}{meaning(tell)}{also(tell)}{places(tell)}",
        each=by_code,
    )


def _recovered(tell: Tell[Failure]) -> str:
    if not tell.signs[-1].fact.recovered:
        return ""
    return " A later request of the same kind went well."
