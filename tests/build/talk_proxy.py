"""Plays WinRM conversations: a handshake on one connection, and the same exchange on both legs of a proxy."""

from collections.abc import Sequence
from typing import NamedTuple

from tests.build.talk_http import ABSOLUTE, WSMAN, Ask, Content, Reply, offer, post, reply, sealed
from tests.build.talk_tokens import Shake
from tests.build.talks import Talk, Wire

ALICE, BOB = "10.10.1.11", "10.10.1.12"
PROXY, PROXY_FAR, PROXY_PORT = "10.10.1.1", "10.20.2.1", 3128
SERVER, WINRM_PORT = "10.20.2.20", 5985
CLIENT_LEG = (PROXY,)
UPSTREAM_LEG = (PROXY_FAR,)


class Trip(NamedTuple):
    """Packet numbers of one exchange: its request and its response."""

    asked: int
    answered: int


class Hop(NamedTuple):
    """Packet numbers of one exchange on both legs of a proxy."""

    near: Trip
    far: Trip


def direct(lan: Wire, client: str = ALICE, port: int = 50001) -> Talk:
    """A client's connection to the server itself."""
    return lan.connect(client, port, SERVER, WINRM_PORT)


def near_leg(lan: Wire, client: str = ALICE, port: int = 50001, *, syn: bool = True) -> Talk:
    """A client's connection to the proxy."""
    return lan.connect(client, port, PROXY, PROXY_PORT, syn=syn)


def far_leg(lan: Wire, port: int = 40001, *, syn: bool = True) -> Talk:
    """The proxy's connection to the server."""
    return lan.connect(PROXY_FAR, port, SERVER, WINRM_PORT, syn=syn)


def trip(talk: Talk, asked: Ask, answered: Reply) -> Trip:
    """One exchange on one connection."""
    return Trip(*talk.exchange(asked, answered))


def proxied(near: Talk, far: Talk, asked: Ask, answered: Reply, *, onward: Ask | None = None, back: Reply | None = None) -> Hop:
    """One exchange on both legs; the proxy makes the target relative and adds Via, unless the test gives what went ``onward`` or came ``back``."""
    near_asked = near.send(asked)
    far_asked = far.send(onward or forwarded(asked))
    far_answered = far.answer(answered)
    near_answered = near.answer(back or answered.plus(("Via", "1.1 proxy")))
    return Hop(Trip(near_asked, near_answered), Trip(far_asked, far_answered))


def forwarded(asked: Ask) -> Ask:
    """The request as a forward proxy sends it on."""
    return asked._replace(target=WSMAN).without("Proxy-Connection", "Proxy-Authorization").plus(("Via", "1.1 proxy"))


def handshake(talk: Talk, shake: Shake, *, last: Reply | None = None, content: Content | None = None, target: str = WSMAN) -> list[Trip]:
    """A whole handshake with empty requests, from the bare 401 to the ``last`` response (an empty 200); its last request carries ``content``."""
    trips = [trip(talk, post(target), offer(shake.scheme))]
    return trips + [trip(talk, *_turn(shake, turn, last, content, target)) for turn in range(shake.trips)]


def proxied_handshake(near: Talk, fars: Talk | Sequence[Talk], shake: Shake, *, last: Reply | None = None, content: Content | None = None) -> list[Hop]:
    """The same through a proxy. ``fars`` is the upstream connection, or one for the bare 401 and one for each round trip."""
    ways = [fars] * (shake.trips + 1) if isinstance(fars, Talk) else fars
    hops = [proxied(near, ways[0], post(ABSOLUTE), offer(shake.scheme))]
    return hops + [proxied(near, ways[turn + 1], *_turn(shake, turn, last, content, ABSOLUTE)) for turn in range(shake.trips)]


def _turn(shake: Shake, turn: int, last: Reply | None, content: Content | None, target: str) -> tuple[Ask, Reply]:
    if turn + 1 < shake.trips:
        return post(target, shake.credentials(turn)), shake.challenge(turn)
    return post(target, shake.credentials(turn), content=content), last or reply(200, *shake.last_token)


def ask_sealed(number: int, target: str = WSMAN, *, by: str = "client", size: int = 600) -> Ask:
    """A sealed request with that sequence number; another client's is another one."""
    return post(target, content=sealed(number, by=by, size=size))


def sealed_reply(number: int, *, size: int = 600) -> Reply:
    """A sealed response with that sequence number."""
    return reply(200, content=sealed(number, by="server", size=size))
