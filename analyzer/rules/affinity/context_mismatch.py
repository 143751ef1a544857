"""A request is encrypted for one client's logon and sent on a connection that another client logged on.

Detects
    An encrypted request on a server connection that only the password or key of another user decrypts than the one who logged on there. Which key is whose is
    known from the clients' own connections.
Impact
    It proves that the proxy mixes clients: the request was made for another connection. The server cannot decrypt it and refuses. A readable request would have
    been served with the wrong user's rights.
False positives
    Never about the fact: a signature proves each decryption. Users with the same password cannot be told apart and are not counted. Nor is a connection with
    mixed handshakes: whose logon it is cannot be told.
Requires
    Both sides of the proxy, and the passwords or keys of both users.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "The client TCP/IP connection to the proxy should continue
    to map to the same TCP/IP connection from the proxy to the server."
    Proxy Servers and WinRM, Encryption and WinRM 2.0: "If the TCP/IP connections are not strongly mapped between both
    the WinRM client and the proxy server and between the proxy server and the destination server, an unauthorized
    client could connect to the destination server by using the same authenticated connection from the proxy server to
    the destination server." "If encryption is enforced, the destination server sends an access denied message to the
    unauthenticated client."
    MS-WSMV 2.2.9.1.
"""

from collections import defaultdict

from analyzer.records.candidates import with_message
from analyzer.records.http import Exchange
from analyzer.records.proxy import Role
from analyzer.records.sealing import Message
from analyzer.rules import microsoft
from analyzer.rules.asking import asked_at, is_mixed
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import authenticated, counted, message, name, owner, packets_of, request, role, status, who, winrm_exchanges
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_OWN = (Role.CLIENT_LEG, Role.DIRECT)


class Mismatch(Fact, frozen=True):
    """A request, its client's own exchange, the user of its connection, and the user whose key decrypts it."""

    exchange: Exchange
    near: Exchange | None
    connection_user: str
    request_user: str


def see(evidence: Evidence) -> Signs[Mismatch]:
    """One sign for each request that another user's key decrypts."""
    users = _users_by_secret(evidence)
    for exchange in () if not users else winrm_exchanges(evidence, Role.UPSTREAM_LEG):
        logon, owners = authenticated(evidence, exchange), users.get(_secret(evidence, exchange) or "", set())
        user = who(logon)
        if logon is None or user is None or len(owners) != 1 or is_mixed(evidence, logon):
            continue
        (other,) = owners
        if user.lower() != other.lower():
            near = owner(evidence, exchange.id)
            both = (exchange,) if near is None else (exchange, near)
            yield Sign(Mismatch(exchange, near, user, other), tuple(one.id for one in both), packets_of(both), user=other)


def _users_by_secret(evidence: Evidence) -> dict[str, set[str]]:
    """Whose requests a key decrypts, by the clients' own connections."""
    users: dict[str, set[str]] = defaultdict(set)
    for exchange in with_message(evidence, "opened with a key", _is_opened, encrypted=True):
        secret = _secret(evidence, exchange) if role(evidence, exchange.connection) in _OWN else None
        user = None if secret is None else who(authenticated(evidence, exchange))
        if secret is not None and user is not None:
            users[secret].add(user)
    return users


def _is_opened(found: Message) -> bool:
    return found.from_client and found.opened and found.check == "good" and found.secret is not None


def _secret(evidence: Evidence, exchange: Exchange) -> str | None:
    """What decrypted the request."""
    found = message(evidence, request(exchange))
    return found.secret if found is not None and found.opened and found.check == "good" else None


def why(tell: Tell[Mismatch]) -> str:
    first = tell.facts[0]
    return (
        f"{name(tell.connection)} was logged on as {first.connection_user}. {counted(tell.count, 'encrypted request')} on it can be decrypted with the key of "
        f"{first.request_user} only. The first is {first.exchange.id} ({asked_at(tell, first.exchange)})"
        f"{f', sent by the client as {first.near.id}' if first.near else ''}. The server answered {status(first.exchange)}. So the proxy sent a request on "
        "another client's connection."
    )


OPINION = Opinion(
    title=lambda tell: f"Request of {tell.facts[0].request_user} sent on another user's connection",
    name="Request was encrypted for another client's connection",
    severity=Severity.CRITICAL,
    confidence=0.95,
    owner=Owner.PROXY,
    reference=microsoft.SAME_CONNECTION,
    advice=Advice(
        "Bind each server connection to one client connection for as long as both live", Topic.BIND, "Or go around the HTTP layer with HTTPS through CONNECT."
    ),
    see=see,
    why=why,
    each=lambda _, sign: sign.fact.exchange.connection,
    fails=("affinity",),
)
