"""The run as a list of jobs. READ THIS FIRST.

    scan[i]    capture i                       -> its description, its candidate flows
    threads    all flows                       -> which flows are one connection; ids, by first packet
    talk[k]    the connections of shard k      -> connections, exchanges, messages, conversations
    hops       all exchanges                   -> hops, clock offsets
    routes     hops and streams                -> routes, roles, which connections are WinRM
    silence    connections, exchanges, ICMP    -> requests without an answer, and why
    kdc        datagrams, flows of port 88     -> what clients and KDCs said; with the secrets, session keys (reading.py)
    names      DNS and its kin, DHCP           -> what is said of the addresses and names that take part (capture/names.py, story/hosts.py)
    users      tickets, keys, the KDC's answers -> who the user of each Kerberos logon is (ticketing.py)
    contents   messages, secrets, tickets      -> opened messages, shells, commands (opening.py), operations on CIM classes (operations.py)
    judge      the evidence                    -> findings, scorecards (work.py)
    logs       the result, files of host logs  -> events joined to it (host_logs.py)

Jobs are module-level functions on plain arguments, so the same plan can run serially, in a process pool or elsewhere; a shard is only a way to cut the work,
results do not depend on how many there are.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.auth.conversations import conversations
from analyzer.auth.pages import with_pages
from analyzer.auth.steps import steps_of
from analyzer.engine.bodies import bodies
from analyzer.engine.budget import READING, UNBOUNDED, Budget, bounded, cut
from analyzer.engine.room import room_of, too_large
from analyzer.engine.translations import translations
from analyzer.errors import SpentError
from analyzer.formats.content import Room
from analyzer.formats.prefaces import preface
from analyzer.formats.reader import Fetch
from analyzer.formats.tls import KeyLog
from analyzer.formats.tls_facts import answers_in_tls, imitates_tls, tls_facts
from analyzer.http.exchanges import AT_LEAST, Parsed, Readers, Tunnel, most_exchanges, parse, readers_of
from analyzer.http.http2 import Start, speaks_http2, upgraded
from analyzer.http.http2 import parse as parse_http2
from analyzer.proxy.healing import lent
from analyzer.proxy.hops import Joined, hops
from analyzer.proxy.routes import routes
from analyzer.records.auth import Audience, Conversation
from analyzer.records.capture import Capture, Flow, IcmpError
from analyzer.records.evidence import Evidence, InTurn
from analyzer.records.http import Exchange
from analyzer.records.ids import connection_id
from analyzer.records.issues import Issue
from analyzer.records.prefaces import Socks
from analyzer.records.proxy import Clock
from analyzer.records.sealing import Message
from analyzer.records.tls import Reached
from analyzer.records.transport import Connection
from analyzer.records.wsman import Said
from analyzer.settings import Limits, Spent
from analyzer.story.icmp import icmp_of
from analyzer.story.silence import joined as without_repeats
from analyzer.story.silence import unanswered
from analyzer.transport.complements import together
from analyzer.transport.connections import connection
from analyzer.transport.healing import borrowed, healed
from analyzer.transport.prefaces import begins_in_http, unprefaced
from analyzer.transport.strays import reuse, stray_syns, untangled
from analyzer.transport.threads import same, threads
from analyzer.transport.tls import Store, opened
from analyzer.transport.tunnels import inner
from analyzer.wsman.presence import negotiated, winrm


class Talk(NamedTuple):
    """What one connection (and the tunnels in it) gave."""

    connection: Connection
    exchanges: tuple[Exchange, ...]
    messages: tuple[Message, ...]
    conversations: tuple[Conversation, ...]
    issues: tuple[Issue, ...]
    of_transport: tuple[Issue, ...] = ()
    """Those of ``issues`` that its packets gave, before anything was read."""
    said: tuple[Said | None, ...] = ()
    """What each of the messages says, where it is clear and depends on no other; else None."""
    unpacked: int = 0
    """Bytes that its compressed parts became; -1 where there was no room for all of them."""


class Tools(NamedTuple):
    """What reading needs besides the evidence: where bytes are, where plaintext goes, the TLS secrets, the limits, and the run's budget."""

    fetch: Fetch
    store: Store
    keys: KeyLog
    limits: Limits
    budget: Budget = UNBOUNDED


