"""What the rules on credentials for a proxy share: who gave them, with which mechanism."""

from analyzer.records.auth import Audience, Conversation, Mechanism
from analyzer.records.http import Exchange
from analyzer.rules.reading import header, listed, packets_of, request, who
from analyzer.rules.telling import Evidence, Sign, Tell


def gives(exchange: Exchange) -> bool:
    """The request has credentials for a proxy."""
    return header(request(exchange), "proxy-authorization") is not None


def sign(evidence: Evidence, exchange: Exchange) -> Sign[Exchange]:
    """A request, with the first account that its connection named to the proxy."""
    users = (who(found) for found in _spoken(evidence, exchange.connection))
    return Sign(exchange, (exchange.id,), packets_of([exchange]), user=next((user for user in users if user), None))


def _spoken(evidence: Evidence, connection: str) -> list[Conversation]:
    return [found for found in evidence.conversations_of.get(connection, ()) if found.audience is Audience.PROXY]


def mechanisms(tell: Tell[Exchange]) -> list[Mechanism]:
    """How the clients logged on to the proxy."""
    return [found.mechanism for connection in tell.connections for found in _spoken(tell.evidence, connection)]


def is_basic(tell: Tell[Exchange]) -> bool:
    """The password was readable."""
    return Mechanism.BASIC in mechanisms(tell)


def shown(tell: Tell[Exchange]) -> str:
    r"""``NTLM, user LAB\alice``: what was readable, and whose it was."""
    words = listed(mechanism.shown for mechanism in mechanisms(tell)) or "credentials of an unknown kind"
    return f"{words}, user {listed(tell.users)}" if tell.users else words


def readable(tell: Tell[Exchange]) -> str:
    """What anyone on the way gets of it."""
    if is_basic(tell):
        return " With Basic the password is readable there."
    return " An NTLM response can be guessed offline." if Mechanism.NTLM in mechanisms(tell) else ""
