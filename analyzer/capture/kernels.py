"""Which form of the packet kernel runs: see `analyzer.formats.forms`."""

from analyzer.capture import flows, kernel, table, verdicts
from analyzer.formats import forms

_BENEATH = (table, verdicts, flows)


def chosen() -> type[kernel.Kernel]:
    """The class `analyzer.capture.kernel.Kernel` in the form that the environment asks for."""
    found: type[kernel.Kernel] = forms.chosen(kernel, _BENEATH).Kernel
    return found


def description() -> str:
    """``compiled`` or ``not compiled``."""
    return "compiled" if forms.compiled(forms.chosen(kernel, _BENEATH)) else "not compiled"


def source() -> type[kernel.Kernel]:
    """The class as its source has it, whatever was built."""
    found: type[kernel.Kernel] = forms.source(kernel, _BENEATH).Kernel
    return found
