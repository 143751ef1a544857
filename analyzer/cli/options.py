"""What the commands share of click: the options of those that read captures."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from analyzer.cli.analysis import Given

if TYPE_CHECKING:
    from collections.abc import Callable

LEVELS = ("info", "low", "medium", "high", "critical")
CONTEXT: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}

_captures = click.argument("captures", nargs=-1, required=True, metavar="CAPTURE...")
_scope = click.option(
    "--scope", type=click.Choice(["winrm", "http"]), default="winrm", show_default=True, help="Keep WinRM and what belongs to it, or all HTTP."
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
_proxy = click.option("--proxy", metavar="NAME", help="The proxy's product, such as nginx or haproxy: advice then names its settings.")
_config = click.option("--config", type=click.Path(exists=True, dir_okay=False), metavar="FILE.toml", help="Limits, and thresholds of rules.")
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
_file = click.Path(exists=True, dir_okay=False)
_secrets = click.option(
    "--secrets",
    type=click.Path(exists=True),
    metavar="FILE|DIR",
    help="Passwords, hashes and keys that decrypt encrypted bodies, in the form in which you have them. They are never printed.",
)
_keylog = click.option("--keylog", type=_file, metavar="FILE", help="A TLS key log (SSLKEYLOGFILE).")
_keytab = click.option("--keytab", type=_file, metavar="FILE", help="A Kerberos keytab with the service's key, or krbtgt's.")


def input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `Given` and --strict; the command gets the former as one."""

    @functools.wraps(command)
    def collected(**options: Any) -> Any:  # noqa: ANN401 (click hands over whatever the command declares)
        given = Given(**{name: options.pop(name) for name in Given._fields})
        return command(given=given, **options)

    for option in (_strict, _config, _proxy, _mask, _sigma, rules_option, _keytab, _keylog, _secrets, _scope, _captures):
        collected = option(collected)
    return collected


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
