"""The run in jobs that travel (`analyzer.engine.jobs`): who asks for them, in which order, and what becomes of what they find."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from analyzer.capture.open import is_pipe, on_disk
from analyzer.capture.scan import Scanned
from analyzer.engine.along import Along
from analyzer.engine.budget import shared
from analyzer.engine.inputs import Expanded, Input
from analyzer.engine.jobs import ScanAsk, TalkAsk, Told, as_seen_here, scan, talked, talks_of, travelling
from analyzer.engine.plan import Talk, Tools, Work, talk, weight
from analyzer.engine.pointing import PointsAsk, ahead, goes_ahead, pointed, points
from analyzer.engine.reading import few_collections
from analyzer.engine.schedulers import Scheduler
from analyzer.engine.spools import Spools
from analyzer.errors import InputError, UsageError
from analyzer.settings import Limits, Scope
from analyzer.system.files import is_url
from analyzer.system.objects import Objects
from analyzer.system.outputs import scratch

if TYPE_CHECKING:
    from analyzer.engine.dealing import Dealing
    from analyzer.engine.reading import Given
    from analyzer.engine.work import Settings
    from analyzer.reports.masking import Mask

Progress = Callable[[str, int, int], None]
Ask = TypeVar("Ask")
_ROUNDS = 6
"""Times that reels are made again for what a neighbour keeps; after that the files themselves are read."""
_PART = 32
"""Connections of a shard at most."""
_SHARD_BYTES = 4 << 20
"""Payload of a shard's connections."""


class Jobs(Struct, frozen=True, gc=False):
    """How a run's jobs are run: by what, and the folder or object store for what they find. Empty: a temporary folder, gone at the end."""

    scheduler: Scheduler
    store: str = ""


