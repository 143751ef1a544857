"""From candidate flows to the result: connections, exchanges, what they say, and what that means."""

import gc
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

from msgspec.structs import replace

from analyzer.auth.kdc import kdc_messages
from analyzer.capture.scan import Scanned
from analyzer.engine.budget import TELLING
from analyzer.engine.earlier import with_earlier
from analyzer.engine.forks import PACK, processes, spread
from analyzer.engine.kerberos import Kdc, kdc_pieces
from analyzer.engine.keyuse import fitting, unread, uses, with_keys
from analyzer.engine.opening import Means, contents, identified, texts, verified
from analyzer.engine.plan import Talk, Tools, Work, affordable, auth_steps, evidence, shards, talk, unread_connections, weight, work
from analyzer.engine.secrets.tls import carried_secrets
from analyzer.engine.sightings import with_sightings, with_sigma
from analyzer.engine.sources import Sources
from analyzer.engine.ticketing import ticket_users
from analyzer.engine.work import Settings, judged, told, untold
from analyzer.formats.tls import key_log
from analyzer.psrp.files import moved
from analyzer.records.capture import Verdict
from analyzer.records.evidence import Evidence
from analyzer.records.issues import Issue
from analyzer.records.names import NameClaim
from analyzer.records.result import Result
from analyzer.sealing.keyring import KeyRing
from analyzer.sealing.proving import proved
from analyzer.sealing.tickets import learn
from analyzer.story.attribution import attributed
from analyzer.story.hosts import of_interest

_GARBAGE = (5_000_000, 50)
"""Objects made before the young ones are looked through, and how often that before the older ones are: see `gc.set_threshold`."""


def read(
    scanned: list[Scanned], sources: Sources, settings: Settings, progress: Callable[[str, int, int], None] | None, before: Evidence | None = None
) -> tuple[Result, Callable[[], Iterable[tuple[str, str]]]]:
    """The result of captures that hold flows, and what opens their bodies again: (message id, text) of each that can be read.

    ``scanned`` is emptied: the rows of its packets are not needed once their connections are read. ``before``: what an earlier run decrypted, which stays.
    """
    with _few_collections():
        return _read(scanned, sources, settings, progress, before)


