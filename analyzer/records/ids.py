"""Ids are places: ``c42`` is the 42nd connection by first packet, ``c42.x3`` its third exchange, ``c42.x3.q`` that request and ``c42.x3.s`` that response.

A tunnel's inner connection is ``c42.t``. An id is equal in every run, shard and process, because it says only where the thing lies in the evidence.
A packet key is one integer for (capture, packet number), so that records can hold thousands of them cheaply and sort them.
"""

_CAPTURE_SHIFT = 40


def connection_id(index: int) -> str:
    """The id of the ``index``-th connection, counted from 1 by first packet over all captures in order."""
    return f"c{index}"


def tunnel_id(connection: str) -> str:
    """The id of the connection that is carried inside the CONNECT tunnel of ``connection``."""
    return f"{connection}.t"


def exchange_id(connection: str, position: int) -> str:
    """The id of the exchange at ``position`` (from 1) of a connection."""
    return f"{connection}.x{position}"


def connection_of(exchange: str) -> str:
    """The id of the connection that an exchange is of."""
    return exchange.rpartition(".x")[0]


def request_id(exchange: str) -> str:
    """The id of an exchange's request."""
    return f"{exchange}.q"


def response_id(exchange: str) -> str:
    """The id of an exchange's response."""
    return f"{exchange}.s"


def authentication_id(connection: str, ordinal: int) -> str:
    """The id of the ``ordinal``-th authentication conversation (from 1) of a connection."""
    return f"{connection}.a{ordinal}"


def packet_key(capture: int, number: int) -> int:
    """One sortable integer for packet ``number`` of the capture with ordinal ``capture`` (both as in `Capture`)."""
    return (capture << _CAPTURE_SHIFT) | number


def key_capture(key: int) -> int:
    """The capture's ordinal of a packet key."""
    return key >> _CAPTURE_SHIFT


def key_number(key: int) -> int:
    """The packet's number of a packet key, as Wireshark counts it."""
    return key & ((1 << _CAPTURE_SHIFT) - 1)
