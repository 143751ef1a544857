"""The one place that imports PyYAML: documents of a file as plain values. Only plain values are made (safe loading), in bounded number and depth."""

from collections.abc import Iterator

_NODES = 100_000
_DEPTH = 40


class UnreadableError(ValueError):
    """The text is no YAML, or holds more than a rule does."""


def documents(text: str) -> list[object]:
    """The documents of a YAML text. `UnreadableError`: why there are none."""
    import yaml

    try:
        found = list(yaml.safe_load_all(text))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        detail = str(error).partition("\n")[0]
        raise UnreadableError(detail or type(error).__name__) from None
    if sum(1 for document in found for _ in _nodes(document, _DEPTH)) > _NODES:
        msg = f"more than {_NODES} values"
        raise UnreadableError(msg)
    return found


def _nodes(value: object, depth: int) -> Iterator[object]:
    """All values, those behind an alias each time; stops where there are too many."""
    waiting = [(value, depth)]
    for _ in range(_NODES + 1):
        if not waiting:
            return
        here, left = waiting.pop()
        if not left:
            msg = f"nested deeper than {_DEPTH}"
            raise UnreadableError(msg)
        yield here
        if isinstance(here, dict):
            waiting += [(inner, left - 1) for inner in here.values()]
        elif isinstance(here, list):
            waiting += [(inner, left - 1) for inner in here]