class Work(NamedTuple):
    """One connection to be read: its number, its flows in order, the number of the connection whose twin it is; the other views of it, each with its number
    and flows, which have what its own lacks; and what was said of it when its flows were put together."""

    number: int
    flows: tuple[Flow, ...]
    twin_of: int | None
    views: tuple[tuple[int, tuple[Flow, ...]], ...] = ()
    strays: tuple[int, ...] = ()
    """Packet keys of SYNs inside of it that nobody answered."""
    reuses: int | None = None
    """The key of its first packet, where it begins on addresses and ports whose connection had not ended."""
    notes: tuple[Issue, ...] = ()


def affordable(todo: Sequence[Work], limits: Limits) -> tuple[tuple[Work, ...], Limits, tuple[Issue, ...]]:
    """The connections that are read, the limits of this run's exchanges, and what was left out; twins of what was left out are connections of their own."""
    kept, limits, issues = bounded(todo, [weight(item) for item in todo], limits, lambda item: item.flows[0].capture)
    if not issues:
        return tuple(kept), limits, ()
    numbers = {item.number for item in kept}
    alone = (item._replace(twin_of=item.twin_of if item.twin_of in numbers else None) for item in kept)
    return tuple(item._replace(views=tuple(view for view in item.views if view[0] in numbers)) for item in alone), limits, issues


def work(flows: Sequence[Flow]) -> tuple[Work, ...]:
    """Job *threads*: every flow of all captures, in order of captures, then of first packets."""
    whole = together(untangled(flows))
    found = threads(whole.flows)
    groups = {number: group for group in same(found, whole.flows) for number in group}
    if not (groups or whole.strays or whole.reused or whole.notes) and all(thread.twin_of is None for thread in found):  # seen once, nothing odd
        return tuple([Work(number, (whole.flows[own],), None) for number, (own, _) in enumerate(found, 1)])
    out = []
    for number, (own, twin_of) in enumerate(found, 1):
        views = tuple((other, (whole.flows[found[other - 1].flow],)) for other in groups.get(number, ()) if other != number)
        reuses = whole.flows[own].segments.key[0] if own in whole.reused else None
        out.append(
            Work(number, (whole.flows[own],), None if twin_of is None else twin_of + 1, views, whole.strays.get(own, ()), reuses, whole.notes.get(own, ()))
        )
    return tuple(out)


def weight(item: Work) -> int:
    """Bytes of payload that its flows hold."""
    flows = item.flows
    return sum(flows[0].segments.size) if len(flows) == 1 else sum([sum(flow.segments.size) for flow in flows])


def talk(shard: Iterable[Work], tools: Tools, done: Callable[[], None] | None = None) -> tuple[Talk, ...]:
    """Job *talk*: reads the connections of one shard, those that the run's seconds are enough for."""
    out: list[Talk] = []
    for item in shard:
        if tools.budget.spent(READING):
            break
        try:
            out.extend(_item(item, tools))
        except MemoryError:  # what it took is free again, and the others are read
            continue
        except SpentError:
            break
        if done is not None:
            done()
    return tuple(out)


def _item(item: Work, tools: Tools) -> list[Talk]:
    """One connection, with what its other views have."""
    over = tools.budget.over(READING)
    made, issues = connection(connection_id(item.number), item.flows, tools.fetch, tools.limits, over)
    if item.notes or item.strays or item.reuses is not None:
        issues += tuple([replace(note, record=made.id) for note in item.notes]) + stray_syns(made.id, item.strays) + reuse(made.id, item.reuses)
    if item.twin_of is not None:
        made = replace(made, twin_of=connection_id(item.twin_of))
    for number, view in item.views[: tools.limits.views]:
        other, _ = connection(connection_id(number), view, tools.fetch, tools.limits, over)
        made, told = healed(made, other, tools.fetch, tools.limits, tells=number > item.number)
        issues = (*issues, *told)
    if len(item.views) > tools.limits.views:
        more = f"views={tools.limits.views}: {len(item.views) - tools.limits.views} other views of the connection were not asked for what it lacks"
        issues = (*issues, Issue("tcp.limit", more, made.id, made.capture))
    return _read(made, issues, tools, tools.limits.tunnel_depth)


