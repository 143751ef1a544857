"""Link types by number (the LINKTYPE_ registry of tcpdump.org): all that is known of one is its row."""

from msgspec import Struct


class Link(Struct, frozen=True, gc=False):
    """``kind`` names the kernel's decoder (ether, null, raw, sll, sll2), or ``slow``: the slow path's, or ``none``: counted, not decoded.

    ``layer`` is the first header, by its name among those that the slow path peels off (`analyzer.capture.slow.peels`)."""

    number: int
    name: str
    kind: str
    layer: str = "none"


LINKS = (
    Link(0, "null", "null", "null"),
    Link(1, "ethernet", "ether", "ether"),
    Link(9, "ppp", "slow", "ppp"),
    Link(12, "raw", "raw", "ip"),
    Link(14, "raw", "raw", "ip"),
    Link(50, "ppp-hdlc", "slow", "ppp"),
    Link(51, "pppoe", "slow", "pppoe"),
    Link(101, "raw", "raw", "ip"),
    Link(104, "c-hdlc", "slow", "chdlc"),
    Link(105, "ieee802_11", "slow", "wlan"),
    Link(108, "loop", "null", "null"),
    Link(113, "linux-sll", "sll", "sll"),
    Link(127, "ieee802_11-radiotap", "slow", "radiotap"),
    Link(192, "ppi", "slow", "ppi"),
    Link(228, "ipv4", "raw", "ip"),
    Link(229, "ipv6", "raw", "ip"),
    Link(239, "nflog", "slow", "nflog"),
    Link(276, "linux-sll2", "sll2", "sll2"),
)
_NAMES = ("none", "ether", "sll", "sll2", "raw", "null", "slow")
KINDS: dict[int, int] = {link.number: _NAMES.index(link.kind) for link in LINKS}
"""Link type to the number of its decoder in the kernel; 0 is none."""
BY_NUMBER: dict[int, Link] = {link.number: link for link in LINKS}


def link(number: int) -> Link:
    """The row of a link type; an unknown number gives a row that is counted and not decoded."""
    return BY_NUMBER.get(number) or Link(number, f"linktype-{number}", "none")
