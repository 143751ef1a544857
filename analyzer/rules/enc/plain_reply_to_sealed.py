"""An encrypted request is answered in clear text.

Detects
    An encrypted request, and a 2xx response to it with a readable SOAP envelope, on a connection without TLS.
Impact
    The service must encrypt its answer to an encrypted request. Here either the answer does not come from the service, or it gives away in clear what was
    asked for under encryption.
False positives
    A proxy's own page is no SOAP and belongs to http.non-wsman-reply.
Requires
    Request and response of one exchange.
References
    MS-WSMV 2.2.9.1.
"""

from analyzer.records.candidates import asked_in
from analyzer.records.http import Exchange
from analyzer.records.sealing import Protection
from analyzer.rules.asking import answered_at, asked_at, server_words
from analyzer.rules.reading import counted, identity, is_clear, message, name, packets_of, response, status, succeeded
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell


def see(evidence: Evidence) -> Signs[Exchange]:
    """One sign for each such answer; the server's side is left out where the client's is known."""
    for exchange in asked_in(evidence, Protection.SEALED):
        encrypted = evidence.connections[exchange.connection].protocol != "tls"
        if encrypted and succeeded(exchange) and is_clear(message(evidence, response(exchange))) and exchange.id not in evidence.far:
            yield Sign(exchange, (exchange.id,), packets_of([exchange]), user=identity(evidence, exchange.connection))


def why(tell: Tell[Exchange]) -> str:
    first = tell.facts[0]
    found = message(tell.evidence, response(first))
    what = found.operation if found is not None and isinstance(found.operation, str) else "an envelope"
    return (
        f"{counted(tell.count, 'encrypted request')} got a readable answer. The first is {first.id} on {name(tell.connection)} ({asked_at(tell, first)}). It "
        f"was answered {status(first)} with {what} in clear text ({answered_at(tell, first)}). WinRM encrypts its answers to encrypted requests."
    )


OPINION = Opinion(
    title=lambda tell: f"{server_words(tell.connection)} answers encrypted requests in clear text",
    name="Encrypted request is answered in clear text",
    severity=Severity.HIGH,
    confidence=0.95,
    owner=Owner.SERVER,
    reference="MS-WSMV 2.2.9.1",
    advice="Compare with a capture taken at the server: find out who wrote the answer. Do not trust the content of such answers.",
    see=see,
    why=why,
)
