"""A client's last request failed, or its logon was refused, and no other rule tells why.

Detects
    For each client and service connections and TLS that never came up; the last request, when it was answered with an error or its connection broke before the
    answer; and logons that were refused and did not succeed later. It is told only where no other rule says more about
    the same client and service.
Impact
    No failure stays silent: the reader learns which request failed, where it stopped, and what would have to be recorded
    to know why.
False positives
    Programs may expect an error and go on without WinRM. A capture that ends while a request is pending is not counted.
Requires
    The request's header; the status or the end of its connection.
References
    RFC 9110 section 15; RFC 9112 section 9.5.
"""

from collections.abc import Hashable

from analyzer.records.story import Certainty, Failure, Kind, Outcome, Wanted
from analyzer.rules.reading import counted, name, request, seconds
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell

_ENDED = {
    Outcome.CUT: "its connection was closed before an answer came",
    Outcome.RESET: "its connection was reset before an answer came",
    Outcome.UNANSWERED: "it was never answered",
}


def see(evidence: Evidence) -> Signs[Failure]:
    for failure in evidence.story.failures:
        fate = evidence.story.fates.get(failure.exchange or "")
        if failure.exchange is None:
            packets = () if failure.packet is None else (failure.packet,)
            yield Sign(failure, (), packets, (failure.connection,))
            continue
        exchanges = tuple(one for one in ((failure.exchange,) if fate is None else (fate.request, *fate.forwarded_as)) if one)
        packets = () if failure.packet is None else (failure.packet,)
        yield Sign(failure, exchanges, packets if fate is None else (*packets, *fate.packets), user=failure.user)


def each(evidence: Evidence, sign: Sign[Failure]) -> Hashable:
    """One finding for each client, service and way to fail."""
    server = evidence.connections[sign.fact.connection].server
    return sign.fact.client, server.host, server.port, sign.fact.wanted, sign.fact.outcome, sign.fact.status, sign.fact.code


def _party(tell: Tell[Failure]) -> str:
    """``proxy 10.0.0.5`` or ``server 10.0.0.9``: where it stopped."""
    failure = tell.first.fact
    party = next((one for one in tell.evidence.story.parties if one.id == failure.stopped_at), None)
    if party is None:
        return tell.connection.server.host
    host = party.listens[0].host if party.listens else tell.connection.server.host
    return f"{'proxy' if party.kind in (Kind.PROXY, Kind.SOCKS) else 'server'} {host}"


def title(tell: Tell[Failure]) -> str:
    failure = tell.first.fact
    if failure.wanted is Wanted.CONNECTION:
        return f"Connections to {_party(tell)} never came up"
    if failure.wanted is Wanted.TLS:
        return f"TLS never came up with {_party(tell)}"
    if failure.wanted is Wanted.LOGON:
        return f"Logon refused by {_party(tell)}, for a reason that is not known"
    if failure.outcome is Outcome.REFUSED:
        return f"Client did not log on when {_party(tell)} asked for it (401)"
    if failure.status is None:
        return f"The last request to {_party(tell)} was not answered"
    return f"The last request failed: status {failure.status} from {_party(tell)}"


def why(tell: Tell[Failure]) -> str:
    failure, own = tell.first.fact, tell.connection
    where = tell.packet(failure.packet) if failure.packet is not None else "no packet"
    who = failure.client or own.client.host
    if failure.wanted is Wanted.CONNECTION:
        return f"{who} tried {counted(tell.count, 'time')} to open {name(own)}; the connection never came up ({where}). {_to_know(tell)}"
    if failure.wanted is Wanted.TLS:
        return f"{who} began TLS on {name(own)}. The handshake did not end, and no later one of this client did ({where}). {_to_know(tell)}"
    exchange = tell.evidence.exchanges[failure.exchange or ""]
    asked = request(exchange)
    line = f"{asked.method} {asked.target}" if asked is not None else "a request"
    if failure.wanted is Wanted.LOGON:
        told = (
            f"{who} tried to log on{f' as {failure.user}' if failure.user else ''} on {name(own)}. The answer was {failure.status or 'not captured'} ({where})."
        )
    elif failure.status is None:
        fate = tell.evidence.story.fates[exchange.id]
        waited = f" after {seconds(fate.waited_ns)}" if fate.waited_ns is not None else ""
        told = f"{who} sent {line} on {name(own)}; {_ENDED.get(failure.outcome, 'no answer came')}{waited} ({where})."
    else:
        code = f" with fault code {failure.code}" if failure.code else ""
        told = f"{who} sent {line} on {name(own)}. The answer was status {failure.status}{code} ({where})."
    more = f" This happened {counted(tell.count, 'time')}." if tell.count > 1 else " No later request of this client to this service succeeded."
    return f"{told}{more} {_to_know(tell)}"


def _to_know(tell: Tell[Failure]) -> str:
    if tell.first.fact.certainty is Certainty.UNKNOWN:
        return "Only one side of the proxy is in the capture, so where it stopped is not known."
    return "No other rule tells why."


def advice(tell: Tell[Failure]) -> str:
    if tell.first.fact.certainty is Certainty.UNKNOWN:
        return "Capture both sides of the proxy at once, and read the server's event log Microsoft-Windows-WinRM/Operational for the same time."
    return "Read the server's event log Microsoft-Windows-WinRM/Operational for the same time. Give keys or passwords (--secrets) if the answer is encrypted."


def severity(tell: Tell[Failure]) -> Severity:
    failure = tell.first.fact
    return Severity.LOW if failure.wanted is Wanted.REQUEST and failure.outcome is Outcome.REFUSED else Severity.MEDIUM


def owner(tell: Tell[Failure]) -> Owner:
    return Owner.PROXY if _party(tell).startswith("proxy ") else Owner.SERVER


OPINION = Opinion(
    title=title,
    name="The last request of a client failed",
    severity=severity,
    worst=Severity.MEDIUM,
    confidence=0.8,
    owner=owner,
    reference="RFC 9110 section 15",
    advice=advice,
    see=see,
    why=why,
    each=each,
)
