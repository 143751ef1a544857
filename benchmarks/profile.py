"""Where the time of an analysis goes: ``python -m benchmarks.profile CAPTURE [SECRETS]`` prints CPU seconds by stage."""

import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

BEGAN = time.process_time()

from analyzer import api  # noqa: E402  the start of the clock comes before
from analyzer.engine import local, reading  # noqa: E402
from analyzer.settings import Limits  # noqa: E402

STAGES = {
    "scan": [(local, "scan_all")],
    "decode": [(reading, "talk")],
    "correlate": [(reading, "evidence")],
    "open": [(reading, "contents"), (reading, "learn"), (reading, "kdc_messages")],
    "judge": [(reading, "judged"), (local, "judged"), (reading, "with_sigma")],
}


def _timed(spent: Counter[str], stage: str, work: Callable[..., Any]) -> Callable[..., Any]:
    def call(*arguments: object, **options: object) -> object:
        began = time.process_time()
        try:
            return work(*arguments, **options)
        finally:
            spent[stage] += time.process_time() - began  # type: ignore[assignment]

    return call


def stages(path: str, secrets: str | None = None) -> dict[str, float]:
    """CPU seconds by stage; ``rest`` is what no stage owns."""
    spent: Counter[str] = Counter()
    spent["start"] = time.process_time() - BEGAN  # type: ignore[assignment]
    for stage, places in STAGES.items():
        for module, name in places:
            setattr(module, name, _timed(spent, stage, getattr(module, name)))
    began = time.process_time()
    case = api.analyze(path, secrets=secrets, limits=Limits(fork_bytes=1 << 62))  # in one process: the clock sees no other
    spent["rest"] = time.process_time() - began - sum(spent[stage] for stage in STAGES)  # type: ignore[assignment]
    began = time.process_time()
    case.overview()
    spent["show"] = time.process_time() - began  # type: ignore[assignment]
    return dict(spent)


if __name__ == "__main__":
    for stage, seconds in stages(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None).items():
        print(f"{stage:10} {seconds:7.3f} s")
