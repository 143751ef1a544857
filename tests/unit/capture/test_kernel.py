"""Frames in, flows out: links, headers that lie, and the verdict on what a flow is."""

import itertools

import pytest

from analyzer.records.capture import Verdict
from analyzer.settings import Limits
from tests.build.flows import fed, made
from tests.build.packets import CLIENT, FIN, LINKS, SERVER, SYN, TCP, Frame, Line, ethernet, ip4, ip6, ip6_fragment, tcp

WSMAN = b"POST /wsman HTTP/1.1\r\nHost: srv01\r\n\r\n"
PLAIN = b"GET /index.html HTTP/1.1\r\nHost: srv01\r\n\r\n"
NONE: frozenset[int] = frozenset()
ENDS = (("10.0.0.1", 50000), ("10.0.0.9", 5985))
ENDS6 = (("fd00::1", 50000), ("fd00::9", 5985))


@pytest.mark.parametrize("name", LINKS)
@pytest.mark.parametrize("ends", [ENDS, ENDS6], ids=["IPv4", "IPv6"])
def test_links(name: str, ends: tuple[tuple[str, int], tuple[str, int]]) -> None:
    link, wrap = LINKS[name]
    line = Line(client=ends[0], server=ends[1], link=link, wrap=wrap)
    line.handshake()
    line.put(CLIENT, 0, WSMAN)
    found = made(line.frames)
    assert found.to_server == [WSMAN]
    assert (found.connection.client.host, found.connection.server.host) == (ends[0][0], ends[1][0])


def test_ethernet_padding_is_no_payload() -> None:
    line = Line(wrap=lambda packet: ethernet(packet, padded=True))
    line.handshake()
    line.put(CLIENT, 0, b"x")
    line.put(SERVER, 0, b"", acked=1)
    assert all(len(one.data) == 60 for one in line.frames)
    found = made(line.frames)
    assert (found.to_server, found.to_client) == ([b"x"], [])


@pytest.mark.parametrize("size", [65_495, 65_496, 70_000, 262_000])
def test_segments_larger_than_an_ip_packet_have_a_total_length_of_zero(size: int) -> None:
    """What a sender hands to its network card for segmentation (TSO) is captured in one piece."""
    data = bytes(range(256)) * (size // 256) + bytes(size % 256)
    segment = tcp(*ENDS, 1001, 1, 0, b"")[:20] + data
    total = 20 + len(segment)
    packet = ip4(ENDS[0][0], ENDS[1][0], TCP, segment, total=total if total < 1 << 16 else 0)
    found = made([Frame(0, ethernet(packet))])
    assert found.to_server == [data]


@pytest.mark.parametrize("cut", [1, 20, len(WSMAN)])
def test_cut_frames_count_what_was_sent(cut: int) -> None:
    line = Line()
    line.put(CLIENT, 0, WSMAN, acked=0, cut=cut)
    found = fed(line.frames)
    assert (found.flows[0].segments.wire_size[0], found.flows[0].segments.size[0]) == (len(WSMAN), len(WSMAN) - cut)
    assert found.kernel.snapped == 1


@pytest.mark.parametrize("keep", range(14, 54))
def test_headers_that_are_cut_are_counted(keep: int) -> None:
    line = Line()
    line.put(CLIENT, 0, WSMAN)
    found = fed([line.frames[0]._replace(data=line.frames[0].data[:keep])])
    assert not found.flows
    assert found.kernel.undecodable == 1


def _header(change: dict[int, int]) -> Frame:
    line = Line()
    line.put(CLIENT, 0, WSMAN)
    data = bytearray(line.frames[0].data)
    for at, value in change.items():
        data[at] = value
    return line.frames[0]._replace(data=bytes(data))


@pytest.mark.parametrize(
    "change",
    [{14: 0x35}, {14: 0x44}, {46: 0x40}, {17: 30, 16: 0}],
    ids=["a version that is not 4", "an IP header of 16 bytes", "a TCP header of 16 bytes", "a total length inside the TCP header"],
)
def test_headers_that_lie_are_counted(change: dict[int, int]) -> None:
    found = fed([_header(change)])
    assert not any(flow.segments.key for flow in found.flows)
    assert found.kernel.undecodable == 1


def test_unknown_links_are_counted() -> None:
    found = fed([Frame(0, b"whatever", 147), Frame(1, b"whatever", 147)])
    assert found.kernel.unknown_links == {147: 2}


def _slow(*packets: bytes) -> list[Frame]:
    return [Frame(place, data) for place, data in enumerate(packets)]


def _inner() -> bytes:
    return Line().packet(CLIENT, 0, WSMAN, acked=0)


def test_tunnels_nested_without_end_are_given_up() -> None:
    packet = _inner()
    for _ in range(20):
        packet = ip4("1.1.1.1", "2.2.2.2", 4, packet)
    assert not fed(_slow(ethernet(packet))).flows


def _fragments(body: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *cuts, len(body)]
    pairs = itertools.pairwise(edges)
    return [ethernet(ip4(ENDS[0][0], ENDS[1][0], TCP, body[a:b], ident=7, offset=a, more=b < len(body))) for a, b in pairs]


def _segment(data: bytes = WSMAN) -> bytes:
    return tcp(*ENDS, 1001, 1, 0, data)


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1], [1, 2, 0]])
def test_fragments_are_put_together(order: list[int]) -> None:
    pieces = _fragments(_segment(), [16, 32])
    found = fed(_slow(*(pieces[place] for place in order)))
    assert found.kernel.tcp_packets == 1
    assert list(found.flows[0].segments.key) == [3]
    assert made(_slow(*(pieces[place] for place in order))).to_server == [WSMAN]


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0]])
def test_fragments_of_ipv6_are_put_together(order: list[int]) -> None:
    body = tcp(*ENDS6, 1001, 1, 0, WSMAN)
    edges = [0, 24, 48, len(body)]
    cut = [ip6_fragment(TCP, body[a:b], ident=9, offset=a, more=b < len(body)) for a, b in itertools.pairwise(edges)]
    frames = _slow(*(ethernet(ip6(ENDS6[0][0], ENDS6[1][0], 44, cut[place])) for place in order))
    assert made(frames).to_server == [WSMAN]


