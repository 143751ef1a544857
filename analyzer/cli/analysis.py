"""What commands do once they are parsed: reading captures and cases, exit codes, and the main command. Nothing here knows click, which is loaded to parse."""

from __future__ import annotations

import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from analyzer import api
from analyzer.cli.folders import opened
from analyzer.cli.names import CONFIG
from analyzer.cli.printing import colour, complain, remark, width, write
from analyzer.cli.progress import Progress
from analyzer.errors import InputError, OutputError, UsageError
from analyzer.settings import Scope

if TYPE_CHECKING:
    from analyzer.case.grouped import GroupedCase
    from analyzer.case.hub import HubCase
    from analyzer.case.opened import OpenedCase
    from analyzer.cli.adding import Added

FINDINGS, USAGE, PARTIAL, INTEGRITY, INTERRUPTED = 1, 2, 3, 4, 130
_ANOTHER_READING = {"--secrets", "--keylog", "--keytab", "--rules", "--sigma", "--config", "--limit", "--tls-port"}
"""Options that a case folder cannot answer by what it holds."""
_SECRET_OPTIONS = {"--secrets", "--keylog", "--keytab"}


class Given(NamedTuple):
    """What every command that reads captures is given besides them."""

    scope: str = "winrm"
    rules_dirs: tuple[str, ...] = ()
    secrets: str | None = None
    keylog: str | None = None
    keytab: str | None = None
    sigma_dirs: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    proxy: str | None = None
    config: str | None = None
    mask: Literal["usual", "strict"] = "usual"
    since: str | None = None
    until: str | None = None
    hosts: tuple[str, ...] = ()
    nets: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    tls_ports: tuple[int, ...] = ()
    bounds: tuple[str, ...] = ()
    pseudonyms: str | None = None
    scheduler: str | None = None
    jobs: str | None = None
    sensors: tuple[str, ...] = ()
    memory: int | None = None
    options: tuple[tuple[str, object], ...] = ()
    """Those of the command line that say how captures are read, with their values."""


def recorded(arguments: list[str]) -> list[str]:
    """A command line for the record: the names of files with secrets are left out."""
    shown, hide = [], False
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        option = name in _SECRET_OPTIONS
        shown.append("***" if hide else f"{name}=***" if option and equals else argument)
        hide = option and not equals and not hide
    return shown


def read_any(captures: tuple[str, ...], given: Given) -> api.Case | OpenedCase:
    """A case folder, when it is the only input, else what `read_case` makes of the captures."""
    if len(captures) == 1 and api.is_case(captures[0]) and given.pseudonyms is None:
        _whole(captures[0], given)
        case = opened(captures[0]).hiding(given.secrets, given.keylog, given.keytab, given.mask)
        for failure in case.failures:
            complain(failure)
        return case if given.proxy is None or not case.has_records else case.records(product=given.proxy)
    return read_case(captures, given)


def read_case(captures: tuple[str, ...], given: Given, *, keeps_places: bool = False, hashes: bool = True) -> api.Case:
    """The captures analyzed, or the records of a case folder; what could not be read is told on stderr. ``hashes``: what is written tells the SHA-256 of the
    captures. `InputError`: nothing could be read."""
    case = read_within(captures, given, keeps_places=keeps_places, hashes=hashes)
    if not isinstance(case, api.Case):
        msg = "--memory is for the command analyze"
        raise UsageError(msg)
    return case


def read_within(captures: tuple[str, ...], given: Given, *, keeps_places: bool = False, hashes: bool = True) -> api.Case | GroupedCase:
    """The same; captures are analyzed in groups of their connections where all at once would take more than ``given.memory``."""
    if given.config == CONFIG and "--config" not in dict(given.options):
        remark(f"winrm-analyzer: the settings of {CONFIG} in this folder are used (--no-config leaves them alone)")
    if len(captures) == 1 and api.is_case(captures[0]):
        return _shared(_of_folder(captures[0], given), given)
    found = _analyzed(captures, given, keeps_places=keeps_places and given.pseudonyms is None, hashes=hashes)
    case = _shared(found, given) if isinstance(found, api.Case) else found
    for failure in case.failures:
        complain(failure)
    if case.empty:
        msg = "none of the inputs could be read; nothing was analyzed"
        raise InputError(msg)
    return case


def _whole(folder: str, given: Given) -> None:
    if _is_part(given):
        msg = f"{folder} is a case folder: its scope was set when it was made; --from, --to, --host, --net and --port need the captures"
        raise UsageError(msg)


def _of_folder(folder: str, given: Given) -> api.Case:
    """A case out of its folder, or, where something was given that the folder cannot answer, of its captures read again."""
    _whole(folder, given)
    found = opened(folder)
    asked = [name for name, _ in given.options if name in _ANOTHER_READING]
    if found.in_groups and not asked:
        found.records()
    if asked or not found.has_records:
        remark(f"winrm-analyzer: the captures of {folder} are read again{f' for {asked[0]}' if asked else ', as an older version wrote it'}")
        case = _again(folder, given)
    else:
        hidden = found.hiding(given.secrets, given.keylog, given.keytab, given.mask)
        case = hidden.records(lambda: _again(folder, given), given.proxy)
        case.offered_as(folder, given.options)
    for failure in case.failures:
        complain(failure)
    return case


