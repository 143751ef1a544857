"""What development and CI install is pinned, with hashes, and no file names where it comes from."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
LOCK = (ROOT / ".ci" / "requirements.txt").read_text(encoding="utf-8")
_PINNED = re.compile(r"^([a-z0-9][a-z0-9._-]*)==(\S+)", re.MULTILINE)


def pinned() -> dict[str, str]:
    return dict(_PINNED.findall(LOCK))


def normal(requirement: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[]", requirement)[0]).lower()


def test_everything_that_is_asked_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *(one for extra in ("test", "docs", "viewer") for one in project["optional-dependencies"][extra])]
    missing = {normal(one) for one in asked} - {"winrm-analyzer"} - pinned().keys()
    assert not missing, f"{sorted(missing)}: write the lock again, docs/developers.md says how"
    for one in asked:
        exact = re.search(r"==([\d.]+)$", one)
        assert exact is None or pinned()[normal(one)] == exact[1]


def test_each_pin_has_hashes_and_no_place() -> None:
    blocks = re.split(r"^(?=\S)", LOCK, flags=re.MULTILINE)
    assert len(pinned()) > 50
    assert [block.splitlines()[0] for block in blocks if _PINNED.match(block) and "--hash=sha256:" not in block] == []
    assert not re.search(r"https?:|file:|--index|--find-links|--trusted-host", LOCK)


def test_a_source_archive_holds_what_the_tests_need() -> None:
    told = (ROOT / "MANIFEST.in").read_text(encoding="utf-8")
    for folder in ("tests", "sample_pcaps", "docs", "notebooks", "lab", "benchmarks"):
        assert f"graft {folder}\n" in told
        assert (ROOT / folder).is_dir()
    for name in next(line for line in told.splitlines() if line.startswith("include ")).split()[1:]:
        assert (ROOT / name).is_file(), name
