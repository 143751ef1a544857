"""Runs the plan in this process, one job after the other."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec import Struct
from msgspec.structs import replace

from analyzer.capture.kernels import description
from analyzer.capture.point import Piece
from analyzer.capture.points import scan_all
from analyzer.capture.scan import Scanned
from analyzer.engine.budget import Budget, shared
from analyzer.engine.inputs import expanded
from analyzer.engine.sources import Sources
from analyzer.engine.work import Asked, Settings, judged
from analyzer.errors import InputError
from analyzer.records.capture import PagedFlow
from analyzer.records.evidence import Evidence, captures_only
from analyzer.records.result import Result
from analyzer.records.secrets import Secrets
from analyzer.settings import Limits, Scope
from analyzer.system.files import is_url

if TYPE_CHECKING:
    from analyzer.engine.grouped import Memory
    from analyzer.engine.travelling import Jobs, Travels
    from analyzer.engine.wholes import Whole

Progress = Callable[[str, int, int], None]
NO_SECRETS = Secrets()
_WHY_NOT = ("capture.unreadable", "capture.decompression")
NOTHING_ASKED = Asked()


class Run(Struct, frozen=True, gc=False):
    """The result, the open sources that its bytes can be read from, and what opens its bodies again: (message id, text) of each that can be read."""

    result: Result
    sources: Sources
    texts: Callable[[], Iterable[tuple[str, str]]]
    places: bytes | None = None
    """What the scan gave, packed (`analyzer.engine.places`), where it was asked for and the captures alone hold the rest."""
    whole: "Whole | None" = None
    """Where connections were looked at in groups: what all of them come to. ``result`` then has the records of the small tables only."""


def run(  # noqa: PLR0913 (all but the first by name)
    inputs: Sequence[str],
    limits: Limits,
    scope: Scope,
    progress: Progress | None = None,
    *,
    secrets: Secrets = NO_SECRETS,
    asked: Asked = NOTHING_ASKED,
    placed: Sequence[Scanned] = (),
    before: Evidence | None = None,
    keeps_places: bool = False,
    hashes: bool = True,
    jobs: "Jobs | None" = None,
    memory: "Memory | None" = None,
) -> Run:
    """Analyzes captures. `InputError`: none of the inputs could be read as one. `UsageError`: no such folder of rules, or no such proxy product.

    ``placed``: what an earlier scan of them gave, so that they are not scanned again; ``before``: the evidence of a run with other secrets, of which what was
    decrypted stays. ``hashes``: the SHA-256 of files is taken while they are read, not when it is asked for. ``jobs``: captures are scanned and connections
    read by jobs that travel, which others may run. ``memory``: where all evidence at once would take more than this, connections are looked at in groups.
    """
    budget = Budget(limits.seconds)
    if asked.rules_dirs:
        from analyzer.rules.catalogue import rule_files

        rule_files(asked.rules_dirs)  # it is an error of whoever names one that is not there, before captures are read
    if asked.proxy is not None:
        from analyzer.rules.products import known_product

        asked = replace(asked, proxy=known_product(asked.proxy))
    told: tuple[str, ...] = ()
    if scope.is_part:
        from analyzer.engine.scoping import words

        told = words(scope)
    elif before is not None:
        told = before.scope
    settings = Settings(limits, secrets, asked, told, budget, scope.negotiate)
    if secrets.tls:
        scope = replace(scope, client_randoms=frozenset(one.client_random for one in secrets.tls))
    again = placed and (told or not secrets.tls)  # a key log may show connections that a scan without it leaves out
    travels = None
    if (jobs is not None or any(map(is_url, inputs))) and not again:  # an object of a store is read once, and kept
        from analyzer.engine.schedulers import Serial
        from analyzer.engine.travelling import Jobs, Travels

        travels = Travels(jobs or Jobs(Serial()), limits, scope, progress)
    within = memory if before is None else None
    scanned = list(placed) if again else _scanned(inputs, limits, scope, progress, travels, hashes=hashes, within=within)
    if all(item.capture.format == "unknown" for item in scanned):
        details = "; ".join(f"{item.capture.name}: {issue.detail}" for item in scanned for issue in item.issues if issue.code in _WHY_NOT)
        raise InputError(details or "none of the inputs is a capture")
    captures = [item.capture for item in scanned]
    spool = next((item.spool for item in scanned if item.spool is not None), None)
    sources = Sources(captures, spool, limits.open_files) if travels is None else travels.sources
    places = _places(scanned) if keeps_places and not any(isinstance(flow, PagedFlow) for item in scanned for flow in item.flows) else None
    if any(item.flows for item in scanned):
        from analyzer.engine.intact import with_changes
        from analyzer.engine.reading import gathered, read

        given, todo = gathered(scanned, sources, settings)
        if within is not None:
            from analyzer.engine.grouped import in_groups

            made = in_groups(given, todo, sources, settings, within, progress)
            if made is not None:
                made = replace(made, result=with_changes(made.result))
                return Run(made.result, sources, tuple, whole=made)
        result, texts = read(given, todo, sources, settings, progress, before)
        return Run(with_changes(result), sources, texts, places)
    # most captures that are searched for WinRM hold none: what decodes it is not even loaded
    evidence = replace(captures_only(tuple(captures), tuple(issue for item in scanned for issue in item.issues)), scope=told, negotiate=scope.negotiate)
    if not secrets.empty:
        from analyzer.engine.keyuse import tried, unread, uses

        evidence = replace(evidence, keys=uses(secrets, tried(evidence, secrets, {}, ()), limits), issues=(*evidence.issues, *unread(secrets)))
    judgement = judged(evidence, settings)
    evidence = replace(evidence, issues=(*evidence.issues, *judgement.failures))
    return Run(Result(evidence, judgement.findings, {}, incidents=judgement.incidents, diagnosis=judgement.diagnosis), sources, tuple, places)


def _scanned(
    inputs: Sequence[str],
    limits: Limits,
    scope: Scope,
    progress: Progress | None,
    travels: "Travels | None",
    *,
    hashes: bool,
    within: "Memory | None",
) -> list[Scanned]:
    found = expanded(inputs, limits)
    if scope.sensors:
        from analyzer.engine.sensing import told

        found = told(found, scope.sensors)
    if travels is not None:
        scanned = travels.scanned(found)
    else:
        limits = shared(limits, len(found.inputs))
        pieces = [Piece(item.path, ordinal, item.name, hashed=hashes, sensor=item.sensor) for ordinal, item in enumerate(found.inputs)]
        paged = False
        if within is not None:
            from analyzer.engine.grouped import is_large

            paged = is_large([piece.path for piece in pieces], within)
        scanned = scan_all(pieces, limits, scope, progress, paged=paged)
    scanned[0] = scanned[0]._replace(issues=(*found.others, *scanned[0].issues))  # of no capture: the first one carries them
    return scanned


def _places(scanned: Sequence[Scanned]) -> bytes | None:
    from analyzer.engine.places import places

    return places(scanned)


def kernel_form() -> str:
    """``compiled``, or ``not compiled`` where no compiler was found when the analyzer was installed: it then reads captures many times slower."""
    return description()
