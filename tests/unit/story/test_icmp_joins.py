"""ICMP errors find the connection that they quote."""

from msgspec.structs import replace

from analyzer.records.capture import IcmpError, IcmpKind
from analyzer.records.ids import packet_key
from analyzer.story.icmp import icmp_of
from tests.build.evidence import T0, connection


def error(at_ns: int, *, port: int = 50001, capture: int = 0) -> IcmpError:
    source, target = ("10.0.0.1", port), ("10.0.0.9", 5985)
    return IcmpError(
        packet_key(capture, 1),
        at_ns,
        "10.0.0.254",
        IcmpKind.UNREACHABLE,
        "host unreachable",
        4,
        3,
        1,
        source,
        target,
        7,
        60,
    )


def test_of_connections_on_one_pair_of_ports_the_last_one_begun() -> None:
    early = connection(1)
    late = replace(early, id="c2", first_ns=T0 + 100)
    found = icmp_of({"c1": early, "c2": late}, [error(T0 + 200), error(T0 + 50)])
    assert [(identity, [one.ts_ns - T0 for one in own]) for identity, own in found.items()] == [
        ("c1", [50]),
        ("c2", [200]),
    ]


def test_the_own_capture_comes_first() -> None:
    one = connection(1)
    other = replace(one, id="c2", capture=1, point=1, first_ns=T0 - 100)
    assert list(icmp_of({"c1": one, "c2": other}, [error(T0 + 1, capture=1)])) == ["c2"]


def test_errors_before_the_connection_or_about_another_are_left_out() -> None:
    assert icmp_of({"c1": connection(1)}, [error(T0 - 1), error(T0 + 1, port=1)]) == {}
