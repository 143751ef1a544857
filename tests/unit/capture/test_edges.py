"""Every link type, tunnel and container has an example that is read; a row of a table that no example goes through fails here."""

import ast
import inspect
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from analyzer.capture import pcap as pcap_reader
from analyzer.capture import slow
from analyzer.capture.containers import FORMATS, HEAD_SIZE, format_of
from analyzer.capture.links import KINDS, LINKS, Link, link
from analyzer.capture.open import PACKINGS
from analyzer.capture.scan import scan
from analyzer.records.capture import Verdict
from analyzer.settings import Limits, Scope
from tests.build.edges import KEPT_AS, LINK_EXAMPLES, PDU_SESSION, TUNNELS, gtp, over_udp
from tests.build.flows import fed, made
from tests.build.packets import CLIENT, ETHERNET, T0_NS, Frame, Line, Wrap, ethernet

WSMAN = b"POST /wsman HTTP/1.1\r\nHost: srv01\r\n\r\n"
INSIDE = {"IPv4": ("10.0.0.1", "10.0.0.9"), "IPv6": ("fd00::1", "fd00::9")}
_ONLY = {228: "IPv4", 229: "IPv6"}
EXAMPLES = [
    (number, place, version)
    for number, wraps in LINK_EXAMPLES.items()
    for place in range(len(wraps))
    for version in INSIDE
    if _ONLY.get(number, version) == version
]


def packet(version: str = "IPv4") -> bytes:
    client, server = INSIDE[version]
    return Line(client=(client, 50000), server=(server, 5985)).packet(CLIENT, 0, WSMAN, acked=0)


def reads(frame: bytes, number: int, version: str) -> None:
    found = made([Frame(0, frame, number)])
    assert found.to_server == [WSMAN]
    assert (found.connection.client.host, found.connection.server.host) == INSIDE[version]


@pytest.mark.parametrize(("number", "place", "version"), EXAMPLES)
def test_every_example_of_a_link_type_is_read(number: int, place: int, version: str) -> None:
    reads(LINK_EXAMPLES[number][place](packet(version)), number, version)


def test_every_row_of_the_link_types_has_an_example() -> None:
    assert sorted(LINK_EXAMPLES) == sorted(row.number for row in LINKS)
    assert len({row.number for row in LINKS}) == len(LINKS)


@pytest.mark.parametrize("row", LINKS, ids=lambda row: str(row.number))
def test_the_kernel_and_the_slow_path_know_every_row(row: Link) -> None:
    assert KINDS[row.number] > 0
    assert slow._first_layer(row.number) in slow._PEELS, "give the link type its first layer in slow.py"
    assert link(row.number) is row


def test_what_is_no_link_type_of_ours_has_a_name_and_no_decoder() -> None:
    assert (link(147).name, link(147).kind, slow._first_layer(147)) == ("linktype-147", "none", "none")


@pytest.mark.parametrize("version", INSIDE)
@pytest.mark.parametrize("name", TUNNELS)
def test_every_tunnel_is_opened(name: str, version: str) -> None:
    reads(TUNNELS[name](packet(version)), ETHERNET, version)


@pytest.mark.parametrize("name", TUNNELS)
def test_a_tunnel_cut_after_any_byte_gives_a_beginning_of_the_segment_or_nothing(name: str) -> None:
    whole, segment = TUNNELS[name](packet()), packet()[20:]
    for size in range(len(whole)):
        found = slow.SlowPath(Limits()).decode(whole[:size], ETHERNET, len(whole), 0, 1)
        assert all(segment.startswith(one.tcp) and one.wire_size == len(segment) for one in found)


def decoded_by_hand(number: int, wrap: Wrap) -> None:
    """Through the slow path, also where the kernel has a decoder of its own."""
    for version in INSIDE:
        frame = wrap(packet(version))
        slow.SlowPath(Limits()).decode(frame, number, len(frame), 0, 1)


