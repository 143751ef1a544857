"""What the rules about SOCKS proxies look at."""

from msgspec import Struct

from analyzer.records.prefaces import Socks
from analyzer.records.transport import Connection


class Asked(Struct, frozen=True, gc=False):
    """A connection and what it asked its SOCKS proxy for."""

    connection: Connection
    socks: Socks
