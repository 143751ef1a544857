"""Finds the rules: modules below this folder's families, and files of folders that the user names."""

import importlib
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType

from msgspec import Struct

from analyzer.errors import UsageError
from analyzer.records.evidence import Evidence
from analyzer.records.finding import Finding, Severity
from analyzer.records.sigma import Detection
from analyzer.rules.telling import Opinion, Param, told

FAMILIES = ("affinity", "auth", "proxyauth", "enc", "tls", "tcp", "http", "wsman", "proxy", "attack", "capture")
OWN_FAMILY = "local"
"""The family of a user's rule that lies in no folder of a family."""


class Rule(Struct, frozen=True, gc=False):
    """``id`` is ``family.name``; ``document`` the module's docstring; ``module``: where it is written."""

    id: str
    family: str
    document: str
    module: str
    opinion: Opinion

    def find(self, evidence: Evidence, given: Mapping[str, float] | None = None) -> Iterator[Finding]:
        """Its findings. ``given``: values of its parameters, by name."""
        return told(self.opinion, self.id, evidence, given)

    @property
    def title(self) -> str:
        """What it finds, for lists."""
        return self.opinion.title if isinstance(self.opinion.title, str) else self.opinion.name or self.id

    @property
    def severity(self) -> str:
        """The highest severity that it gives."""
        return self.opinion.severity if isinstance(self.opinion.severity, Severity) else self.opinion.worst or Severity.INFO

    @property
    def params(self) -> tuple[Param, ...]:
        """Its thresholds."""
        return self.opinion.params

    @property
    def looks_for(self) -> tuple[Detection, ...]:
        """The lines of what was run that it wants to see."""
        return self.opinion.looks_for


class File(Struct, frozen=True, gc=False):
    """A file of a user's folder, not loaded: the id of the rule in it, and its document as far as it can be read without running it."""

    id: str
    family: str
    path: str
    document: str


@cache
def rules(families: Sequence[str] = FAMILIES) -> tuple[Rule, ...]:
    """The rules that come with the analyzer, by id; those of some ``families`` only."""
    here = Path(__file__).parent
    found = []
    for family in families:
        for file in sorted((here / family).glob("[!_]*.py")):
            module = importlib.import_module(f"analyzer.rules.{family}.{file.stem}")
            found.append(_rule(_identity(family, file.stem), family, module))
    return tuple(sorted(found, key=lambda rule: rule.id))


def rule_ids(*, negotiate: bool = False) -> tuple[str, ...]:
    """The ids of the rules that come with the analyzer, told by their files' names: no rule is loaded for them. ``negotiate``: those that are asked in that
    scope only."""
    here = Path(__file__).parent
    found = sorted(_identity(family, file.stem) for family in FAMILIES for file in (here / family).glob("[!_]*.py"))
    if not negotiate:
        return tuple(found)
    from analyzer.rules.negotiated import RULES

    return tuple(one for one in found if one in RULES)


def rule_files(folders: Sequence[str]) -> tuple[File, ...]:
    """The rules of folders laid out like this one (``FAMILY/NAME.py``, or ``NAME.py`` for the family ``local``). `UsageError`: there is no such folder."""
    found = []
    for folder in folders:
        root = Path(folder)
        if not root.is_dir():
            msg = f"{folder}: no such folder of rules"
            raise UsageError(msg)
        for file in sorted(root.rglob("[!_]*.py")):
            family = file.parent.name if file.parent != root else OWN_FAMILY
            found.append(File(_identity(family, file.stem), family, str(file), _document(file)))
    return tuple(found)


def loaded(file: File) -> Rule:
    """The rule of a file, which is run for it: whatever that raises. `UsageError`: there is no opinion in it."""
    import importlib.util

    path = Path(file.path)
    spec = importlib.util.spec_from_file_location(f"winrm_analyzer_rule_{path.stem}", path)
    if spec is None or spec.loader is None:
        msg = f"{path}: not a Python module"
        raise UsageError(msg)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return _rule(file.id, file.family, module)


def _document(file: Path) -> str:
    import ast

    try:
        return ast.get_docstring(ast.parse(file.read_bytes())) or ""
    except (SyntaxError, ValueError, OSError, RecursionError, MemoryError):
        return ""


def _identity(family: str, stem: str) -> str:
    """``family.name``: underscores are dashes, but a dot between digits (``1_0_downgrade`` is ``1.0-downgrade``)."""
    return f"{family}." + re.sub(r"(?<=\d)_(?=\d)", ".", stem).replace("_", "-")


def _rule(identity: str, family: str, module: ModuleType) -> Rule:
    opinion = getattr(module, "OPINION", None)
    if not isinstance(opinion, Opinion):
        msg = f"{module.__file__}: a rule needs OPINION, an analyzer.rules.telling.Opinion"
        raise UsageError(msg)
    return Rule(identity, family, module.__doc__ or "", module.__name__, opinion)
