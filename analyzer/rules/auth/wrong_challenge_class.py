"""A challenge of the wrong kind: 407 without Proxy-Authenticate, or 401 with Proxy-Authenticate only.

What it sees
    On a WinRM connection a 407 whose header block has no Proxy-Authenticate field, or a 401 that has Proxy-Authenticate but no WWW-Authenticate.
Why it matters
    The client cannot know to whom it shall authenticate, or how: it gives up, or sends the server's credentials to the proxy. Authentication to the proxy is
    another matter than authentication to the server, with fields of its own.
When it is wrong
    A header block that was not wholly captured could have held the field; such responses are not counted. A 401
    that the proxy made in the server's name is not told by its Server field: reverse proxies write their own into every response.
Needs
    The response with the whole header block.
Reference
    Proxy Servers and WinRM, sentence 120; RFC 9110 sections 11.6.1, 11.7.1 and 15.5.8.
"""

from collections import defaultdict
from collections.abc import Iterator

from msgspec import Struct

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.transport import Gap
from analyzer.rules.reading import counted, finding, header, identity, name, packet, packets_of, response, winrm_exchanges

RULE = "auth.wrong-challenge-class"
TITLE = "A challenge that mixes up proxy and server"
SEVERITY = Severity.MEDIUM
REFERENCE = "RFC 9110 section 11.7.1"
ADVICE = (
    "Correct the device that makes this response (see its Server and Via fields): 407 needs Proxy-Authenticate, 401 needs WWW-Authenticate. In a reverse proxy "
    "use 401, in a forward proxy 407; error pages that replace the proxy's own responses must keep the fields."
)
_UNAUTHORIZED, _PROXY_DEMAND = 401, 407


class Wrong(Struct, frozen=True, gc=False):
    """A response, and what is wrong with it in words."""

    exchange: Exchange
    what: str


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host, endpoint and kind of mistake; the upstream leg is left out where the client's is known."""
    groups: dict[tuple[str, str, int, str], list[Wrong]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        wrong = None if exchange.id in evidence.far else _wrong(evidence, exchange)
        if wrong is not None:
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port, wrong.what].append(wrong)
    for group in groups.values():
        yield _finding(evidence, group)


def _wrong(evidence: Evidence, exchange: Exchange) -> Wrong | None:
    answer = response(exchange)
    if answer is None or exchange.quality or any(gap.stream_at < answer.end_at and gap.stream_at + gap.size > answer.at for gap in _gaps(evidence, exchange)):
        return None
    for_server, for_proxy = header(answer, "www-authenticate"), header(answer, "proxy-authenticate")
    if answer.status == _PROXY_DEMAND and for_proxy is None:
        return Wrong(exchange, "407 without Proxy-Authenticate" + (" but with WWW-Authenticate" if for_server is not None else ""))
    if answer.status == _UNAUTHORIZED and for_server is None and for_proxy is not None:
        return Wrong(exchange, "401 with Proxy-Authenticate instead of WWW-Authenticate")
    return None


def _gaps(evidence: Evidence, exchange: Exchange) -> tuple[Gap, ...]:
    return evidence.connections[exchange.connection].to_client.gaps


def _finding(evidence: Evidence, group: list[Wrong]) -> Finding:
    first = group[0]
    answer = response(first.exchange)
    packets = packets_of(wrong.exchange for wrong in group)
    product = header(answer, "server") or header(answer, "via")
    connection = evidence.connections[first.exchange.connection]
    key = answer.packets[0] if answer is not None and answer.packets else packets[-1]
    why = (
        f"{counted(len(group), 'response')} to {connection.client.host} {'is' if len(group) == 1 else 'are'} {first.what}: the first is {first.exchange.id} on "
        f"{name(connection)}, {packet(evidence, key)}{f', made by {product}' if product else ''}."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[wrong.exchange.connection for wrong in group],
        exchanges=[wrong.exchange.id for wrong in group],
        packets=packets,
        user=identity(evidence, connection.id),
    )
