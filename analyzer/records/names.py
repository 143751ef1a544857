"""Names of addresses, each with who said so. A name is what a message claims; none of these protocols proves it."""

from enum import StrEnum

from msgspec import Struct


class Naming(StrEnum):
    """Where a name was read, in the order in which one is chosen to stand next to an address: what an attacker in the same network can answer comes last."""

    DNS = "DNS"
    CERTIFICATE = "certificate"
    NTLM = "NTLM"
    SPN = "SPN"
    SNI = "SNI"
    HOST = "Host"
    DHCP = "DHCP"
    MDNS = "mDNS"
    LLMNR = "LLMNR"
    NBNS = "NBNS"

    @property
    def by_anyone(self) -> bool:
        """Any host of the network can answer, and nothing in the protocol tells a forged answer from another: RFC 4795 section 5, RFC 6762 section 21,
        RFC 1001 section 10 (a question to all)."""
        return self in (Naming.MDNS, Naming.LLMNR, Naming.NBNS)


class NameClaim(Struct, frozen=True, gc=False):
    """One message says that ``name`` has the address ``host``. ``said_by``: the address that sent the message. ``packet`` is a key."""

    packet: int
    ts_ns: int
    source: Naming
    said_by: str
    name: str
    host: str


class HostName(Struct, frozen=True, gc=False):
    """A name of an address by one source. ``said_by``: addresses that said so, in order; ``times``: messages; ``packets``: keys, the first of them.

    ``elsewhere``: other addresses of the same IP version that the same name was given to, by any source.
    """

    name: str
    source: Naming
    said_by: tuple[str, ...]
    times: int
    packets: tuple[int, ...]
    elsewhere: tuple[str, ...] = ()


class Host(Struct, frozen=True, gc=False):
    """An address that takes part in WinRM. ``roles``: kinds of parties; ``parties``: their ids; ``names``: the one to show first; ``unnamed``: a sentence
    where it has more names than are kept."""

    address: str
    roles: tuple[str, ...]
    parties: tuple[str, ...]
    names: tuple[HostName, ...] = ()
    packets: tuple[int, ...] = ()
    unnamed: str | None = None
