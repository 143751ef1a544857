"""Runs the plan in this process, one job after the other."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from analyzer.capture.scan import Scanned, scan
from analyzer.engine.inputs import Input, expand
from analyzer.engine.opening import contents, identified
from analyzer.engine.plan import Talk, Tools, auth_steps, evidence, kdc_messages, shards, talk, work
from analyzer.engine.secrets import carried_secrets
from analyzer.engine.sources import Sources
from analyzer.engine.work import judged, with_sigma
from analyzer.errors import InputError
from analyzer.formats.tls import key_log
from analyzer.records.capture import Capture, Verdict
from analyzer.records.issues import Issue
from analyzer.records.result import Result
from analyzer.records.secrets import Secrets
from analyzer.sealing.tickets import learn
from analyzer.settings import Limits, Scope

Progress = Callable[[str, int, int], None]
NO_SECRETS = Secrets()


class Run(NamedTuple):
    """The result, and the open sources that its bytes can be read from."""

    result: Result
    sources: Sources


def run(
    inputs: Sequence[str],
    limits: Limits,
    scope: Scope,
    progress: Progress | None = None,
    rules_dirs: Sequence[str] = (),
    secrets: Secrets = NO_SECRETS,
    sigma_dirs: Sequence[str] = (),
) -> Run:
    """Analyses captures. Raises `InputError` when none of the inputs could be read as a capture."""
    scanned = [_scanned(item, ordinal, limits, scope, progress) for ordinal, item in enumerate(expand(inputs))]
    if all(item.capture.format == "unknown" for item in scanned):
        details = "; ".join(f"{item.capture.name}: {item.issues[0].detail}" for item in scanned if item.issues)
        raise InputError(details or "none of the inputs is a capture")
    captures = [item.capture for item in scanned]
    sources = Sources(captures, {item.capture.ordinal: item.spool for item in scanned if item.spool is not None})
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
    read = contents(found, secrets, learn(kdc, secrets), sources.fetch, limits)
    conversations = identified(found.conversations, read.clients)
    by_connection = {identity: identified(own, read.clients) for identity, own in found.conversations_of.items()}
    found = replace(found, messages=read.messages, conversations=conversations, conversations_of=by_connection, shells=read.shells, commands=read.commands)
    found = with_sigma(found, sigma_dirs)
    judgement = judged(found, rules_dirs)
    if judgement.failures:
        found = replace(found, issues=(*found.issues, *judgement.failures))
    return Run(Result(found, judgement.findings, auth_steps(found), judgement.scorecards, read.shells, read.commands), sources)


def _scanned(item: Input, ordinal: int, limits: Limits, scope: Scope, progress: Progress | None) -> Scanned:
    try:
        return scan(item.path, ordinal, item.name, limits, scope, progress)
    except InputError as error:
        detail = str(error).removeprefix(f"{item.path}: ")
        capture = Capture(ordinal, item.path, item.name, "unknown", 0)
        return Scanned(capture, (), (Issue("capture.unreadable", detail, capture=ordinal),), None)