@contextmanager
def _few_collections() -> Iterator[None]:
    """What is made here stays, and what does not is gone without a search, as no records refer to each other in circles: the search for such garbage finds none
    and costs a fifth of the time."""
    before = gc.get_threshold()
    if before[0]:  # zero: the caller wants no collections at all
        gc.set_threshold(max(before[0], _GARBAGE[0]), max(before[1], _GARBAGE[1]), before[2])
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _read(
    scanned: list[Scanned], sources: Sources, settings: Settings, progress: Callable[[str, int, int], None] | None, before: Evidence | None
) -> tuple[Result, Callable[[], Iterable[tuple[str, str]]]]:
    limits, secrets = settings.limits, settings.secrets
    captures = [item.capture for item in scanned]
    issues = [issue for item in scanned for issue in item.issues]
    errors = [error for item in scanned for error in item.icmp]
    flows = [flow for item in scanned for flow in item.flows]
    datagrams, names = [item for one in scanned for item in one.kdc], [item for one in scanned for item in one.names]
    with_kdc = [flow for flow in flows if flow.verdict is Verdict.KDC]
    todo, bounded_limits, over = affordable(work([flow for flow in flows if flow.verdict is not Verdict.KDC]), limits)
    tools = Tools(
        sources.fetch, sources.store, key_log([*secrets.tls, *carried_secrets(captures, sources.fetch)], secrets.rsa), bounded_limits, settings.budget
    )
    scanned.clear()
    del flows
    talks, workers, unread_too = _talks(todo, tools, sources, progress)
    del todo
    found = evidence(captures, talks, [*issues, *over, *unread_too], sources.fetch, bounded_limits, errors, negotiate=settings.negotiate)
    del talks
    kdc = kdc_pieces(with_kdc, datagrams, sources.fetch, limits) if found.winrm else Kdc()
    found = _with_others(found, kdc, names)
    del datagrams, with_kdc, names
    ring = KeyRing(secrets, limits)
    tickets = learn((piece.raw for piece in kdc.pieces), secrets, ring)
    named = ticket_users(found, ring, tickets)
    proofs = proved(found.conversations, found.exchanges, secrets.ntlm, limits)
    found = replace(found, issues=(*found.issues, *proofs.issues, *ring.issues()))
    narrow = fitting(secrets, proofs.proofs)
    opened = contents(found, narrow, tickets, Means(sources.fetch, bounded_limits, settings.budget), workers, named, _phase("messages", progress))
    _phase("story", progress)(0, 1)
    conversations = identified(found.conversations, opened, named)
    if not secrets.empty:
        conversations = with_keys(verified(found, conversations, replace(secrets, proved=proofs.proofs)), proofs.proofs, tickets, opened.messages)
    by_id = {one.id: one for one in conversations}
    found = replace(found, issues=(*found.issues, *opened.issues))
    by_connection = {identity: tuple(by_id[one.id] for one in own) for identity, own in found.conversations_of.items()}
    found = replace(
        found,
        messages=opened.messages,
        said={},
        conversations=conversations,
        conversations_of=by_connection,
        shells=opened.shells,
        commands=opened.commands,
        operations=opened.operations,
        forwarding=opened.forwarding,
    )
    if not secrets.empty:
        found = replace(found, keys=uses(found, secrets, proofs.proofs, ring.fitted, limits), issues=(*found.issues, *unread(secrets)))
    readable, found = replace(found, shells=(), commands=()), with_earlier(found, before)  # texts are read without them
    del opened
    found = _with_story(found, settings)
    found = replace(found, product=settings.asked.proxy, scope=settings.scope)
    judgement = judged(found, settings, workers, _phase("rules", progress))
    if judgement.failures:
        found = replace(found, issues=(*found.issues, *judgement.failures))
    again = partial(texts, readable, narrow, tickets, sources.fetch, bounded_limits)
    made = Result(found, judgement.findings, auth_steps(found), judgement.scorecards, found.shells, found.commands, judgement.incidents, judgement.diagnosis)
    return made, again


def _with_story(found: Evidence, settings: Settings) -> Evidence:
    """With what commands hold that rules look for, the picture of the whole, and the files that commands moved."""
    limits, budget = settings.limits, settings.budget
    found = with_sightings(with_sigma(found, settings.asked.sigma_dirs, limits, budget), limits, budget)
    late = budget.spent(TELLING)
    found = replace(found, issues=(*found.issues, untold(budget))) if late else replace(found, story=told(found).story)
    who = attributed(found, found.shells, found.commands)
    found = replace(found, shells=who.shells, commands=who.commands, files=moved(who.commands, limits.file_bytes))
    long = (file for file in found.files if file.over_limit)
    cut = (Issue("wsman.limit", f"file_bytes={limits.file_bytes}: {file.name or 'a file'} is longer", capture=file.capture) for file in long)
    return replace(found, issues=(*found.issues, *cut))


def _with_others(found: Evidence, kdc: Kdc, names: Sequence[NameClaim]) -> Evidence:
    """With what KDCs and name servers said of those that talk WinRM."""
    found = replace(found, kdc=kdc_messages(kdc.pieces), issues=(*found.issues, *kdc.issues))
    return replace(found, names=of_interest(found, names))


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
        by_shard = spread(partial(talk, tools=tools, done=count), shards(todo, tools.limits.shards), forked, pack=PACK)
    sources.flush()  # plain text that was stored meanwhile: what comes next forks, too
    talks = [item for found in by_shard for item in found]
    return talks, workers, unread_connections(todo, talks, tools.budget)
