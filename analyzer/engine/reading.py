"""From candidate flows to the result: connections, exchanges, what they say, and what that means."""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

from msgspec.structs import replace

from analyzer.auth.kdc import kdc_messages
from analyzer.capture.scan import Scanned
from analyzer.engine.budget import TELLING
from analyzer.engine.earlier import with_earlier
from analyzer.engine.forks import PACK, processes, spread
from analyzer.engine.identities import identified, verified
from analyzer.engine.kerberos import Kdc, kdc_pieces
from analyzer.engine.keyuse import Tried, fitting, tried, unread, uses, with_keys
from analyzer.engine.opening import Means, contents, texts
from analyzer.engine.plan import Talk, Tools, Work, affordable, auth_steps, evidence, talk, unread_connections, weight, work
from analyzer.engine.secrets.tls import carried_secrets
from analyzer.engine.shards import shards
from analyzer.engine.sightings import with_sightings, with_sigma
from analyzer.engine.sources import Sources
from analyzer.engine.ticketing import ticket_users
from analyzer.engine.work import Settings, judged, told, untold
from analyzer.formats.tls import key_log
from analyzer.psrp.files import moved
from analyzer.records.capture import Capture, Flow, IcmpError, Verdict
from analyzer.records.evidence import Evidence
from analyzer.records.issues import Issue
from analyzer.records.kerberos import KdcPiece
from analyzer.records.names import NameClaim
from analyzer.records.result import Result
from analyzer.records.secrets import Secrets
from analyzer.sealing.keyring import KeyRing
from analyzer.sealing.proving import proved
from analyzer.sealing.tickets import Tickets, learn
from analyzer.settings import Limits
from analyzer.story.attribution import attributed
from analyzer.story.hosts import of_interest

_GARBAGE = (5_000_000, 50)
"""Objects made before the young ones are looked through, and how often that before the older ones are: see `gc.set_threshold`."""


def read(
    given: "Given", todo: list[Work], sources: Sources, settings: Settings, progress: Callable[[str, int, int], None] | None, before: Evidence | None
) -> tuple[Result, Callable[[], Iterable[tuple[str, str]]]]:
    """The result of connections, and what opens their bodies again: (message id, text) of each that can be read.

    ``todo`` is emptied: the rows of packets are not needed once their connections are read. ``before``: what an earlier run decrypted, which stays.
    """
    with few_collections():
        return _read(given, todo, sources, settings, progress, before)


@contextmanager
def few_collections() -> Iterator[None]:
    """What is made here stays, and what does not is gone without a search, as no records refer to each other in circles: the search for such garbage finds none
    and costs a fifth of the time."""
    before = gc.get_threshold()
    if before[0]:  # zero: the caller wants no collections at all
        gc.set_threshold(max(before[0], _GARBAGE[0]), max(before[1], _GARBAGE[1]), before[2])
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # all that was made becomes old without a search: the next object would be the one too many that starts it
            gc.freeze()
            gc.unfreeze()
        gc.set_threshold(*before)


def _read(
    given: "Given", todo: list[Work], sources: Sources, settings: Settings, progress: Callable[[str, int, int], None] | None, before: Evidence | None
) -> tuple[Result, Callable[[], Iterable[tuple[str, str]]]]:
    talks, workers, unread_too = _talks(todo, given.tools, sources, progress)
    todo.clear()
    found, kdc = put_together(given._replace(issues=(*given.issues, *unread_too)), talks, settings)
    del talks
    read = opened(found, kdc, given, settings, workers, progress)
    again = partial(texts, replace(read.evidence, shells=(), commands=()), read.narrow, read.tickets, sources.fetch, given.limits)  # read without them
    found = with_earlier(read.evidence, before)
    del read
    found = pictured(found, settings)
    judgement = judged(found, settings, _phase("rules", progress))
    if judgement.failures:
        found = replace(found, issues=(*found.issues, *judgement.failures))
    made = Result(found, judgement.findings, auth_steps(found), judgement.scorecards, found.shells, found.commands, judgement.incidents, judgement.diagnosis)
    return made, again


class Given(NamedTuple):
    """What is known before connections are read: captures, issues of the scan, ICMP errors, flows and datagrams of Kerberos, names that others told; the
    limits of this run; what reading needs."""

    captures: tuple[Capture, ...]
    issues: tuple[Issue, ...]
    errors: tuple[IcmpError, ...]
    with_kdc: tuple[Flow, ...]
    datagrams: tuple[KdcPiece, ...]
    names: tuple[NameClaim, ...]
    limits: Limits
    tools: Tools


def gathered(scanned: list[Scanned], sources: Sources, settings: Settings) -> tuple[Given, list[Work]]:
    """What the scan gave, and the connections to be read. ``scanned`` is emptied."""
    limits, secrets = settings.limits, settings.secrets
    captures = tuple(item.capture for item in scanned)
    flows = [flow for item in scanned for flow in item.flows]
    todo, bounded_limits, over = affordable(work([flow for flow in flows if flow.verdict is not Verdict.KDC]), limits)
    given = Given(
        captures=captures,
        issues=(*(issue for item in scanned for issue in item.issues), *over),
        errors=tuple(error for item in scanned for error in item.icmp),
        with_kdc=tuple(flow for flow in flows if flow.verdict is Verdict.KDC),
        datagrams=tuple(piece for item in scanned for piece in item.kdc),
        names=tuple(claim for item in scanned for claim in item.names),
        limits=bounded_limits,
        tools=Tools(
            sources.fetch, sources.store, key_log([*secrets.tls, *carried_secrets(captures, sources.fetch)], secrets.rsa), bounded_limits, settings.budget
        ),
    )
    scanned.clear()
    return given, list(todo)


