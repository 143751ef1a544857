"""Finds the rules: modules below this folder's families, and files of folders that the user names."""

import importlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from types import ModuleType

from msgspec import Struct

from analyzer.errors import UsageError
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.sigma import Detection
from analyzer.rules.telling import Opinion, Param, told

FAMILIES = ("affinity", "auth", "proxyauth", "enc", "tls", "tcp", "http", "wsman", "proxy", "attack", "capture")
_NEEDED = ("TITLE", "SEVERITY", "find")


class Rule(Struct, frozen=True, gc=False):
    """``id`` is ``family.name``; ``document`` the module's docstring; ``find`` yields the findings; ``module``: where it is written.

    ``explains``: rules whose findings on the same connections are symptoms of this one's; ``habit``: those on other connections of the same client, too.
    ``fails``: the scorecard's requirements that a finding fails; ``fails_alone``: those that it fails unless another finding explains it.
    """

    id: str
    family: str
    title: str
    severity: str
    document: str
    find: Callable[[Evidence], Iterable[Finding]]
    module: str = ""
    explains: tuple[str, ...] = ()
    habit: tuple[str, ...] = ()
    fails: tuple[str, ...] = ()
    fails_alone: tuple[str, ...] = ()
    params: tuple[Param, ...] = ()
    looks_for: tuple[Detection, ...] = ()


@cache
def rules(families: Sequence[str] = FAMILIES) -> tuple[Rule, ...]:
    """The rules that come with the analyzer, by id; those of some ``families`` only."""
    here = Path(__file__).parent
    found = []
    for family in families:
        found += [
            _rule(_identity(family, file.stem), family, importlib.import_module(f"analyzer.rules.{family}.{file.stem}"))
            for file in sorted((here / family).glob("[!_]*.py"))
        ]
    return tuple(sorted(found, key=lambda rule: rule.id))


def rule_ids() -> tuple[str, ...]:
    """The ids of the rules that come with the analyzer, told by their files' names: no rule is loaded for them."""
    here = Path(__file__).parent
    return tuple(sorted(_identity(family, file.stem) for family in FAMILIES for file in (here / family).glob("[!_]*.py")))


def extra_rules(folders: Sequence[str]) -> tuple[Rule, ...]:
    """The rules of folders laid out like this one (``FAMILY/NAME.py``, or ``NAME.py`` for the family ``local``). Raises `UsageError` for what is no rule."""
    found = []
    for folder in folders:
        root = Path(folder)
        if not root.is_dir():
            msg = f"{folder}: no such folder of rules"
            raise UsageError(msg)
        for file in sorted(root.rglob("[!_]*.py")):
            family = file.parent.name if file.parent != root else "local"
            found.append(_rule(_identity(family, file.stem), family, _loaded(file)))
    return tuple(found)


def _loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"winrm_analyzer_rule_{file.stem}", file)
    if spec is None or spec.loader is None:
        msg = f"{file}: not a Python module"
        raise UsageError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (SyntaxError, ImportError, NameError, AttributeError, TypeError, ValueError) as error:
        msg = f"{file}: {type(error).__name__}: {error}"
        raise UsageError(msg) from error
    return module


def _identity(family: str, stem: str) -> str:
    """``family.name``: underscores are dashes, but a dot between digits (``1_0_downgrade`` is ``1.0-downgrade``)."""
    return f"{family}." + re.sub(r"(?<=\d)_(?=\d)", ".", stem).replace("_", "-")


def _rule(identity: str, family: str, module: ModuleType) -> Rule:
    opinion = getattr(module, "OPINION", None)
    return _with_find(identity, family, module) if opinion is None else _declared(identity, family, module, opinion)


def _declared(identity: str, family: str, module: ModuleType, opinion: Opinion) -> Rule:
    title = opinion.title if isinstance(opinion.title, str) else opinion.name or identity
    severity = opinion.severity if isinstance(opinion.severity, Severity) else opinion.worst or Severity.INFO
    find = partial(told, opinion, identity)
    document = module.__doc__ or ""
    return Rule(
        identity,
        family,
        title,
        severity,
        document,
        find,
        module.__name__,
        explains=opinion.explains,
        habit=opinion.habit,
        fails=opinion.fails,
        fails_alone=opinion.fails_alone,
        params=opinion.params,
        looks_for=opinion.looks_for,
    )


def _with_find(identity: str, family: str, module: ModuleType) -> Rule:
    missing = [name for name in _NEEDED if not hasattr(module, name)]
    if missing:
        msg = f"{module.__file__}: a rule needs {', '.join(missing)}"
        raise UsageError(msg)
    return Rule(identity, family, module.TITLE, str(module.SEVERITY), module.__doc__ or "", module.find, module.__name__)
