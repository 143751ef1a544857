"""Who asks for the groups of a run in jobs (`analyzer.engine.group_jobs`), and in which order."""

from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from analyzer.engine.group_jobs import Basis, ShareAsk, Wishes, rows_of, said, share_of, shared, summaries_of
from analyzer.engine.jobs import TalkAsk, Told, digest, write_object
from analyzer.engine.keeping import packed
from analyzer.engine.parts import Summary
from analyzer.engine.plan import Work
from analyzer.engine.reading import Given
from analyzer.engine.shares import Share
from analyzer.engine.spools import Spools
from analyzer.engine.work import Settings
from analyzer.reports.masking import Mask
from analyzer.settings import Limits
from analyzer.system.sums import ReadAt

Run = Callable[[str, Callable[[Any], Told], Sequence[Any], str], list[Told]]
"""Runs the jobs of a stage: (stage, job, what each is asked, what is told of it)."""
Deal = Callable[[Sequence[Work], Limits], list[TalkAsk]]
"""The connections as they are handed out."""


class Dealing:
    """One run whose groups are looked at in jobs."""

    def __init__(self, run: Run, deal: Deal, sources: Spools, given: Given, settings: Settings, mask: Mask) -> None:
        self._run, self._deal = run, deal
        self._sources = sources
        self._given, self._settings, self._mask = given, settings, mask
        self._names: list[str] = []

    def summaries(self, todo: Sequence[Work]) -> list[Summary]:
        """Stage *said*: a summary of each connection, in their order."""
        told = self._run("said", said, self._deal(todo, self._given.limits), "connections")
        return sorted((found for one in told for found in summaries_of(self._sources.objects, one.name)), key=lambda one: one.number)

    def shares(self, groups: Sequence[tuple[tuple[tuple[str, int, int], ...], AbstractSet[int]]]) -> list[Share]:
        """Stage *share*: what each group comes to. ``groups``: where its connections lie, and the capture points of which it has not all."""
        given, settings, store = self._given, self._settings, self._sources.objects
        reels = tuple(one or "" for one in self._sources.reels)
        basis = Basis(*given[:6], given.limits, reels, self._sources.spool or "", self._sources.spool_size)
        data = packed(basis)
        name = f"basis-{digest(data)}.found"
        if store.size(name) is None:
            write_object(store, name, data)
        asked = settings.asked
        wishes = Wishes(settings.limits, settings.scope, settings.negotiate, asked.proxy, asked.thresholds, self._mask.strict)
        asks = [ShareAsk(places, name, wishes, tuple(sorted(cut)), store.place) for places, cut in groups]
        self._names = [one.name for one in self._run("share", shared, asks, "groups")]
        return [share_of(store, one, given.captures) for one in self._names]

    def rows(self, number: int) -> ReadAt:
        """What reads the rows of a group."""
        return rows_of(self._sources.objects, self._names[number])


def may_be_dealt(given: Given, settings: Settings) -> bool:
    """All that groups depend on may travel: there are no secrets, no folders of rules that this machine alone may have, and no seconds to be counted."""
    return not given.tools.keys and settings.secrets.empty and not settings.limits.seconds and not settings.asked.rules_dirs and not settings.asked.sigma_dirs
