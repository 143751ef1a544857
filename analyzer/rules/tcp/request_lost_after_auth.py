"""The client logs on again and again with empty requests, and its real request never reaches the server.

Detects
    At least twice from one client program (address, account, User-Agent) to one endpoint: a handshake carried by empty requests ends with an empty 2xx, the
    connection is then closed or reset from the other side, and the client begins a new handshake within 30 seconds. In between no request with a body was
    answered 2xx for that program.
Impact
    The last round trip of the handshake does not carry the request. When the connection is lost at that moment the client has to start over, and nothing is
    ever executed: the user sees "access denied" or a timeout although every logon succeeds.
False positives
    A monitoring probe that only tests the logon; it closes its connections by itself, which is not counted.
Requires
    The client's side of the proxy, or a direct connection.
References
    Proxy Servers and WinRM, HTTP-Based Proxy Connections: "The final round-trip from client to server does not
    include the original request packet. If the proxy server closes the connection, the server will attempt to
    re-authenticate the client and the client request might never be sent to the server."
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence

from analyzer.records.proxy import Role
from analyzer.rules import microsoft
from analyzer.rules.asking import answered_at
from analyzer.rules.products import Advice, Topic
from analyzer.rules.reading import counted, first_packet, identity, name, request, response, role, status, succeeded, who, winrm_exchanges
from analyzer.rules.tcp import _waiting as words
from analyzer.rules.tcp._endings import AGAIN_NS, Ended, agent, ended_handshakes, owner_of
from analyzer.rules.telling import Evidence, Opinion, Owner, Param, Severity, Sign, Signs, Tell

LEAST = Param("least", 2, "logons", "how many logons in a row must lead nowhere")
_Program = tuple[str, str, int, str | None, str | None]


_WHO = {Owner.PROXY: "proxy", Owner.SERVER: "server", Owner.NETWORK: "device in between"}
_AVOID = "HTTPS through CONNECT avoids the problem."


def see(evidence: Evidence, values: Mapping[str, float]) -> Signs[Ended]:
    """One sign for each logon of a row."""
    groups: dict[_Program, list[Ended]] = defaultdict(list)
    for ended in ended_handshakes(evidence):
        if role(evidence, ended.connection.id) is not Role.UPSTREAM_LEG and _is_empty(ended):
            groups[_program(evidence, ended.connection.id)].append(ended)
    served = _served(evidence) if groups else {}
    for program, group in groups.items():
        run = _run(group)
        first_ns, last_ns = run[0].conversation.first_ns, run[-1].ending.closing.ts_ns
        if len(run) >= values["least"] and not _is_between(served.get(program, ()), first_ns, last_ns):
            for ended in run:
                packets = (*first_packet(response(ended.exchange)), ended.ending.closing.packet)
                yield Sign(ended, (ended.exchange.id,), packets, user=who(ended.conversation))


def _program(evidence: Evidence, connection: str) -> _Program:
    own = evidence.connections[connection]
    return own.client.host, own.server.host, own.server.port, identity(evidence, connection), agent(evidence, connection)


def _is_empty(ended: Ended) -> bool:
    """The last round trip carried no request and no answer of substance."""
    asked, answer = request(ended.exchange), response(ended.exchange)
    return asked is not None and answer is not None and not asked.body.size and not answer.body.size and succeeded(ended.exchange)


def _run(group: Sequence[Ended]) -> list[Ended]:
    """The longest run in which each follows the one before within 30 seconds."""
    best: list[Ended] = []
    run: list[Ended] = []
    for ended in sorted(group, key=lambda item: item.ending.closing.ts_ns):
        if run and ended.conversation.first_ns - run[-1].ending.closing.ts_ns > AGAIN_NS:
            run = []
        run.append(ended)
        if len(run) > len(best):
            best = run
    return best


def _served(evidence: Evidence) -> dict[_Program, list[int]]:
    """When each program's requests with a body were made that were answered 2xx, sorted."""
    found: dict[_Program, list[int]] = defaultdict(list)
    programs: dict[str, _Program] = {}
    for exchange in winrm_exchanges(evidence):
        asked = request(exchange)
        if asked is not None and asked.body.size and succeeded(exchange):
            program = programs.get(exchange.connection) or programs.setdefault(exchange.connection, _program(evidence, exchange.connection))
            found[program].append(asked.first_ns)
    for times in found.values():
        times.sort()
    return found


def _is_between(times: Sequence[int], first_ns: int, last_ns: int) -> bool:
    place = bisect_left(times, first_ns)
    return place < len(times) and times[place] <= last_ns


def why(tell: Tell[Ended]) -> str:
    first = tell.facts[0]
    closing = first.ending.closing
    return (
        f"{counted(tell.count, 'logon')} of {tell.first.user or tell.connection.client.host} in a row succeeded with empty requests. Each time the connection "
        f"ended before the real request was answered. The first is on {name(tell.connection)} (status {status(first.exchange)}, "
        f"{answered_at(tell, first.exchange)}). {words.ender(tell.evidence, first.connection, closing)} ended that connection ({words.closed(closing)}, "
        f"{tell.packet(closing.packet)}). No request with a body of this client was answered 2xx in between."
    )


OPINION = Opinion(
    title=lambda tell: f"Logons of {tell.first.user or tell.connection.client.host} succeed, but the requests are lost",
    name="Logons succeed, but the client's requests are lost",
    severity=Severity.CRITICAL,
    confidence=0.9,
    owner=owner_of,
    reference=microsoft.REQUEST_NEVER_SENT,
    advice=lambda tell: Advice(f"Let the {_WHO[owner_of(tell)]} keep the connection open after the 200 that ends the logon", Topic.KEEP, _AVOID),
    see=see,
    why=why,
    each=lambda evidence, sign: _program(evidence, sign.fact.connection.id),
    explains=("tcp.request-cut", "auth.reauth-per-request", "auth.context-lost"),
    fails=("keeps_open_after_success",),
    params=(LEAST,),
)
