"""A WinRM request with a length reaches the server chunked.

What it sees
    A POST with Transfer-Encoding: chunked on the leg nearest to the server that the client had sent with Content-Length: the proxy chunked it. Without such a
    proxy a chunked POST counts when it was answered with an error other than a demand for authentication.
Why it matters
    A WinRM server must reject chunked requests to a shell. Proxies that stream bodies, or change them, chunk them where the client gave a length.
When it is wrong
    A server that serves chunked requests all the same: then nothing is broken yet, and the severity is medium. An error for another reason looks the same as
    one for this.
Needs
    Both legs to see who chunked it; the leg nearest to the server for a request that was refused.
Reference
    MS-WSMV 3.1.4.1.31.8.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Exchange, Framing
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, finding, identity, listed, name, of_them, owner, packet, packets_of, request, sentence, status, winrm_exchanges

RULE = "http.chunked-request"
TITLE = "A WinRM request reaches the server chunked"
SEVERITY = Severity.HIGH
REFERENCE = "MS-WSMV 3.1.4.1.31.8"
HOW = Advice(
    "Let the proxy buffer request bodies and send them with Content-Length",
    Topic.LENGTH,
    ", or let the client send a length.",
)
ADVICE = HOW.text()
_DEMANDS = (401, 407)
_ERROR = 400


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each pair of hosts on the leg nearest to the server."""
    groups: dict[tuple[str, str, int], list[Exchange]] = defaultdict(list)
    for exchange in winrm_exchanges(evidence):
        chunked = _framing(exchange) is Framing.CHUNKED and exchange.id not in evidence.near
        if chunked and (_by_proxy(evidence, exchange) or _refused(exchange)):
            connection = evidence.connections[exchange.connection]
            groups[connection.client.host, connection.server.host, connection.server.port].append(exchange)
    for group in groups.values():
        yield _finding(evidence, group)


def _framing(exchange: Exchange) -> Framing | None:
    asked = request(exchange)
    return asked.body.framing if asked is not None and asked.method == "POST" else None


def _by_proxy(evidence: Evidence, exchange: Exchange) -> bool:
    near = owner(evidence, exchange.id)
    return near is not None and _framing(near) is Framing.LENGTH


def _refused(exchange: Exchange) -> bool:
    code = status(exchange)
    return code is not None and code >= _ERROR and code not in _DEMANDS


def _finding(evidence: Evidence, group: list[Exchange]) -> Finding:
    refused = [exchange for exchange in group if _refused(exchange)]
    first = (refused or group)[0]
    nears = [near for exchange in group if (near := owner(evidence, exchange.id)) is not None]
    changed = sum(_by_proxy(evidence, exchange) for exchange in group)
    packets = packets_of([first])
    why = (
        f"{counted(len(group), 'request')} reached {evidence.connections[first.connection].server.host} chunked, "
        f"{of_them(len(refused), len(group))} refused (statuses {listed(str(status(exchange)) for exchange in group)}): {first.id} on "
        f"{name(evidence.connections[first.connection])}, {packet(evidence, packets[0]) if packets else ''}, status {status(first)}."
    )
    if nears:
        sent = f"with Content-Length the client had sent {changed} of them: the proxy chunked them" if changed else "the client chunks by itself"
        why += f" {sentence(sent)}."
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY if refused else Severity.MEDIUM,
        confidence=0.9 if changed else 0.7,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[*(exchange.connection for exchange in group), *(near.connection for near in nears)],
        exchanges=[*(exchange.id for exchange in group), *(near.id for near in nears)],
        packets=packets_of(group),
        user=identity(evidence, first.connection),
    )
