"""Which form of a module runs that setup.py compiles where it can: the compiled one where it was built, the same source uncompiled otherwise.

The environment variable ``WINRM_ANALYZER_KERNEL=python`` asks for the uncompiled one where both are there (tests run both).
"""

import importlib.util
import os
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

VARIABLE = "WINRM_ANALYZER_KERNEL"


def chosen(module: ModuleType, beneath: tuple[ModuleType, ...] = ()) -> ModuleType:
    """The module in the form that the environment asks for. ``beneath``: compiled modules that it rests on, lowest first."""
    return source(module, beneath) if compiled(module) and os.environ.get(VARIABLE) == "python" else module


def compiled(module: ModuleType) -> bool:
    """Whether this is the compiled form."""
    return not str(module.__file__).endswith(".py")


@cache
def source(module: ModuleType, beneath: tuple[ModuleType, ...] = ()) -> ModuleType:
    """The module as its source has it, whatever was built; it finds those ``beneath`` it in the same form."""
    if not compiled(module):
        return module
    names = [one.__name__ for one in beneath]
    try:
        for place, one in enumerate(beneath):
            sys.modules[one.__name__] = source(one, beneath[:place])
        return _loaded(module)
    finally:
        sys.modules.update(zip(names, beneath, strict=True))


def _loaded(module: ModuleType) -> ModuleType:
    path = Path(str(module.__file__))
    spec = importlib.util.spec_from_file_location(f"{module.__name__}_as_source", path.with_name(f"{module.__name__.rpartition('.')[2]}.py"))
    if spec is None or spec.loader is None:  # a source file always has both
        return module
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made
