"""Names over UDP: frames in, claims out, whatever the bytes are."""

import ipaddress

import pytest

from analyzer.capture.names import name_claims
from analyzer.records.ids import key_number
from analyzer.records.names import NameClaim, Naming
from analyzer.settings import Limits, Scope
from tests.build.flows import fed
from tests.build.naming import CNAME, PTR, address, dhcp, dns, labels, nbns, node_status, record
from tests.build.packets import Frame, ethernet, ip4, ip6, udp

UDP = 17
CLIENT, SERVER, NS, ROGUE = "10.0.0.1", "10.0.0.9", "10.0.0.53", "10.0.0.66"
POINTER = b"\xc0\x0c"


def said(by: str, port: int, message: bytes, to: str = CLIENT, far: int = 50000) -> bytes:
    return ethernet((ip6 if ":" in by else ip4)(by, to, UDP, udp(port, far, message)))


def read(*frames: bytes, limits: Limits | None = None, scope: Scope | None = None) -> tuple[NameClaim, ...]:
    found = fed([Frame(number * 1000, frame) for number, frame in enumerate(frames, 1)], limits=limits, scope=scope)
    return name_claims(0, found.kernel.naming, lambda raw: str(ipaddress.ip_address(raw)))


def told(*frames: bytes) -> list[tuple[str, str, str, str]]:
    return [(one.source.value, one.said_by, one.name, one.host) for one in read(*frames)]


def test_addresses_of_dns() -> None:
    answer = dns("srv01.lab.example", address(POINTER, SERVER), address(POINTER, "fd00::9"))
    assert told(said(NS, 53, answer)) == [("DNS", NS, "srv01.lab.example", SERVER), ("DNS", NS, "srv01.lab.example", "fd00::9")]
    assert told(said("fd00::53", 53, answer, to="fd00::1"))[0][:2] == ("DNS", "fd00::53")


def test_the_packet_and_its_time() -> None:
    [one] = read(said(CLIENT, 50001, b"x" * 40, far=9999), said(NS, 53, dns("srv01", address(POINTER, SERVER))))
    assert (key_number(one.packet), one.ts_ns, one.source) == (2, 2000, Naming.DNS)


def test_the_name_that_was_asked_for_stands_for_the_one_it_leads_to() -> None:
    answer = dns("www.lab.example", record(POINTER, CNAME, labels("web.lab.example")), address("WEB.lab.example", SERVER))
    assert [name for _, _, name, _ in told(said(NS, 53, answer))] == ["WEB.lab.example", "www.lab.example"]
    circle = dns("a", record(labels("a"), CNAME, labels("b")), record(labels("b"), CNAME, labels("a")), address("a", SERVER))
    assert [name for _, _, name, _ in told(said(NS, 53, circle))] == ["a", "b"]


@pytest.mark.parametrize(
    ("name", "host"),
    [
        ("9.0.0.10.in-addr.arpa", SERVER),
        (".".join(reversed("fd000000000000000000000000000009")) + ".ip6.arpa", "fd00::9"),
        ("0.10.in-addr.arpa", None),
        ("999.0.0.10.in-addr.arpa", None),
        ("00000000000000000009.0.0.10.in-addr.arpa", None),
        ("x.ip6.arpa", None),
    ],
)
def test_the_way_back(name: str, host: str | None) -> None:
    answer = dns(name, record(POINTER, PTR, labels("srv01.lab.example")), kind=PTR)
    assert told(said(NS, 53, answer)) == ([] if host is None else [("DNS", NS, "srv01.lab.example", host)])


def test_multicast_relatives_are_told_apart() -> None:
    answer = dns("SRV01", address(POINTER, ROGUE))
    assert told(said(ROGUE, 5355, answer)) == [("LLMNR", ROGUE, "SRV01", ROGUE)]
    local = dns("", address("srv01.local", SERVER, klass=0x8001))
    assert told(said(SERVER, 5353, local, to="224.0.0.251", far=5353)) == [("mDNS", SERVER, "srv01.local", SERVER)]