def _again(folder: str, given: Given) -> api.Case:
    """The captures of a case folder, read again, all at once."""
    case = _analyzed((folder,), given._replace(memory=None))
    if not isinstance(case, api.Case):
        raise TypeError
    return case


def _shared(case: api.Case, given: Given) -> api.Case:
    if given.pseudonyms is None:
        return case
    from analyzer.case.shared import with_pseudonyms

    return with_pseudonyms(case, given.pseudonyms)


def _analyzed(captures: tuple[str, ...], given: Given, *, keeps_places: bool = False, hashes: bool = True) -> api.Case | GroupedCase:
    """Read, with progress told meanwhile."""
    progress = Progress(captures)
    try:
        return _read(captures, given, progress, keeps_places=keeps_places, hashes=hashes)
    finally:
        progress.clear()


def _scope(given: Given) -> Scope:
    negotiate = given.scope == "negotiate"
    all_http = negotiate or given.scope == "http"
    if not _is_part(given):
        return Scope(all_http=all_http, negotiate=negotiate)
    return api.scope(given.since, given.until, (*given.hosts, *given.nets), given.ports, all_http=all_http, negotiate=negotiate)


def _is_part(given: Given) -> bool:
    return bool(given.since or given.until or given.hosts or given.nets or given.ports)


def _read(captures: tuple[str, ...], given: Given, progress: Progress, *, keeps_places: bool, hashes: bool) -> api.Case | GroupedCase:
    asked: dict[str, Any] = {
        "scope": _scope(given),
        "secrets": given.secrets,
        "keylog": given.keylog,
        "keytab": given.keytab,
        "rules_dirs": given.rules_dirs,
        "sigma_dirs": given.sigma_dirs,
        "events": given.events,
        "proxy": given.proxy,
        "config": given.config,
        "mask": given.mask,
        "tls_ports": given.tls_ports,
        "bounds": given.bounds,
        "progress": progress,
        "arguments": ["winrm-analyzer", *recorded(sys.argv[1:])],
        "options": given.options,
        "keeps_places": keeps_places,
        "hashes": hashes,
        "scheduler": given.scheduler,
        "jobs": given.jobs,
        "sensors": given.sensors,
    }
    return api.analyze(captures, **asked) if given.memory is None else api.analyze_within(captures, given.memory, **asked)


def finding_explained(name: str, captures: tuple[str, ...], given: Given) -> str:
    """One finding of these captures (or of a case), with its rule's document. `UsageError`: there is none of that name."""
    import json

    case = read_any(captures, given)
    rows = [json.loads(line) for line in "".join(case.text("findings", "jsonl")).splitlines()]
    row = next((row for row in rows if row["finding_id"] == name), None)
    if row is None:
        ids = ", ".join(row["finding_id"] for row in rows) or "none"
        msg = f"there is no finding {name!r} in this capture; it has: {ids}"
        raise UsageError(msg)
    lines = [f"{name}  {row['severity'].upper()}  {row['title']}", "", row["why"], "", f"What to do: {row['advice']}", f"Packets: {row['packets']}"]
    lines += [f"Set in {one.get('product')}: {one.get('setting')} ({one.get('link')})" for one in _settings(row["settings"]) if one.get("seen")]
    quoted = f': "{row["reference_text"]}"' if row["reference_text"] else ""
    lines += [f"Reference: {row['reference']}{quoted}" + (f" ({row['reference_url']})" if row["reference_url"] else "")]
    return "\n".join([*lines, f"Wireshark filter: {row['filter']}", "", api.explanation(row["rule"], given.rules_dirs)])


def _settings(told: str | None) -> list[dict[str, object]]:
    """The settings of a finding, out of its cell. A folder may come from anywhere: what cannot be read gives none."""
    import json

    try:
        found = json.loads(told or "[]")
    except (ValueError, RecursionError):
        return []
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def exit_code(case: api.Case | OpenedCase, fail_on: str | None, *, strict: bool) -> int:
    """A case that was changed comes first, then a partial result under ``--strict``: whoever asked for it does not want to read conclusions from a part."""
    if case.changes:
        return INTEGRITY
    if strict and case.failures:
        return PARTIAL
    return FINDINGS if fail_on and case.at_least(fail_on).cells("findings") else 0


