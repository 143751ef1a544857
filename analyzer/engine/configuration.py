"""The user's settings, out of a TOML file: limits by name, and thresholds of rules by rule and name.

    [limits]
    kdc_messages = 50_000

    [rules."auth.loop"]
    least = 5

    [options]                    # of the command line, which reads this section itself
    proxy = "nginx"

A name that is not known and a value of another kind is a `UsageError` that says what there is: a setting that does nothing must not pass for one that did.
"""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

import msgspec

from analyzer.errors import UsageError
from analyzer.rules.catalogue import rule_files, rule_ids, rules
from analyzer.settings import Limits


class Configuration(NamedTuple):
    """``thresholds``: values by rule and name."""

    limits: Limits
    thresholds: Mapping[str, Mapping[str, float]]


def configuration(path: str, limits: Limits | None = None, folders: Sequence[str] = ()) -> Configuration:
    """What a file sets; ``limits`` has the values of those it does not. ``folders``: where the user's own rules are. `UsageError`: see above."""
    try:
        told = tomllib.loads(Path(path).read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"{path}: {error}"
        raise UsageError(msg) from error
    for section in told.keys() - {"limits", "rules", "options"}:
        _unknown(path, "section", section, ["limits", "rules", "options"])
    return Configuration(_limits(path, told.get("limits", {}), limits or Limits()), _thresholds(path, told.get("rules", {}), folders))


def limited(bounds: Sequence[str], limits: Limits) -> Limits:
    """``limits`` with those that the command line gives as ``NAME=VALUE``. `UsageError`: see above."""
    told: dict[str, object] = {}
    for bound in bounds:
        name, equals, value = (word.strip() for word in bound.partition("="))
        if not equals:
            msg = f"--limit {bound}: a limit is given as NAME=VALUE, such as seconds=60"
            raise UsageError(msg)
        told[name] = _value(value)
    return _limits("--limit", told, limits)


def _value(text: str) -> object:
    """As TOML has it: 50_000, 0.5, [5986, 6000]."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _limits(path: str, told: object, limits: Limits) -> Limits:
    for name in _table(path, "limits", told).keys() - set(Limits.__struct_fields__):
        _unknown(path, "limit", name, Limits.__struct_fields__)
    try:
        made = msgspec.convert({**msgspec.structs.asdict(limits), **_table(path, "limits", told)}, Limits)
    except msgspec.ValidationError as error:
        msg = f"{path}: limits: {error}"
        raise UsageError(msg) from error
    for name in Limits.__struct_fields__:
        value = getattr(made, name)
        if isinstance(value, int | float) and not 0 <= value < float("inf"):
            msg = f"{path}: limits: {name} is {value}; it has to be a number of 0 or more"
            raise UsageError(msg)
    return made


def _thresholds(path: str, told: object, folders: Sequence[str]) -> dict[str, dict[str, float]]:
    own = {file.id for file in rule_files(folders)}
    found = {}
    for rule, values in _table(path, "rules", told).items():
        if rule not in own and rule not in rule_ids():
            _unknown(path, "rule", rule, (*rule_ids(), *own))
        found[rule] = {name: _number(path, rule, name, value) for name, value in _table(path, f'rules."{rule}"', values).items()}
    known = {rule.id: [param.name for param in rule.params] for rule in rules()} if found else {}
    for rule, given in found.items():
        for name in given if rule in known else ():
            if name not in known[rule]:
                _unknown(path, f"threshold of {rule}", name, known[rule])
    return found


def _number(path: str, rule: str, name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        msg = f"{path}: {name} of {rule} is {value!r}; it has to be a number of 0 or more"
        raise UsageError(msg)
    return float(value)


def _table(path: str, name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        msg = f"{path}: {name} has to be a table: [{name}]"
        raise UsageError(msg)
    return value


def _unknown(path: str, kind: str, name: str, known: Iterable[str]) -> NoReturn:
    near = get_close_matches(name, known := sorted(known), n=3, cutoff=0.4)
    there = f"did you mean {' or '.join(near)}?" if near else f"there is {', '.join(known[:12])}" if known else "it has none"
    msg = f"{path}: there is no {kind} {name!r}; {there}"
    raise UsageError(msg)
