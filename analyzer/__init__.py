"""winrm-analyzer: offline analysis of WinRM traffic in packet captures. No network, ever.

``analyze(["leg-a.pcapng", "leg-b.pcapng"])`` gives a `Case`: tables as DataFrames, records by id, findings. Nothing but the names below is promised.
"""

from analyzer.api import Case, analyze, open_case
from analyzer.errors import AnalyzerError
from analyzer.settings import Limits, Scope

__version__ = "0.1.0"

__all__ = ["AnalyzerError", "Case", "Limits", "Scope", "__version__", "analyze", "open_case"]
