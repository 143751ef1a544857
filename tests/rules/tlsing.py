"""TLS conversations for the rules' tests: a client and a server of WinRM over HTTPS, and what became of them."""

from tests.build.talk_http import post, reply, sealed
from tests.build.talk_proxy import ALICE, SERVER
from tests.build.talk_tls import Shaken, client, exchange, paper, server, shake
from tests.build.talks import Talk, Wire

HTTPS_PORT = 5986
PAPER = paper()


def https(lan: Wire, port: int = 50001, *, to: int = HTTPS_PORT, host: str = ALICE) -> Talk:
    """A client's connection to the HTTPS port."""
    return lan.connect(host, port, SERVER, to)


def works(lan: Wire, port: int = 50009) -> Shaken:
    """A connection on which TLS comes up and carries a request."""
    talk = https(lan, port)
    done = shake(talk, client(trusts=PAPER), server(PAPER))
    exchange(talk, done, post(content=sealed()).wire(), reply(200, content=sealed()).wire())
    return done
