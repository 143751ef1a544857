"""Packets with pseudonyms: checksums that were right are right, as scapy computes them, and those that were wrong stay wrong."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from analyzer.formats.scapy_quiet import quietly
from analyzer.pseudonyms.addresses import Addresses
from analyzer.pseudonyms.packets import Segment, frame, segment

with quietly():
    from scapy.layers.inet import ICMP, IP, TCP, UDP
    from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6
    from scapy.layers.l2 import CookedLinux, Dot1Q, Ether

KEY = bytes(range(32))
ETHER = {"src": "00:50:56:01:02:03", "dst": "00:50:56:0a:0b:0c"}


def upper(found: Segment) -> bytes:
    """Another payload of the same length."""
    return found.payload.upper()


def right(data: bytes, layer: Callable[[bytes], Any]) -> bool:
    """All checksums are those that scapy computes."""
    one, again = layer(data), layer(data)
    for part in (IP, TCP, UDP, ICMP):
        if part in again and again[part].chksum is not None:
            del again[part].chksum
    return bytes(layer(bytes(again))) == bytes(one)


@pytest.mark.parametrize("size", [0, 1, 2, 3, 100, 1459])
@pytest.mark.parametrize("tagged", [False, True])
@pytest.mark.parametrize("version", [4, 6])
def test_checksums_of_tcp(size: int, version: int, *, tagged: bool) -> None:
    payload = random.Random(size).randbytes(size).replace(b"\0", b"a")
    network = IP(src="10.10.1.11", dst="10.20.2.20", options=[]) if version == 4 else IPv6(src="fd00::1", dst="fd00:1::2")
    head = Ether(**ETHER) / Dot1Q(vlan=7) if tagged else Ether(**ETHER)
    data = bytes(head / network / TCP(sport=49152, dport=5985, seq=77, flags="PA", options=[("Timestamp", (1, 2))]) / payload)
    made = frame(data, 1, Addresses(KEY, {}), upper)
    assert made is not None
    assert len(made) == len(data)
    assert right(made, Ether)
    new = Ether(made)
    assert bytes(new[TCP].payload) == payload.upper()
    assert new.src != ETHER["src"]
    assert "10.10.1.11" not in made.hex()
    assert (new[TCP].sport, new[TCP].dport, new[TCP].seq, new[TCP].options) == (49152, 5985, 77, Ether(data)[TCP].options)
    for address in ("10.10.1.11", "10.20.2.20", "fd00::1", "fd00:1::2"):
        assert address not in {new[type(network)].src, new[type(network)].dst}


def test_a_wrong_checksum_stays_wrong() -> None:
    data = bytes(Ether(**ETHER) / IP(src="10.10.1.11", dst="10.20.2.20") / TCP(sport=1, dport=2, chksum=0x1234) / b"hello")
    made = frame(data, 1, Addresses(KEY, {}), upper)
    assert made is not None
    assert not right(made, Ether)


def test_a_cut_packet_gets_the_checksum_of_the_whole_one() -> None:
    whole = bytes(IP(src="10.10.1.11", dst="10.20.2.20") / TCP(sport=1, dport=2) / (b"x" * 60 + b"1" * 40))
    made = frame(whole, 101, Addresses(KEY, {}), upper)
    cut = frame(whole[:100], 101, Addresses(KEY, {}), upper)
    assert made is not None
    assert cut == made[:100]


@pytest.mark.parametrize("link", [113, 101, 0])
def test_other_link_types(link: int) -> None:
    inner = IP(src="10.10.1.11", dst="10.20.2.20") / UDP(sport=88, dport=5000) / b"abc"
    data = {113: bytes(CookedLinux(lladdrlen=6, src=b"\x00\x50\x56\x01\x02\x03", proto=0x800) / inner), 101: bytes(inner), 0: b"\2\0\0\0" + bytes(inner)}[link]
    made = frame(data, link, Addresses(KEY, {}), upper)
    assert made is not None
    start = {113: 16, 101: 0, 0: 4}[link]
    assert right(made[start:], IP)
    assert bytes(IP(made[start:])[UDP].payload) == b"ABC"


def test_an_icmp_error_quotes_what_the_quoted_packet_became() -> None:
    quoted = IP(src="10.10.1.11", dst="10.20.2.20") / TCP(sport=49152, dport=5985, seq=5) / b"secret"
    data = bytes(Ether(**ETHER) / IP(src="10.10.1.1", dst="10.10.1.11") / ICMP(type=3, code=1) / bytes(quoted))
    addresses = Addresses(KEY, {})
    made = frame(data, 1, addresses, upper)
    assert made is not None
    assert right(made, Ether)
    assert str(Ether(made)["IP in ICMP"].src) == addresses.text("10.10.1.11")
    assert made.endswith(b"SECRET")
    six = bytes(IPv6(src="fd00::9", dst="fd00::1") / ICMPv6PacketTooBig(mtu=1300) / bytes(IPv6(src="fd00::1", dst="fd00::2") / TCP(sport=1, dport=2) / b"x"))
    again = frame(six, 101, addresses, upper)
    assert again is not None
    assert right(again, IPv6)


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 13, bytes(Ether(**ETHER, type=0x0806) / b"arp"), bytes(Ether(**ETHER) / IP(src="10.1.1.1", dst="10.1.1.2", frag=5) / b"rest"), b"\x45" * 30],
)
def test_what_cannot_be_replaced_is_no_packet(data: bytes) -> None:
    assert frame(data, 1, Addresses(KEY, {}), upper) is None
    assert frame(data, 999, Addresses(KEY, {}), upper) is None


def test_every_cut_of_a_packet_is_read() -> None:
    data = bytes(Ether(**ETHER) / IP(src="10.10.1.11", dst="10.20.2.20") / TCP(sport=1, dport=2, options=[("Timestamp", (1, 2))]) / b"hello")
    for end in range(len(data)):
        made = frame(data[:end], 1, Addresses(KEY, {}), upper)
        assert made is None or len(made) == end
        assert made is None or bytes([10, 10, 1, 11]) not in made
    found = segment(data, 1)
    assert found is not None
    assert (found.ports, found.payload) == ((1, 2), b"hello")
