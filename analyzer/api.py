"""The Python interface: `analyze` gives a `Case`. Everything else is imported when it is first needed, so that ``import analyzer`` costs next to nothing."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from analyzer.case.analyzed import LADDER_MESSAGES, Case
from analyzer.errors import InputError, UsageError
from analyzer.settings import Limits, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from analyzer.case.analyzed import About
    from analyzer.case.grouped import GroupedCase
    from analyzer.case.hub import HubCase
    from analyzer.case.rereading import Origin
    from analyzer.engine.grouped import Memory
    from analyzer.engine.travelling import Jobs
    from analyzer.records.secrets import Secrets
    from analyzer.rules.catalogue import Rule

    Progress: TypeAlias = Callable[[str, int, int], None]

__all__ = [
    "LADDER_MESSAGES",
    "Case",
    "Input",
    "analyze",
    "analyze_within",
    "explanation",
    "is_case",
    "kernel",
    "known_table",
    "open_case",
    "rule_rows",
    "schema",
    "schemas",
    "scope",
    "verify",
    "writable_case",
]

Input: TypeAlias = "str | os.PathLike[str]"


def analyze(  # noqa: PLR0913 (all but the first by name)
    inputs: Input | Sequence[Input],
    *,
    limits: Limits | None = None,
    scope: Scope | None = None,
    secrets: Input | None = None,
    keylog: Input | None = None,
    keytab: Input | None = None,
    rules_dirs: Sequence[Input] = (),
    sigma_dirs: Sequence[Input] = (),
    events: Sequence[Input] = (),
    proxy: str | None = None,
    config: Input | None = None,
    mask: Literal["usual", "strict"] = "usual",
    tls_ports: Sequence[int] = (),
    bounds: Sequence[str] = (),
    progress: Progress | None = None,
    arguments: Sequence[str] = (),
    options: Sequence[tuple[str, object]] | None = None,
    keeps_places: bool = False,
    hashes: bool = True,
    scheduler: str | None = None,
    client: object = None,
    jobs: Input | None = None,
    sensors: Mapping[str, str | Sequence[str]] | Sequence[str] = (),
) -> Case:
    """What the captures hold. ``inputs``: paths, directories, globs, or ``-`` for standard input; ``progress`` is called with (stage, done bytes, total bytes).
    ``secrets`` (TOML), ``keylog`` (TLS), ``keytab`` (Kerberos): files with what the investigator knows. ``arguments``: the command line.
    ``options``: its options with their values, for the commands that the first screen offers; without it those of the files with secrets.
    ``hashes``: the SHA-256 of files is taken while they are read; without it when it is first asked for, of files that are still those that were read.
    ``keeps_places``: a case folder that is written of it can be read with other keys without another scan of the captures.
    A case folder as the only input: its captures are read again, with what is given here; what it holds decrypted stays.
    ``proxy``: the product whose settings the advice names. ``config`` (TOML): limits, and thresholds of rules (`analyzer.engine.configuration`).
    ``events``: host logs (EVTX, JSON lines) and folders of them, which are joined to connections, logons and shells.
    ``bounds``: limits as the command line has them (``connections=100000``).
    ``tls_ports``: TLS on these is taken for WinRM over HTTPS, as on 5986.
    ``mask``: ``strict`` shows of command lines only the names of programs.
    ``scheduler``: who runs the jobs that scan captures and read connections: ``serial``, ``processes``, or the address of a scheduler of Dask; ``client``: one
    of dask.distributed. ``jobs``: the folder or object store in which jobs leave what they find; what lies there is not done again.
    ``sensors``: names of capture points with patterns of the paths of their files (or texts ``NAME=PATTERN``): these files are one capture point, in whatever
    order they were written and however they overlap.
    Damaged evidence raises nothing: see the table issues. `InputError`: nothing could be read at all.
    """
    made = analyze_within(
        inputs,
        limits=limits,
        scope=scope,
        secrets=secrets,
        keylog=keylog,
        keytab=keytab,
        rules_dirs=rules_dirs,
        sigma_dirs=sigma_dirs,
        events=events,
        proxy=proxy,
        config=config,
        mask=mask,
        tls_ports=tls_ports,
        bounds=bounds,
        progress=progress,
        arguments=arguments,
        options=options,
        keeps_places=keeps_places,
        hashes=hashes,
        scheduler=scheduler,
        client=client,
        jobs=jobs,
        sensors=sensors,
    )
    if not isinstance(made, Case):
        raise TypeError  # only a limit of memory gives another one
    return made


def analyze_within(  # noqa: PLR0913 (all but the first by name)
    inputs: Input | Sequence[Input],
    memory: int | None = None,
    *,
    limits: Limits | None = None,
    scope: Scope | None = None,
    secrets: Input | None = None,
    keylog: Input | None = None,
    keytab: Input | None = None,
    rules_dirs: Sequence[Input] = (),
    sigma_dirs: Sequence[Input] = (),
    events: Sequence[Input] = (),
    proxy: str | None = None,
    config: Input | None = None,
    mask: Literal["usual", "strict"] = "usual",
    tls_ports: Sequence[int] = (),
    bounds: Sequence[str] = (),
    progress: Progress | None = None,
    arguments: Sequence[str] = (),
    options: Sequence[tuple[str, object]] | None = None,
    keeps_places: bool = False,
    hashes: bool = True,
    scheduler: str | None = None,
    client: object = None,
    jobs: Input | None = None,
    sensors: Mapping[str, str | Sequence[str]] | Sequence[str] = (),
) -> Case | GroupedCase:
    """As `analyze`, within ``memory``: bytes that a process may have, about.

    Where all evidence at once would take more, connections are looked at in groups, one after the other, and the case has tables only. With ``events``, or of a
    case folder, all is looked at at once, whatever it takes.
    """
    paths = [os.fspath(one) for one in ([inputs] if isinstance(inputs, str | os.PathLike) else inputs)]
    if not paths:
        msg = "no capture was given"
        raise InputError(msg)
    from analyzer.engine.local import NO_SECRETS, run
    from analyzer.engine.work import Asked
    from analyzer.reports.masking import Mask
    from analyzer.reports.next_steps import Asked as Given
    from analyzer.reports.next_steps import words_of

    known, hide = NO_SECRETS, Mask(strict=mask == "strict")
    if secrets is not None or keylog is not None or keytab is not None:
        from analyzer.case.keys import given

        known = given(secrets, keylog, keytab)
    began = time.time_ns()
    folders, sigma = [os.fspath(one) for one in rules_dirs], [os.fspath(one) for one in sigma_dirs]
    most, thresholds = _configured(config, limits or Limits(), folders, bounds)
    if tls_ports:
        from msgspec.structs import replace

        most = replace(most, tls_ports=(*most.tls_ports, *tls_ports))
    if sensors:
        from analyzer.engine.sensing import sensors_of

        scope = _at_sensors(scope or Scope(), sensors_of(sensors))
    wishes = Asked(folders, sigma, proxy, thresholds)
    found = _origin(paths) if any(map(is_case, paths)) else None
    more: dict[str, Any] = {"keeps_places": keeps_places, "hashes": hashes}
    if found is not None:
        more |= {"keeps_places": keeps_places or found.placed is not None, "placed": found.placed or (), "before": found.before}
    if scheduler is not None or client is not None or jobs is not None:
        more["jobs"] = _jobs(scheduler, client, jobs)
    if memory is not None and not events:
        more["memory"] = _memory(memory, known, strict=mask == "strict")
    finished = run(paths if found is None else found.paths, most, scope or Scope(), progress, secrets=known, asked=wishes, **more)
    if events:
        from analyzer.engine.host_logs import with_logs

        finished = with_logs(finished, [os.fspath(one) for one in events], most)
    if known is not NO_SECRETS:
        from analyzer.case.keys import mask_of

        hide = mask_of(known, {one.tag for one in finished.result.evidence.keys if one.fits}, strict=mask == "strict")
    files = [(f"--{name}", os.fspath(one)) for name, one in (("secrets", secrets), ("keylog", keylog), ("keytab", keytab)) if one is not None]
    about: About = {
        "scope": scope or Scope(),
        "limits": most,
        "thresholds": thresholds,
        "rules_dirs": folders,
        "sigma_dirs": sigma,
        "arguments": list(arguments),
        "places": finished.places,
        "asked": Given(tuple(paths), words_of(files if options is None else options)),
    }
    about |= {"began_ns": began, "ended_ns": time.time_ns()}
    if finished.whole is not None:
        from analyzer.case.grouped import GroupedCase

        return GroupedCase(finished.whole, about, hide)
    return Case(finished.result, finished.sources.fetch, about, hide, finished.texts)


def _memory(limit: int, known: Secrets, *, strict: bool) -> Memory:
    """What a process may have. What is told lies in files, so all that was given is masked there, as if it fitted."""
    from analyzer.case.keys import mask_of
    from analyzer.engine.grouped import Memory as Made

    tags = {*(one.tag for one in known.ntlm), *(one.tag for one in known.passwords), *(one.tag for one in known.kerberos), *(one.tag for one in known.tickets)}
    return Made(limit, mask_of(known, tags, strict=strict))


def _at_sensors(scope: Scope, sensors: tuple[tuple[str, str], ...]) -> Scope:
    from msgspec.structs import replace

    return replace(scope, sensors=sensors)


def _jobs(scheduler: str | None, client: object, store: Input | None) -> Jobs:
    """Who runs the jobs of a run, and where they leave what they find. `UsageError`: both a scheduler and a client, or one that is not known."""
    from analyzer.engine.schedulers import Scheduler, scheduler_of
    from analyzer.engine.travelling import Jobs as Made

    if scheduler is not None and client is not None:
        msg = "give a scheduler or a client, not both"
        raise UsageError(msg)
    if client is None:
        chosen: Scheduler = scheduler_of(scheduler or "processes")
    else:
        from analyzer.engine.on_dask import OnDask

        chosen = OnDask(client)
    return Made(chosen, "" if store is None else os.fspath(store))


def _origin(paths: Sequence[str]) -> Origin:
    """The captures that the paths stand for, and what a case folder, alone, has of them. `UsageError`: a case folder among captures."""
    from analyzer.case.rereading import Origin, origin

    folder = next(one for one in paths if is_case(one))
    if len(paths) > 1:
        msg = f"{folder} is a case folder, which has to be the only input"
        raise UsageError(msg)
    from pathlib import Path

    case = open_case(folder)
    found = origin(Path(folder), case.manifest())
    before = case.records().evidence if case.has_records else None
    if before is not None and before.scope and found.placed is None:
        msg = f"{folder} is of a part of its captures ({'; '.join(before.scope)}), which have to be scanned again: give them, with the same scope"
        raise UsageError(msg)
    return Origin(found.paths, found.placed, before)


def _configured(config: Input | None, limits: Limits, folders: Sequence[str], bounds: Sequence[str]) -> tuple[Limits, Mapping[str, Mapping[str, float]]]:
    if config is None and not bounds:
        return limits, {}
    from analyzer.engine.configuration import Configuration, configuration, limited

    found = Configuration(limits, {}) if config is None else configuration(os.fspath(config), limits, folders)
    return limited(bounds, found.limits), found.thresholds


def scope(
    since: str | None = None,
    until: str | None = None,
    nets: Sequence[str] = (),
    ports: Sequence[int] = (),
    *,
    all_http: bool = False,
    negotiate: bool = False,
) -> Scope:
    """What `analyze` is to look at. ``since``, ``until``: ISO 8601 with a zone, both included; ``nets``: addresses and networks; ``ports``: of TCP, and of UDP
    for Kerberos. Packet numbers stay those of the captures. `UsageError`: one of them cannot be read."""
    from analyzer.engine import scoping

    return scoping.scope(since, until, nets, ports, all_http=all_http, negotiate=negotiate)


def open_case(path: Input) -> HubCase:
    """The case of a case folder: its tables, records, screens and report, read-only; the captures for packets only. `InputError`: it is no case folder."""
    from analyzer.case.hub import opened_case

    return opened_case(path)


def is_case(path: Input) -> bool:
    """A case folder, by its manifest; also one whose writing was interrupted, which `open_case` refuses with these words."""
    from analyzer.system.files import is_unfinished

    return is_unfinished(path) or os.path.isfile(os.path.join(path, "manifest.json"))  # noqa: PTH113, PTH118 (asked of every argument; a path may be of any shape)


def verify(path: Input) -> tuple[str, ...]:
    """What differs from the manifest of a case folder: outputs and inputs, one line each; empty when nothing does. `InputError`: it is no case folder."""
    from pathlib import Path

    from analyzer.engine.store import differences

    return tuple(differences(Path(path)))


def captures_of(path: Input) -> tuple[str, ...]:
    """Where the captures of a case folder lie now. `InputError`: it is no case folder, or one is not there any more."""
    from analyzer.case.rereading import located

    case = open_case(path)
    return tuple(located(case.folder, case.manifest()).values())


def writable_case(path: Input, inputs: Sequence[Input], *, clobber: bool) -> None:
    """`OutputError` when no case may be written there: said before hours of reading, not after."""
    from pathlib import Path

    from analyzer.engine.store import refuse

    refuse(Path(path), [os.fspath(one) for one in inputs], clobber=clobber)


def kernel() -> str:
    """``compiled`` or ``not compiled``: see `analyzer.engine.local.kernel_form`."""
    from analyzer.engine import local

    return local.kernel_form()


def known_table(name: str) -> None:
    """`UsageError` when there is no table of that name: said before hours of reading, not after."""
    from analyzer.tables.registry import table_named

    table_named(name)


def schemas() -> dict[str, str]:
    """The JSON Schemas that there are, and what each is of."""
    from analyzer.reports.schemas import named

    return named()


def schema(name: str) -> dict[str, object]:
    """The JSON Schema of an output. `UsageError`: there is none of that name."""
    from analyzer.reports import schemas as made

    return made.schema(name)


def rule_rows(rules_dirs: Sequence[Input] = ()) -> tuple[tuple[str, str, str], ...]:
    """(id, severity, title) of every rule, by id; those of the user's folders last. `UsageError`: one of those files is no rule."""
    from analyzer.rules.catalogue import rules

    return tuple((rule.id, rule.severity, rule.title) for rule in (*rules(), *_own_rules(rules_dirs)))


def explanation(name: str, rules_dirs: Sequence[Input] = ()) -> str:
    """The document of a rule, or what an issue's code means. `UsageError`: there is none of that name."""
    from analyzer.rules.documents import explanation as explained

    return explained(name, _own_rules(rules_dirs))


def _own_rules(folders: Sequence[Input]) -> tuple[Rule, ...]:
    if not folders:
        return ()
    from analyzer.engine.own_rules import own_rules

    return own_rules([os.fspath(one) for one in folders])