def analysis(  # noqa: PLR0913 (one parameter per option)
    captures: tuple[str, ...],
    given: Given | None = None,
    *,
    form: Literal["table", "json", "jsonl"] = "table",
    output: str | None = None,
    clobber: bool = False,
    fail_on: str | None = None,
    full: bool = False,
    products: bool = False,
    show_secrets: bool = False,
    strict: bool = False,
    keep: tuple[str, ...] = (),
    add: str | None = None,
) -> int:
    """The command `analyze`; its defaults are those of the command line."""
    given = given or Given()
    added = None
    if add is not None:
        if output is not None:
            msg = "--add CASE writes that case: leave -o out"
            raise UsageError(msg)
        from analyzer.cli import adding

        added, captures = adding.added(add, opened, recorded(sys.argv[1:])), adding.all_captures(add, captures)
        given = given._replace(scheduler=given.scheduler or "processes", jobs=given.jobs or adding.store(add))
        output, clobber = add, api.is_case(add)
    if output is not None:
        api.writable_case(output, captures, clobber=clobber)
    elif keep:
        msg = "--keep says what a case folder holds: name one with -o"
        raise UsageError(msg)
    if output is None and form == "table" and len(captures) == 1 and api.is_case(captures[0]) and _tables_tell(given):
        found = opened(captures[0])
        if found.in_groups:
            return _told_by_tables(found, given, fail_on, full=full, products=products, show_secrets=show_secrets, strict=strict)
    limit, given = given.memory, _at_once(given)
    if given.memory is not None and not any(map(api.is_case, captures)):
        _tables_suffice(form, keep, show_secrets=show_secrets)
    if given.memory is not None or given.scheduler is not None:
        _ends_in_order()
    case = read_within(captures, given, keeps_places=output is not None, hashes=output is not None or form != "table")
    saved = output is None or _is_saved(case, output, keep, added, clobber=clobber, show_secrets=show_secrets)
    if added is not None and saved:
        added.changed()
        write(added.news(case) if form == "table" else ())
    if form == "table":
        write([case.overview(width=width(), full=full, products=products, colour=colour())])
    else:
        write(case.machine(form))
    _kept_to(limit)
    code = exit_code(case, fail_on, strict=strict) if saved else USAGE
    _stay(case)
    return code


_LAST: list[object] = []


def _stay(case: api.Case | GroupedCase) -> None:
    """Keeps the records until the process is gone, which frees all of them at once, and not one by one: nothing but memory goes with them. The list holds
    itself, so that the end of this module does not end them; in a process that goes on they are garbage as soon as there are others."""
    _LAST[:] = (_LAST, case.result) if isinstance(case, api.Case) else ()


def _at_once(given: Given) -> Given:
    """Without a limit of memory where something was asked for that looks at all connections at once, which is told on stderr."""
    if given.memory is None or (given.pseudonyms is None and not given.events):
        return given
    remark(f"winrm-analyzer: with {'--events' if given.events else '--pseudonyms'} all connections are looked at at once, whatever --memory says")
    return given._replace(memory=None)


def _kept_to(limit: int | None) -> None:
    """What a process took beyond the limit is told on stderr. No issue says so, as it is of this run and machine, not of the captures."""
    from analyzer.system.processes import most_resident

    took = None if limit is None else most_resident()
    if limit is not None and took is not None and took > limit:
        remark(f"winrm-analyzer: a process took {took >> 20:,} MiB, more than the {limit >> 20:,} MiB of --memory (winrm-analyzer docs groups)")


def _tables_tell(given: Given) -> bool:
    """Nothing was asked for that only records, or captures, tell."""
    return given.pseudonyms is None and given.proxy is None and not given.events and not {name for name, _ in given.options} & _ANOTHER_READING


def _told_by_tables(found: HubCase, given: Given, fail_on: str | None, *, full: bool, products: bool, show_secrets: bool, strict: bool) -> int:
    """The first screen of a case folder without records."""
    _whole(str(found.folder), given)
    case = found.show_secrets() if show_secrets else found.hiding(mask=given.mask)
    for failure in case.failures:
        complain(failure)
    write([case.overview(width=width(), full=full, products=products, colour=colour())])
    return exit_code(case, fail_on, strict=strict)


def _tables_suffice(form: str, keep: tuple[str, ...], *, show_secrets: bool) -> None:
    """`UsageError`: what was asked for needs records, which there are none of in groups. Said before hours of reading, and whatever the captures' size."""
    asked = f"-f {form}" if form != "table" else "--keep" if keep else "--show-secrets" if show_secrets else None
    if asked is not None:
        msg = f"{asked} needs records, and with --memory a case may have tables only, with passwords and keys masked: leave one of them out"
        raise UsageError(msg)


def _ends_in_order() -> None:
    """Whoever ends this process, or closes its terminal, ends it as an interrupt does: what lies in temporary folders is evidence, and is not left there."""
    import signal

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # nohup has it ignored
            with suppress(ValueError):  # another thread than the first, in a program that calls this
                signal.signal(number, interrupted)


def _is_saved(case: api.Case | GroupedCase, output: str, keep: tuple[str, ...], added: Added | None, *, clobber: bool, show_secrets: bool) -> bool:
    """The case is written, unless another run has done so. What was found is printed all the same, as it may have taken hours."""
    progress = Progress([output])
    try:
        if added is not None:
            added.check()
        case.save(output, clobber=clobber, show_secrets=show_secrets, keep=keep, progress=progress)
        case.offered_as(output)
    except (OutputError, MemoryError) as error:
        progress.clear()
        complain(str(error) or f"cannot write the case {output}: there is not enough memory for it")
        complain("the case was not saved; what was found follows")
        return False
    finally:
        progress.clear()
    return True
