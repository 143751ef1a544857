"""Evidence made by hand, record by record, for tests of tables, reports and the command line. Times count from 2026-01-02 03:04:05 UTC."""

from array import array
from collections.abc import Iterable, Sequence

from msgspec.structs import replace

from analyzer.api import Case
from analyzer.engine.work import Picture, picture, told
from analyzer.incidents.diagnosis import diagnosis
from analyzer.incidents.grouping import Known as KnownOf
from analyzer.incidents.grouping import Told, incidents
from analyzer.records.auth import Audience, Conversation, Identity, Mechanism, NtlmToken, Outcome, Step, Token
from analyzer.records.capture import Capture
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.http import Body, Exchange, Framing, Header, Request, Response, Span
from analyzer.records.ids import authentication_id, connection_id, exchange_id, packet_key, request_id, response_id
from analyzer.records.incident import Incident
from analyzer.records.issues import Issue
from analyzer.records.proxy import Hop, Role, Route
from analyzer.records.quality import Absent, Known, Why
from analyzer.records.result import Result
from analyzer.records.sealing import Message, Protection
from analyzer.records.transport import Closing, Connection, End, Endpoint, Extents, Gap, Side, Stream
from analyzer.rules.causes import order
from analyzer.rules.scorecard import scorecards

T0 = 1_767_323_045_000_000_000
MS = 1_000_000
SEALED = Absent(Why.SEALED, "no key")


def capture(ordinal: int = 0, name: str = "leg-a.pcapng", *, path: str | None = None) -> Capture:
    return Capture(
        ordinal=ordinal, path=path or name, name=name, format="pcapng", size=1000, link_types=("ethernet",),
        packets=40, tcp_packets=38, first_ns=T0, last_ns=T0 + 1500 * MS, snaplen=262144,
    )  # fmt: skip


def extents(*rows: tuple[int, int, int, int]) -> Extents:
    """Of (stream offset, size, file offset, packet key)."""
    return Extents(
        stream_at=array("q", [row[0] for row in rows]),
        size=array("q", [row[1] for row in rows]),
        source=array("q", [0] * len(rows)),
        file_at=array("q", [row[2] for row in rows]),
        packet=array("q", [row[3] for row in rows]),
        ts_ns=array("q", [T0 + place * MS for place in range(len(rows))]),
        acked=array("q", [-1] * len(rows)),
    )


def stream(size: int = 1000, *, gaps: tuple[Gap, ...] = (), retransmitted: int = 0, out_of_order: int = 0, at: Extents | None = None) -> Stream:
    return Stream(at or extents((0, size, 0, 1)), gaps, size, retransmitted=retransmitted, out_of_order=out_of_order)


def connection(
    index: int = 1,
    *,
    ordinal: int = 0,
    client: str = "10.0.0.1",
    server: str = "10.0.0.9",
    closings: tuple[Closing, ...] = (),
    protocol: str = "http",
    to_server: Stream | None = None,
    to_client: Stream | None = None,
) -> Connection:
    return Connection(
        id=connection_id(index), capture=ordinal, client=Endpoint(client, 50000 + index), server=Endpoint(server, 5985),
        first_ns=T0, last_ns=T0 + 1000 * MS, packets=array("q", [packet_key(ordinal, number) for number in (1, 2, 3, 7)]),
        to_server=to_server or stream(), to_client=to_client or stream(2000),
        end=closings[0].kind if closings else End.OPEN, ended_by=closings[0].side if closings else None, closings=closings, protocol=protocol,
    )  # fmt: skip


def closing(kind: End = End.FIN, side: Side = Side.SERVER, *, at_ms: int = 900, ordinal: int = 0, number: int = 30) -> Closing:
    return Closing(kind, side, T0 + at_ms * MS, packet_key(ordinal, number), 0, 0)


def body(size: int) -> Body:
    return Body(Framing.LENGTH, size, size, (Span(0, size),), 0, complete=True, digest=b"", starts=b"")


def headers(**fields: str) -> tuple[Header, ...]:
    return tuple(Header(name.replace("_", "-"), value, 0) for name, value in fields.items())


def exchange(
    owner: Connection,
    position: int = 1,
    *,
    at_ms: int = 10,
    status: int | None = 200,
    reason: str = "OK",
    target: str = "/wsman",
    asked: tuple[Header, ...] = (),
    answered: tuple[Header, ...] = (),
    quality: tuple[str, ...] = (),
) -> Exchange:
    name, ordinal, number = exchange_id(owner.id, position), owner.capture, 10 * position
    request = Request(
        id=request_id(name), method="POST", target=target, version="HTTP/1.1", headers=asked, body=body(60), at=100 * (position - 1), end_at=100 * position,
        first_ns=T0 + at_ms * MS, last_ns=T0 + (at_ms + 1) * MS, packets=(packet_key(ordinal, number), packet_key(ordinal, number + 1)),
    )  # fmt: skip
    response: Known[Response] = Absent(Why.NOT_CAPTURED)
    if status is not None:
        response = Response(
            id=response_id(name), status=status, reason=reason, version="HTTP/1.1", headers=answered, body=body(150),
            at=200 * (position - 1), end_at=200 * position, first_ns=T0 + (at_ms + 5) * MS, last_ns=T0 + (at_ms + 6) * MS,
            packets=(packet_key(ordinal, number + 2),),
        )  # fmt: skip
    return Exchange(name, owner.id, ordinal, position, request, response, quality=quality)


