"""Which form of the packet kernel runs: see `analyzer.formats.forms`."""

from analyzer.capture import kernel
from analyzer.formats import forms


def chosen() -> type[kernel.Kernel]:
    """The class `analyzer.capture.kernel.Kernel` in the form that the environment asks for."""
    found: type[kernel.Kernel] = forms.chosen(kernel).Kernel
    return found


def description() -> str:
    """``compiled`` or ``not compiled``."""
    return "compiled" if forms.compiled(forms.chosen(kernel)) else "not compiled"


def source() -> type[kernel.Kernel]:
    """The class as its source has it, whatever was built."""
    found: type[kernel.Kernel] = forms.source(kernel).Kernel
    return found
