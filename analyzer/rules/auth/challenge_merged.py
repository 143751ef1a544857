"""The proxy joins several authentication challenges into one line, and the client gives up.

Detects
    A 401 with two or more WWW-Authenticate lines on the server side that reached the client with fewer, comma-joined
    ones. After it the client ended the connection, or asked again, without ever sending credentials, and no other
    connection of this client to the same place authenticates.
Impact
    The joined line is legal, but many clients compare the whole value with a scheme's name instead of parsing a list.
    They find no scheme that they know and report that the server offers none.
False positives
    A client without credentials gives up in the same way; one that asks to close the connection after its request (a
    probe) is not counted. Nor is a client that reads the joined line and logs on.
Requires
    Both sides of the proxy, and the client's side to its end.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "Connection-based authentication for Negotiate, Kerberos,
    and CredSSP authentication."
    RFC 9110 sections 5.3 and 11.6.1.
"""

from analyzer.records.candidates import asked_with
from analyzer.records.http import Exchange, Response
from analyzer.records.transport import Connection, Side
from analyzer.rules.asking import forwarded, server_words
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import Place, after, counted, listed, packets_of, request, response, wants_a_close
from analyzer.rules.telling import Evidence, Fact, Opinion, Owner, Severity, Sign, Signs, Tell

_DEMAND = 401
_LEAST, _SEVERAL = 0.6, 0.8


class Merge(Fact, frozen=True):
    """A 401 on both sides, its lines on each, and how sure the two are one."""

    near: Exchange
    far: Exchange
    sure: float
    given: tuple[str, ...]
    left: tuple[str, ...]


def see(evidence: Evidence) -> Signs[Merge]:
    """One sign for each 401 after which a client gave up."""
    able: set[Place] | None = None
    for hop, near, far in forwarded(evidence):
        merge = _merge(near, far, hop.confidence)
        if merge is None:
            continue
        able = _able(evidence) if able is None else able
        if _place(evidence.connections[near.connection]) not in able and _gives_up(evidence, near):
            yield Sign(merge, (near.id, far.id), packets_of([near, far]))


def _place(connection: Connection) -> Place:
    return connection.client.host, connection.server.host, connection.server.port


def _able(evidence: Evidence) -> set[Place]:
    """The clients that sent credentials, and to whom."""
    return {_place(evidence.connections[identity]) for identity in {one.connection for one in asked_with(evidence, "authorization")}}


def _merge(near: Exchange, far: Exchange, sure: float) -> Merge | None:
    before, reached = response(far), response(near)
    if before is None or reached is None or before.status != _DEMAND or reached.status != _DEMAND:
        return None
    given, left = _lines(before), _lines(reached)
    joined = any("," in line for line in left) and ", ".join(given).lower().replace(" ", "") == ", ".join(left).lower().replace(" ", "")
    return Merge(near, far, sure, given, left) if joined and len(left) < len(given) else None


def _lines(answer: Response) -> tuple[str, ...]:
    return tuple(field.value for field in answer.headers if field.name.lower() == "www-authenticate")


def _gives_up(evidence: Evidence, near: Exchange) -> bool:
    """The client said nothing more, or asked again without credentials; bytes that are not captured could have been anything."""
    connection, asked = evidence.connections[near.connection], request(near)
    if asked is None or wants_a_close(asked) or any(gap.stream_at + gap.size > asked.end_at for gap in connection.to_server.gaps):
        return False
    if after(evidence, near):
        return True
    return any(closing.side is Side.CLIENT and closing.stream_at <= asked.end_at for closing in connection.closings[:1])


def why(tell: Tell[Merge]) -> str:
    first = tell.first.fact
    given, left = packets_of([first.far]), packets_of([first.near])
    return (
        f"The server's 401 had {len(first.given)} WWW-Authenticate lines: {listed(first.given)} ({first.far.id}, {tell.packet(given[-1]) if given else ''}). "
        f'{tell.connection.client.host} got "{listed(first.left)}" from the proxy {server_words(tell.connection)} '
        f"({first.near.id}, {tell.packet(left[-1]) if left else ''}). This happened to {counted(tell.count, '401 response')}. "
        "The client never sent credentials to this place in this capture."
    )


def confidence(tell: Tell[Merge]) -> float:
    return max(_LEAST, tell.first.fact.sure) if tell.count == 1 else _SEVERAL


OPINION = Opinion(
    title=lambda tell: f"Proxy {server_words(tell.connection)} joins authentication challenges",
    name="Proxy joins authentication challenges into one line",
    severity=Severity.MEDIUM,
    confidence=confidence,
    owner=Owner.PROXY,
    reference="RFC 9110 section 11.6.1",
    advice=Advice(
        "Let the proxy pass WWW-Authenticate lines as they are",
        Topic.FIELDS,
        "Or offer one scheme only (winrm set winrm/config/service/auth).",
    ),
    see=see,
    why=why,
)
