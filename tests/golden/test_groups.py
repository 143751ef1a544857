"""Connections that are looked at in groups come to the tables, the diagnosis and the sentences of one look at all of them.

`WINRM_GROUPS=all` takes every sample instead of every fifteenth.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from analyzer.api import Case, analyze, analyze_within, open_case
from analyzer.case.grouped import GroupedCase
from analyzer.case.keys import given, mask_of
from analyzer.cli import start
from analyzer.engine.grouped import Memory
from analyzer.engine.local import NO_SECRETS, run
from analyzer.engine.parts import Summary, groups, parts
from analyzer.engine.shares import OF_A_POINT
from analyzer.errors import UsageError
from analyzer.reports.drawings import LADDERS
from analyzer.reports.masking import Mask
from analyzer.rules.capture._notes import by_capture
from analyzer.rules.catalogue import rules
from analyzer.settings import Limits, Scope
from analyzer.tables.registry import TABLES, table_named
from benchmarks import sessions
from benchmarks.frames import Tcp
from benchmarks.traffic import write

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
EVERY = 1 if os.environ.get("WINRM_GROUPS") == "all" else 15
SUFFIXES = (".pcap", ".pcapng", ".gz", ".zst", ".etl", ".cap")
Cells = dict[str, list[tuple[Any, ...]]]


def captures(name: str) -> list[str]:
    return [str(path) for path in sorted((SAMPLES / name).iterdir()) if path.suffix in SUFFIXES]


NAMES = [path.name for path in sorted(SAMPLES.iterdir()) if path.is_dir() and captures(path.name)]


def of_case(case: Case) -> Cells:
    return {table.name: case.cells(table.name) for table in (*TABLES, LADDERS)}


def in_groups(paths: Sequence[str], secrets: Path | None = None) -> tuple[Cells, tuple[str, ...], int]:
    """The tables and the diagnosis where each part is a group of its own, and how many there are."""
    known = NO_SECRETS if secrets is None else given(secrets, None, None)
    tags = {one.tag for kind in (known.ntlm, known.passwords, known.kerberos, known.tickets) for one in kind}
    made = run(paths, Limits(), Scope(), secrets=known, memory=Memory(1 << 40, mask_of(known, tags), each=True)).whole
    assert made is not None
    return {table.name: list(made.cells(table.name)) for table in (*TABLES, LADDERS)}, made.result.diagnosis, made.groups


def differing(paths: Sequence[str], secrets: Path | None = None) -> tuple[list[str], int]:
    """The tables that differ from those of a look at all at once, and how many groups there were."""
    case = analyze(paths, secrets=secrets)
    assert isinstance(case, Case)
    whole = of_case(case)
    found, told, count = in_groups(paths, secrets)
    return [*(name for name in whole if whole[name] != found[name]), *(["diagnosis"] if "\n".join(told) != case.diagnosis else [])], count


def made(path: Path, several: int, to: int, first: int = 0) -> str:
    """Clear sessions of ``several`` clients, ``to`` to each server, all with names of their own."""
    frames = (frame for number in range(first, first + several) for frame in sessions.clear(number, 3, 2, Tcp(number // to, 5985, number)))
    write(path, frames)
    return str(path)


@pytest.mark.parametrize("name", NAMES[3::EVERY])
def test_a_sample_in_parts_comes_to_the_same(name: str) -> None:
    secrets = SAMPLES / name / "secrets.toml"
    for known in [None, secrets] if secrets.exists() else [None]:
        case = analyze(captures(name), secrets=known)
        if case.cells("connections"):
            assert differing(captures(name), known)[0] == []


@pytest.mark.parametrize("seed", range(8))
def test_several_captures_at_once_in_parts_come_to_the_same(seed: int, tmp_path: Path) -> None:
    dice = random.Random(seed)
    paths = [path for name in dice.sample(NAMES, dice.randint(2, 4)) for path in captures(name)]
    apart = [made(tmp_path / f"{place}.pcap", 6, 2, 1000 * place + seed) for place in range(1, dice.randint(2, 3))]
    wrong, count = differing([*paths, *apart])
    assert wrong == []
    assert count > 1


@pytest.mark.parametrize("name", ["direct-kerberos-scheme-healthy", "pywinrm-credssp-direct", "https-direct"])
def test_what_became_of_a_secret_is_told_of_all_groups(name: str, tmp_path: Path) -> None:
    """That it fits nothing, or that nothing of its kind was there, is a statement about all captures, wherever the group lies in which it was tried."""
    shutil.copytree(SAMPLES / name, tmp_path / "sample")  # what it names lies beside it
    secrets = tmp_path / "sample" / "secrets.toml"
    own = secrets.read_text() if secrets.exists() else ""
    secrets.write_text(own + '[[password]]\nuser = "bob"\nvalue = "other"\n[[password]]\nuser = "alice"\nvalue = "Benchmark-1"\n')
    wrong, count = differing([*captures(name), made(tmp_path / "others.pcap", 5, 2)], secrets)
    assert wrong == []
    assert count > 1


@pytest.mark.parametrize("name", ["chain-of-two-proxies", "px-before-squid-proxyauth"])
def test_clocks_that_another_group_than_the_first_tells_are_told(name: str, tmp_path: Path) -> None:
    wrong, count = differing([made(tmp_path / "first.pcap", 4, 2), *captures(name)])
    assert wrong == []
    assert count > 2


@pytest.fixture(scope="module", name="fifty")
def a_capture_of_fifty_sessions(tmp_path_factory: pytest.TempPathFactory) -> str:
    return made(tmp_path_factory.mktemp("evidence") / "fifty.pcap", 50, 2)


def test_connections_of_strangers_are_looked_at_apart(fifty: str) -> None:
    wrong, count = differing([fifty])
    assert wrong == []
    assert count >= 20


def test_a_case_that_is_written_in_groups_has_the_rows_of_one_that_is_not(fifty: str, tmp_path: Path) -> None:
    case = analyze_within(fifty, 1)
    assert isinstance(case, GroupedCase)
    case.save(tmp_path / "grouped")
    analyze(fifty).save(tmp_path / "whole")
    one, other = open_case(tmp_path / "grouped"), open_case(tmp_path / "whole")
    assert one.in_groups
    assert not other.in_groups
    assert [table.name for table in TABLES if one.cells(table.name) != other.cells(table.name)] == []
    assert one.diagnosis == other.diagnosis
    assert not one.changes


def test_connections_that_belong_together_are_never_cut_and_an_issue_tells_what_they_take(tmp_path: Path) -> None:
    path = made(tmp_path / "one.pcap", 150, 150)
    case = analyze_within(path, 1)
    assert isinstance(case, GroupedCase)
    names = next(table for table in TABLES if table.name == "issues").names
    issues = [dict(zip(names, row, strict=True)) for row in case.cells("issues")]
    assert [(one["code"], one["repeats"]) for one in issues if one["code"] == "memory.limit"] == [("memory.limit", 150)]
    assert case.cells("exchanges") == analyze(path).cells("exchanges")
    assert not [one for one in analyze_within(path, 1 << 40).cells("issues") if "memory.limit" in one]


def test_all_that_fits_is_looked_at_at_once(fifty: str) -> None:
    assert isinstance(analyze_within(fifty, 1 << 40), Case)


def test_a_process_that_is_ended_before_it_tells_costs_nothing(fifty: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had written is written again."""

    def twice(work: Callable[[Any], Any], items: Iterable[Any], _: int) -> Iterator[Any]:
        for one in items:
            work(one)
            yield work(one)

    whole = of_case(analyze(fifty))
    monkeypatch.setattr("analyzer.engine.grouped.in_turn", twice)
    found, _, _ = in_groups([fifty])
    assert [name for name in whole if whole[name] != found[name]] == []


