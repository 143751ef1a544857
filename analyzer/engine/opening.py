"""Jobs *open* and *shell*: sealed bodies are opened where a secret proves right, envelopes are described, and their operations become shells and commands.

Plaintext lives only while its envelope is described. Of an exchange seen on two legs (or at two capture points) one copy counts: the client's leg, or the one
that could be read best (`analyzer.wsman.copies`). Of a body that lacks bytes what there is of it is read, with marks where it lacks something.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import NamedTuple

from msgspec import Struct
from msgspec.structs import replace

from analyzer.engine.budget import OPENING, UNBOUNDED, Budget
from analyzer.engine.clear import AtOnce, all_told, clear_texts, operations_in_turn, said_at_once
from analyzer.engine.forks import PACK, spread
from analyzer.engine.forwarding import forwarding
from analyzer.engine.kept import affordable, too_much, unlooked
from analyzer.engine.missing import between, by_one_clock, known_by_answers, missing_of, with_lost
from analyzer.engine.operations import Found, operations
from analyzer.engine.room import room_of, too_large
from analyzer.engine.shell_limits import reached
from analyzer.engine.sides import placing
from analyzer.engine.ticketing import NOBODY, Named
from analyzer.engine.together import together
from analyzer.formats.content import Room, unpacked
from analyzer.formats.holes import Holed, shown, text_of
from analyzer.formats.reader import Fetch
from analyzer.formats.tls import KeyLog, key_log
from analyzer.psrp.methods import ran
from analyzer.psrp.shells import Built, shells
from analyzer.records.auth import CredsspFacts, Mechanism
from analyzer.records.evidence import Evidence
from analyzer.records.forwarding import ForwardHalf, Forwarding
from analyzer.records.http import Exchange
from analyzer.records.ids import key_capture, key_number
from analyzer.records.issues import Issue
from analyzer.records.operations import CimHalf, CimOperation
from analyzer.records.quality import Absent, Known, Why
from analyzer.records.sealing import Message, Protection
from analyzer.records.secrets import Secrets
from analyzer.records.wsman import Command, Operation, Said, Shell
from analyzer.sealing.credssp import facts as credssp_facts
from analyzer.sealing.opening import Opened, Source, Talk, opened
from analyzer.sealing.tickets import Tickets
from analyzer.settings import Limits
from analyzer.wsman.copies import once, once_in_turn
from analyzer.wsman.envelope import decoded, described_text, encoding_of, over
from analyzer.wsman.plaintext import told_by
from analyzer.wsman.saying import said
from analyzer.wsman.structure import Seen, looked
from analyzer.wsman.winrs import learnt

_NOTHING: Mapping[str, object] = {}
_CHUNKS = 32
_OFTEN = 16
"""Messages after which the clock is looked at."""


class Contents(Struct, frozen=True, gc=False):
    """All messages, described as far as they could be read, by id; the shells and commands in them."""

    messages: Mapping[str, Message]
    clients: Mapping[str, str]
    """Identities that only a secret shows (Kerberos, CredSSP), by conversation id."""
    shells: tuple[Shell, ...]
    commands: tuple[Command, ...]
    credssp: Mapping[str, CredsspFacts] = {}
    """What is inside CredSSP logons, by conversation id."""
    issues: tuple[Issue, ...] = ()
    operations: tuple[CimOperation, ...] = ()
    forwarding: Forwarding = Forwarding()


class _Read(Struct, frozen=True, gc=False):
    """What the connections of one client with one server gave."""

    messages: dict[str, Message]
    """Those of which more is known than before, by id."""
    clients: dict[str, str]
    operations: dict[str, list[Operation]]
    """Of shells, by exchange."""
    told: list[str]
    """Connections all of whose clear messages say all on their own: what they say of shells is in the evidence, and need not come back."""
    compressed: set[str]
    """Exchanges and shells whose streams are compressed."""
    plain: set[str]
    """Shells that were met without a word of compression."""
    issues: list[Issue]
    late: int
    """Messages that were not looked at for want of time."""
    invoked: dict[str, list[Operation]]
    """What methods of CIM classes ran, by exchange."""
    cim: dict[str, list[CimHalf]]
    """What else is asked of resources, and answered, by exchange."""
    listings: list[Operation]
    """What servers say of shells where they are asked for them."""
    forwarded: dict[str, list[ForwardHalf]]
    """What sources of events and collectors said to each other, by exchange."""


class _Tools(Struct, frozen=True, gc=False):
    evidence: Evidence
    secrets: Secrets
    tickets: Tickets
    keys: KeyLog
    fetch: Fetch
    limits: Limits
    budget: Budget = UNBOUNDED
    sealed: AbstractSet[str] | None = None
    """The connections with encrypted messages, where that is known."""


class Means(NamedTuple):
    """Where bytes are, and what may be used."""

    fetch: Fetch
    limits: Limits
    budget: Budget = UNBOUNDED


def contents(
    evidence: Evidence,
    secrets: Secrets,
    tickets: Tickets,
    means: Means,
    workers: int = 1,
    named: Mapping[str, Named] = NOBODY,
    done: Callable[[int, int], None] | None = None,
) -> Contents:
    """Opens what can be opened and reads what is readable, in ``workers`` processes.

    ``named``: users that tickets tell, by conversation id. ``done`` is told how many of how many parts are read.
    """
    limits, budget = means.limits, means.budget
    sealed = frozenset([evidence.exchanges[one.exchange].connection for one in evidence.messages.values() if one.protection is Protection.SEALED])
    tools = _Tools(evidence, secrets, tickets, key_log(secrets.tls, secrets.rsa), means.fetch, limits, budget, sealed)
    groups = together(evidence)
    chunks = [groups[start::_CHUNKS] for start in range(min(_CHUNKS, len(groups)))]
    by_chunk = spread(lambda chunk: [_at_once(tools, group) or _read(tools, group, frozenset()) for group in chunk], chunks, workers, done, PACK)
    read = [by_chunk[place % _CHUNKS][place // _CHUNKS] for place in range(len(groups))]
    compressed = frozenset().union(*(one.compressed for one in read if isinstance(one, _Read)))
    for place, one in enumerate(read) if compressed else ():
        again = not compressed.isdisjoint(one.plain)  # another client, or the proxy's other leg, said how this shell's streams are packed
        if again and not budget.spent(OPENING):
            read[place] = _read(tools, groups[place], compressed)
    at_length = [one for one in read if isinstance(one, _Read)]
    changed = {identity: message for one in at_length for identity, message in one.messages.items()}
    messages = {**evidence.messages, **changed} if changed else evidence.messages
    clients = {identity: who.client for identity, who in named.items()}
    methods: dict[str, list[Operation]] = {}
    cim: dict[str, list[CimHalf]] = {}
    forwarded: dict[str, list[ForwardHalf]] = {}
    for one in read:
        if isinstance(one, AtOnce):
            for half in one.halves:
                cim.setdefault(half.exchange, []).append(half)
            continue
        cim.update(one.cim)
        forwarded.update(one.forwarded)
        methods.update(one.invoked)
        clients.update(one.clients)
    in_turn = operations_in_turn(
        evidence, {identity: own for one in at_length for identity, own in one.operations.items()}, {name for one in read for name in one.told}
    )
    once_each = known_by_answers(once_in_turn(evidence, messages, with_lost(evidence, messages, in_turn), sealed))
    kept, heavy = affordable(once_each, evidence, limits)
    kept += between(evidence, kept)
    place_of = placing(evidence, clients)
    listings = sorted((listing for one in at_length for listing in one.listings), key=lambda one: (one.ts_ns, one.message))
    built = shells(by_one_clock(evidence, kept), place_of, limits.object_bytes, listings)
    if methods:
        own = once(evidence, messages, {identity: methods[identity] for identity in evidence.exchanges if identity in methods})
        called = ran(own, {item.exchange: place_of(item.exchange) for item in own})
        built = Built((*built.shells, *called.shells), (*built.commands, *called.commands))
    other = operations(evidence, messages, cim, place_of) if cim else Found()
    events = forwarding(evidence, messages, forwarded, place_of, limits)
    known = {(issue.code, issue.record) for issue in evidence.issues if issue.code == "wsman.limit"}
    told = tuple(issue for one in at_length for issue in one.issues if (issue.code, issue.record) not in known)
    late = sum(one.late for one in at_length)
    told += heavy
    if late:
        first = evidence.captures[0].ordinal if evidence.captures else None
        told += (Issue("wsman.limit", f"{budget.told()}: {late} messages were not looked at for commands and their output", capture=first, repeats=late),)
    told += (*reached(built, limits), *other.issues, *events.issues)
    return Contents(messages, clients, built.shells, built.commands, _credssp(tools) if tools.keys else {}, told, other.operations, events.forwarding)


def _credssp(tools: _Tools) -> dict[str, CredsspFacts]:
    """What a key log shows of each CredSSP logon, also of those that failed before anything was encrypted for it."""
    evidence = tools.evidence
    wanted = (one for one in evidence.conversations if one.mechanism is Mechanism.CREDSSP and one.connection in evidence.winrm)
    return {one.id: found for one in wanted if (found := credssp_facts(one, evidence.exchanges, tools.keys)) is not None}


def _at_once(tools: _Tools, talks: list[Talk]) -> AtOnce | None:
    """The short way of `_read`."""
    if tools.sealed is None or tools.budget.spent(OPENING):
        return None
    return said_at_once(talks, tools.evidence, tools.sealed, tools.limits)


def _read(tools: _Tools, talks: list[Talk], compressed: frozenset[str]) -> _Read:
    """``compressed``: what is known of shells from elsewhere."""
    evidence = tools.evidence
    out = _Read({}, {}, defaultdict(list), [], set(compressed), set(), [], 0, defaultdict(list), defaultdict(list), [], defaultdict(list))
    rooms = {talk.connection.id: Room(room_of(talk.connection, tools.limits)) for talk in talks}
    late = 0
    for place, (message, known, text) in enumerate(_texts(tools, talks, out.messages, out.clients, rooms, out)):
        if place % _OFTEN == 0 and tools.budget.spent(OPENING):
            late = _left(tools, [talk for talk in talks if talk.connection.id not in out.told], out.messages)
            break
        exchange = evidence.exchanges[message.exchange]
        body = exchange.request if message.from_client else exchange.response
        half = None if isinstance(body, Absent) else (body.first_ns, body.packets)
        at_once = (message, text) if isinstance(text, Said) else _plaintext(tools, out, message, known, text, exchange)
        if at_once is not None:
            full, found = at_once
            if found.operation is not None and not found.by_method:
                learnt(message.exchange, found.operation.shell_id, out.compressed)
        elif isinstance(text, str):
            seen = looked(text, tools.limits)
            full = described_text(message, text, seen, tools.limits, **known) if message.protection is Protection.SEALED else message
            status = None if isinstance(exchange.response, Absent) else exchange.response.status
            room = rooms.get(exchange.connection)
            found = Said() if half is None else said(full, text, seen, half, status, compressed=out.compressed, room=room)
            if message.protection is Protection.SEALED and half is not None:
                out.issues.extend(_complaints(full, text, seen, half, tools.limits, exchange.capture))
        out.messages[full.id] = full
        if full.size > tools.limits.opened_bytes and full.protection is not Protection.SEALED and half is not None:
            out.issues.extend(Issue("wsman.limit", one, full.id, exchange.capture) for one in unlooked(full, tools.limits))
        _file(tools, out, full, found, whole=isinstance(text, Said))
    out.issues.extend(too_much(out.messages.values(), evidence, tools.limits))
    out.issues.extend(too_large(evidence.connections[identity], tools.limits) for identity, room in rooms.items() if room.full)
    plain = {name: dict(getattr(out, name)) for name in ("operations", "invoked", "cim", "forwarded")}
    changed = {identity: message for identity, message in out.messages.items() if message is not evidence.messages[identity]}
    return replace(out, **plain, late=late, compressed=out.compressed - compressed, messages=changed)


def _plaintext(tools: _Tools, out: _Read, message: Message, known: Mapping[str, object], text: str, exchange: Exchange) -> tuple[Message, Said] | None:
    """The message of a whole plaintext and what it says on its own; None where that depends on other messages, or there are holes in it."""
    body = exchange.request if message.from_client else exchange.response
    if message.protection is not Protection.SEALED or not known.get("opened") or isinstance(body, Absent):
        return None
    half, status = (body.first_ns, body.packets), None if isinstance(exchange.response, Absent) else exchange.response.status

    def complaints(full: Message, text: str, seen: Seen) -> tuple[Issue, ...]:
        return tuple(_complaints(full, text, seen, half, tools.limits, exchange.capture))

    told = told_by(message, known, text.encode(), half, status, tools.limits, complaints, out.compressed)
    if told is None:
        return None
    out.issues.extend(told.issues)
    return told.message, told.said


def _file(tools: _Tools, out: _Read, full: Message, found: Said, *, whole: bool) -> None:
    """What a message says, by what it is about. ``whole``: it says all of that on its own, in clear."""
    _file_others(out, full, found)
    own = found.operation
    if own is None:
        return
    lacking = 0 if whole else missing_of(tools.evidence, full)
    own = own if lacking == 0 else replace(own, missing=lacking, unproved=full.protection is Protection.SEALED)
    (out.invoked if found.by_method else out.operations)[full.exchange].append(own)
    if own.shell_id and own.shell_id not in out.compressed:
        out.plain.add(own.shell_id)


def _file_others(out: _Read, full: Message, found: Said) -> None:
    """The same of what is not about shells."""
    if found.forwarded is not None:
        out.forwarded[full.exchange].append(found.forwarded)
    if found.cim is not None:
        out.cim[full.exchange].append(found.cim)
    if found.listing is not None:
        out.listings.append(found.listing)


def _read_already(tools: _Tools, out: _Read, talk: Talk) -> bool:
    """Everything on the connection is in clear and says all that it says on its own: that stands as it is."""
    identity = talk.connection.id
    own = tools.evidence.said.get(identity)
    if own is None or out.compressed or tools.sealed is None or identity in tools.sealed or tools.budget.spent(OPENING) or not all_told(own, tools.limits):
        return False
    out.told.append(identity)
    shell_id: str | None = None
    for message, found in zip(own.messages, own.said, strict=True):
        if found is None:
            continue
        operation = found.operation
        if operation is not None:
            if operation.shell_id != shell_id and operation.shell_id:
                shell_id = operation.shell_id
                out.plain.add(shell_id)
            if found.by_method:
                out.invoked[message.exchange].append(operation)
        if found.cim is not None or found.forwarded is not None or found.listing is not None:
            _file_others(out, message, found)
    return True


def _complaints(full: Message, text: str, seen: Seen, half: tuple[int, tuple[int, ...]], limits: Limits, capture: int) -> Iterator[Issue]:
    """What is odd in an envelope that was decrypted, and the limits that it reached."""
    if seen.marks.has_dtd or seen.odd is not None:
        code, detail = seen.odd or ("wsman.rejected-dtd", "a document type declaration")
        yield Issue(code, detail, full.id, key_capture(half[1][0]), key_number(half[1][0]))
    for words in over(full, text, seen, limits):
        yield Issue("wsman.limit", words, full.id, capture)


def _left(tools: _Tools, talks: list[Talk], done: dict[str, Message]) -> int:
    """How many messages there was no time for; the encrypted ones among them say so."""
    left = 0
    for talk in talks:
        for exchange in talk.exchanges:
            for half in (exchange.request, exchange.response):
                message = None if isinstance(half, Absent) else tools.evidence.messages.get(half.id)
                if message is None or message.id in done or message.protection not in (Protection.SEALED, Protection.CLEAR, Protection.TLS):
                    continue
                left += 1
                if message.protection is Protection.SEALED:
                    done[message.id] = replace(message, opened=False, opened_absent=Why.OVER_LIMIT.value, opened_detail=f"no time: {tools.budget.told()}")
    return left


def texts(evidence: Evidence, secrets: Secrets, tickets: Tickets, fetch: Fetch, limits: Limits) -> Iterator[tuple[str, str]]:
    """(message id, text) of every body that can be read; they are opened anew, since no plaintext is kept."""
    tools = _Tools(evidence, secrets, tickets, key_log(secrets.tls, secrets.rsa), fetch, limits)
    for group in together(evidence):
        for message, _, text in _texts(tools, group, {}, {}, {talk.connection.id: Room(room_of(talk.connection, limits)) for talk in group}, None):
            if isinstance(text, str):
                yield message.id, shown(text)[0]


def _texts(
    tools: _Tools, talks: list[Talk], messages: dict[str, Message], clients: dict[str, str], rooms: Mapping[str, Room], out: _Read | None
) -> Iterator[tuple[Message, Mapping[str, object], str | Said]]:
    """Every message whose envelope can be read, with what its opening tells of it and its text; the sealed ones that cannot be read get their reason in
    ``messages``. ``out``: what was read by now, which connections are added to as a whole where everything is said already; a message in clear text that does
    not depend on others has no text here, but what it says. None: texts are what is wanted."""
    evidence, limits = tools.evidence, tools.limits
    encrypted = tools.sealed is None or any(talk.connection.id in tools.sealed for talk in talks)
    for result in opened(talks, evidence.messages, tools.secrets, tools.tickets, tools.keys, Source(tools.fetch, limits)) if encrypted else ():
        if result.conversation is not None and result.client is not None:
            clients[result.conversation] = result.client
        message, known = evidence.messages[result.message], _verdict(result)
        text = _plain(message, result.text, limits, rooms.get(_connection(evidence, message)))
        part = None if result.part is None else _part(message, result.part)
        if part is not None:
            yield message, known, text_of(part, encoding_of(part.data))
        elif isinstance(text, Absent):
            too_much = {"operation": text} if text.why is Why.OVER_LIMIT else {}
            messages[result.message] = replace(message, **known, **too_much)
        else:
            yield message, known, decoded(text)
    for talk in talks:
        if out is None or not _read_already(tools, out, talk):
            for message, clear in clear_texts(talk, evidence, tools.fetch, limits, rooms.get(talk.connection.id), None if out is None else out.compressed):
                yield message, _NOTHING, clear


def _connection(evidence: Evidence, message: Message) -> str:
    return evidence.exchanges[message.exchange].connection


def _plain(message: Message, text: Known[bytes], limits: Limits, room: Room | None) -> Known[bytes]:
    """MS-WSMV 2.2.9.2: a body is compressed before it is sealed, though the header that says so stands outside."""
    if isinstance(text, Absent) or "sldc" not in message.codings:
        return text
    return unpacked(text, [coding for coding in message.codings if coding == "sldc"], limits.opened_bytes, room)


def _part(message: Message, found: Holed) -> Holed | None:
    """What lacks bytes cannot be decompressed as WinRM does it (MS-WSMV 2.2.9.2)."""
    return None if "sldc" in message.codings else found


def _verdict(result: Opened) -> dict[str, object]:
    """The fields of the message that its opening tells."""
    if isinstance(result.text, Absent):
        why: dict[str, object] = {"opened": False, "opened_absent": result.text.why.value, "opened_detail": result.text.detail}
    else:
        why = {"opened": True, "text_digest": hashlib.sha256(result.text).digest()}
    return {**why, "secret": result.secret, "check": result.check}
