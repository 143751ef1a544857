"""The connection is closed right after the response that ends authentication.

What it sees
    The first status other than 401 or 407 that ends an NTLM, Kerberos or CredSSP handshake, followed within a second by a FIN of the proxy (or of the server,
    where there is no proxy) before anything else was answered, while the client had more to say: it sends on, or comes back within 30 seconds.
Why it matters
    The handshake authenticates the connection, and its last round trip does not carry the client's request. Closing it now throws the authentication away:
    the next request arrives on a new connection and is answered 401, and so on.
When it is wrong
    A client that only tests its logon closes by itself, which is not counted. A session that ends with this exchange is not counted either, unless the same
    client opens another one within 30 seconds.
Needs
    The leg on which it happens.
Reference
    Proxy Servers and WinRM, sentences 136 and 141 to 143.
"""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.transport import End
from analyzer.rules.products import PAST_THE_PROXY, Advice, Topic
from analyzer.rules.reading import finding, who
from analyzer.rules.tcp._endings import Ended, again, cost, ended_by, proof, story

RULE = "tcp.close-after-auth-2xx"
TITLE = "Connection closed right after the authentication was complete"
SEVERITY = Severity.HIGH
REFERENCE = "Proxy Servers and WinRM, sentence 141"
HOW = Advice(
    "Let the proxy keep connections open after authentication",
    Topic.KEEP,
    f", or take it out of the HTTP layer with CONNECT or TCP mode and HTTPS, or {PAST_THE_PROXY}.",
)
ADVICE = HOW.text()


def find(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each client host and endpoint, on each leg."""
    for group in ended_by(evidence, End.FIN):
        yield _finding(evidence, group)


def _finding(evidence: Evidence, group: list[Ended]) -> Finding:
    first = group[0]
    return finding(
        evidence,
        rule=RULE,
        severity=SEVERITY,
        confidence=0.95,
        title=TITLE,
        why=story(evidence, first, "closed") + again(group) + cost(evidence, group),
        advice=HOW,
        reference=REFERENCE,
        connections=[ended.connection.id for ended in group],
        exchanges=[ended.exchange.id for ended in group],
        packets=[key for ended in group for key in proof(ended.exchange, ended.ending)],
        user=who(first.conversation),
    )
