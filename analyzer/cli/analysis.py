"""What commands do once they are parsed: reading captures and cases, exit codes, and the main command. Nothing here knows click, which is loaded to parse."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Literal, NamedTuple

from analyzer import api
from analyzer.cli.printing import colour, complain, width, write
from analyzer.errors import InputError, UsageError
from analyzer.settings import Scope

if TYPE_CHECKING:
    from analyzer.case.opened import OpenedCase

FINDINGS, USAGE, PARTIAL, INTEGRITY, INTERRUPTED = 1, 2, 3, 4, 130
_PROGRESS_FROM_BYTES = 20_000_000
_SECRET_OPTIONS = {"--secrets", "--keylog", "--keytab"}


class Given(NamedTuple):
    """What every command that reads captures is given besides them."""

    scope: str = "winrm"
    rules_dirs: tuple[str, ...] = ()
    secrets: str | None = None
    keylog: str | None = None
    keytab: str | None = None
    sigma_dirs: tuple[str, ...] = ()
    proxy: str | None = None
    config: str | None = None
    mask: Literal["usual", "strict"] = "usual"


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
    if len(captures) == 1 and api.is_case(captures[0]):
        case = api.open_case(captures[0]).hiding(given.secrets, given.keylog, given.keytab, given.mask)
        for failure in case.failures:
            complain(failure)
        return case
    return read_case(captures, given)


def read_case(captures: tuple[str, ...], given: Given) -> api.Case:
    """The captures analyzed; what could not be read is told on stderr. `InputError`: nothing could. `UsageError`: a case folder among them."""
    folder = next((one for one in captures if api.is_case(one)), None)
    if folder is not None:
        msg = f"{folder} is a case folder; this needs the captures themselves (show, findings, report and verify take a case folder, alone)"
        raise UsageError(msg)
    progress = _Progress(time.monotonic()) if sys.stderr.isatty() else None
    case = api.analyze(
        captures,
        scope=Scope(all_http=given.scope == "http"),
        secrets=given.secrets,
        keylog=given.keylog,
        keytab=given.keytab,
        rules_dirs=given.rules_dirs,
        sigma_dirs=given.sigma_dirs,
        proxy=given.proxy,
        config=given.config,
        mask=given.mask,
        progress=progress,
        arguments=["winrm-analyzer", *recorded(sys.argv[1:])],
    )
    if progress:
        progress.clear()
    for failure in case.failures:
        complain(failure)
    if case.empty:
        msg = "none of the inputs could be read; nothing was analyzed"
        raise InputError(msg)
    return case


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


class _Progress:
    """One line on stderr that is written over, for inputs that take a while."""

    def __init__(self, now: float) -> None:
        self._shown = 0.0
        self._started = now

    def __call__(self, stage: str, done: int, total: int) -> None:
        now = time.monotonic()
        if (total < _PROGRESS_FROM_BYTES and not self._shown) or now - self._shown < 0.1:
            return
        self._shown = now
        of_bytes = f"{done / 1e6:,.0f} of {total / 1e6:,.0f} MB, {done / max(now - self._started, 0.001) / 1e6:,.0f} MB/s"
        told = of_bytes if total >= _PROGRESS_FROM_BYTES else f"{done:,} of {total:,}"
        sys.stderr.write(f"\r{stage:12.12} {100 * done // max(total, 1):3d} %  {told:48.48}")
        sys.stderr.flush()

    def clear(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r" + " " * 79 + "\r")


def exit_code(case: api.Case | OpenedCase, fail_on: str | None, *, strict: bool) -> int:
    """A partial result under ``--strict`` comes first: whoever asked for it does not want to read conclusions from a part."""
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
) -> int:
    """The command `analyze`; its defaults are those of the command line."""
    if output is not None:
        api.writable_case(output, captures, clobber=clobber)
    case = read_case(captures, given or Given())
    if output is not None:
        case.save(output, clobber=clobber, show_secrets=show_secrets)
    if form == "table":
        write([case.overview(width=width(), full=full, products=products, colour=colour())])
    else:
        write(case.machine(form))
    return exit_code(case, fail_on, strict=strict)
