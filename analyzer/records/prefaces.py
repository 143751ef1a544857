"""What stands before the protocol proper on a connection: the request to a SOCKS proxy, the header by which a proxy
names its client."""

from typing import TypeAlias

from msgspec import Struct


class Socks(Struct, frozen=True, gc=False, tag=True):
    """A request to a SOCKS proxy (RFC 1928, RFC 1929; SOCKS 4 and 4a as their authors describe them). ``version`` is
    ``4``, ``4a`` or ``5``.

    ``host`` and ``port``: the destination that the client asked for, None while it did not. ``granted`` is None without
    an answer; ``reply`` is the answer in
    words.
    """

    version: str
    command: str | None = None
    """connect, bind or udp_associate."""
    host: str | None = None
    port: int | None = None
    offered: tuple[str, ...] = ()
    """Methods of authentication that the client offered (SOCKS 5)."""
    method: str | None = None
    """The method that the proxy chose; ``none_acceptable`` when it refused all."""
    user: str | None = None
    password: bool = False
    """A password was sent, in clear (RFC 1929)."""
    login: bool | None = None
    """The proxy accepted user name and password; None without an answer."""
    granted: bool | None = None
    reply: str | None = None
    reply_code: int | None = None
    packets: tuple[int, ...] = ()
    """Packet keys of the client's and the proxy's messages."""
    password_packet: int | None = None
    request_packet: int | None = None
    reply_packet: int | None = None


class ProxyHeader(Struct, frozen=True, gc=False, tag=True):
    """A header of the PROXY protocol (haproxy's proxy-protocol.txt): whose connection this one carries. ``local``: the
    proxy's own (a health check)."""

    version: int
    local: bool = False
    client_host: str | None = None
    client_port: int | None = None
    server_host: str | None = None
    server_port: int | None = None
    """Where the client's connection came from and went to; None when the header does not say (UNKNOWN, LOCAL, UNIX
    sockets)."""
    authority: str | None = None
    """The server name (SNI) of the client's TLS, which version 2 may carry."""
    packets: tuple[int, ...] = ()


Preface: TypeAlias = Socks | ProxyHeader
