"""A request of one client is sent over a connection that another client logged on, and the server refuses it.

Detects
    As affinity.shared-authenticated-upstream: a request without credentials on a server connection that another client's connection logged on. But the server
    refuses it: with 401 or 403, or with an error that holds no WinRM message, as for an encrypted body that it cannot decrypt.
Impact
    Encryption saved the day: the server could not be fooled. The proxy still mixes clients, and their requests fail at random. A client that sends clear text
    would be served with another user's rights.
False positives
    The first request of a handshake, which is meant to be refused and is followed by credentials on the same client's connection, is not counted. Neither are a
    proxy's own errors (502 to 504).
Requires
    Both sides of the proxy.
References
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "If the TCP/IP connections are not strongly mapped between both
    the WinRM client and the proxy server and between the proxy server and the destination server, an unauthorized
    client could connect to the destination server by using the same authenticated connection from the proxy server to
    the destination server." "If encryption is enforced, the destination server sends an access denied message to the
    unauthenticated client."
"""

from analyzer.records.sealing import Protection
from analyzer.rules import microsoft
from analyzer.rules.affinity.shared_authenticated_upstream import Foreign, each, foreign_requests, server, signed, sure, whose
from analyzer.rules.asking import asked_at
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import after, header, message, request, response, status, who
from analyzer.rules.telling import Evidence, Opinion, Owner, Severity, Signs, Tell

_REFUSALS = (401, 403)
_GATEWAY = (407, 502, 503, 504)
_ERROR = 400


def see(evidence: Evidence) -> Signs[Foreign]:
    """One sign for each request that was refused."""
    for foreign in foreign_requests(evidence):
        if _is_refused(evidence, foreign) and not _begins_a_handshake(evidence, foreign):
            yield signed(evidence, foreign)


def _is_refused(evidence: Evidence, foreign: Foreign) -> bool:
    code = status(foreign.exchange)
    if code is None or code < _ERROR or code in _GATEWAY:
        return False
    answer = message(evidence, response(foreign.exchange))
    return code in _REFUSALS or answer is None or answer.protection not in (Protection.SEALED, Protection.CLEAR)


def _begins_a_handshake(evidence: Evidence, foreign: Foreign) -> bool:
    """The client's next request has credentials: it had expected to be refused."""
    return any(header(request(other), "authorization") is not None for other in after(evidence, foreign.near)[:1])


def title(tell: Tell[Foreign]) -> str:
    account = who(tell.facts[0].logon)
    return f"Request of another client is refused on the connection of {account}" if account else "Request on another client's connection is refused"


def why(tell: Tell[Foreign]) -> str:
    first = tell.facts[0]
    refused = "The server refused it" if tell.count == 1 else "The server refused them"
    return f"{whose(tell)} {refused}. The first is {first.exchange.id} ({asked_at(tell, first.exchange)}), answered with status {status(first.exchange)}."


OPINION = Opinion(
    title=title,
    name="Request on another client's connection is refused",
    severity=Severity.MEDIUM,
    confidence=sure,
    owner=Owner.PROXY,
    reference=microsoft.DENIED_IF_ENCRYPTED,
    advice=Advice("Never share server connections that carry NTLM, Kerberos or CredSSP", Topic.BIND, "Keep encryption enforced on the server."),
    see=see,
    why=why,
    each=each,
    destination=server,
    fails=("no_foreign_request",),
)
