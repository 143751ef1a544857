"""Runs the plan in this process, one job after the other."""

from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from analyzer.capture.kernels import description
from analyzer.capture.point import Piece
from analyzer.capture.points import scan_all
from analyzer.engine.inputs import expand
from analyzer.engine.sources import Sources
from analyzer.engine.work import Settings, judged
from analyzer.errors import InputError
from analyzer.records.evidence import captures_only
from analyzer.records.result import Result
from analyzer.records.secrets import Secrets
from analyzer.settings import Limits, Scope

Progress = Callable[[str, int, int], None]
NO_SECRETS = Secrets()


class Run(Struct, frozen=True, gc=False):
    """The result, the open sources that its bytes can be read from, and what opens its bodies again: (message id, text) of each that can be read."""

    result: Result
    sources: Sources
    texts: Callable[[], Iterable[tuple[str, str]]]


def run(
    inputs: Sequence[str],
    limits: Limits,
    scope: Scope,
    progress: Progress | None = None,
    rules_dirs: Sequence[str] = (),
    secrets: Secrets = NO_SECRETS,
    sigma_dirs: Sequence[str] = (),
    proxy: str | None = None,
) -> Run:
    """Analyzes captures. `InputError`: none of the inputs could be read as one. `UsageError`: nothing is known of that proxy product."""
    if proxy is not None:
        from analyzer.rules.products import known_product

        proxy = known_product(proxy)
    scanned = scan_all([Piece(item.path, ordinal, item.name) for ordinal, item in enumerate(expand(inputs))], limits, scope, progress)
    if all(item.capture.format == "unknown" for item in scanned):
        details = "; ".join(f"{item.capture.name}: {item.issues[0].detail}" for item in scanned if item.issues)
        raise InputError(details or "none of the inputs is a capture")
    captures = [item.capture for item in scanned]
    sources = Sources(captures, next((item.spool for item in scanned if item.spool is not None), None), limits.open_files)
    if any(item.flows for item in scanned):
        from analyzer.engine.reading import read

        result, texts = read(scanned, sources, Settings(limits, secrets, rules_dirs, sigma_dirs, proxy), progress)
        return Run(result, sources, texts)
    # most captures that are searched for WinRM hold none: what decodes it is not even loaded
    evidence = captures_only(tuple(captures), tuple(issue for item in scanned for issue in item.issues))
    judgement = judged(evidence, rules_dirs)
    evidence = replace(evidence, issues=(*evidence.issues, *judgement.failures))
    return Run(Result(evidence, judgement.findings, {}, incidents=judgement.incidents, diagnosis=judgement.diagnosis), sources, tuple)


def kernel_form() -> str:
    """``compiled``, or ``not compiled`` where no compiler was found when the analyzer was installed: it then reads captures many times slower."""
    return description()