def messages(of: Exchange, asked: Protection, answered: Protection) -> Iterable[Message]:
    for from_client, name, protection in ((True, request_id(of.id), asked), (False, response_id(of.id), answered)):
        operations: dict[Protection, Known[str]] = {Protection.SEALED: SEALED, Protection.CLEAR: "Create"}
        size = 0 if protection is Protection.EMPTY else 60
        yield Message(name, of.id, from_client=from_client, protection=protection, size=size, content_type=None, operation=operations.get(protection))


def conversation(
    owner: Connection, exchanges: Sequence[Exchange], *, user: str = "alice", outcome: Outcome = Outcome.ACCEPTED, ordinal: int = 1
) -> Conversation:
    steps = tuple(
        Step(
            message=request_id(one.id), exchange=one.id, from_client=True, ts_ns=T0 + place * MS, packets=(packet_key(owner.capture, 10 * one.position),),
            status=None, offers=(), token=Token("Negotiate", Mechanism.NTLM, "negotiate", 40, bytes(32),
            ntlm=NtlmToken(1 + 2 * place, 0, user=user if place else None)),
        )
        for place, one in enumerate(exchanges)
    )  # fmt: skip
    return Conversation(
        id=authentication_id(owner.id, ordinal), connection=owner.id, capture=owner.capture, audience=Audience.SERVER, scheme="Negotiate",
        mechanism=Mechanism.NTLM, steps=steps, exchanges=tuple(one.id for one in exchanges), round_trips=len(exchanges), outcome=outcome,
        ends=exchanges[-1].id, final_status=200,
        first_ns=T0, last_ns=T0 + 250 * MS, client=Identity(user, "LAB", "WS17"), over_tls=False, ntlm_version="ntlmv2", signing=True, sealing=True, mic=True,
        offers=("Negotiate", "Basic"),
    )  # fmt: skip


def finding(
    rule: str = "tcp.close-after-auth-2xx",
    severity: Severity = Severity.HIGH,
    *,
    at_ms: int = 20,
    packets: tuple[int, ...] = (10, 11, 12, 15),
    title: str = "Closed",
) -> Finding:
    return Finding(
        rule=rule, subject="c1", severity=severity, confidence=0.9, title=title, why="The proxy closed the connection 2 ms after the logon.",
        evidence=("c1.x2",), packets=packets, advice="Let the proxy keep the connection open.", reference="RFC 4559 section 6",
        first_ns=T0 + at_ms * MS, last_ns=T0 + (at_ms + 5) * MS,
        connections=("c1",), exchanges=("c1.x1", "c1.x2"), attack=("T1557",), user="LAB\\alice", source="10.0.0.1", destination="10.0.0.9",
    )  # fmt: skip


def evidence(
    captures: Sequence[Capture],
    connections: Sequence[Connection],
    exchanges: Sequence[Exchange] = (),
    *,
    conversations: Sequence[Conversation] = (),
    bodies: Iterable[Message] = (),
    hops: Sequence[Hop] = (),
    routes: Sequence[Route] = (),
    roles: dict[str, Role] | None = None,
    issues: Sequence[Issue] = (),
    winrm: Iterable[str] | None = None,
) -> Evidence:
    return Evidence(
        captures=tuple(captures),
        connections={one.id: one for one in connections},
        exchanges={one.id: one for one in exchanges},
        exchanges_of={owner.id: tuple(one for one in exchanges if one.connection == owner.id) for owner in connections},
        messages={one.id: one for one in bodies},
        conversations=tuple(conversations),
        conversations_of={owner.id: tuple(one for one in conversations if one.connection == owner.id) for owner in connections},
        hops=tuple(hops),
        near={one.near: one for one in hops},
        far={one.far: one for one in hops},
        routes=tuple(routes),
        roles=roles or {},
        winrm=frozenset(one.id for one in connections) if winrm is None else frozenset(winrm),
        winrm_exchanges=frozenset(one.id for one in exchanges if winrm is None or one.connection in winrm),
        issues=tuple(issues),
    )


def direct() -> Result:
    """One capture, one NTLM logon in two exchanges, sealed; the server closes; one finding and one issue."""
    owner = connection(closings=(closing(),), to_client=stream(2000, gaps=(Gap(300, 40, "not_captured"),), retransmitted=2, out_of_order=1))
    offer = headers(WWW_Authenticate="Negotiate, Basic", Server="Microsoft-HTTPAPI/2.0")
    one = exchange(owner, 1, at_ms=10, status=401, reason="", asked=headers(Host="web01:5985", User_Agent="pywinrm"), answered=offer)
    two = exchange(owner, 2, at_ms=20, asked=headers(Authorization="Negotiate TlRMTVNTUAAD", Content_Type="multipart/encrypted", Via="1.1 squid"))
    bodies = [*messages(one, Protection.EMPTY, Protection.EMPTY), *messages(two, Protection.SEALED, Protection.SEALED)]
    made = evidence(
        [capture()], [owner], [one, two], conversations=[conversation(owner, [one, two])], bodies=bodies, roles={owner.id: Role.DIRECT},
        issues=[Issue("tcp.gap", "40 bytes at 300", "c1", 0, 12, 3)],
    )  # fmt: skip
    return Result(made, (finding(),), {one.id: "offer", two.id: "accepted"})


