"""Kerberos messages over UDP: frames in, messages with their ends out."""

import ipaddress

import pytest

from analyzer.capture.kdc import kdc_datagrams
from analyzer.records.ids import key_number
from analyzer.records.kerberos import KdcPiece
from analyzer.settings import Limits
from tests.build.flows import fed
from tests.build.packets import Frame, ethernet, ip4, ip6, udp, vlan
from tests.build.talk_kdc import kdc_error, tgs_req

UDP = 17
CLIENT, KDC = "10.0.0.1", "10.0.0.88"
CLIENT6, KDC6 = "fd00::1", "fd00::88"
ASKED, ANSWERED = tgs_req("HTTP/srv01"), kdc_error(7, "HTTP/srv01")


def read(*frames: bytes, limits: Limits | None = None) -> tuple[KdcPiece, ...]:
    found = fed([Frame(number * 1000, frame) for number, frame in enumerate(frames, 1)], limits=limits)
    return kdc_datagrams(0, found.kernel.datagrams, lambda address: str(ipaddress.ip_address(address)))


def test_both_directions_and_both_versions() -> None:
    found = read(
        ethernet(ip4(CLIENT, KDC, UDP, udp(50000, 88, ASKED))),
        ethernet(ip4(KDC, CLIENT, UDP, udp(88, 50000, ANSWERED))),
        ethernet(ip6(CLIENT6, KDC6, UDP, udp(50000, 88, ASKED))),
        vlan(ip4(KDC, CLIENT, UDP, udp(88, 50000, ANSWERED))),
    )
    assert [(key_number(one.packets[0]), one.source, one.target, one.raw) for one in found] == [
        (1, (CLIENT, 50000), (KDC, 88), ASKED),
        (2, (KDC, 88), (CLIENT, 50000), ANSWERED),
        (3, (CLIENT6, 50000), (KDC6, 88), ASKED),
        (4, (KDC, 88), (CLIENT, 50000), ANSWERED),
    ]


def test_other_datagrams() -> None:
    dns = ethernet(ip4(CLIENT, KDC, UDP, udp(50000, 53, ASKED)))
    assert read(dns, ethernet(ip4(CLIENT, KDC, UDP, udp(50000, 88, b"\x30\x05hello")))) == ()


@pytest.mark.parametrize("cut", range(1, 60))
def test_cut_frames_never_raise(cut: int) -> None:
    frame = ethernet(ip4(CLIENT, KDC, UDP, udp(50000, 88, ASKED)))
    for one in read(frame[:-cut], frame[:cut]):
        assert ASKED.startswith(one.raw)


def test_the_first_ones_are_kept() -> None:
    frames = [ethernet(ip4(CLIENT, KDC, UDP, udp(port, 88, ASKED))) for port in range(50000, 50009)]
    found = fed([Frame(number * 1000, frame) for number, frame in enumerate(frames, 1)], limits=Limits(kdc_datagrams=4))
    assert ([number for number, _, _ in found.kernel.datagrams], found.kernel.datagrams_over) == ([1, 2, 3, 4], 5)
