"""Stands in for the module ``cython`` where the kernel runs as plain Python: the names that the kernel's source uses, without effect."""

from types import TracebackType

compiled = False


class _Nothing:
    """A block that releases nothing."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        return None


nogil = _Nothing()
