"""What could be guessed at offline: a response of a logon as a line for hashcat, and where it was seen."""

from msgspec import Struct


class HashLine(Struct, frozen=True, gc=False):
    """``mode`` is hashcat's number: 5600 (NetNTLMv2), 5500 (NetNTLMv1), 13100 (a service ticket under an RC4 key). ``packets`` are packet keys, of all sights.

    ``line`` is a secret: it goes nowhere unless the investigator asked for it.
    """

    mode: int
    line: str
    user: str
    domain: str
    service: str | None
    packets: tuple[int, ...]
    connections: tuple[str, ...]
    outcomes: tuple[str, ...]
