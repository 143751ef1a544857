"""A request is larger than the server or a device on the way accepts.

Detects
    413 to a WinRM request, with the size of its body.
Impact
    Small commands work and large ones fail: copying files, long scripts, many parameters. WinRM's own limit is
    MaxEnvelopeSizekb (500 KB by default since Windows 8, 150 KB before); proxies have limits for bodies of their own.
False positives
    Not known: the status says so itself.
Requires
    The response; the request for its size.
References
    RFC 9110 section 15.5.14; Microsoft, "Installation and configuration for Windows Remote Management"
    (MaxEnvelopeSizekb).
"""

from analyzer.rules.http._answers import Answer, By, answers, endpoint, headline, places, sign, told
from analyzer.rules.reading import request, succeeded
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_TOO_LARGE = 413


def see(evidence: Evidence) -> Signs[Answer]:
    return (sign(evidence, found) for found in answers(evidence, _TOO_LARGE))


def title(tell: Tell[Answer]) -> str:
    return headline(f"413: a request of {_largest(tell):,} bytes is too large for {_whom(tell)}")


def _largest(tell: Tell[Answer]) -> int:
    return max(_size(found) for found in tell.facts)


def _size(found: Answer) -> int:
    return max(found.asked.body.declared or 0, found.asked.body.size)


def _whom(tell: Tell[Answer]) -> str:
    return "the proxy" if tell.first.fact.by is By.PROXY else endpoint(tell).host


def why(tell: Tell[Answer]) -> str:
    first = tell.first.fact
    operation = f"{first.operation} request" if first.operation else "request"
    own = tell.evidence.exchanges_of[first.exchange.connection]
    fine = max((asked.body.size for one in own if succeeded(one) and (asked := request(one)) is not None), default=0)
    passed = f" The largest request that was accepted on this connection had {fine:,} bytes." if fine else ""
    return f"{told(tell)} The {operation} had {_size(first):,} bytes.{passed}{places(tell)}"


def advice(tell: Tell[Answer]) -> str:
    smaller = "or let the client send smaller pieces."
    if tell.first.fact.by is By.PROXY:
        limits = "(nginx: client_max_body_size; Apache: LimitRequestBody)"
        return f"Raise the body limit of the proxy {limits}, {smaller} MaxEnvelopeSizekb limits it on the server."
    return f"Raise MaxEnvelopeSizekb on the server (winrm set winrm/config '@{{MaxEnvelopeSizekb=\"2048\"}}'), {smaller}"


OPINION = Opinion(
    title=title,
    name="A request is too large for the server",
    severity=Severity.HIGH,
    confidence=0.95,
    owner=Owner.SERVER,
    reference="RFC 9110 section 15.5.14",
    advice=advice,
    see=see,
    why=why,
)
