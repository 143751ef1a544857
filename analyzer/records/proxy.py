"""Both sides of a proxy: which exchange of the client's leg is which of the upstream leg."""

from enum import StrEnum

from msgspec import Struct

from analyzer.records.finding import Quotation


class Role(StrEnum):
    """What a connection is in its route. ``tunnel``: the connection that carries a CONNECT; what is inside it is a connection of its own, a client's leg."""

    DIRECT = "direct"
    CLIENT_LEG = "client_leg"
    UPSTREAM_LEG = "upstream_leg"
    TUNNEL = "tunnel"
    UNKNOWN = "unknown"


class Clock(Struct, frozen=True, gc=False):
    """A capture's clock against the reference: ahead by ``ahead_ns`` at its own time ``at_ns``, and by ``drift`` more for each second that passes (seconds
    per second). ``error_ns``: how wrong that may be. ``samples``: exchanges that it rests on (0 for the reference)."""

    ahead_ns: int
    at_ns: int = 0
    drift: float = 0.0
    error_ns: int = 0
    samples: int = 0


class Hop(Struct, frozen=True, gc=False):
    """Exchange ``near`` (the client's leg) went on as exchange ``far`` (the upstream leg).

    ``bases``, strongest first, of: token, body_digest, message_id, proxy_header, repeated_token, tunnel, stream_bytes,
    headers, timing, order. ``delay_ns`` is the proxy's delay of the request, by the captures' own clocks.
    ``header_changes``: like ``-Proxy-Connection``, ``+Via``, ``~Host``.
    """

    near: str
    far: str
    near_connection: str
    far_connection: str
    bases: tuple[str, ...]
    confidence: float
    delay_ns: int
    header_changes: tuple[str, ...] = ()


class Route(Struct, frozen=True, gc=False):
    """A client's connection and the upstream connections that carried its exchanges, in order of first use."""

    id: str
    client_connection: str
    upstream_connections: tuple[str, ...]
    proxy_host: str
    kind: str
    """forward, reverse, tunnel, socks, layer4 or tls_terminating."""
    confidence: float = 1.0
    """Below 1 where the legs were told apart by sizes and times only (TLS that ends at the proxy)."""


class Verdict(StrEnum):
    """What a capture shows of a requirement: ``pass`` needs evidence as ``fail`` does; without any it is ``not_seen``."""

    PASS = "pass"  # noqa: S105  no password, the word of the table
    FAIL = "fail"
    NOT_SEEN = "not_seen"


class Check(Struct, frozen=True, gc=False):
    """One requirement of a proxy: ``count`` things verified (pass) or findings against it (fail), ``detail`` in words, and packet keys to look at."""

    requirement: str
    verdict: Verdict
    count: int
    detail: str
    packets: tuple[int, ...]
    sentence: Quotation | None = None
    """What Microsoft's page says of it."""


class Scorecard(Struct, frozen=True, gc=False):
    """What a capture shows of one proxy: the requirements of Microsoft's page "Proxy Servers and WinRM", in the order of the proxies table."""

    proxy_host: str
    kind: str
    product: str | None
    routes: tuple[str, ...]
    client_connections: tuple[str, ...]
    upstream_connections: tuple[str, ...]
    exchanges: int
    checks: tuple[Check, ...]
