"""Requests were answered 500, and the reason is encrypted.

Detects
    Responses with status 500 and an encrypted body that could not be decrypted. WinRM answers every fault with 500:
    access denied, quotas, a lost shell, but also the timeout of a Receive that waited for output, which is part of
    normal work.
Impact
    The reason stands in the body. With a key the analyzer names it.
False positives
    Answers that came after a wait are most likely timeouts of a waiting Receive. They are counted apart; when there
    are no others the severity is info.
Requires
    Responses.
References
    MS-WSMV section 2.2.4.43; DSP0226 section 14.6 (TimedOut).
"""

from collections.abc import Mapping

from analyzer.records.candidates import with_status
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.rules.reading import (
    counted,
    first_packet,
    identity,
    message,
    name,
    request,
    response,
    seconds,
    status,
    succeeded,
    winrm_exchanges,
)
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Param, Severity, Sign, Signs, Tell, place

_ERROR = 500


class Hidden(Fact, frozen=True):
    """An exchange answered 500, how long the answer took, and whether that is long enough for a Receive that waited."""

    exchange: Exchange
    took_ns: int
    waited: bool


def see(evidence: Evidence, given: Mapping[str, float]) -> Signs[Hidden]:
    for exchange in with_status(evidence, _ERROR):
        asked, answer = request(exchange), response(exchange)
        if asked is None or answer is None or not _hidden(evidence, exchange):
            continue
        took = answer.first_ns - asked.last_ns
        sign = Hidden(exchange, took, took >= given["waiting_s"] * 1e9)
        yield Sign(
            sign,
            (exchange.id,),
            (*first_packet(asked), *first_packet(answer)),
            user=identity(evidence, exchange.connection),
        )


def _hidden(evidence: Evidence, exchange: Exchange) -> bool:
    found = message(evidence, response(exchange))
    elsewhere = exchange.id in evidence.far or evidence.connections[exchange.connection].twin_of is not None
    return found is not None and found.protection is Protection.SEALED and not found.opened and not elsewhere


def title(tell: Tell[Hidden]) -> str:
    return f"{counted(tell.count, 'request')} answered 500, with an encrypted reason"


def why(tell: Tell[Hidden]) -> str:
    own, first = tell.connection, tell.first.fact
    answer = response(first.exchange)
    waited = [hidden for hidden in tell.facts if hidden.waited]
    verb = "was" if tell.count == 1 else "were"
    text = (
        f"{counted(tell.count, 'request')} of {own.client.host} to {own.server} {verb} "
        "answered 500 with an encrypted body; "
        f"no key was given that decrypts it. The first is {tell.packet(answer.packets[0]) if answer else ''}, "
        f"{seconds(first.took_ns)} after the request."
    )
    if waited:
        text += (
            f" {counted(len(waited), 'answer')} came only after "
            f"{seconds(min(hidden.took_ns for hidden in waited))} or more:"
            " a Receive that waits for output ends so, and that is normal."
        )
    if not _worked(tell):
        text += " No encrypted request to this server was answered with success in this capture."
    return f"{text} [{first.exchange.id} on {name(own)}]"


def worth(tell: Tell[Hidden]) -> Severity:
    """Medium where nothing worked, info where all of them waited."""
    if all(hidden.waited for hidden in tell.facts):
        return Severity.INFO
    return Severity.LOW if _worked(tell) else Severity.MEDIUM


def _worked(tell: Tell[Hidden]) -> bool:
    """An encrypted request of this client to this server was answered 2xx."""
    wanted = place(tell.evidence, tell.first)
    for exchange in winrm_exchanges(tell.evidence):
        found = message(tell.evidence, request(exchange))
        same = place(tell.evidence, Sign(exchange, (exchange.id,))) == wanted
        if same and succeeded(exchange) and status(exchange) and found is not None and found.protection is Protection.SEALED:
            return True
    return False


OPINION = Opinion(
    title=title,
    name="Requests answered 500, with an encrypted reason",
    severity=worth,
    worst=Severity.MEDIUM,
    confidence=0.9,
    owner=Owner.SERVER,
    reference="MS-WSMV section 2.2.4.43",
    advice=(
        "Give the analyzer the account's password, its NT hash or a keytab (--secrets), and it reads the faults. "
        "Or read the server's event log "
        "Microsoft-Windows-WinRM/Operational at these times."
    ),
    see=see,
    why=why,
    params=(Param("waiting_s", 1.0, "seconds", "answers after so long are taken for timeouts of a waiting Receive"),),
)