def test_no_process_holds_what_memory_forbids_to_say(fifty: str, tmp_path: Path) -> None:
    """What the case does not hold is refused in words, and is not empty."""
    case = analyze_within(fifty, 1)
    assert isinstance(case, GroupedCase)
    for asked in (lambda: case.machine("json"), lambda: case.save(tmp_path / "a", keep=["texts"]), lambda: case.save(tmp_path / "b", show_secrets=True)):
        with pytest.raises(UsageError, match=r"memory|masked"):
            asked()
    case.save(tmp_path / "c")
    with pytest.raises(UsageError, match="holds tables only"):
        open_case(tmp_path / "c").transcript()
    assert "Benchmark-1" not in "".join(map(str, (case.cells("exchanges"), case.cells("authentications"))))


def test_the_command_says_that_it_went_by_groups(fifty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = str(tmp_path / "case")
    assert _exit("analyze", fifty, "--memory", "1M", "-o", folder) == 0
    shown = capsys.readouterr().out
    assert "DIAGNOSIS" in shown
    assert ", to stay within --memory" in shown
    assert _exit("analyze", folder) == 0
    assert capsys.readouterr().out == shown
    assert _exit("show", "connections", folder, "-f", "csv") == 0
    assert _exit("transcript", folder) == 2


def test_without_a_folder_the_command_that_writes_one_is_offered(fifty: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The tables of this run are gone with it: no command is given the folder in which they lay."""
    assert _exit("analyze", fifty, "--memory", "1M", "--limit", "open_files=9") == 0
    offered = capsys.readouterr().out.partition("NEXT\n")[2]
    assert offered == f"  winrm-analyzer analyze --memory {1 << 20} -o CASE --limit open_files=9 {fifty}\n"


def test_issues_are_counted_as_the_table_counts_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit("analyze", made(tmp_path / "one.pcap", 150, 150), "--memory", "1") == 0
    shown = capsys.readouterr().out
    assert "memory.limit, 150 x" in shown


def test_what_was_taken_beyond_the_limit_is_said(fifty: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit("analyze", fifty, "--memory", "1M") == 0
    assert "MiB, more than the 1 MiB of --memory" in capsys.readouterr().err
    assert _exit("analyze", fifty, "--memory", "1T") == 0
    assert "--memory" not in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--events", "--pseudonyms"])
def test_a_limit_that_an_option_lifts_is_said(option: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = tmp_path / "given"
    if option == "--events":
        given.write_text("")
    _exit("analyze", made(tmp_path / "one.pcap", 2, 2), "--memory", "1T", option, str(given))
    assert f"with {option} all connections are looked at at once, whatever --memory says" in capsys.readouterr().err


@pytest.mark.parametrize("asked", [("-f", "json"), ("-f", "jsonl"), ("--keep", "texts", "-o"), ("--show-secrets",)])
def test_what_needs_records_is_refused_before_anything_is_read(asked: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [*asked, str(tmp_path / "case")] if asked[-1] == "-o" else [*asked]
    assert _exit("analyze", str(tmp_path / "evidence" / "there-is-none.pcap"), "--memory", "1T", *words) == 2
    assert f"{' '.join(asked[: 2 if asked[0] == '-f' else 1])} needs records" in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="POSIX")
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_run_that_is_ended_leaves_no_evidence_behind(name: str, tmp_path: Path) -> None:
    path, folder = made(tmp_path / "many.pcap", 600, 2), tmp_path / "temporary"
    folder.mkdir()
    script = "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler); from analyzer.cli.start import main; main(sys.argv[1:])"
    command = [sys.executable, "-c", script, "analyze", path, "--memory", "1"]
    with subprocess.Popen(command, cwd=SAMPLES.parent, env=os.environ | {"TMPDIR": str(folder)}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:
        while run.poll() is None and not list(folder.glob("*/*.talks")):
            time.sleep(0.005)
        run.send_signal(getattr(signal, name))
        told = run.communicate()[1].decode()
    assert (run.returncode, "interrupted" in told) == (130, True), told
    assert list(folder.iterdir()) == []


def test_a_folder_without_records_says_what_it_cannot_tell(fifty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Names that were to be replaced, a part that was asked for, and events of hosts are not passed over."""
    folder, other = str(tmp_path / "case"), tmp_path / "names.txt"
    assert _exit("analyze", fifty, "--memory", "1", "-o", folder) == 0
    for asked in (["--pseudonyms", str(other)], ["--host", "192.0.2.1"], ["--events", fifty], ["--show-secrets"], ["--proxy", "squid"]):
        capsys.readouterr()
        assert _exit("analyze", folder, *asked) == 2
        shown = capsys.readouterr()
        assert shown.out == ""
        assert any(words in shown.err for words in ("holds tables only", "its scope was set when it was made", "keys masked"))


def test_a_folder_without_records_tells_what_could_not_be_read(fifty: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "evidence").mkdir()
    empty, folder = tmp_path / "evidence" / "empty.pcap", str(tmp_path / "case")
    empty.write_bytes(b"")
    assert _exit("analyze", fifty, str(empty), "--memory", "1", "-o", folder, "--strict") == 3
    capsys.readouterr()
    assert _exit("analyze", folder, "--strict") == 3
    assert "empty.pcap: capture.unreadable: the file is empty" in capsys.readouterr().err


def _exit(*arguments: str) -> int:
    with pytest.raises(SystemExit) as left:
        start.main(arguments)
    return int(left.value.code or 0)


def _summary(number: int, *bonds: int, points: tuple[int, ...] = (0,), failed: bool = False, by_gateway: bool = False) -> Summary:
    return Summary(number, points, array("q", sorted(bonds)), 10, ("", 0, 0), (), failed, by_gateway)


def test_what_shares_a_bond_is_one_part() -> None:
    found = [_summary(1, 7, 8), _summary(2, 9), _summary(3, 8, 10), _summary(4, 10), _summary(5)]
    assert parts(found) == [[0, 2, 3], [1], [4]]
    assert parts(found, [(9, 10)]) == [[0, 1, 2, 3], [4]]
    assert parts(found, [(9, 99), (99, 7)]) == [[0, 1, 2, 3], [4]]


def test_captures_of_several_points_that_share_a_connection_are_one_part() -> None:
    found = [_summary(1, 7), _summary(2, 7, points=(1,)), _summary(3, 8, points=(1,)), _summary(4, 9, points=(2,))]
    assert parts(found) == [[0, 1, 2], [3]]


def test_what_failed_goes_with_a_gateway_that_had_trouble() -> None:
    found = [_summary(1, 7, failed=True), _summary(2, 8, by_gateway=True), _summary(3, 9), _summary(4, 5, failed=True, points=(1,))]
    assert parts(found) == [[0, 1], [2], [3]]


def test_parts_are_put_together_as_far_as_there_is_room() -> None:
    found = [_summary(number, number) for number in range(1, 6)]
    assert groups(found, [[0], [1], [2, 3], [4]], 25) == [[0, 1], [2, 3], [4]]
    assert groups(found, [[0], [1]], 0) == [[0], [1]]


def test_what_counts_all_connections_of_a_capture_is_not_said_of_a_part_of_them(fifty: str, tmp_path: Path) -> None:
    path = tmp_path / "cut.pcap"
    path.write_bytes(Path(fifty).read_bytes()[:-7])
    rules = table_named("findings").names.index("rule")
    whole = of_case(analyze(path))
    apart, _, count = in_groups([str(path)])
    assert count > 1
    said = [row[rules] for row in whole["findings"]]
    assert "capture.file-cut" in said
    assert [row[rules] for row in apart["findings"]] == [rule for rule in said if rule not in OF_A_POINT]
    assert whole["issues"] == apart["issues"]


def test_only_what_is_said_of_a_whole_capture_is_left_out() -> None:
    named = {rule.id for rule in rules() if rule.opinion.each is by_capture}
    assert named == OF_A_POINT


def test_the_first_screen_tells_incidents_as_that_of_one_look(fifty: str) -> None:
    def part(text: str) -> str:
        return text[text.index("INCIDENTS") : text.index("EVIDENCE")]

    made = run([fifty], Limits(), Scope(), memory=Memory(1 << 40, Mask(), each=True)).whole
    assert made is not None
    apart = GroupedCase(made, {}, Mask())
    assert part(apart.overview()) == part(analyze(fifty).overview())
    assert str(apart.folder) not in apart.overview()
