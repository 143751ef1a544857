"""Do two states of the project say the same? ``python -m tests.golden.equal OLD_TREE``: all tables of all captures, cell by cell.

OLD_TREE is a checkout of the other state, with its modules compiled (``python setup.py build_ext --inplace``). Compared are the samples, the cases of
``--cases`` (files and secrets of a TOML file) and every file below the folder named by WINRM_CAPTURES; each compiled and not. ``--kernel compiled``
compares that form only. Ends with 1 when a cell differs.
"""

import argparse
import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, NamedTuple, cast

ROOT = Path(__file__).resolve().parents[2]
FORMS = {"compiled": "", "not compiled": "python"}
"""How the kernel runs: the value of WINRM_ANALYZER_KERNEL."""
SHOWN = 20
Cells = dict[str, list[dict[str, str]]]
"""Table to rows, each from column to the text of a cell."""


class Asked(NamedTuple):
    """Captures that are analyzed together, and the file with the investigator's keys."""

    files: tuple[str, ...]
    secrets: str | None = None


def samples(folder: Path) -> Iterator[Asked]:
    """Every sample without keys, and with those that lie beside it."""
    for sample in sorted(folder.glob("*/truth.json")):
        names = json.loads(sample.read_text(encoding="utf-8"))["captures"]
        files = tuple(str(sample.with_name(name)) for name in names)
        yield Asked(files)
        if sample.with_name("secrets.toml").exists():
            yield Asked(files, str(sample.with_name("secrets.toml")))


def cases(table: Path) -> Iterator[Asked]:
    """The files of each case of a TOML file, without and with its secrets."""
    for case in tomllib.loads(table.read_text(encoding="utf-8")).values():
        files = tuple(str(table.parent / name) for name in case["files"])
        yield Asked(files)
        if "secrets" in case:
            yield Asked(files, str(table.parent / case["secrets"]))


def below(folder: Path) -> Iterator[Asked]:
    """Every file of a folder for itself, captures or not."""
    yield from (Asked((str(path),)) for path in sorted(folder.rglob("*")) if path.is_file())


def cells(asked: Asked) -> Cells:
    """All tables of a run; a run that reads nothing at all gives what it says instead."""
    import analyzer
    from analyzer.tables.registry import TABLES

    try:
        case = analyzer.analyze(list(asked.files), secrets=asked.secrets)
    except analyzer.AnalyzerError as error:
        return {"error": [{"text": str(error)}]}
    found: Cells = {}
    for table in TABLES:
        names = table.names
        found[table.name] = [dict(zip(names, map(repr, row), strict=True)) for row in case.cells(table.name)]
    return found


def differences(old: Cells, new: Cells) -> Iterator[str]:
    """Each cell that differs, in words; a table or column that only the newer has is no difference."""
    for table, rows in old.items():
        if table not in new:
            yield f"{table}: no longer there"
            continue
        if len(rows) != len(new[table]):
            yield f"{table}: {len(rows)} rows became {len(new[table])}"
            continue
        for number, (before, after) in enumerate(zip(rows, new[table], strict=True)):
            changed = (name for name, cell in before.items() if after.get(name) != cell)
            yield from (f"{table} row {number} {name}: {before[name]} became {after.get(name)}" for name in changed)


class Reader:
    """A process that analyzes with the sources of one tree: a line asked, a line answered."""

    def __init__(self, tree: Path, form: str) -> None:
        environment = {**os.environ, "PYTHONPATH": str(tree), "WINRM_ANALYZER_KERNEL": FORMS[form]}
        command = [sys.executable, "-P", str(Path(__file__).resolve()), "--serve"]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=tree)
        self._asks, self._answers = cast("IO[str]", self._process.stdin), cast("IO[str]", self._process.stdout)
        where, said = json.loads(self._answers.readline())
        if not where.startswith(f"{tree}{os.sep}") or said != form:
            self.close()
            sys.exit(f"{tree}: its analyzer was not used, or is {said} ({where})")

    def ask(self, asked: Asked) -> None:
        """Begins with one input."""
        print(json.dumps(asked), file=self._asks, flush=True)

    def answer(self) -> Cells:
        """What it gave."""
        return cast("Cells", json.loads(self._answers.readline()))

    def close(self) -> None:
        """Ends the process."""
        self._asks.close()
        self._process.wait()


def serve(asks: IO[str], answers: IO[str]) -> None:
    """The other end of `Reader`."""
    import analyzer
    from analyzer.api import kernel

    print(json.dumps([analyzer.__file__, kernel()]), file=answers, flush=True)
    for line in asks:
        files, secrets = json.loads(line)
        print(json.dumps(cells(Asked(tuple(files), secrets))), file=answers, flush=True)


def compared(old: Path, inputs: Sequence[Asked], form: str) -> Mapping[Asked, list[str]]:
    """What differs, for each input with a difference."""
    readers = [Reader(tree, form) for tree in (old, ROOT)]
    found = {}
    for asked in inputs:
        for reader in readers:
            reader.ask(asked)
        before, after = [reader.answer() for reader in readers]
        changed = list(differences(before, after))
        if changed:
            found[asked] = changed
    for reader in readers:
        reader.close()
    return found


def main() -> int:
    """Compares, and prints what differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tree", type=Path)
    parser.add_argument("--cases", type=Path, help="a TOML file of cases, each with files and perhaps secrets")
    parser.add_argument("--kernel", choices=FORMS, action="append")
    asked = parser.parse_args()
    inputs = [*samples(ROOT / "sample_pcaps"), *(cases(asked.cases.resolve()) if asked.cases else ())]
    if os.environ.get("WINRM_CAPTURES"):
        inputs += below(Path(os.environ["WINRM_CAPTURES"]).resolve())
    differ = 0
    for form in asked.kernel or FORMS:
        found = compared(asked.tree.resolve(), inputs, form)
        print(f"{form}: {len(inputs)} runs, {len(found)} differ")
        for one, changed in found.items():
            print("", *one.files, one.secrets or "", f"{len(changed)} differences", *changed[:SHOWN], sep="\n  ")
        differ += len(found)
    return 1 if differ else 0


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve(sys.stdin, sys.stdout)
        sys.exit()
    sys.exit(main())