def test_netbios_names_of_machines_only() -> None:
    assert told(said(ROGUE, 137, nbns("SRV01", ROGUE), far=137)) == [("NBNS", ROGUE, "SRV01", ROGUE)]
    assert told(said(ROGUE, 137, nbns("LAB", ROGUE, suffix=0x1C), far=137)) == []
    assert told(said(ROGUE, 137, nbns("LAB", ROGUE, suffix=0x00, group=True), far=137)) == []
    registration = nbns("WKS01", CLIENT, suffix=0, flags=0x2910)
    assert told(said(CLIENT, 137, registration, to="10.0.0.255", far=137)) == [("NBNS", CLIENT, "WKS01", CLIENT)]
    status = node_status(("SRV01", 0, False), ("LAB", 0, True), ("SRV01", 0x20, False), ("ALICE", 3, False))
    assert told(said(SERVER, 137, status, far=137)) == [("NBNS", SERVER, "SRV01", SERVER)]


def test_questions_say_nothing() -> None:
    question = dns("srv01.lab.example", flags=0x0100)
    assert told(said(CLIENT, 50000, question, to=NS, far=53), said(NS, 53, dns("srv01", flags=0x8183)), said(CLIENT, 5355, question)) == []


def test_a_lease_names_its_client() -> None:
    asked = dhcp((53, b"\x03"), (12, b"WKS01"), (50, b"\x0a\x00\x00\x01"))
    given = dhcp((53, b"\x05"), reply=True, yours=CLIENT)
    frames = (said("0.0.0.0", 68, asked, to="255.255.255.255", far=67), said("10.0.0.67", 67, given, far=68))  # noqa: S104
    assert told(*frames) == [("DHCP", "10.0.0.67", "WKS01", CLIENT)]
    assert told(frames[0]) == [], "asked for, not given"
    refused = dhcp((53, b"\x06"), reply=True, yours=CLIENT)
    assert told(frames[0], said("10.0.0.67", 67, refused, far=68)) == []
    other = dhcp((53, b"\x05"), reply=True, yours=CLIENT, transaction=2)
    assert told(frames[0], said("10.0.0.67", 67, other, far=68)) == []


def test_a_client_that_renews_says_its_own_name() -> None:
    full = dhcp((53, b"\x03"), (81, b"\x05\x00\x00" + labels("wks01.lab.example")), (12, b"WKS01"), mine=CLIENT)
    assert told(said(CLIENT, 68, full, to="10.0.0.67", far=67)) == [("DHCP", CLIENT, "wks01.lab.example", CLIENT)]
    text = dhcp((53, b"\x03"), (81, b"\x00\x00\x00wks01"), mine=CLIENT)
    assert told(said(CLIENT, 68, text, to="10.0.0.67", far=67)) == [("DHCP", CLIENT, "wks01", CLIENT)]


@pytest.mark.parametrize("message", [
    dns("srv01.lab.example", address(POINTER, SERVER), record(POINTER, CNAME, labels("x"))),
    nbns("SRV01", SERVER),
    node_status(("SRV01", 0, False)),
    dhcp((53, b"\x05"), (12, b"WKS01"), reply=True, yours=CLIENT),
])  # fmt: skip
def test_what_is_cut_never_raises(message: bytes) -> None:
    port = 67 if len(message) > 240 else 137 if message[1] in (7, 8) else 53
    for cut in range(len(message)):
        for one in read(said(NS, port, message[:cut], far=68 if port == 67 else 50000)):
            assert one.host in {SERVER, NS, CLIENT}


def test_pointers_in_circles_end() -> None:
    for evil in (b"\xc0\x0c", b"\x01a\xc0\x0c", b"\xc0\xff", b"\x40abc"):
        message = dns("", address(evil, SERVER))
        assert told(said(NS, 53, message)) == []
    long = dns("", *(address(b"\x01a\xc0\x0c" if place else labels("b"), SERVER) for place in range(300)))
    assert len(told(said(NS, 53, long))) <= 256


def test_the_first_ones_are_kept_and_the_rest_counted() -> None:
    frames = [said(NS, 53, dns(f"srv{place:02}", address(POINTER, SERVER))) for place in range(9)]
    found = fed([Frame(number * 1000, frame) for number, frame in enumerate(frames, 1)], limits=Limits(naming_datagrams=4)).kernel
    assert ([number for number, _, _ in found.naming], found.naming_over) == ([1, 2, 3, 4], 5)


def test_what_lies_outside_of_the_scope_is_not_kept() -> None:
    frame = said(NS, 53, dns("srv01", address(POINTER, SERVER)))
    assert read(frame, scope=Scope(nets=("10.0.0.1/32",))) != ()
    assert read(frame, scope=Scope(nets=("10.9.0.0/16",))) == ()
