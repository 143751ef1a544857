import struct
from collections.abc import Sequence

from analyzer.records.finding import Severity
from tests.build.talk_http import Ask, reply
from tests.build.talk_proxy import ALICE, BOB, CLIENT_LEG, PROXY, PROXY_FAR, SERVER, UPSTREAM_LEG, near_leg
from tests.build.talks import Talk, Wire
from tests.rules.judging import judge, names, packets

RULE = "proxy.tls-intercepted"
CONNECT = Ask("CONNECT", f"{SERVER}:5986", (("Host", f"{SERVER}:5986"),))
WRITES = (1100, 900, 1100, 1300, 700)


def record(kind: int, payload: bytes) -> bytes:
    """RFC 8446 section 5.1."""
    return struct.pack(">BHH", kind, 0x0303, len(payload)) + payload


def hello(number: int) -> bytes:
    """A ClientHello with random bytes of its own, and nothing else that matters."""
    body = b"\x03\x03" + bytes([number]) * 32 + b"\0" + b"\0\x02\x13\x02" + b"\x01\0" + b"\0\0"
    return record(22, b"\x01" + len(body).to_bytes(3, "big") + body)


def server_hello() -> bytes:
    body = b"\x03\x03" + bytes(32) + b"\0" + b"\x13\x02" + b"\0" + b"\0\0"
    return record(22, b"\x02" + len(body).to_bytes(3, "big") + body)


def tunnel(lan: Wire) -> tuple[Talk, int]:
    near = near_leg(lan)
    return near, near.exchange(CONNECT, reply(200).without("Content-Length"))[0]


def tls_far(lan: Wire, client: str = PROXY_FAR, port: int = 40001) -> Talk:
    return lan.connect(client, port, SERVER, 5986)


def begins(near: Talk, far: Talk, near_hello: bytes, far_hello: bytes) -> tuple[int, int]:
    """Both handshakes; the packets of the two ClientHellos."""
    one, other = near.send(near_hello), far.send(far_hello)
    far.answer(server_hello())
    near.answer(server_hello())
    return one, other


def carries_on(near: Talk, far: Talk, sizes: Sequence[int] = WRITES, far_sizes: Sequence[int] = WRITES) -> None:
    for place, (size, far_size) in enumerate(zip(sizes, far_sizes, strict=True)):
        near.send(record(23, bytes([place + 1]) * size))
        far.send(record(23, bytes([place + 101]) * far_size))
        far.answer(record(23, bytes(400)))
        near.answer(record(23, bytes(400)))


def test_another_hello_and_the_same_writes() -> None:
    lan = Wire()
    near, connect = tunnel(lan)
    far = tls_far(lan)
    hellos = begins(near, far, hello(1), hello(2))
    carries_on(near, far)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.8)
    assert finding.connections == ("c1.t", "c2", "c1")
    assert finding.exchanges == ("c1.x1",)
    assert finding.attack == ("T1557",)
    assert finding.destination == f"{SERVER}:5986"
    assert {connect, *hellos} < set(packets(finding))
    assert names(finding, *hellos)
    assert "The last 6 writes of the client have the same sizes" in finding.why


def test_the_proxy_copies_the_tls() -> None:
    lan = Wire()
    near, _ = tunnel(lan)
    far = tls_far(lan)
    begins(near, far, hello(1), hello(1))
    carries_on(near, far)
    assert judge(lan).found(RULE) == []


def test_another_client_that_says_something_else() -> None:
    lan = Wire()
    near, _ = tunnel(lan)
    far = tls_far(lan, BOB, 50002)
    begins(near, far, hello(1), hello(2))
    carries_on(near, far, far_sizes=(300, 1100, 500, 900, 200))
    assert judge(lan).found(RULE) == []


def test_writes_of_one_size_are_no_sign() -> None:
    lan = Wire()
    near, _ = tunnel(lan)
    far = tls_far(lan)
    begins(near, far, hello(1), hello(2) + bytes(200))
    carries_on(near, far, (900,) * 5, (900,) * 5)
    assert judge(lan).found(RULE) == []


def test_three_writes_may_be_chance() -> None:
    lan = Wire()
    near, _ = tunnel(lan)
    far = tls_far(lan)
    begins(near, far, hello(1), hello(2) + bytes(200))
    carries_on(near, far, WRITES[:3], WRITES[:3])
    assert judge(lan).found(RULE) == []


def test_the_clients_own_connection_beside_the_proxy() -> None:
    lan = Wire()
    near, _ = tunnel(lan)
    far = tls_far(lan, ALICE, 50002)
    begins(near, far, hello(1), hello(2))
    carries_on(near, far)
    assert judge(lan).found(RULE) == []


def test_one_leg_does_not_show_it() -> None:
    lan = Wire()
    near, _ = tunnel(lan)
    far = tls_far(lan)
    begins(near, far, hello(1), hello(2))
    carries_on(near, far)
    assert judge(lan, hosts=CLIENT_LEG).found(RULE) == []
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_the_hello_is_nowhere_behind_the_proxy() -> None:
    lan = Wire()
    near, _ = tunnel(lan)
    far = tls_far(lan, PROXY)
    hellos = begins(near, far, hello(1), hello(2))

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.HIGH, 0.8)
    assert finding.connections == ("c1.t", "c2", "c1")
    assert names(finding, *hellos)
    assert "The client's ClientHello appears nowhere behind the proxy." in finding.why


def test_an_address_of_the_proxy_that_another_tunnel_proves() -> None:
    lan = Wire()
    first, _ = tunnel(lan)
    copied = tls_far(lan)
    begins(first, copied, hello(3), hello(3))
    carries_on(first, copied)
    near = near_leg(lan, BOB, 50002)
    near.exchange(CONNECT, reply(200).without("Content-Length"))
    begins(near, tls_far(lan, port=40002), hello(1), hello(2))
    assert judge(lan).one(RULE).connections == ("c3.t", "c4", "c3")


def test_another_tunnel_s_hello_is_the_one_behind_the_proxy() -> None:
    lan = Wire()
    near, _ = tunnel(lan)
    other = near_leg(lan, BOB, 50002)
    other.exchange(CONNECT, reply(200).without("Content-Length"))
    near.send(hello(1))
    begins(other, tls_far(lan, PROXY), hello(2), hello(2))
    assert judge(lan).found(RULE) == []


def test_a_connection_of_the_proxy_without_a_hello_could_be_the_one() -> None:
    lan = Wire()
    near, _ = tunnel(lan)
    begins(near, tls_far(lan, PROXY), hello(1), hello(2))
    tls_far(lan, PROXY, 40002).send(hello(3)[:30])
    assert judge(lan).found(RULE) == []


def test_the_proxy_s_tls_to_another_place() -> None:
    lan = Wire()
    near, _ = tunnel(lan)
    begins(near, lan.connect(PROXY, 40001, "10.20.2.21", 5986), hello(1), hello(2))
    assert judge(lan).found(RULE) == []
