"""What the commands share of click: the options of those that read captures."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import click

from analyzer.cli.analysis import Given
from analyzer.cli.printing import say
from analyzer.cli.remarks import opened_log, zone
from analyzer.tables.times import show_in

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

LEVELS = ("info", "low", "medium", "high", "critical")
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

_TYPED = click.core.ParameterSource.COMMANDLINE
_OF_JOBS = {"scheduler", "jobs", "memory"}
"""Of `Given`, what changes no result: commands that are offered go without."""
_captures = click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...")
_scope = click.option(
    "--scope",
    type=click.Choice(["winrm", "http", "negotiate"]),
    default="winrm",
    show_default=True,
    help="Keep WinRM and what belongs to it, or all HTTP; or look at every application with Negotiate, NTLM or Kerberos.",
)
_part = (
    click.option("--from", "since", metavar="TIME", help="Only packets from this time on: 2026-11-24T10:24:31Z, or with an offset such as +01:00."),
    click.option("--to", "until", metavar="TIME", help="Only packets up to this time."),
    click.option("--host", "hosts", multiple=True, metavar="ADDRESS", help="Only packets from or to this address; may be given several times."),
    click.option("--net", "nets", multiple=True, metavar="NET", help="Only packets from or to this network, such as 10.1.0.0/16."),
    click.option("--port", "ports", multiple=True, type=click.IntRange(0, 65535), metavar="PORT", help="Only packets from or to this port."),
)
_tls_port = click.option(
    "--tls-port", "tls_ports", type=click.IntRange(1, 65535), multiple=True, metavar="PORT", help="Take TLS on this port for WinRM over HTTPS, as on 5986."
)
rules_option = click.option(
    "--rules", "rules_dirs", type=click.Path(exists=True, file_okay=False), multiple=True, metavar="DIR", help="Run the rules of this folder, too."
)
_sigma = click.option(
    "-s",
    "--sigma",
    "sigma_dirs",
    type=click.Path(exists=True, file_okay=False),
    multiple=True,
    metavar="DIR",
    help="Look with the Sigma rules of this folder at what was run.",
)
_events = click.option(
    "--events",
    "events",
    type=click.Path(exists=True),
    multiple=True,
    metavar="FILE|DIR",
    help="Join host logs to what the packets show: EVTX, JSON lines of Winlogbeat, evtx_dump or NXLog, logs of Zeek or Suricata.",
)
_proxy = click.option("--proxy", metavar="NAME", help="The proxy's product, such as nginx or haproxy: advice then names its settings.")
_config = click.option(
    "--config",
    type=click.Path(exists=True, dir_okay=False),
    metavar="FILE.toml",
    help="Limits, thresholds of rules, defaults of options. Default: winrm-analyzer.toml of the working folder.",
)
_limit = click.option(
    "--limit",
    "bounds",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set a limit of what a run may use, such as seconds=60 or connections=100000; may be given several times. docs/limits.md lists them.",
)
_sensor = click.option(
    "--sensor",
    "sensors",
    multiple=True,
    metavar="NAME=PATTERN",
    help="Captures whose paths match are of one capture point of this name, in whatever order and overlap; may be given several times.",
)
products_option = click.option("--all-products", "products", is_flag=True, help="With the advice, print the settings of all proxy products.")
_strict = click.option("--strict", is_flag=True, help="Exit with 3 when a part of the evidence could not be read.")
fail_on_option = click.option("--fail-on", type=click.Choice(LEVELS), metavar="LEVEL", help=f"Exit with 1 when a finding is this severe: {', '.join(LEVELS)}.")
show_secrets_option = click.option("--show-secrets", is_flag=True, help="Do not mask passwords in commands, scripts and their output, whatever --mask says.")
_mask = click.option(
    "--mask",
    type=click.Choice(["usual", "strict"]),
    default="usual",
    show_default=True,
    help="What is masked in texts: what looks like a password or key, best effort; or all arguments of commands.",
)
_pseudonyms = click.option(
    "--pseudonyms",
    type=click.Path(dir_okay=False),
    metavar="KEYFILE",
    help="Replace names, addresses and what was typed, for sharing, by this key file, which is made where it is missing. Keep it: it undoes them.",
)
_no_config = click.option("--no-config", is_flag=True, expose_value=False, help="Leave the settings alone that the working folder has (winrm-analyzer.toml).")
_file = click.Path(exists=True, dir_okay=False)
_secrets = click.option(
    "--secrets",
    type=click.Path(exists=True),
    metavar="FILE|DIR",
    help="Passwords, hashes and keys that decrypt encrypted bodies, in the form in which you have them. They are never printed.",
)
_keylog = click.option("--keylog", type=_file, metavar="FILE", help="A TLS key log (SSLKEYLOGFILE).")
_keytab = click.option("--keytab", type=_file, metavar="FILE", help="A Kerberos keytab with the service's key, or krbtgt's.")


def _set_quiet(_context: click.Context, _option: click.Parameter, given: bool) -> None:  # noqa: FBT001  click's signature
    say(quiet=given)


def _set_verbose(_context: click.Context, _option: click.Parameter, given: bool) -> None:  # noqa: FBT001  click's signature
    say(verbose=given)


def _set_log(_context: click.Context, _option: click.Parameter, path: str | None) -> None:
    if path is not None:
        say(log=opened_log(path))


def _set_zone(_context: click.Context, _option: click.Parameter, name: str | None) -> None:
    show_in(None if name is None else zone(name))


_said = (
    click.option("-q", "--quiet", is_flag=True, expose_value=False, callback=_set_quiet, help="On standard error only what went wrong."),
    click.option("-v", "--verbose", is_flag=True, expose_value=False, callback=_set_verbose, help="Tell each phase and its time on standard error."),
    click.option("--log-file", metavar="FILE", expose_value=False, callback=_set_log, help="Add all that --verbose tells to this file, with times."),
    click.option(
        "--tz", metavar="ZONE", expose_value=False, callback=_set_zone, help="Show times of texts in this zone (Europe/Berlin, local). Files and JSON stay UTC."
    ),
)


def input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """CAPTURE..., the options of `Given` and --strict; the command gets those of `Given` as one."""
    return _captures(given_options(command))


def given_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """As `input_options`, for a command that names its captures itself."""

    @functools.wraps(command)
    def collected(**options: Any) -> Any:  # noqa: ANN401 (click hands over whatever the command declares)
        given = Given(**{name: options.pop(name) for name in Given._fields if name in options}, options=_typed(set(Given._fields) - _OF_JOBS))
        return command(given=given, **options)

    settings = (_sensor, _strict, _pseudonyms, _no_config, _limit, _config, _proxy, _mask, _events, _sigma, rules_option)
    for option in (*reversed(_said), *settings, _keytab, _keylog, _secrets, _tls_port, *reversed(_part), _scope):
        collected = option(collected)
    return collected


def _typed(names: Collection[str]) -> tuple[tuple[str, object], ...]:
    """The options of these names that stand on the command line, with their values."""
    context = click.get_current_context()
    found = [one for one in context.command.params if isinstance(one, click.Option) and one.name in names]
    return tuple((max(one.opts, key=len), context.params[one.name]) for one in found if one.name and context.get_parameter_source(one.name) is _TYPED)


def job_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Who runs the jobs of a run, and where they leave what they find: below `input_options`, which gives them to the command as part of `Given`."""
    scheduler = click.option(
        "--scheduler",
        metavar="NAME|ADDRESS",
        help="Scan captures and read connections in jobs, run by: serial, processes, or a cluster of Dask, by the address of its scheduler (tcp://HOST:8786).",
    )
    jobs = click.option(
        "--jobs",
        metavar="DIR|URL",
        help="Jobs leave what they find in this folder or object store; what lies there is not done again. A cluster needs one that all its workers reach.",
    )
    return memory_option(scheduler(jobs(command)))


