"""Link types by number (the LINKTYPE_ registry of tcpdump.org), and how the kernel finds the network header of each."""

from msgspec import Struct


class Link(Struct, frozen=True, gc=False):
    """``kind`` names the fast decoder (ether, null, raw, sll, sll2), or ``slow`` for dpkt, or ``none``: counted, not decoded."""

    number: int
    name: str
    kind: str


LINKS = (
    Link(0, "null", "null"),
    Link(1, "ethernet", "ether"),
    Link(9, "ppp", "slow"),
    Link(12, "raw", "raw"),
    Link(14, "raw", "raw"),
    Link(50, "ppp-hdlc", "slow"),
    Link(51, "pppoe", "slow"),
    Link(101, "raw", "raw"),
    Link(104, "c-hdlc", "slow"),
    Link(105, "ieee802_11", "slow"),
    Link(108, "loop", "null"),
    Link(113, "linux-sll", "sll"),
    Link(127, "ieee802_11-radiotap", "slow"),
    Link(192, "ppi", "slow"),
    Link(228, "ipv4", "raw"),
    Link(229, "ipv6", "raw"),
    Link(239, "nflog", "slow"),
    Link(276, "linux-sll2", "sll2"),
)
_NAMES = ("none", "ether", "sll", "sll2", "raw", "null", "slow")
KINDS: dict[int, int] = {link.number: _NAMES.index(link.kind) for link in LINKS}
"""Link type to the number of its decoder in the kernel; 0 is none."""
BY_NUMBER: dict[int, Link] = {link.number: link for link in LINKS}


def link(number: int) -> Link:
    """The row of a link type; an unknown number gives a row that is counted and not decoded."""
    return BY_NUMBER.get(number) or Link(number, f"linktype-{number}", "none")
