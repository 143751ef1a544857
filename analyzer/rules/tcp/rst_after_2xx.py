"""The connection is reset right after the response that ends authentication.

What it sees
    The first status other than 401 or 407 that ends an NTLM, Kerberos or CredSSP handshake, followed within a second by a RST of the proxy (or of the server,
    where there is no proxy), possibly in a race with the client's next request, while the client had more to say.
Why it matters
    The client sees "connection reset by peer" at its first real request. The authentication belongs to the connection and is lost with it.
When it is wrong
    A reset that the client itself sends, or one after a FIN, is not counted. A session that ends with this exchange is not counted, unless the same client
    opens another connection within 30 seconds.
Needs
    The leg on which it happens.
Reference
    Proxy Servers and WinRM, sentences 136 and 141 to 143.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.transport import End
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import after, counted, finding, who
from analyzer.rules.tcp._endings import Ended, again, cost, ended_by, proof, story

RULE = "tcp.rst-after-2xx"
TITLE = "Connection reset right after the authentication was complete"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 141"
HOW = Advice(
    "Find out which device sends the reset (compare TTL and both sides' captures): a proxy's or firewall's session policy, "
    "source-port preservation on a load balancer, or a backend health action. The connection must stay open after authentication",
    Topic.KEEP,
)
ADVICE = HOW.text()


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint, on each leg."""
    for group in ended_by(evidence, End.RESET):
        yield _finding(evidence, group)


def _finding(evidence: Evidence, group: list[Ended]) -> Finding:
    first = group[0]
    raced = [other for ended in group for other in after(evidence, ended.exchange)]
    why = story(evidence, first, "reset")
    why += f" {counted(len(raced), 'request')} of the client went unanswered into the reset." if raced else ""
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.95,
        title=TITLE,
        why=why + again(group) + cost(evidence, group),
        advice=HOW,
        reference=REFERENCE,
        connections=[ended.connection.id for ended in group],
        exchanges=[*(ended.exchange.id for ended in group), *(other.id for other in raced)],
        packets=[key for ended in group for key in proof(ended.exchange, ended.ending)],
        user=who(first.conversation),
    )
