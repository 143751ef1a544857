"""A WinRM request is answered with something that is no WinRM message.

What it sees
    A POST to a WinRM endpoint answered with a body that is neither SOAP nor sealed (an HTML page, JSON, plain text), with a status that does not already say
    why: 401 and 407 ask for authentication, 403 and 502 to 504 have rules of their own.
Why it matters
    The client reports "the content type is absent or invalid" and cannot say more. The page's text usually tells who made it: a proxy, a portal, another web
    server.
When it is wrong
    An error page of the web server itself, for example for a virtual directory that does not exist, is meant to be seen here too.
Needs
    Request and response of one exchange.
Reference
    MS-WSMV 2.2.1; DSP0226 section 13.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.rules.reading import (
    counted,
    finding,
    header,
    identity,
    listed,
    message,
    name,
    packet,
    packets_of,
    request,
    response,
    status,
    upstream,
    winrm_exchanges,
)

RULE = "http.non-wsman-reply"
TITLE = "A WinRM request is answered with something else"
SEVERITY = Severity.HIGH
REFERENCE = "MS-WSMV 2.2.1"
ADVICE = "Read the page (the exchange's response body): it names the product and the reason. Check that host, port and path of the endpoint are right."
_EXPLAINED = (401, 403, 407, 502, 503, 504)
_PATHS = ("/wsman", "/powershell")


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        if exchange.id not in evidence.far and _strange(evidence, exchange):
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(exchange)
    for group in groups.values():
        yield _finding(evidence, group)


def _strange(evidence: Evidence, exchange: Exchange) -> bool:
    asked, answer = request(exchange), response(exchange)
    if asked is None or answer is None or asked.method != "POST" or not _endpoint(asked.target) or answer.status in _EXPLAINED:
        return False
    found = message(evidence, answer)
    return bool(answer.body.size) and found is not None and found.protection is Protection.NONE


def _endpoint(target: str) -> bool:
    rest = target.partition("://")[2].partition("/")[2] if "://" in target.split("?", maxsplit=1)[0] else target.removeprefix("/")
    return f"/{rest}".lower().startswith(_PATHS)


def _finding(evidence: Evidence, group: list[Exchange]) -> Finding:
    first = group[0]
    connection = evidence.connections[first.connection]
    answer = response(first)
    kinds = listed(header(response(exchange), "content-type") or "no content type" for exchange in group)
    fars = [far for exchange in group if (far := upstream(evidence, exchange.id)) is not None]
    server = header(answer, "server")
    why = (
        f"{counted(len(group), 'POST')} of {connection.client.host} to {connection.server.host}:{connection.server.port} "
        f"{'was' if len(group) == 1 else 'were'} answered with {kinds}: the first is {first.id} on {name(connection)}, status {status(first)}, "
        f"{packet(evidence, answer.packets[0]) if answer and answer.packets else ''}{f', Server: {server}' if server else ''}. "
    )
    why += f"{len(fars)} of these went on to the server." if fars else "None of these is known to have gone on to a server."
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=ADVICE,
        reference=REFERENCE,
        connections=[*(exchange.connection for exchange in group), *(far.connection for far in fars)],
        exchanges=[*(exchange.id for exchange in group), *(far.id for far in fars)],
        packets=packets_of(group),
        user=identity(evidence, connection.id),
    )
