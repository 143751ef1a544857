"""What an analysis keeps in memory: ``python -m benchmarks.memory CAPTURE`` prints bytes for each exchange, by what they are.

``resident`` is what the process grew by, with all that the allocator holds; the lines below count the objects that the result's records are made of, each once.
"""

import gc
import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from msgspec import Struct

from analyzer import api
from analyzer.settings import Limits

_SMALL = Path(__file__).parent.parent / "sample_pcaps" / "direct-basic" / "capture.pcapng"
_SHARED = (bool, type(None), type, float)
_PARTS = ("connections", "exchanges", "messages", "conversations", "shells", "commands", "operations", "issues", "story")


def resident() -> int:
    """Bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * 4096


def _inside(one: object) -> Iterable[object]:
    if isinstance(one, Struct):
        return (getattr(one, name) for name in one.__struct_fields__)
    if isinstance(one, Mapping):
        return (part for pair in one.items() for part in pair)
    return one if isinstance(one, tuple | list | set | frozenset) else ()


def objects(begin: object, met: set[int]) -> Iterator[tuple[str, int]]:
    """Type and size of every object that ``begin`` is made of and that was not ``met`` before."""
    todo = [begin]
    while todo:
        one = todo.pop()
        if isinstance(one, _SHARED) or id(one) in met:
            continue
        met.add(id(one))
        size = sys.getsizeof(one)
        if isinstance(one, Struct | array):
            size += 0 if isinstance(one, array) else 8  # a header that getsizeof leaves out
        yield type(one).__name__, size
        todo.extend(_inside(one))


def measured(path: str) -> tuple[int, int, dict[str, Counter[str]]]:
    """How many exchanges, bytes that the process grew by, and bytes by part of the evidence and type of object."""
    api.analyze(str(_SMALL)).overview()  # what is imported, and caches
    gc.collect()
    before = resident()
    case = api.analyze(path, limits=Limits(fork_bytes=1 << 62))
    gc.collect()
    grown = resident() - before
    found = case.result.evidence
    met: set[int] = set()
    sizes: dict[str, Counter[str]] = {}
    for part in _PARTS:
        sizes[part] = Counter()
        for kind, size in objects(getattr(found, part), met):
            sizes[part][kind] += size
    return len(found.exchanges), grown, sizes


if __name__ == "__main__":
    count, grown, sizes = measured(sys.argv[1])
    each = max(count, 1)
    print(f"{count:,} exchanges; resident {grown / each:,.0f} bytes for each, records {sum(map(Counter.total, sizes.values())) / each:,.0f}")
    for part, kinds in sizes.items():
        print(f"{part:14} {kinds.total() / each:8,.0f}   {', '.join(f'{kind} {size / each:,.0f}' for kind, size in kinds.most_common(9))}")