def put_together(given: Given, talks: Iterable[Talk], settings: Settings) -> tuple[Evidence, Kdc]:
    """What connections say, with what KDCs and name servers said of those that talk WinRM; and the messages of KDCs."""
    fetch = given.tools.fetch
    found = evidence(given.captures, talks, given.issues, fetch, given.limits, given.errors, negotiate=settings.negotiate)
    kdc = kdc_pieces(given.with_kdc, given.datagrams, fetch, settings.limits) if found.winrm else Kdc()
    found = replace(found, kdc=kdc_messages(kdc.pieces), issues=(*found.issues, *kdc.issues))
    return replace(found, names=of_interest(found, given.names)), kdc


class Read(NamedTuple):
    """The evidence with what could be opened, the secrets that its messages are opened with, what tickets told, and what became of the secrets, if any."""

    evidence: Evidence
    narrow: Secrets
    tickets: Tickets
    tried: Tried | None = None


def opened(found: Evidence, kdc: Kdc, given: Given, settings: Settings, workers: int = 1, progress: Callable[[str, int, int], None] | None = None) -> Read:
    """Opens what secrets open, and reads what is readable."""
    limits, secrets, fetch = settings.limits, settings.secrets, given.tools.fetch
    ring = KeyRing(secrets, limits)
    tickets = learn((piece.raw for piece in kdc.pieces), secrets, ring)
    named = ticket_users(found, ring, tickets)
    proofs = proved(found.conversations, found.exchanges, secrets.ntlm, limits)
    found = replace(found, issues=(*found.issues, *proofs.issues, *ring.issues()))
    narrow = fitting(secrets, proofs.proofs)
    read = contents(found, narrow, tickets, Means(fetch, given.limits, settings.budget), workers, named, _phase("messages", progress))
    _phase("story", progress)(0, 1)
    conversations = identified(found.conversations, read, named)
    if not secrets.empty:
        conversations = with_keys(verified(found, conversations, replace(secrets, proved=proofs.proofs)), proofs.proofs, tickets, read.messages)
    by_connection = found.conversations_of
    if conversations is not found.conversations:
        by_id = {one.id: one for one in conversations}
        by_connection = {identity: tuple([by_id[one.id] for one in own]) for identity, own in by_connection.items()}
    found = replace(found, issues=(*found.issues, *read.issues))
    found = replace(
        found,
        messages=read.messages,
        said={},
        conversations=conversations,
        conversations_of=by_connection,
        shells=read.shells,
        commands=read.commands,
        operations=read.operations,
        forwarding=read.forwarding,
    )
    if secrets.empty:
        return Read(found, narrow, tickets)
    used = tried(found, secrets, proofs.proofs, ring.fitted)
    found = replace(found, keys=uses(secrets, used, limits), issues=(*found.issues, *unread(secrets)))
    return Read(found, narrow, tickets, used)


def pictured(found: Evidence, settings: Settings) -> Evidence:
    """With what commands hold that rules look for, the picture of the whole, and the files that commands moved."""
    limits, budget = settings.limits, settings.budget
    found = with_sightings(with_sigma(found, settings.asked.sigma_dirs, limits, budget), limits, budget)
    late = budget.spent(TELLING)
    found = replace(found, issues=(*found.issues, untold(budget))) if late else replace(found, story=told(found).story)
    who = attributed(found, found.shells, found.commands)
    found = replace(found, shells=who.shells, commands=who.commands, files=moved(who.commands, limits.file_bytes))
    long = (file for file in found.files if file.over_limit)
    cut = (Issue("wsman.limit", f"file_bytes={limits.file_bytes}: {file.name or 'a file'} is longer", capture=file.capture) for file in long)
    return replace(found, issues=(*found.issues, *cut), product=settings.asked.proxy, scope=settings.scope)


def _phase(name: str, progress: Callable[[str, int, int], None] | None) -> Callable[[int, int], None]:
    """Tells how far one phase is."""

    def tell(done: int, total: int) -> None:
        if progress is not None:
            progress(name, done, total)

    return tell


def _talks(todo: Sequence[Work], tools: Tools, sources: Sources, progress: Callable[[str, int, int], None] | None) -> tuple[list[Talk], int, tuple[Issue, ...]]:
    """What all connections say, how many processes read them, and an issue where there was no time for all."""
    workers = processes() if sum(map(weight, todo)) >= tools.limits.fork_bytes else 1
    sources.flush()
    tools.budget.used()  # what the processes that are forked begin with
    done = 0

    def count() -> None:
        nonlocal done
        done = min(done + workers, len(todo))  # the other processes are about as far
        if progress is not None:
            progress("connections", done, len(todo))

    by_shard = sources.talks(todo, tools) if sources.talks is not None else None
    if by_shard is None:
        forked = 1 if tools.keys else workers  # one spool takes plain text
        # Alone they are read as they come: so they lie in the file, and so all that follows looks at what is made of them.
        parts = shards(todo, tools.limits.shards) if forked > 1 else (tuple(todo),)
        by_shard = spread(partial(talk, tools=tools, done=count), parts, forked, pack=PACK)
    sources.flush()  # plain text that was stored meanwhile: what comes next forks, too
    talks = [item for found in by_shard for item in found]
    return talks, workers, unread_connections(todo, talks, tools.budget)
