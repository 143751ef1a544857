"""winrm-analyzer: offline analysis of WinRM traffic in packet captures. No network, ever.

``analyze(["leg-a.pcapng", "leg-b.pcapng"])`` gives a `Case`: tables as DataFrames, records by id, findings. Nothing but the names below is promised.
"""

from analyzer.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from analyzer.api import analyze, analyze_within, open_case
    from analyzer.case.analyzed import Case
    from analyzer.case.shared import with_pseudonyms
    from analyzer.errors import AnalyzerError
    from analyzer.settings import Limits, Scope

__all__ = ["AnalyzerError", "Case", "Limits", "Scope", "__version__", "analyze", "analyze_within", "open_case", "with_pseudonyms"]

_HOMES = {
    "AnalyzerError": "errors",
    "Case": "case.analyzed",
    "Limits": "settings",
    "Scope": "settings",
    "analyze": "api",
    "analyze_within": "api",
    "open_case": "api",
    "with_pseudonyms": "case.shared",
}
"""Where a name is defined; it is loaded when it is first asked for, so that the command line pays only for what it uses."""


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module 'analyzer' has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    found = globals()[name] = getattr(import_module(f"analyzer.{_HOMES[name]}"), name)
    return found


def __dir__() -> list[str]:
    return __all__
