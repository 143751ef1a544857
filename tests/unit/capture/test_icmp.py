"""ICMP errors in, what they say of a TCP segment out."""

import ipaddress
import struct

import pytest

from analyzer.capture.icmp import icmp_errors
from analyzer.records.capture import IcmpError, IcmpKind
from analyzer.settings import Limits
from tests.build.flows import fed
from tests.build.packets import GRE, TCP, Frame, Line, ethernet, gre, ip4, ip6, tcp, udp

CLIENT, SERVER, ROUTER = "10.0.0.1", "10.0.0.9", "10.0.0.254"
CLIENT6, SERVER6, ROUTER6 = "fd00::1", "fd00::9", "fd00::ff"
ICMP, ICMP6 = 1, 58
SYN = tcp((CLIENT, 50000), (SERVER, 5985), 77, None, 2)
SYN6 = tcp((CLIENT6, 50000), (SERVER6, 5985), 77, None, 2)


def message(kind: int, code: int, rest: bytes, quoted: bytes) -> bytes:
    return struct.pack(">BBH", kind, code, 0) + rest + quoted


def error(kind: int, code: int, *, rest: bytes = bytes(4), quoted: bytes | None = None) -> bytes:
    """An IPv4 packet of the router."""
    return ip4(
        ROUTER,
        CLIENT,
        ICMP,
        message(kind, code, rest, ip4(CLIENT, SERVER, TCP, SYN)[:28] if quoted is None else quoted),
    )


def error6(kind: int, code: int, *, rest: bytes = bytes(4), quoted: bytes | None = None) -> bytes:
    return ip6(
        ROUTER6,
        CLIENT6,
        ICMP6,
        message(kind, code, rest, ip6(CLIENT6, SERVER6, TCP, SYN6) if quoted is None else quoted),
    )


def read(*packets: bytes) -> tuple[IcmpError, ...]:
    """What frames with these IP packets give, behind the kernel."""
    found = fed([Frame(number * 1000, ethernet(packet)) for number, packet in enumerate(packets, 1)])
    return icmp_errors(0, [*found.kernel.icmp, *found.kernel.slow.icmp], lambda address: str(ipaddress.ip_address(address)))


@pytest.mark.parametrize(
    ("kind", "code", "word", "meaning"),
    [
        (3, 0, IcmpKind.UNREACHABLE, "network unreachable"),
        (3, 3, IcmpKind.UNREACHABLE, "port unreachable"),
        (3, 9, IcmpKind.PROHIBITED, "network administratively prohibited"),
        (3, 13, IcmpKind.PROHIBITED, "communication administratively prohibited"),
        (11, 0, IcmpKind.TIME_EXCEEDED, "time to live exceeded in transit"),
    ],
)
def test_errors_of_ipv4(kind: int, code: int, word: IcmpKind, meaning: str) -> None:
    (found,) = read(error(kind, code))
    assert (found.kind, found.meaning, found.version, found.type, found.code) == (word, meaning, 4, kind, code)
    assert (found.router, found.source, found.target) == (ROUTER, (CLIENT, 50000), (SERVER, 5985))
    assert (found.seq, found.size, found.mtu, found.packet, found.ts_ns) == (77, 40, None, 1, 1000)


@pytest.mark.parametrize(
    ("kind", "code", "word"),
    [(1, 1, IcmpKind.PROHIBITED), (1, 3, IcmpKind.UNREACHABLE), (3, 0, IcmpKind.TIME_EXCEEDED)],
)
def test_errors_of_ipv6(kind: int, code: int, word: IcmpKind) -> None:
    (found,) = read(error6(kind, code))
    assert (found.kind, found.version, found.router, found.size) == (word, 6, ROUTER6, 60)
    assert (found.source, found.target) == ((CLIENT6, 50000), (SERVER6, 5985))


@pytest.mark.parametrize(("mtu", "told"), [(1400, 1400), (0, None)])
def test_the_next_hops_mtu(mtu: int, told: int | None) -> None:
    four, six = read(error(3, 4, rest=struct.pack(">HH", 0, mtu)), error6(2, 0, rest=struct.pack(">I", mtu)))
    assert (four.kind, four.mtu) == (IcmpKind.TOO_BIG, told)
    assert (six.kind, six.mtu) == (IcmpKind.TOO_BIG, told)


def test_errors_inside_of_a_tunnel() -> None:
    (found,) = read(ip4("192.0.2.1", "192.0.2.2", GRE, gre(error(3, 1))))
    assert found.router == ROUTER


@pytest.mark.parametrize(
    "packet",
    [
        error(8, 0),
        error(3, 99),
        error(5, 0),
        error(3, 3, quoted=ip4(CLIENT, SERVER, 17, udp(53, 53, b"query"))),
        error(3, 1, quoted=ip4(CLIENT, SERVER, TCP, SYN)[:24]),
        error(3, 1, quoted=ip4(CLIENT, SERVER, TCP, SYN, offset=800)),
        error(3, 1, quoted=ip6(CLIENT6, SERVER6, TCP, SYN6)),
        error(3, 1, quoted=b"\x4f" + ip4(CLIENT, SERVER, TCP, SYN)[1:28]),
        error6(129, 0),
        error6(1, 1, quoted=ip6(CLIENT6, SERVER6, TCP, SYN6)[:46]),
    ],
)
def test_other_messages_and_damaged_quotes_give_nothing(packet: bytes) -> None:
    assert read(packet) == ()


def test_no_more_are_kept_than_the_limit_says() -> None:
    frames = [Frame(number, ethernet(error(3, 1))) for number in range(5)]
    found = fed(frames, limits=Limits(icmp_errors=3))
    assert (len(found.kernel.icmp), found.kernel.icmp_over) == (3, 2)


def test_ttl_window_and_window_scale_are_kept() -> None:
    line = Line()
    options = b"\x02\x04\x05\xb4\x01\x03\x03\x08"
    line.frame(ethernet(ip4(CLIENT, SERVER, TCP, tcp((CLIENT, 50000), (SERVER, 5985), 1000, None, 2, options=options))))
    line.put(0, 0, b"POST /wsman HTTP/1.1\r\nHost: srv01\r\n\r\n", acked=0)
    (flow,) = fed(line.frames).flows
    assert list(flow.segments.ttl) == [64, 64]
    assert list(flow.segments.window) == [9 << 16 | 64240, 64240]


@pytest.mark.parametrize("options", [b"\x03\x00\x08\x00", b"\x03\x03\x08", b"\x08\x0a" + bytes(6), b"\x01\x01\x01\x03", b"\x00\x03\x03\x08"])
def test_damaged_options_give_no_scale(options: bytes) -> None:
    segment = tcp((CLIENT, 50000), (SERVER, 5985), 1000, None, 2, options=options + bytes(-len(options) % 4))
    cut = len(options) % 4 and 1
    line = Line()
    line.frame(ethernet(ip4(CLIENT, SERVER, TCP, segment)), cut=cut)
    (flow,) = fed(line.frames).flows
    assert flow.segments.window[0] >> 16 in (0, 9)