def _parts(todo: Sequence[Work], most: int) -> Iterator[tuple[Work, ...]]:
    """The connections in parts, in their order. A part ends where its connections hold enough, and at numbers that do not depend on what the others hold: so
    the parts in front of what is new are those of before."""
    part: list[Work] = []
    held = 0
    step = min(1 << max(most.bit_length() - 1, 0), _PART)
    for item in todo:
        if part and (held >= _SHARD_BYTES or item.number // step != part[-1].number // step):
            yield tuple(part)
            part, held = [], 0
        part.append(item)
        held += weight(item)
    if part:
        yield tuple(part)


def _phase(asks: Sequence[ScanAsk]) -> str:
    return f"{len(asks):,} captures" if len(asks) > 1 else Path(asks[0].path).name if asks else ""


def _size(path: str) -> int:
    """Bytes to read; of what cannot be looked at, one."""
    try:
        return max(Path(on_disk(path)).stat().st_size, 1)
    except OSError:
        return 1


class _Line(Struct, frozen=True, gc=False):
    """A job in the log: its stage, its object, whether it was found there, bytes read, seconds."""

    job: str
    name: str
    state: str
    read_bytes: int
    seconds: float


class _Ahead:
    """Job *ahead* of a run: it is asked for reels that are there, in order, as long as each capture has one. Where none was made in this run, there may be no
    *points* to be done either."""

    work = staticmethod(ahead)

    def __init__(self, ask: PointsAsk, log: list[_Line]) -> None:
        self._ask, self._log = ask, log
        self._held = self._asked = 0

    def ask(self, found: Sequence[Told]) -> PointsAsk | None:
        """Of those that it was not asked for yet."""
        after = self._held
        if not all(one.name for one in found) or all(one.found for one in found):
            return None
        several = zip(self._ask.captures[after : len(found)], found[after:], strict=True)
        self._asked = len(found)
        return replace(self._ask, captures=tuple((path, name, told.name, sensor) for (path, name, _, sensor), told in several), after=after)

    def told(self, told: Told) -> bool:
        """What it took. Where it failed, it is asked for the same ones again, with those that come then."""
        self._log.append(_Line("ahead", "", "failed" if told.failed else "done", 0, round(told.seconds, 3)))
        if not told.failed:
            self._held = self._asked
        return not told.failed


class Travels:
    """One run in jobs."""

    def __init__(self, jobs: Jobs, limits: Limits, scope: Scope, progress: Progress | None) -> None:
        self.limits, self.scope = limits, scope
        if jobs.scheduler.shares and not jobs.store:
            msg = "name with --jobs a folder or an object store that this machine and all workers reach: jobs leave there what they find"
            raise UsageError(msg)
        self._scheduler = jobs.scheduler
        self._progress = progress
        self._held = ExitStack()
        self.place = jobs.store or str(self._held.enter_context(scratch()))
        self.store = Objects(self.place)
        self._log: list[_Line] = []
        self._log_name = f"jobs-{time_ns()}.jsonl"
        self._sources: Spools | None = None
        self._reels: list[str] = []

    def scanned(self, found: Expanded) -> list[Scanned]:
        """Stages *scan*, *points* and *rest*: what each capture gave, in the order of their names, whatever order they came in, so that ids do not depend on
        it. `InputError` and `UsageError` as for reading them here."""
        inputs = sorted(found.inputs, key=lambda one: Path(one.path).parts)
        paths = [one.path for one in inputs]
        for path in paths:
            if is_pipe(path):
                msg = f"{path} can be read only once, by one process: leave --scheduler, --jobs and --add out, or give a file"
                raise UsageError(msg)
        limits = shared(self.limits, len(paths))
        forces: list[set[int]] = [set() for _ in paths]
        names = [""] * len(paths)
        todo = list(range(len(paths)))
        for round_ in range(_ROUNDS + 1):
            stage = "scan" if round_ == 0 else "rest"
            asks = [ScanAsk(paths[one], limits, replace(self.scope, sensors=()), self.place, tuple(sorted(forces[one]))) for one in todo]
            sizes = [] if any(is_url(ask.path) for ask in asks) else [_size(ask.path) for ask in asks]
            along = self._ahead(inputs, limits) if round_ == 0 else None
            for one, told in zip(todo, self._run(stage, scan, asks, _phase(asks) if sizes else "objects", sizes, along), strict=True):
                names[one] = told.name
            if round_ == _ROUNDS:  # what still changes is read as it lies
                for one in todo:
                    names[one] = ""
            captures = tuple((item.path, item.name, reel, item.sensor) for item, reel in zip(inputs, names, strict=True))
            ask = PointsAsk(captures, limits, self.scope, self.place)
            told = self._run("points", points, [ask])[0]
            with few_collections():
                what = pointed(self.store, told.name)
            if not what.missing:
                break
            todo = sorted({ordinal for ordinal, _ in what.missing})
            for ordinal, first in what.missing:
                forces[ordinal].add(first)
        seen = [as_seen_here(one.capture) for one in what.captures]
        spool = f"{told.name}.spool" if what.spool_size else ""
        self._sources = Spools(seen, self.store, [one or None for one in names], spool or None, what.spool_size, self.limits.open_files).holding(self._held)
        self._sources.talks = self.talks
        self._sources.dealing = self.dealing
        self._reels = names
        return [Scanned(capture, one.flows, one.issues, None, one.kdc, one.icmp, one.names) for capture, one in zip(seen, what.captures, strict=True)]

    def _ahead(self, inputs: Sequence[Input], limits: Limits) -> _Ahead | None:
        """What goes along with the scans; None where it is not known in which order *points* reads."""
        if not goes_ahead([(one.path, one.sensor) for one in inputs], self.scope):
            return None
        return _Ahead(PointsAsk(tuple((one.path, one.name, "", one.sensor) for one in inputs), limits, self.scope, self.place), self._log)

    @property
    def sources(self) -> Spools:
        """Where bytes are, once the captures are scanned."""
        if self._sources is None:
            msg = "nothing was scanned yet"
            raise InputError(msg)
        return self._sources

    def talks(self, todo: Sequence[Work], tools: Tools) -> list[tuple[Talk, ...]] | None:
        """Stage *talk*; None where it has to be done here: plaintext out of TLS goes into this process's spool, and seconds are this process's."""
        if tools.keys or self.limits.seconds:
            return None
        parts = self._in_parts(todo)
        asks = [self._asked(part, self.sources, tools.limits) for part in parts]
        found = []
        for part, told in zip(parts, self._run("talk", talked, asks, "connections"), strict=True):
            found.append(talk(part, tools) if told.failed else talks_of(self.store, told.name))
        return found

    def dealing(self, given: "Given", settings: "Settings", mask: "Mask") -> "Dealing | None":
        """Who asks for groups of connections; None where they have to be looked at here."""
        from analyzer.engine.dealing import Dealing, may_be_dealt

        def deal(todo: Sequence[Work], limits: Limits) -> list[TalkAsk]:
            return [self._asked(part, self.sources, limits) for part in self._in_parts(todo)]

        return Dealing(self._run, deal, self.sources, given, settings, mask) if may_be_dealt(given, settings) else None

    def _in_parts(self, todo: Sequence[Work]) -> list[tuple[Work, ...]]:
        return list(_parts(todo, max(len(todo) // self.limits.shards, 1)))

    def _asked(self, part: Sequence[Work], sources: Spools, limits: Limits) -> TalkAsk:
        """The job of these connections: it is told of the captures that they lie in, so that it is the same job where others come in besides."""
        flows = [flow for item in part for own in (item.flows, *(flows for _, flows in item.views)) for flow in own]
        used = set().union(*(flow.segments.source for flow in flows))
        ordinals = {source >> 1 for source in used}
        reels = tuple(reel if ordinal in ordinals else "" for ordinal, reel in enumerate(self._reels[: max(ordinals, default=-1) + 1]))
        bare = tuple(one for one in sources.captures if one.ordinal in ordinals and not self._reels[one.ordinal])
        spooled = any(source & 1 for source in used)
        spool, size = (sources.spool or "", sources.spool_size) if spooled else ("", 0)
        return TalkAsk(travelling(part), bare, reels, spool, size, limits, self.place)

    def _run(
        self, stage: str, work: Callable[[Ask], Told], asks: Sequence[Ask], phase: str = "", sizes: Sequence[int] = (), along: Along | None = None
    ) -> list[Told]:
        """The jobs of a stage are run, and written to the log. ``sizes``: bytes that each of them reads."""
        read = [0, *accumulate(sizes)]

        def done(count: int, total: int) -> None:
            if self._progress is not None and phase:
                self._progress(phase, *((read[count], read[-1]) if sizes else (count, total)))

        found = self._scheduler.run(work, asks, done, along)
        self._log += [
            _Line(stage, one.name, "failed" if one.failed else "found" if one.found else "done", one.read_bytes, round(one.seconds, 3)) for one in found
        ]
        lines = "".join(json.dumps({name: getattr(one, name) for name in one.__struct_fields__}) + "\n" for one in self._log)
        self.store.write(self._log_name, [lines.encode()])
        return found
