"""Which form of the packet kernel runs: the compiled one where it was built, the same source uncompiled otherwise.

The environment variable ``WINRM_ANALYZER_KERNEL=python`` asks for the uncompiled one where both are there (tests run both).
"""

import importlib.util
import os
from functools import cache
from pathlib import Path

from analyzer.capture import kernel

VARIABLE = "WINRM_ANALYZER_KERNEL"


def chosen() -> type[kernel.Kernel]:
    """The class `analyzer.capture.kernel.Kernel` in the form that the environment asks for."""
    return source() if kernel.COMPILED and os.environ.get(VARIABLE) == "python" else kernel.Kernel


def description() -> str:
    """``compiled`` or ``not compiled``."""
    return "compiled" if kernel.COMPILED and chosen() is kernel.Kernel else "not compiled"


@cache
def source() -> type[kernel.Kernel]:
    """The class as its source has it, whatever was built."""
    if not kernel.COMPILED:
        return kernel.Kernel
    spec = importlib.util.spec_from_file_location("analyzer.capture.kernel_as_source", Path(__file__).with_name("kernel.py"))
    if spec is None or spec.loader is None:  # a source file always has both
        return kernel.Kernel
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found: type[kernel.Kernel] = module.Kernel
    return found