def unread_connections(todo: Sequence[Work], talks: Sequence[Talk], budget: Budget) -> tuple[Issue, ...]:
    """The issue of the connections that there was no time for."""
    if sum([item.connection.tunnel_of is None for item in talks]) == len(todo):
        return ()
    read = {_place(item.connection.id)[0] for item in talks}
    left = [item for item in todo if item.number not in read]
    if not left:
        return ()
    told = f"{budget.told() if budget.spent(READING) else 'out of memory'}: {len(left)} of {len(todo)} connections were not read"
    return (Issue("tcp.limit", told, capture=left[0].flows[0].capture, repeats=len(left)),)


def _read(made: Connection, issues: tuple[Issue, ...], tools: Tools, depth: int, wanted: str | None = None) -> list[Talk]:
    """One connection; a CONNECT tunnel in it is read as a connection of its own, to the host ``wanted``."""
    fetch, limits = tools.fetch, tools.limits
    readers = readers_of(made, fetch)
    if made.protocol != "http" or not begins_in_http(*readers):  # else nothing is around it
        made, issues, readers = _bare(made, issues, readers, tools, wanted)
        if made.protocol != "http" and not made.tls_opened and not (made.protocol == "other" and speaks_http2(made, fetch, readers)):
            opaque = (Issue("tls.opaque", f"port {made.server.port}", made.id, made.capture),) if _hides(made) else ()
            return [Talk(made, (), (), (), (*issues, *opaque))]
    found, tunnel = _said(made, issues, fetch, limits, tools.budget, readers)
    if tunnel is None:
        return [found]
    outer = replace(made, protocol="connect")
    return [found._replace(connection=outer), *_tunnel(outer, tunnel, tools, depth)]


def _bare(made: Connection, issues: tuple[Issue, ...], readers: Readers, tools: Tools, wanted: str | None) -> tuple[Connection, tuple[Issue, ...], Readers]:
    """A connection behind its prefaces, and inside of its TLS where that can be opened."""
    fetch, limits = tools.fetch, tools.limits
    made = unprefaced(made, fetch, limits, readers)
    readers = readers_of(made, fetch, readers)
    if len(made.prefaces) >= limits.prefaces and preface(*readers) is not None:
        why = f"prefaces={limits.prefaces}: what follows these SOCKS requests and PROXY headers was not read as another one"
        issues = (*issues, Issue("tcp.limit", why, made.id, made.capture))
    if made.protocol == "tls" and imitates_tls(made.to_server, made.to_client, fetch):
        made = replace(made, protocol="http")
        issues = (*issues, Issue("tls.imitated", f"port {made.server.port}", made.id, made.capture))
    if made.protocol == "tls" or answers_in_tls(readers[1]):
        told = tls_facts(made.to_server, made.to_client, fetch, tools.keys, wanted or _asked_for(made))
        made = replace(made, tls=told)
        try:
            made = (opened(made, tools.keys, fetch, tools.store) if tools.keys else None) or made
        except OSError as error:  # the disk is full, or no file can be opened any more
            why = f"decrypted bytes could not be kept in a temporary file: {error.strerror or error}"
            issues = (*issues, Issue("tcp.limit", why, made.id, made.capture))
    return made, issues, readers


