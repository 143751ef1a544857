"""Takes requests to SOCKS proxies and PROXY headers off the beginning of a connection; what follows is read as if it
stood there alone."""

from msgspec.structs import replace

from analyzer.formats.prefaces import preface
from analyzer.formats.reader import Fetch, Reader
from analyzer.records.prefaces import Preface
from analyzer.records.transport import Connection
from analyzer.settings import Limits
from analyzer.transport.tunnels import behind

_METHODS = (b"OPTIONS", b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"TRACE", b"CONNECT", b"PATCH")
_START = 8
_WINDOW = 64


def begins_in_http(near: Reader, far: Reader) -> bool:
    """Nothing stands before HTTP/1: the client begins with a request, the server with an answer. ``near``, ``far``: at the beginning of both directions."""
    return near.peek(_WINDOW).partition(b" ")[0] in _METHODS and far.peek(_WINDOW).startswith(b"HTTP/1.")


def unprefaced(connection: Connection, fetch: Fetch, limits: Limits, readers: tuple[Reader, Reader] | None = None) -> Connection:
    """The connection behind its prefaces, which it names, with the protocol that begins there; as it is when there are
    none. ``readers``: at the beginning of both directions."""
    near, far = readers or (Reader(connection.to_server, fetch), Reader(connection.to_client, fetch))
    near.peek(_WINDOW)  # what is asked for next lies there, too
    far.peek(_WINDOW)
    found: list[Preface] = []
    through = True
    while through and len(found) < limits.prefaces:
        read = preface(near, far)
        if read is None:
            break
        found.append(read.preface)
        near, far, through = near.moved(read.client_at), far.moved(read.server_at), read.open
    if not found:
        is_tls = connection.protocol == "http" and near.read(0, 2) == b"\x16\x03"
        return replace(connection, protocol="tls") if is_tls else connection
    protocol = _protocol(near, far) if through else "other"
    return replace(behind(connection, near.at, far.at), prefaces=tuple(found), protocol=protocol)


def _protocol(near: Reader, far: Reader) -> str:
    asked, answered = near.peek(_START), far.peek(_START)
    if asked[:2] == b"\x16\x03" or answered[:2] == b"\x16\x03":
        return "tls"
    return "http" if asked.partition(b" ")[0] in _METHODS or answered[:5] == b"HTTP/" else "other"
