"""Groups of connections (`analyzer.engine.grouped`) in jobs that travel, as those of `analyzer.engine.jobs` do.

    said[k]    connections, reels        -> what each of them says, by itself, and a summary of each
    share[g]   what some of them say     -> the rows, findings and records of one group

Secrets do not travel: what is opened with them is opened by the process that asked, and so is what depends on files that only it may have.
"""

from collections.abc import Mapping, Sequence
from time import thread_time

from msgspec import Struct
from msgspec.structs import replace

from analyzer.engine.jobs import TalkAsk, Told, are_there, digest, expected, keep, opened_spools, read_object, works_of, write_object
from analyzer.engine.keeping import packed, unpacked
from analyzer.engine.parts import Summary
from analyzer.engine.plan import Tools
from analyzer.engine.reading import Given, few_collections
from analyzer.engine.shares import Placed, Ranks, Share, share
from analyzer.engine.spools import read_bytes
from analyzer.engine.summing import Talked, summed
from analyzer.engine.work import Asked, Opinions, Picture, Settings
from analyzer.formats.tls import KeyLog
from analyzer.incidents.facts import About, Crowd
from analyzer.incidents.sums import Sums
from analyzer.records.capture import Capture, Flow, IcmpError
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding
from analyzer.records.issues import Issue
from analyzer.records.kerberos import KdcPiece
from analyzer.records.names import NameClaim
from analyzer.records.proxy import Scorecard
from analyzer.records.secrets import Secrets
from analyzer.reports.masking import Mask
from analyzer.settings import Limits
from analyzer.system.objects import Objects
from analyzer.system.outputs import scratch, spool
from analyzer.system.sums import ReadAt


class Summaries(Struct, frozen=True, gc=False):
    """What *said* gave: summaries, whose places lie in the object beside it."""

    found: tuple[Summary, ...]


class Basis(Struct, frozen=True, gc=False):
    """What all groups of a run are looked at with: what the scan gave besides connections, and where bytes lie."""

    captures: tuple[Capture, ...]
    issues: tuple[Issue, ...]
    errors: tuple[IcmpError, ...]
    with_kdc: tuple[Flow, ...]
    datagrams: tuple[KdcPiece, ...]
    names: tuple[NameClaim, ...]
    limits: Limits
    reels: tuple[str, ...]
    spool: str
    spool_size: int


class Wishes(Struct, frozen=True, gc=False):
    """What of a run's settings groups depend on (`analyzer.engine.work.Settings`)."""

    limits: Limits
    scope: tuple[str, ...]
    negotiate: bool
    proxy: str | None
    thresholds: Mapping[str, Mapping[str, float]]
    strict: bool


class ShareAsk(Struct, frozen=True, gc=False):
    """What *share* is given: where the connections of the group lie (object, offset, bytes), the object with the `Basis`, and the capture points of which it
    has not all connections."""

    places: tuple[tuple[str, int, int], ...]
    basis: str
    wishes: Wishes
    cut_points: tuple[int, ...]
    store: str


class _Kept(Struct, frozen=True, gc=False):
    """A `Share`, of types that are read back. Captures are left out that are as the scan gave them."""

    kept: tuple[Finding, ...]
    left_out: tuple[tuple[Finding, int], ...]
    """(symptom, place of its cause in ``kept``)."""
    cards: tuple[Scorecard, ...]
    failures: tuple[Issue, ...]
    titles: dict[str, str]
    rules: int
    skipped: int
    silent: bool
    about: tuple[About, ...]
    crowd: Crowd
    sums: Sums
    lean: Evidence
    issues: tuple[Placed, ...]
    counts: dict[str, int]
    places: dict[str, tuple[int, int]]
    winrm: dict[int, int]
    owners: dict[int, str]
    tags: tuple[tuple[bytes, str, tuple[int, int]], ...]
    ranks: Ranks


def said(ask: TalkAsk) -> Told:
    """Job *said*: what the connections of one shard say is in the store, each by itself, with a summary of each."""
    began = thread_time()
    store = Objects(ask.store)
    name = f"said-{digest(ask.work, list(ask.reels), ask.captures, ask.spool, ask.limits)}"
    if are_there(store, f"{name}.found", f"{name}.said"):
        return Told(name, found=True)
    sources = opened_spools(store, ask)
    try:
        with spool() as file:
            found = tuple(summed(expected(works_of(ask.work), sources), Tools(sources.fetch, sources.store, KeyLog(), ask.limits), file, f"{name}.said"))
            keep(store, f"{name}.said", file)
        write_object(store, f"{name}.found", packed(Summaries(found)))
    finally:
        sources.close()
    return Told(name, seconds=thread_time() - began)