def proxied() -> Result:
    """Two captures, a client's leg in one and an upstream leg in the other, and a finding with packets of both."""
    near = connection(1, client="10.0.0.1", server="10.0.0.5", closings=(closing(End.RESET, Side.SERVER),))
    far = connection(2, ordinal=1, client="10.0.0.5", server="10.0.0.9")
    one, other = exchange(near, at_ms=10), exchange(far, at_ms=12, status=None, quality=("response_missing",))
    hop = Hop(one.id, other.id, near.id, far.id, ("token", "headers"), 0.99, 2 * MS, ("+Via", "~Host"))
    made = evidence(
        [capture(), capture(1, "leg-b.pcapng")], [near, far], [one, other], hops=[hop], routes=[Route("r1", near.id, (far.id,), "10.0.0.5", "forward")],
        roles={near.id: Role.CLIENT_LEG, far.id: Role.UPSTREAM_LEG},
        bodies=[*messages(one, Protection.CLEAR, Protection.NONE), *messages(other, Protection.CLEAR, Protection.TLS)],
    )  # fmt: skip
    found = (
        finding("proxy.x", Severity.INFO, at_ms=1, packets=()),
        finding("enc.x", Severity.CRITICAL, at_ms=50, packets=(10, 11, packet_key(1, 5))),
        finding("auth.x", Severity.CRITICAL, at_ms=40, packets=(packet_key(1, 7),)),
    )
    return Result(made, found, {}, scorecards(told(made), found))


def nothing() -> Result:
    """A capture without any WinRM."""
    return Result(evidence([capture()], []), (), {})


def grouped(result: Result) -> Result:
    """The result with its incidents and its diagnosis, as a run makes them."""
    found = sorted(result.findings, key=order)
    seen, made = concluded(result.evidence, found, Told({}, {}, ()))
    return replace(result, findings=tuple(found), incidents=made, diagnosis=diagnosis(seen.sums, made))


def concluded(made: Evidence, findings: Sequence[Finding], of_rules: Told) -> tuple[Picture, tuple[Incident, ...]]:
    """What an evidence tells of these findings, and the incidents that they come to."""
    seen = picture(made, findings)
    return seen, incidents(findings, KnownOf(seen.about, seen.crowd), of_rules)


def case(result: Result) -> Case:
    """A case without captures behind it."""

    def fetch(_source: int, _at: int, _size: int) -> bytes:
        return b""

    return Case(result, fetch)


def hostile(text: str) -> Result:
    """`direct` with ``text`` in every field that a capture, a file name or a user's rule can fill."""
    made = direct()
    owner = made.evidence.connections["c1"]
    fields = (Header(text, text, 0), *headers(Host=text, User_Agent=text, Via=text, Content_Type=text, Authorization=text, Forwarded=text))
    one = exchange(owner, 1, target=text, reason=text, asked=fields, answered=headers(Server=text, WWW_Authenticate=text))
    talk = conversation(owner, [one], user=text)
    token = Token(text, Mechanism.BASIC, text, 1, b"", user=text, realm=text)
    step = Step(one.id + ".q", one.id, from_client=True, ts_ns=T0, packets=(10,), status=None, offers=(text,), token=token)
    offer = Step(one.id + ".s", one.id, from_client=False, ts_ns=T0, packets=(12,), status=401, offers=(text,), token=None)
    talk = replace(talk, client=Identity(text, text, text), steps=(*talk.steps, step, offer), scheme=text, target_name=text, spn=text, realm=text,
                   server_name=text, server_os_build=text, offers=(text,))  # fmt: skip
    asked = Message(one.id + ".q", one.id, from_client=True, protection=Protection.CLEAR, size=1, content_type=text, action=text, resource_uri=text,
                    message_id=text, relates_to=text, session_id=text, shell_id=text, command_id=text, fault_code=text, operation=text)  # fmt: skip
    sealed = Message(one.id + ".s", one.id, from_client=False, protection=Protection.SEALED, size=1, content_type=text, protocol=text, operation=SEALED)
    found = replace(
        finding(title=text), why=text, advice=text, reference=text, user=text, source=text, destination=text, rule=text, subject=text, attack=(text,)
    )
    hop = Hop(one.id, one.id, owner.id, owner.id, (text,), 1.0, 0, (text,))
    shot = replace(capture(), name=text, path=text, format=text, link_types=(text,))
    filled = evidence(
        [shot], [owner], [one], conversations=[talk], bodies=[asked, sealed], hops=[hop], roles={},
        issues=[Issue("tcp.gap", text, text, 0, 1), Issue("rule.failed", text, text, 0, 1)],
    )  # fmt: skip
    return Result(filled, (found,), {one.id: text})