def test_of_overlapping_fragments_the_first_copy_wins() -> None:
    body = _segment(b"A" * 60)
    evil = body[:40] + b"E" * 8 + body[48:]
    pieces = [*_fragments(body, [16, 48])[:2], ethernet(ip4(ENDS[0][0], ENDS[1][0], TCP, evil[40:], ident=7, offset=40))]
    found = fed(_slow(*pieces))
    assert made(_slow(*pieces)).to_server == [b"A" * 60]
    assert [code for code, _, _ in found.kernel.slow.problems] == ["capture.fragment-overlap"]


def test_a_missing_fragment_is_an_issue() -> None:
    found = fed(_slow(*_fragments(_segment(), [16, 32])[:2]))
    assert not found.flows
    assert [code for code, _, _ in found.kernel.slow.problems] == ["capture.fragment-incomplete"]


def test_many_small_fragments_are_cheap() -> None:
    """The last fragment first, then thousands that leave holes: each must cost what it brings, not the whole datagram."""
    body = bytes(65_000)
    last = ethernet(ip4("1.1.1.1", "2.2.2.2", TCP, body[64_992:], ident=7, offset=64_992))
    rest = [ethernet(ip4("1.1.1.1", "2.2.2.2", TCP, body[at : at + 8], ident=7, offset=at, more=True)) for at in range(8, 64_992, 8)]
    assert not fed(_slow(last, *rest)).flows


