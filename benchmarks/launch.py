"""Runs a command and prints its wall seconds, CPU seconds and peak memory in MiB, for `benchmarks.measure`.

A process of its own, and a small one: the kernel counts the memory of the process that starts a command as the command's, until the command has more.
"""

import os
import sys
import time

began = time.perf_counter()
child = os.posix_spawnp(
    sys.argv[1],
    sys.argv[1:],
    os.environ,
    file_actions=[(os.POSIX_SPAWN_OPEN, stream, os.devnull, os.O_RDWR, 0) for stream in (0, 1, 2)],
)
_, status, used = os.wait4(child, 0)
print(time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, os.waitstatus_to_exitcode(status))