def _parsed(made: Connection, fetch: Fetch, limits: Limits, over: Spent, readers: Readers) -> Parsed:
    """The exchanges in HTTP/1, in HTTP/2, or in one after the other."""
    if speaks_http2(made, fetch, readers):
        return parse_http2(made, fetch, limits, Start(), over=over)
    parsed = parse(made, fetch, limits, over, readers)
    start = upgraded(parsed)
    if start is None or start.upgraded is None:
        return parsed
    before = parsed.exchanges[: start.upgraded.position - 1]
    rest = parse_http2(made, fetch, limits, start, len(before), over)
    return Parsed((*before, *rest.exchanges), None, rest.issues)


def _said(
    made: Connection, issues: tuple[Issue, ...], fetch: Fetch, limits: Limits, budget: Budget = UNBOUNDED, known: Readers | None = None
) -> tuple[Talk, Tunnel | None]:
    """What a connection says in HTTP, and the tunnel in it."""
    readers = readers_of(made, fetch, known)
    parsed = _parsed(made, fetch, limits, budget.over(READING), readers)
    exchanges = parsed.exchanges
    complaints = [*issues, *parsed.issues]
    if len(exchanges) > AT_LEAST:
        exchanges, left = cut(made, exchanges, most_exchanges(made, limits), f"exchange_bytes={limits.exchange_bytes}")
        complaints += left
    most = room_of(made, limits)
    room = Room(most)
    read = bodies(made, exchanges, readers, fetch, limits, room, budget)
    complaints += read.issues
    if read.exchanges < len(exchanges):
        exchanges, left = cut(made, exchanges, read.exchanges, budget.told())
        complaints += left
    if room.full:
        complaints.append(too_large(made, limits))
    spoken, problems = conversations(made, exchanges, limits)
    complaints += problems
    unpacked = -1 if room.full else most - room.left
    return Talk(made, exchanges, tuple(read.messages), spoken, tuple(complaints), issues, tuple(read.said), unpacked), parsed.tunnel


def _tunnel(outer: Connection, tunnel: Tunnel, tools: Tools, depth: int) -> list[Talk]:
    inside = inner(outer, tunnel.client_at, tunnel.server_at, tunnel.protocol)
    if depth <= 0:
        return [Talk(inside, (), (), (), (Issue("tcp.limit", f"tunnel_depth={tools.limits.tunnel_depth}", inside.id, outer.capture),))]
    return _read(inside, (), tools, depth - 1, tunnel.target.rpartition(":")[0].strip("[]") or None)


def _asked_for(made: Connection) -> str | None:
    """The host that the client asked its last SOCKS proxy for."""
    asked = (preface.host for preface in reversed(made.prefaces) if isinstance(preface, Socks) and preface.host)
    return next(asked, None)


def _hides(made: Connection) -> bool:
    """TLS under which something was said, or may have been."""
    return made.protocol == "tls" and (made.tls is None or made.tls.reached in (Reached.COMPLETED, Reached.APPLICATION_DATA))