class _Size(click.ParamType[int]):
    """Bytes, with K, M or G for powers of 1024."""

    name = "SIZE"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The bytes."""
        if isinstance(value, int):
            return value
        found = _SIZE.fullmatch(str(value).strip().upper())
        if found is None:
            self.fail(f"{value!r} is no size: give bytes, or a number with K, M or G, such as 512M", param, ctx)
        return int(float(found[1]) * 1024 ** " KMGT".index(found[2] or " "))


_SIZE = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) ?([KMGT]?)(?:I?B)?")
memory_option = click.option(
    "--memory",
    type=_Size(),
    metavar="SIZE",
    help="What a process may have, about, such as 512M: where all evidence at once takes more, connections are looked at in groups, and CASE has tables only.",
)


def hiding_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Files with secrets that a text is to hide, and how much of command lines."""
    for option in (_mask, _keytab, _keylog, _secrets):
        command = option(command)
    return command


def finding_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Captures that may be left out, and the keys for them; the command gets the latter as `Given`."""

    @functools.wraps(command)
    def collected(**options: Any) -> Any:  # noqa: ANN401 (click hands over whatever the command declares)
        given = Given(**{name: options.pop(name) for name in ("rules_dirs", "secrets", "keylog", "keytab", "mask")})
        return command(given=given, **options)

    for option in (rules_option, _mask, _keytab, _keylog, _secrets, click.argument("captures", nargs=-1, metavar="[CAPTURE...]")):
        collected = option(collected)
    return collected
