"""Words in a file that is mapped: they stay what they are, whatever the disk does."""

import errno
from pathlib import Path
from typing import Never

import pytest

from analyzer.system.pages import MAPPED, Pages


def _rss() -> int:
    """KiB of this process's memory."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


def test_words_stay_while_the_array_grows_and_is_left() -> None:
    made = Pages()
    words = made.longer(1 << 10)
    assert made.is_mapped
    words[0], words[1023] = 7, (1 << 64) - 1
    made.leave()
    more = made.longer(1 << 12)
    assert (len(more), more[0], more[1023], more[1024], more[4095]) == (1 << 12, 7, (1 << 64) - 1, 0, 0)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no such file here")
def test_what_was_left_is_no_memory_of_the_process() -> None:
    made = Pages()
    words = made.longer(1 << 22)
    for place in range(0, 1 << 22, 512):
        words[place] = place
    full = _rss()
    made.leave()
    assert _rss() < full - (24 << 10)
    assert all(words[place] == place for place in range(0, 1 << 22, 512))


def test_where_the_disk_is_full_words_go_on_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Pages()
    made.longer(8)[5] = 11

    def full(*_: object) -> Never:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("analyzer.system.pages.mmap.mmap", full)
    words = made.longer(16)
    assert list(words) == [0, 0, 0, 0, 0, 11, *[0] * 10]
    assert not made.is_mapped
    made.leave()
    words[9] = 3
    assert (made.longer(32)[9], made.longer(32)[5]) == (3, 11)


def test_so_many_files_and_no_more() -> None:
    others: list[Pages] = []
    made = [Pages(others) for _ in range(MAPPED + 2)]
    for one in made:
        one.longer(8)[0] = 5
    assert [one.is_mapped for one in made] == [True] * MAPPED + [False] * 2
    assert all(one.longer(16)[0] == 5 for one in made)
