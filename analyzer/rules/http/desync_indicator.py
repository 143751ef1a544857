"""A message's length is stated in two ways that contradict each other.

Detects
    A request or response with both Content-Length and Transfer-Encoding, or with several Content-Lengths that differ.
Impact
    Two programs on the way may end the message at different places. What follows is then taken for another client's request: on a connection with a logon that
    is another user's logon (request smuggling).
False positives
    Some programs send both fields by mistake and always mean chunked. It is a fact about the message, not yet an attack. Bytes after a message that begin no
    other are an issue (http.extra-data) and not a finding, since packets that were lost look the same. Another client's request on a connection with a logon is
    affinity.shared-authenticated-upstream.
Requires
    The header block.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "If the TCP/IP connections are not strongly mapped between both
    the WinRM client and the proxy server and between the proxy server and the destination server, an unauthorized
    client could connect to the destination server by using the same authenticated connection from the proxy server to
    the destination server."
    RFC 9112 sections 6.1, 6.3 and 11.2.
"""

from analyzer.records.candidates import fields, heads
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.proxy import Role
from analyzer.records.quality import Absent
from analyzer.rules.reading import identity, listed, name, packets_of, request, response, role, winrm_exchanges
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_LENGTH, _CODING = "content-length", "transfer-encoding"
_SIZES = (len(_LENGTH), len(_CODING))


class Conflict(Fact, frozen=True):
    """The exchange, the half, and the fields as they were sent."""

    exchange: Exchange
    half: Request | Response
    fields: str


def see(evidence: Evidence) -> Signs[Conflict]:
    """One sign for each message; the server's side counts for itself, since there it arrives."""
    for exchange in _candidates(evidence):
        for half in (request(exchange), response(exchange)):
            fields = None if half is None or not half.packets else _conflict(half)
            if half is not None and fields is not None:
                packets = (half.packets[0], *packets_of([exchange]))
                yield Sign(Conflict(exchange, half, fields), (exchange.id,), packets, user=identity(evidence, exchange.connection))


def _candidates(evidence: Evidence) -> tuple[Exchange, ...]:
    """Those with a message that states its length in two fields, or in one with a comma."""
    every = winrm_exchanges(evidence)
    found: set[int] = set()
    for of_request in (True, False):
        for names, places in fields(evidence, of_request=of_request).items():
            stated = [at for at, name in enumerate(names) if len(name) in _SIZES and name.lower() in (_LENGTH, _CODING)]
            if len(stated) > 1:
                found.update(places)
            elif stated and any("," in head[stated[0]].value for head in heads(evidence, names, of_request=of_request)):
                at = stated[0]
                halves = [(place, every[place].request if of_request else every[place].response) for place in places]
                found.update([place for place, half in halves if not isinstance(half, Absent) and "," in half.headers[at].value])
    return tuple([every[place] for place in sorted(found)])


def _conflict(half: Request | Response) -> str | None:
    told = [field for field in half.headers if len(field.name) in _SIZES]
    if not told or (len(told) == 1 and "," not in told[0].value):
        return None
    lengths = [field for field in told if field.name.lower() == _LENGTH]
    codings = [field for field in told if field.name.lower() == _CODING]
    values = {part.strip() for field in lengths for part in field.value.split(",")}
    if (lengths and codings) or len(values) > 1:
        return listed(f"{field.name}: {field.value}" for field in (*lengths, *codings))
    return None


def why(tell: Tell[Conflict]) -> str:
    first = tell.facts[0]
    half = "request" if isinstance(first.half, Request) else "response"
    states = "message states its" if tell.count == 1 else "messages state their"
    return (
        f"{tell.count:,} {states} length in contradicting ways, on {name(tell.connection)}. The first is the {half} of {first.exchange.id} "
        f"({tell.packet(first.half.packets[0])}): {first.fields}. Two programs may end such a message at different places."
    )


def owner(tell: Tell[Conflict]) -> Owner:
    first, proxied = tell.facts[0], role(tell.evidence, tell.connection.id)
    if isinstance(first.half, Request):
        return Owner.PROXY if proxied is Role.UPSTREAM_LEG else Owner.CLIENT
    return Owner.PROXY if proxied is Role.CLIENT_LEG else Owner.SERVER


OPINION = Opinion(
    title="WinRM messages state contradicting lengths",
    severity=Severity.HIGH,
    confidence=0.8,
    owner=owner,
    reference="RFC 9112 section 6.3",
    advice=(
        "Find out which program sends both fields and correct it. Let the proxy refuse such messages (nginx 1.21.1 and newer do) and never share server "
        "connections that carry a logon."
    ),
    see=see,
    why=why,
)