def evidence(
    captures: Sequence[Capture],
    talks: Iterable[Talk],
    issues: Iterable[Issue],
    fetch: Fetch,
    limits: Limits,
    errors: Iterable[IcmpError] = (),
    *,
    negotiate: bool = False,
) -> Evidence:
    """Jobs *hops* and *routes*: everything put together, in order of place."""
    ordered = sorted(talks, key=lambda item: _place(item.connection.id))
    both = _both_sides(ordered, fetch)
    mended = _mended(ordered, both, fetch, limits)
    if mended is not None:
        ordered = mended
        both = _both_sides(ordered, fetch)
    connections, exchanges, exchanges_of, all_messages, joined = both.connections, both.exchanges, both.exchanges_of, both.messages, both.joined
    routed = routes(connections, exchanges_of, joined.hops, joined.legs, fetch, by_product=not negotiate)
    icmp = icmp_of(connections, errors)
    silent = unanswered(connections, exchanges_of, captures, icmp, fetch, limits)
    near, far = {hop.near: hop for hop in joined.hops}, {hop.far: hop for hop in joined.hops}
    if negotiate:
        ordered = [item._replace(conversations=tuple(with_pages(one, exchanges) for one in item.conversations)) for item in ordered]
    spoken = tuple([conversation for item in ordered for conversation in item.conversations])
    present = winrm(connections, exchanges_of, all_messages, spoken, joined.hops, routed.routes, limits)
    if negotiate:
        present = negotiated(present, exchanges_of, joined.hops, routed.routes)
    return Evidence(
        captures=tuple(_with_clock(capture, joined.clocks.get(capture.point)) for capture in captures),
        connections=connections,
        exchanges=exchanges,
        exchanges_of=exchanges_of,
        messages=all_messages,
        conversations=spoken,
        conversations_of={item.connection.id: item.conversations for item in ordered},
        hops=joined.hops,
        near=near,
        far=far,
        routes=routed.routes,
        roles=routed.roles,
        winrm=present.connections,
        winrm_exchanges=present.exchanges,
        negotiate=negotiate,
        icmp=icmp,
        unanswered=without_repeats(silent, joined.hops, exchanges),
        said={item.connection.id: InTurn(item.messages, item.said) for item in ordered if item.connection.id in present.connections and item.said},
        issues=(*issues, *_of_winrm(ordered, present.exchanges), *both.translations, *joined.issues, *routed.issues),
    )


def _of_winrm(talks: Iterable[Talk], exchanges: frozenset[str]) -> Iterator[Issue]:
    """The issues of connections; that SOAP could not be read is none where it is another service's."""
    for item in talks:
        for issue in item.issues:
            if issue.code != "wsman.unreadable" or (issue.record or "").rpartition(".")[0] in exchanges:
                yield issue


class _Both(NamedTuple):
    """The connections of all captures with what they say, joined."""

    connections: dict[str, Connection]
    translations: tuple[Issue, ...]
    exchanges: dict[str, Exchange]
    exchanges_of: dict[str, tuple[Exchange, ...]]
    messages: dict[str, Message]
    joined: Joined


def _both_sides(talks: Sequence[Talk], fetch: Fetch) -> _Both:
    connections, of_translation = translations((item.connection for item in talks), fetch)
    exchanges_of = {item.connection.id: item.exchanges for item in talks}
    all_messages = {message.id: message for item in talks for message in item.messages}
    exchanges = {exchange.id: exchange for item in talks for exchange in item.exchanges}
    return _Both(connections, of_translation, exchanges, exchanges_of, all_messages, hops(connections, exchanges_of, all_messages))


def _mended(talks: Sequence[Talk], both: _Both, fetch: Fetch, limits: Limits) -> list[Talk] | None:
    """The talks, those with holes in encrypted bodies that the other side of a proxy has read again with these; None where there are none."""
    found = lent(both.connections, both.exchanges, both.joined.hops, both.messages, fetch)
    if not found.loans:
        return None
    out = []
    for item in talks:
        loans = found.loans.get(item.connection.id)
        if loans is None or item.connection.protocol == "connect":
            out.append(item)
            continue
        made = item.connection
        made = replace(made, to_server=borrowed(made.to_server, loans.get(True, ())), to_client=borrowed(made.to_client, loans.get(False, ())))
        told, _ = _said(made, item.of_transport, fetch, limits)
        out.append(told._replace(issues=(*told.issues, *found.issues.get(made.id, ()))))
    return out


def _with_clock(capture: Capture, clock: Clock | None) -> Capture:
    return capture if clock is None else replace(capture, clock_offset_ns=clock.ahead_ns, clock_drift=clock.drift, clock_error_ns=clock.error_ns)


def auth_steps(found: Evidence) -> dict[str, str]:
    """The word of the exchanges table's auth_step, for the server's audience."""
    words: dict[str, str] = {}
    for identity, exchanges in found.exchanges_of.items():
        words.update(steps_of(found.conversations_of.get(identity, ()), exchanges, Audience.SERVER))
    return words


def _place(identity: str) -> tuple[int, int]:
    head, _, _ = identity.partition(".")
    return int(head[1:]), identity.count(".")