def summaries_of(store: Objects, name: str) -> tuple[Summary, ...]:
    """What *said* gave, out of the store. `InputError`: it is damaged."""
    return read_object(store, f"{name}.found", Summaries).found


def shared(ask: ShareAsk) -> Told:
    """Job *share*: what one group comes to is in the store."""
    began = thread_time()
    store = Objects(ask.store)
    name = f"share-{digest([list(one) for one in ask.places], ask.basis, ask.wishes, list(ask.cut_points))}"
    if are_there(store, f"{name}.found", f"{name}.rows"):
        return Told(name, found=True)
    basis = read_object(store, ask.basis, Basis)
    sources = opened_spools(store, basis)
    tools = Tools(sources.fetch, sources.store, KeyLog(), basis.limits)
    given = Given(basis.captures, basis.issues, basis.errors, basis.with_kdc, basis.datagrams, basis.names, basis.limits, tools)
    wishes = ask.wishes
    asked = Asked(proxy=wishes.proxy, thresholds=wishes.thresholds)
    settings = Settings(wishes.limits, Secrets(), asked, wishes.scope, negotiate=wishes.negotiate)
    try:
        read = {place: read_bytes(store, place) for place in {place for place, _, _ in ask.places}}
        talks = [one for place, at, size in ask.places for one in unpacked(read[place].read(at, size), Talked).talks]
        with scratch() as folder:
            with few_collections():
                made = share(0, talks, given, settings, folder, Mask(strict=wishes.strict), frozenset(ask.cut_points))
            with (folder / "0.rows").open("rb") as file:
                keep(store, f"{name}.rows", file)
        write_object(store, f"{name}.found", packed(_kept(made, basis.captures)))
    finally:
        sources.close()
    return Told(name, seconds=thread_time() - began)


def share_of(store: Objects, name: str, captures: tuple[Capture, ...]) -> Share:
    """What *share* gave, out of the store. `InputError`: it is damaged."""
    return _restored(read_object(store, f"{name}.found", _Kept), captures)


def rows_of(store: Objects, name: str) -> ReadAt:
    """Reads the rows that it wrote."""
    return read_bytes(store, f"{name}.rows").read


def _kept(made: Share, captures: Sequence[Capture]) -> _Kept:
    said, seen = made.opinions, made.picture
    places = {id(one): place for place, one in enumerate(said.kept)}
    as_given = {one.ordinal: one for one in captures}
    changed = tuple(one for one in made.lean.captures if one.clock_error_ns is not None or one.ordinal not in as_given)
    return _Kept(
        kept=said.kept,
        left_out=tuple((symptom, places[id(cause)]) for symptom, cause in said.left_out if id(cause) in places),
        cards=said.cards,
        failures=said.failures,
        titles=dict(said.titles),
        rules=said.rules,
        skipped=said.skipped,
        silent=said.silent,
        about=seen.about,
        crowd=seen.crowd,
        sums=replace(seen.sums, captures=()),
        lean=replace(made.lean, captures=changed),
        issues=made.issues,
        counts=made.counts,
        places=made.places,
        winrm=made.winrm,
        owners=made.owners,
        tags=made.tags,
        ranks=made.ranks,
    )


def _restored(kept: _Kept, captures: tuple[Capture, ...]) -> Share:
    changed = {one.ordinal: one for one in kept.lean.captures}
    opinions = Opinions(
        kept.kept,
        tuple((symptom, kept.kept[at]) for symptom, at in kept.left_out),
        kept.cards,
        kept.failures,
        kept.titles,
        kept.rules,
        kept.skipped,
        kept.silent,
    )
    seen = Picture(kept.about, kept.crowd, replace(kept.sums, captures=captures))
    lean = replace(kept.lean, captures=tuple(changed.get(one.ordinal, one) for one in captures))
    return Share(opinions, seen, lean, kept.issues, kept.counts, kept.places, kept.winrm, kept.owners, kept.tags, kept.ranks)
