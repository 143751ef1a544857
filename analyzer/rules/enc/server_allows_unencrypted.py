"""The server answers clear-text WinRM requests of a client that logged on.

Detects
    A request with a readable SOAP envelope on a connection that is not TLS, with a logon (by a handshake on that connection, or by credentials in the request),
    answered with a 2xx status. It is looked at on the side nearest to the server. An Identify with a logon counts, too, and is low when there is nothing else:
    the server takes unencrypted requests, but this one held nothing to protect. One finding for each server, however many clients it has: it is the server's
    setting. Where only the client's side of a proxy was captured, one for each client, since several servers may be behind the proxy.
Impact
    A server that can be reached through a proxy must enforce encryption: it is the only thing that keeps a stranger's request on another client's connection
    from being served.
False positives
    A proxy that answers by itself, without asking the server, when only the client's side was captured.
Requires
    Request and response of one exchange.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "If a WinRM server supports HTTP and is accessed through a
    proxy, the WinRM server must enforce encryption and not allow unencrypted network traffic." "The destination
    server might allow the unauthenticated client access to data. If encryption is enforced, the destination server
    sends an access denied message to the unauthenticated client."
"""

from collections.abc import Hashable, Iterator, Sequence

from analyzer.records.candidates import asked_in, asked_with
from analyzer.records.http import Exchange
from analyzer.records.sealing import Message, Protection
from analyzer.rules import microsoft
from analyzer.rules.asking import is_proxied, server_words
from analyzer.rules.enc._clear import Run, exchanges_of, exposed, runs, whose
from analyzer.rules.reading import authenticated, counted, is_clear, listed, logged_on, message, name, request, status, succeeded, who
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Sign, Signs, Tell, endpoint, once, place


def see(evidence: Evidence) -> Signs[Run]:
    return runs(evidence, _served(evidence))


def _served(evidence: Evidence) -> Iterator[tuple[Exchange, str | None]]:
    """Clear-text requests that were served under a logon, each with the account."""
    logged = logged_on(evidence) & exposed(evidence)
    anonymous = {one.id for one in asked_with(evidence, "wsmanidentify")}
    for exchange in asked_in(evidence, Protection.CLEAR) if logged else ():
        if exchange.connection in logged and exchange.id not in evidence.near and exchange.id not in anonymous and succeeded(exchange):
            spoken = authenticated(evidence, exchange)
            if spoken is not None:
                yield exchange, who(spoken)


def each(evidence: Evidence, sign: Sign[Run]) -> Hashable:
    """One finding for each server; at a proxy, for each client."""
    return place(evidence, sign) if is_proxied(evidence, sign.connections[0]) else endpoint(evidence, sign)


@once
def _only_identify(tell: Tell[Run]) -> bool:
    return not [said for said in _asked(tell) if is_clear(said)]


@once
def _asked(tell: Tell[Run]) -> tuple[Message, ...]:
    """The messages of the requests."""
    found = [message(tell.evidence, request(exchange)) for exchange in exchanges_of(tell)]
    return tuple([said for said in found if said is not None])


def title(tell: Tell[Run]) -> str:
    behind = "Server behind proxy" if is_proxied(tell.evidence, tell.connection.id) else "Server"
    return f"{behind} {server_words(tell.connection)} accepts unencrypted requests"


def why(tell: Tell[Run]) -> str:
    evidence, exchanges = tell.evidence, exchanges_of(tell)
    first = exchanges[0]
    names = listed([one.operation if isinstance(one.operation, str) else "an envelope without an action" for one in _asked(tell)])
    several = len(tell.connections) > 1
    text = (
        f"{server_words(tell.connection)} answered {counted(len(exchanges), 'clear-text request')} with a 2xx status on "
        f"{f'{len(tell.connections):,} connections that were' if several else 'a connection that was'} logged on with {_mechanisms(evidence, exchanges)}"
        f"{f' as {listed(tell.users)}' if tell.users else ''}. The requests: {names}. The first is {first.id} on {name(tell.connection)}, "
        f"{tell.packet(tell.first.packets[0])}, status {status(first)}.{whose(evidence, exchanges)}"
    )
    return f"{text} Identify holds nothing to protect." if _only_identify(tell) else text


def _mechanisms(evidence: Evidence, exchanges: Sequence[Exchange]) -> str:
    """What the connections were logged on with, as the first of these exchanges on each shows it."""
    of_each = {one.connection: one for one in reversed(exchanges)}  # the first on each connection
    found = [authenticated(evidence, of_each[identity]) for identity in dict.fromkeys([one.connection for one in exchanges])]
    return listed([spoken.mechanism.shown for spoken in found if spoken is not None]) or "a logon"


OPINION = Opinion(
    title=title,
    name="Server accepts unencrypted requests",
    severity=lambda tell: Severity.LOW if _only_identify(tell) else Severity.HIGH,
    worst=Severity.HIGH,
    confidence=1.0,
    owner=Owner.SERVER,
    reference=microsoft.ENFORCE_ENCRYPTION,
    advice="Set AllowUnencrypted to false on the server: winrm set winrm/config/service '@{AllowUnencrypted=\"false\"}'.",
    see=see,
    why=why,
    each=each,
    fails=("encryption_enforced",),
)
