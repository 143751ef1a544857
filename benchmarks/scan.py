"""The scan alone: ``python -m benchmarks.scan CAPTURE THREADS`` prints its wall seconds, without start-up."""

import sys
import time

from analyzer.capture.scan import scan
from analyzer.settings import Limits, Scope

if __name__ == "__main__":
    began = time.perf_counter()
    scan(sys.argv[1], 0, "capture", Limits(parallel_bytes=(1 << 60) if sys.argv[2] == "1" else 1), Scope())
    print(time.perf_counter() - began)
