"""A full disk, an error, and SIGKILL at many places of every write: what was there stays, or the new output is whole, or a case says that it is not.

The calls of the C library are met (`disk.c`), so those of DuckDB and SQLite, too. 40 places of each write, in each way: make hostile; without it a few.
"""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any, NamedTuple

import pytest

HERE = Path(__file__).parent
SAMPLES = HERE.parents[1] / "sample_pcaps"
OLD, NEW = SAMPLES / "direct-basic" / "capture.pcapng", SAMPLES / "direct-psrp-copy-fetch-healthy" / "capture.pcapng"
WHOLE = "WINRM_HOSTILE" in os.environ
PLACES = 40 if WHOLE else 4
MODES = ("full", "error", "killed", "half") if WHOLE else ("full", "killed")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux") or shutil.which("cc") is None, reason="needs LD_PRELOAD and a C compiler"),
]


class Output(NamedTuple):
    """A command that writes ``path``, by words in which OUT is the folder and CAPTURE the capture; ``clobbers``: also over an old one."""

    words: tuple[str, ...]
    path: str
    clobbers: bool = True
    equal: bool = True
    """Equal input gives equal bytes."""


OUTPUTS = {
    "report": Output(("report", "CAPTURE", "-o", "OUT/report.html"), "report.html", equal=False),
    "csv": Output(("show", "exchanges", "CAPTURE", "-f", "csv", "-o", "OUT/x.csv"), "x.csv"),
    "parquet": Output(("show", "exchanges", "CAPTURE", "-f", "parquet", "-o", "OUT/x.parquet"), "x.parquet"),
    "sql": Output(("sql", "select * from findings", "CAPTURE", "-f", "json", "-o", "OUT/x.json"), "x.json"),
    "extract": Output(("extract", "CAPTURE", "--secrets", str(NEW.with_name("secrets.toml")), "-o", "OUT/files"), "files", clobbers=False),
    "pcap": Output(("pcap", "CAPTURE", "-o", "OUT/x.pcapng"), "x.pcapng"),
    "decrypted": Output(("pcap", "CAPTURE", "--decrypted", "-o", "OUT/x.pcapng"), "x.pcapng"),
    "har": Output(("export", "CAPTURE", "-f", "har", "-o", "OUT/x.har"), "x.har"),
    "sqlite": Output(("export", "CAPTURE", "-f", "sqlite", "-o", "OUT/x.sqlite"), "x.sqlite"),
    "duckdb": Output(("export", "CAPTURE", "-f", "duckdb", "-o", "OUT/x.duckdb"), "x.duckdb", equal=False),
    "xlsx": Output(("export", "CAPTURE", "-f", "xlsx", "-o", "OUT/x.xlsx"), "x.xlsx", equal=False),
    "timesketch": Output(("timeline", "CAPTURE", "--profile", "timesketch", "-o", "OUT/x.jsonl"), "x.jsonl"),
    "zeek": Output(("timeline", "CAPTURE", "--profile", "zeek", "-o", "OUT/zeek"), "zeek", clobbers=False),
    "compare": Output(("compare", "CAPTURE", str(OLD), "-o", "OUT/x.html"), "x.html"),
    "wireshark": Output(("wireshark", "-o", "OUT/profiles"), "profiles/WinRM", clobbers=False),
}
CASES = {
    "at once": ("analyze", "NEW", "-o", "CASE"),
    "in groups": ("analyze", "NEW", "-o", "CASE", "--memory", "512M"),
    "in jobs": ("analyze", "NEW", "-o", "CASE", "--scheduler", "serial", "--jobs", "JOBS", "--memory", "512M"),
    "added": ("analyze", "NEW", "--add", "CASE", "--jobs", "JOBS"),
}
"""Commands that write a case. Jobs lie on a disk that does not fail: what becomes of theirs is another test."""
STORED = {"whole": (), "in groups": ("--memory", "512M")}
"""What is looked at in jobs, whose store lies on the disk that fails."""
RUN = list(OUTPUTS) if WHOLE else ["report", "parquet", "extract"]


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library that stands between programs and the disk."""
    made = tmp_path_factory.mktemp("disk") / f"disk{sysconfig.get_config_var('SHLIB_SUFFIX')}"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(made), str(HERE / "disk.c"), "-ldl"], check=True)
    return made


def runs(disk: Path, folder: Path, plan: dict[str, Any]) -> list[dict[str, Any]]:
    """What each run left: the first one had a whole disk."""
    (folder / "plan.json").write_text(json.dumps({"out": str(folder / "out"), "places": PLACES, "modes": MODES, **plan}), encoding="utf-8")
    words = (sys.executable, "-m", "tests.hostile.broken_disk", str(disk), str(folder / "plan.json"))
    done = subprocess.run(words, cwd=HERE.parents[1], env=os.environ | {"LD_PRELOAD": str(disk)}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def how(run: dict[str, Any]) -> str:
    return f"{run['mode']} at call {run['place']}: {run.get('code')} {run.get('stderr', '')[-300:]}"


@pytest.mark.parametrize(
    ("name", "over"),
    [(name, over) for name in (CASES if WHOLE else ["at once", "in groups"]) for over in (True, False)],
    ids=lambda value: value if isinstance(value, str) else "over-an-old-one" if value else "new",
)
def test_a_case_is_the_old_one_or_the_new_one_or_says_that_it_is_not_whole(disk: Path, tmp_path: Path, name: str, *, over: bool) -> None:
    case = str(tmp_path / "out" / "case")
    before = ["analyze", str(OLD), "-o", case] if over else []
    places = {"NEW": str(NEW), "CASE": case, "JOBS": str(tmp_path / "jobs")}
    words = [*(places.get(word, word) for word in CASES[name]), *(["--clobber"] if over and name != "added" else [])]
    again = ["analyze", str(NEW), "-o", case, "--clobber"]
    reading = [["verify", case], ["show", "captures", case, "-f", "csv", "--columns", "capture,packets"], ["findings", case], ["transcript", case]]
    first, *broken = runs(disk, tmp_path, {"before": before, "words": words, "looks": [*reading, again, reading[0]], "each": name.startswith("in ")})
    assert first["code"] == 0
    assert first["calls"] > 150, "the calls of all writers are met"
    assert not first["left"]
    new = first["looks"][1]["stdout"]
    for run in broken:
        told = how(run)
        verified, shown, *others, written_again, verified_again = run["looks"]
        is_there = any(name.startswith("case/") for name in run["files"])
        if run.get("code") == 0:
            assert verified["code"] == 0, told
            assert shown["stdout"] == new, f"{told}: it said that it was written"
        elif verified["code"] == 0:
            assert over or shown["stdout"] == new, f"{told}: whole, old or new"
            assert shown["code"] == 0, told
        elif is_there or "interrupted" in verified["stderr"]:
            assert {one["code"] for one in (verified, shown, *others)} == {2}, told
            assert all("interrupted" in one["stderr"] for one in (verified, shown, *others)), told
            assert run["mode"] in ("killed", "half"), f"{told}: only who is killed cannot put back what was there"
        else:
            assert not over, f"{told}: the old one is gone"
        if run["status"] == 0 and run["code"] != 0:
            assert run["stdout"] > 500, f"{told}: what was found is printed"
            assert "not saved" in run["stderr"], told
            assert not run["left"] or run["mode"] == "error", told
        assert "internal error" not in run.get("stderr", ""), told
        assert (written_again["code"], verified_again["code"]) == (0, 0), f"{told}: {written_again['stderr']}"


@pytest.mark.parametrize("name", STORED if WHOLE else ["in groups"])
def test_what_jobs_left_is_whole_or_is_made_again(disk: Path, tmp_path: Path, name: str) -> None:
    """Whatever the disk of the store did: the same command says the same when the disk is whole again."""
    words = ["analyze", str(NEW), "--scheduler", "serial", "--jobs", str(tmp_path / "out" / "jobs"), *STORED[name]]
    first, *broken = runs(disk, tmp_path, {"before": [], "words": words, "looks": [words], "each": bool(STORED[name])})
    (said,) = first["looks"]
    assert (first["code"], said["code"]) == (0, 0), first["stderr"]
    assert first["calls"] > 10
    assert any(".found" in file for file in first["files"])
    for run in broken:
        told = how(run)
        assert "internal error" not in run.get("stderr", ""), told
        if run["status"] == 0:
            assert run["code"] in {0, 2}, told
            assert not run["code"] or len(run["stderr"]) > 10, f"{told}: why it failed is said"
        (again,) = run["looks"]
        assert again["code"] == 0, f"{told}: {again['stderr'][-300:]}"
        assert again["stdout"] == said["stdout"], told


@pytest.mark.parametrize("name", RUN)
@pytest.mark.parametrize("over", [True, False], ids=["over-an-old-one", "new"])
def test_a_file_is_the_old_one_or_the_new_one(disk: Path, tmp_path: Path, name: str, *, over: bool) -> None:
    output = OUTPUTS[name]
    if over and not output.clobbers:
        pytest.skip("never overwrites")

    def words(capture: Path) -> list[str]:
        return [word.replace("OUT", str(tmp_path / "out")).replace("CAPTURE", str(capture)) for word in output.words]

    first, *broken = runs(disk, tmp_path, {"before": words(OLD) if over else [], "words": words(NEW) + ["--clobber"] * over, "looks": []})
    assert first["code"] == 0, first["stderr"]
    assert first["files"]
    assert not first["left"]
    old: dict[str, str] = next((run["files"] for run in broken if run.get("code") not in (0, None)), {})
    assert bool(old) == over
    for run in broken:
        told = how(run)
        new = run["files"] == first["files"] if output.equal else run["files"].keys() == first["files"].keys() and run["files"] != old
        assert new or run["files"] == old, f"{told}: {run['files']}"
        if run.get("code") == 0:
            assert new, f"{told}: it said that it was written"
        if run["status"] == 0 and run["mode"] == "full":
            assert not run["left"], told
        assert "internal error" not in run.get("stderr", ""), told
