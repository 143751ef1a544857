"""A client asks a server what it is, without logging on.

Detects
    An Identify request answered 2xx without credentials: with the field ``WSMANIDENTIFY: unauthenticated``, to the path /wsman-anon/identify, or with a
    readable Identify body, on a connection without a logon.
Impact
    The answer names product and version. Management tools ask it before they log on; so do scanners.
False positives
    It is allowed by design and harmless by itself.
Requires
    A direct connection or the client's side of a proxy.
References
    DSP0226 section 11.
"""

from analyzer.records.candidates import asked_targets, asked_with, at_places, with_message
from analyzer.records.http import Exchange
from analyzer.rules.asking import asked_at, server_words, times
from analyzer.rules.reading import authenticated, header, listed, message, name, packets_of, request, succeeded, winrm_exchanges
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell


def see(evidence: Evidence) -> Signs[Exchange]:
    """One sign for each question; the server's side is left out where the client's is known."""
    named = with_message(evidence, "identify", lambda one: one.operation == "Identify", plain=False)
    asked = {one.id for one in (*asked_with(evidence, "wsmanidentify"), *named)}
    anonymous = at_places(evidence, [places for target, places in asked_targets(evidence).items() if "/wsman-anon" in target.lower()])
    asked.update([one.id for one in anonymous])
    for exchange in winrm_exchanges(evidence) if asked else ():
        if exchange.id in asked and exchange.id not in evidence.far and _is_anonymous_identify(evidence, exchange):
            yield Sign(exchange, (exchange.id,), packets_of([exchange]))


def _is_anonymous_identify(evidence: Evidence, exchange: Exchange) -> bool:
    asked = request(exchange)
    if asked is None or not succeeded(exchange) or header(asked, "authorization") is not None:
        return False
    found = message(evidence, asked)
    identify = header(asked, "wsmanidentify") is not None or "/wsman-anon" in asked.target.lower() or (found is not None and found.operation == "Identify")
    return identify and authenticated(evidence, exchange) is None


def _servers(tell: Tell[Exchange]) -> list[str]:
    return list(dict.fromkeys(server_words(tell.evidence.connections[identity]) for identity in tell.connections))


def why(tell: Tell[Exchange]) -> str:
    first = tell.facts[0]
    program = header(request(first), "user-agent")
    return (
        f"{tell.connection.client.host} asked {listed(_servers(tell))} for its product {times(tell.count)}, without credentials, and was answered. "
        f"The first is {first.id} on {name(tell.connection)} ({asked_at(tell, first)}{f', {program}' if program else ''})."
    )


OPINION = Opinion(
    title=lambda tell: f"{tell.connection.client.host} asks what a server is, without logging on",
    name="Client asks what a server is, without logging on",
    severity=Severity.INFO,
    confidence=1.0,
    owner=Owner.CLIENT,
    reference="DSP0226 section 11",
    advice="Nothing has to change where the client is known. Otherwise find out who scans, and close the WinRM ports to that network.",
    see=see,
    why=why,
    each=lambda evidence, sign: evidence.connections[sign.fact.connection].client.host,
    attack=lambda tell: ("T1046",) if len(_servers(tell)) > 1 else (),
)
