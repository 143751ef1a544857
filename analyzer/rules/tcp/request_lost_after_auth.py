"""The client authenticates again and again with empty requests, and its real request never reaches the server.

What it sees
    At least twice from one client to one endpoint: a handshake carried by empty requests ends with an empty 2xx, the connection is then closed or reset from
    the other side, and the client begins a new handshake within 30 seconds. In between no request with a body was answered 2xx for that client.
Why it matters
    The last round trip of the handshake does not carry the request. When the connection is lost at that moment the client has to start over, and nothing is
    ever executed: the user sees "access denied" or a timeout although every logon succeeds.
When it is wrong
    A monitoring probe that only tests the logon; it closes its connections by itself, which is not counted.
Needs
    The client's leg, or a direct connection.
Reference
    Proxy Servers and WinRM, sentences 142 and 143.
"""

from collections import defaultdict
from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.proxy import Role
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, finding, first_packet, name, packet, request, response, role, status, who, winrm_exchanges
from analyzer.rules.tcp._endings import AGAIN_NS, Ended, ended_handshakes

RULE = "tcp.request-lost-after-auth"
TITLE = "The client's request is lost after each successful authentication"
SEVERITY = Severity.CRITICAL
REFERENCE = "Proxy Servers and WinRM, sentence 143"
HOW = Advice(
    "The connection must stay open after the 200 that ends authentication",
    Topic.KEEP,
    ". HTTPS through CONNECT avoids the problem.",
)
ADVICE = HOW.text()
_LEAST = 2


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint."""
    groups: dict[tuple[str, str, int], list[Ended]] = defaultdict(list)
    for ended in ended_handshakes(evidence):
        if role(evidence, ended.connection.id) is not Role.UPSTREAM_LEG and _empty(ended):
            groups[ended.connection.client.host, ended.connection.server.host, ended.connection.server.port].append(ended)
    for (client, host, port), group in groups.items():
        run = _run(group)
        if len(run) >= _LEAST and not _served(evidence, client, (host, port), run):
            yield _finding(evidence, run)


def _empty(ended: Ended) -> bool:
    """The last round trip carried no request and no answer of substance."""
    asked, answer = request(ended.exchange), response(ended.exchange)
    return asked is not None and answer is not None and not asked.body.size and not answer.body.size and 200 <= answer.status < 300


def _run(group: list[Ended]) -> list[Ended]:
    """The longest run in which each follows the one before within 30 seconds."""
    best: list[Ended] = []
    run: list[Ended] = []
    for ended in sorted(group, key=lambda item: item.ending.closing.ts_ns):
        if run and ended.conversation.first_ns - run[-1].ending.closing.ts_ns > AGAIN_NS:
            run = []
        run.append(ended)
        best = max(best, run, key=len)
        run = list(run)
    return best


def _served(evidence: Evidence, client: str, endpoint: tuple[str, int], run: list[Ended]) -> bool:
    """A request with a body of that client was answered 2xx while this went on."""
    first, last = run[0].conversation.first_ns, run[-1].ending.closing.ts_ns
    for exchange in winrm_exchanges(evidence):
        connection = evidence.connections[exchange.connection]
        asked, code = request(exchange), status(exchange)
        same = connection.client.host == client and (connection.server.host, connection.server.port) == endpoint
        if same and asked is not None and asked.body.size and code is not None and 200 <= code < 300 and first <= asked.first_ns <= last:
            return True
    return False


def _finding(evidence: Evidence, run: list[Ended]) -> Finding:
    first = run[0]
    answer = response(first.exchange)
    why = (
        f"{counted(len(run), 'handshake')} of {first.connection.client.host} in a row succeeded with empty requests, and each time the connection ended before "
        f"the real request was answered. The first: {name(first.connection)}, status {answer.status if answer else ''} in "
        f"{packet(evidence, answer.packets[0]) if answer and answer.packets else 'its response'}, "
        f"{first.ending.closing.kind.value} in {packet(evidence, first.ending.closing.packet)}. No request with a body of this client was answered "
        "2xx in between."
    )
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.9,
        title=TITLE,
        why=why,
        advice=HOW,
        reference=REFERENCE,
        connections=[ended.connection.id for ended in run],
        exchanges=[ended.exchange.id for ended in run],
        packets=[key for ended in run for key in (*first_packet(response(ended.exchange)), ended.ending.closing.packet)],
        user=who(first.conversation),
    )
