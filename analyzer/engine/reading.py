"""From candidate flows to the result: connections, exchanges, what they say, and what that means."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from analyzer.capture.scan import Scanned
from analyzer.engine.opening import contents, identified, texts
from analyzer.engine.plan import Talk, Tools, auth_steps, evidence, kdc_messages, shards, talk, work
from analyzer.engine.secrets import carried_secrets
from analyzer.engine.sources import Sources
from analyzer.engine.work import Settings, judged, with_sigma
from analyzer.formats.tls import key_log
from analyzer.records.capture import Verdict
from analyzer.records.result import Result
from analyzer.sealing.tickets import learn


def read(
    scanned: Sequence[Scanned], sources: Sources, settings: Settings, progress: Callable[[str, int, int], None] | None
) -> tuple[Result, Callable[[], Iterable[tuple[str, str]]]]:
    """The result of captures that hold flows, and what opens their bodies again: (message id, text) of each that can be read."""
    limits, secrets = settings.limits, settings.secrets
    captures = [item.capture for item in scanned]
    flows = [flow for item in scanned for flow in item.flows]
    todo = work([flow for flow in flows if flow.verdict is not Verdict.KDC])
    done = 0

    def count() -> None:
        nonlocal done
        done += 1
        if progress is not None:
            progress("connections", done, len(todo))

    tools = Tools(sources.fetch, sources.store, key_log([*secrets.tls, *carried_secrets(captures, sources.fetch)]), limits)
    talks: list[Talk] = []
    for shard in shards(todo, limits.shards):
        talks.extend(talk(shard, tools, count))
    issues = [issue for item in scanned for issue in item.issues]
    found = evidence(captures, talks, issues, sources.fetch, limits)
    kdc = () if secrets.empty else kdc_messages(flows, [item for one in scanned for item in one.kdc], sources.fetch, limits)
    tickets = learn(kdc, secrets)
    again = partial(texts, found, secrets, tickets, sources.fetch, limits)
    opened = contents(found, secrets, tickets, sources.fetch, limits)
    conversations = identified(found.conversations, opened.clients)
    by_connection = {identity: identified(own, opened.clients) for identity, own in found.conversations_of.items()}
    found = replace(
        found, messages=opened.messages, conversations=conversations, conversations_of=by_connection, shells=opened.shells, commands=opened.commands
    )
    found = with_sigma(found, settings.sigma_dirs)
    judgement = judged(found, settings.rules_dirs)
    if judgement.failures:
        found = replace(found, issues=(*found.issues, *judgement.failures))
    return Result(found, judgement.findings, auth_steps(found), judgement.scorecards, opened.shells, opened.commands), again