def test_every_layer_and_every_type_inside_a_frame_is_met_by_an_example(monkeypatch: pytest.MonkeyPatch) -> None:
    layers: set[str] = set()
    types: set[int] = set()
    real = slow._ethertype

    def watched(kind: str, peel: Callable[[bytes], object]) -> Callable[[bytes], object]:
        def peeled(data: bytes) -> object:
            inner = peel(data)
            if inner is not None:
                layers.add(kind)
            return inner

        return peeled

    def ethertype(number: int, data: bytes) -> tuple[str, bytes] | None:
        types.add(number)
        return real(number, data)

    monkeypatch.setattr(slow, "_ethertype", ethertype)
    monkeypatch.setattr(slow, "_PEELS", {kind: watched(kind, peel) for kind, peel in slow._PEELS.items()})
    for number, wraps in LINK_EXAMPLES.items():
        for wrap in wraps:
            decoded_by_hand(number, wrap)
    for wrap in TUNNELS.values():
        decoded_by_hand(ETHERNET, wrap)
    assert set(slow._PEELS) - layers == set(), "these layers have no example in tests/build/edges.py"
    assert set(slow._ETHERTYPES) - types == set(), "these types have no example in tests/build/edges.py"


def test_every_port_of_a_tunnel_has_an_example() -> None:
    """Ports are numbers in the code of `_udp`; each is in the destination of some example."""
    tree = ast.parse(inspect.getsource(slow._udp))
    numbers = {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, int)}
    ports = {number for number in numbers if number > 1024}
    frames = [wrap(packet()) for wrap in TUNNELS.values()]
    shown = {struct.unpack_from(">H", frame, 36)[0] for frame in frames if frame[23] == 17}
    assert ports <= shown
    assert ports


class TestGtp:
    """GTP-U: what is no user data of version 1, and extensions that lie, give nothing and do no harm."""

    def _none(self, body: bytes) -> int:
        found = fed([Frame(0, over_udp(2152, body), ETHERNET)])
        assert not found.flows
        return len(found.kernel.slow.problems)

    def test_other_messages(self) -> None:
        for kind in (1, 2, 26, 31, 254):
            body = bytearray(gtp(packet()))
            body[1] = kind
            assert self._none(bytes(body)) == 0

    @pytest.mark.parametrize("flags", [0x10, 0x20, 0x50, 0x00])
    def test_other_versions_and_charging(self, flags: int) -> None:
        assert self._none(gtp(packet(), flags)) == 0

    def test_an_extension_of_no_length_is_damage(self) -> None:
        assert self._none(gtp(packet(), 0x34, following=PDU_SESSION, extensions=bytes(4))) == 1

    def test_an_extension_beyond_the_end_is_damage(self) -> None:
        assert self._none(gtp(packet(), 0x34, following=PDU_SESSION, extensions=b"\xff\x00\x00\x85")) == 1

    def test_extensions_without_end(self) -> None:
        one = bytes([1, 0, 0, PDU_SESSION])
        assert self._none(gtp(b"", 0x34, following=PDU_SESSION, extensions=one * 300)) == 1


@pytest.mark.parametrize("name", KEPT_AS)
def test_every_container_is_read(name: str, tmp_path: Path) -> None:
    line = Line()
    line.handshake()
    line.put(CLIENT, 0, WSMAN)
    path = tmp_path / "capture"
    path.write_bytes(KEPT_AS[name](line.frames))
    found = scan(str(path), 0, "a", Limits(), Scope())
    assert [flow.verdict for flow in found.flows] == [Verdict.HTTP]
    assert list(found.flows[0].segments.wire_size) == [0, 0, 0, len(WSMAN)]


def test_every_container_has_an_example() -> None:
    """Each magic number that the readers know begins some example, in both byte orders where there are two."""
    one = Frame(T0_NS, ethernet(packet()))
    starts = [made_of([one]) for made_of in KEPT_AS.values()]
    for form in FORMATS:
        assert any(format_of(start[:HEAD_SIZE]) is form for start in starts), form.name
        for magic in form.magics:
            assert any(start.startswith(magic) for start in starts), (form.name, magic)
    for packing in PACKINGS:
        assert any(start.startswith(packing.magic) for start in starts), packing.name
    heads = [pcap_reader.pcap_head(start[:24]) for start in starts]
    shown = {(head.format, head.order) for head in heads if head}
    assert shown == {(name, order) for name, _, _ in pcap_reader.PCAP_MAGICS.values() for order in "<>"}