class TestVerdict:
    """What is kept when nothing is forced."""

    def _verdicts(self, line: Line, *, all_http: bool = False) -> list[Verdict]:
        return [flow.verdict for flow in fed(line.frames, force=NONE, all_http=all_http).flows]

    @pytest.mark.parametrize(
        "start",
        [
            WSMAN,
            b"POST http://srv01:5985/WSMAN?PSVersion=5.1 HTTP/1.1\r\n\r\n",
            b"CONNECT srv01:5986 HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nAuthorization: Negotiate TlRM\r\n\r\n",
            b"GET / HTTP/1.1\r\nPROXY-AUTHORIZATION: Basic eDp5\r\n\r\n",
            b"POST /x HTTP/1.1\r\nContent-Type: application/soap+xml;charset=UTF-8\r\n\r\n",
            b"POST /powershell?serializationLevel=Full HTTP/1.1\r\n\r\n",
        ],
    )
    def test_signs_of_winrm_keep_a_flow(self, start: bytes) -> None:
        line = Line(server=("10.0.0.9", 8000))
        line.handshake()
        line.put(CLIENT, 0, start)
        assert self._verdicts(line) == [Verdict.HTTP]

    @pytest.mark.parametrize("answer", [b"HTTP/1.1 401 Unauthorized\r\n", b"HTTP/1.1 407 Proxy Authentication Required\r\n", b"HTTP/1.0 401\r\n"])
    def test_a_demand_keeps_a_flow(self, answer: bytes) -> None:
        line = Line(server=("10.0.0.9", 8000))
        line.put(CLIENT, 0, PLAIN)
        line.put(SERVER, 0, answer)
        assert self._verdicts(line) == [Verdict.HTTP]

    def test_plain_web_traffic_is_rejected(self) -> None:
        line = Line(server=("10.0.0.9", 80))
        line.handshake()
        for place in range(6):
            line.put(CLIENT, place * len(PLAIN), PLAIN)
        assert self._verdicts(line) == []
        assert self._verdicts(line, all_http=True) == [Verdict.HTTP]

    @pytest.mark.parametrize("size", [1, 2, 3, 7, 19])
    def test_a_start_cut_into_small_segments_is_recognised(self, size: int) -> None:
        line = Line(server=("10.0.0.9", 8000))
        line.handshake()
        for at in range(0, len(WSMAN), size):
            line.put(CLIENT, at, WSMAN[at : at + size])
        assert self._verdicts(line) == [Verdict.HTTP]
        assert made(line.frames).to_server == [WSMAN]

    def test_a_flow_that_shows_winrm_late_is_named(self) -> None:
        line = Line(server=("10.0.0.9", 8000))
        line.handshake()
        for place in range(10):
            line.put(CLIENT, place * len(PLAIN), PLAIN)
        line.put(CLIENT, 10 * len(PLAIN), WSMAN)
        found = fed(line.frames, force=NONE)
        assert not found.flows
        assert found.kernel.late == {1}

    def test_the_middle_of_a_body_is_no_reason_to_reject_for_good(self) -> None:
        line = Line(server=("10.0.0.9", 8000))
        for place in range(10):
            line.put(CLIENT, place * 4, b"\x17\x99\x00\x42", acked=0)
        line.put(CLIENT, 40, WSMAN, acked=0)
        assert fed(line.frames, force=NONE).kernel.late == {1}

    @pytest.mark.parametrize(
        ("asked", "kept"),
        [
            (b"\x05\x01\x00\x01\x0a\x00\x00\x09\x17\x61", 1),
            (b"\x05\x01\x00\x03\x01s\x17\x62", 1),
            (b"\x05\x01\x00\x04" + bytes(16) + b"\xb7\x99", 1),
            (b"\x04\x01\x17\x61\x0a\x00\x00\x09\x00", 1),
            (b"\x05\x01\x00\x01\x0a\x00\x00\x09\x01\xbb", 0),
            (b"\x05\x02\x00\x01\x0a\x00\x00\x09\x17\x61", 0),
            (b"\x05\x01\x00\x03\xffs\x17\x62", 0),
        ],
    )
    def test_a_socks_request_for_winrm_keeps_a_flow(self, asked: bytes, kept: int) -> None:
        line = Line(server=("10.0.0.9", 1080))
        line.handshake()
        line.put(CLIENT, 0, b"\x05\x01\x00")
        line.put(CLIENT, 3, asked)
        assert len(self._verdicts(line)) == kept

    @pytest.mark.parametrize("start", [WSMAN, b"\x16\x03\x01\x00\x04\x01\x00\x00\x00"])
    @pytest.mark.parametrize(
        "header",
        [
            b"PROXY TCP4 10.1.1.1 10.1.1.2 50000 5986\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12),
            b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00",
        ],
    )
    def test_what_stands_behind_a_proxy_header_decides(self, header: bytes, start: bytes) -> None:
        wanted = [Verdict.HTTP if start == WSMAN else Verdict.TLS]
        for cut in (0, len(header)):
            line = Line(server=("10.0.0.9", 5986))
            line.handshake()
            if cut:
                line.put(CLIENT, 0, header)
            line.put(CLIENT, cut, start if cut else header + start)
            assert self._verdicts(line) == wanted

    @pytest.mark.parametrize(("port", "kept"), [(5986, [Verdict.TLS]), (5985, [Verdict.TLS]), (47001, [Verdict.TLS]), (443, [])])
    def test_tls_is_kept_on_winrms_port_only(self, port: int, kept: list[Verdict]) -> None:
        line = Line(server=("10.0.0.9", port))
        line.handshake()
        for place in range(6):
            line.put(CLIENT, place * 9, b"\x16\x03\x01\x00\x04\x01\x00\x00\x00")
        assert self._verdicts(line) == kept

    @pytest.mark.parametrize(("port", "count"), [(5985, 1), (80, 0)])
    def test_a_call_that_nobody_answers_is_kept_on_winrms_ports(self, port: int, count: int) -> None:
        line = Line(server=("10.0.0.9", port))
        line.put(CLIENT, -1, flags=SYN, acked=None)
        assert len(self._verdicts(line)) == count

    def test_a_syn_after_a_fin_with_the_same_number_is_no_new_flow(self) -> None:
        line = Line()
        line.handshake()
        line.put(CLIENT, 0, WSMAN, FIN)
        line.put(CLIENT, -1, flags=SYN, acked=None)
        assert len(self._verdicts(line)) == 1

    def test_undecided_flows_keep_their_rows_only_for_a_while(self) -> None:
        line = Line(server=("10.0.0.9", 80))
        limits = Limits(undecided_payload_packets=3)
        for place in range(3):
            line.put(CLIENT, place * 4, b"\x00\x01\x02\x03", acked=0)
        assert not fed(line.frames, force=NONE, limits=limits).flows
