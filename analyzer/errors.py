"""The exceptions of a caller's mistake or a broken machine. Evidence never raises; it yields issues."""


class AnalyzerError(Exception):
    """Every exception that the public interface raises on purpose."""


class InputError(AnalyzerError):
    """An input that cannot be read at all, or none was given."""


class SpentError(AnalyzerError):
    """The seconds that the user allows are over in the midst of a connection, which is then not read. It never leaves a run."""


class UsageError(AnalyzerError):
    """A call that makes no sense: an unknown table, column, record id or rule."""


class OutputError(AnalyzerError):
    """An output that cannot or must not be written."""
