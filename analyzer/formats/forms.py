"""Which form of a module runs that setup.py compiles where it can: the compiled one where it was built, the same source uncompiled otherwise.

The environment variable ``WINRM_ANALYZER_KERNEL=python`` asks for the uncompiled one where both are there (tests run both).
"""

import importlib.util
import os
from functools import cache
from pathlib import Path
from types import ModuleType

VARIABLE = "WINRM_ANALYZER_KERNEL"


def chosen(module: ModuleType) -> ModuleType:
    """The module in the form that the environment asks for."""
    return source(module) if compiled(module) and os.environ.get(VARIABLE) == "python" else module


def compiled(module: ModuleType) -> bool:
    """Whether this is the compiled form."""
    return not str(module.__file__).endswith(".py")


@cache
def source(module: ModuleType) -> ModuleType:
    """The module as its source has it, whatever was built."""
    if not compiled(module):
        return module
    path = Path(str(module.__file__))
    spec = importlib.util.spec_from_file_location(f"{module.__name__}_as_source", path.with_name(f"{module.__name__.rpartition('.')[2]}.py"))
    if spec is None or spec.loader is None:  # a source file always has both
        return module
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made
