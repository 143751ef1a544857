"""`python -m tests.property.twice [--cases 10000] [--other FOLDER]`: damaged captures, read by this code and by another form of it, come to the same tables.

The other form is this code without its compiled modules, or the code in ``FOLDER``: a checkout of the commit before. Samples are damaged in the file (bytes
overwritten, cut, doubled, exchanged) or in single packets, each case by a seed of its own. Case by case all tables, the diagnosis and what is refused are
compared; captures that differ are kept in ``build/twice``.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.build.packets import Frame, pcap, pcapng
from tests.property.damage import damaged, damaged_frames

ROOT = Path(__file__).resolve().parents[2]
SAMPLES, KEPT = ROOT / "sample_pcaps", ROOT / "build" / "twice"
_LARGEST = 60_000
_WORKER = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import analyzer
from analyzer.capture import kernel
from analyzer.tables.registry import TABLES
print(analyzer.__file__, kernel.COMPILED, flush=True)
for line in sys.stdin:
    try:
        case = analyzer.analyze(line.strip())
        told = [(table.name, hashlib.sha256(repr(case.cells(table.name)).encode("utf-8", "surrogatepass")).hexdigest()[:12]) for table in TABLES]
        told.append(("diagnosis", hashlib.sha256(case.diagnosis.encode("utf-8", "surrogatepass")).hexdigest()[:12]))
    except analyzer.AnalyzerError as error:
        told = [("refused", str(error))]
    print(repr(told), flush=True)
"""


def _edits(dice: random.Random) -> list[tuple[str, float, float, int, bytes]]:
    values = (b"\x00" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\r\n\r\n", b"<!--", b"]]>", b"&#x41;", b'"', dice.randbytes(3))
    kinds = ("overwrite", "cut", "double", "exchange", "end")
    weights = (10, 4, 3, 2, 1)
    return [(dice.choices(kinds, weights)[0], dice.random(), dice.random(), dice.randrange(1, 400), dice.choice(values)) for _ in range(dice.randrange(1, 5))]


def cases(count: int) -> Iterator[tuple[int, bytes]]:
    """Damaged captures, by their seeds."""
    paths = [path for path in sorted(SAMPLES.glob("*/*.pcap*")) if path.suffix in (".pcap", ".pcapng") and path.stat().st_size <= _LARGEST]
    for seed in range(count):
        dice = random.Random(seed)
        path = dice.choice(paths)
        if dice.random() < 0.4:
            yield seed, damaged(path.read_bytes(), _edits(dice))
        else:
            made = damaged_frames(_frames(path), _edits(dice))
            yield seed, (pcap if dice.random() < 0.7 else pcapng)(made)


def _frames(path: Path) -> list[Frame]:
    from analyzer.capture.containers import rows
    from analyzer.capture.open import opened
    from analyzer.capture.window import Walk
    from analyzer.settings import Limits

    source = opened(str(path))
    try:
        found = rows(source.fill, Limits(), Walk())
        return [Frame(row.ts_ns, bytes(row.buffer[row.at : row.at + row.size]), row.link, row.wire_size) for row in found]
    finally:
        source.raw.close()


class Reader:
    """A process that reads captures by the code in a folder."""

    def __init__(self, code: Path) -> None:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [sys.executable, "-P", "-c", _WORKER, str(code)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment, cwd=code)
        self.form = self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def ask(self, path: Path) -> None:
        """To be read next."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()

    def told(self) -> str:
        """What its tables are; empty when the process ended."""
        return self._line()

    def end(self) -> None:
        """No more is asked."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def compared(count: int, other: Path) -> list[int]:
    """The seeds of the cases that differ, which are printed and kept."""
    differ = []
    readers = [Reader(ROOT), Reader(other)]
    print(*(reader.form for reader in readers), sep="\n")
    with tempfile.TemporaryDirectory() as folder:
        for seed, data in cases(count):
            path = Path(folder, f"case{seed % 2}.pcap")
            path.write_bytes(data)
            for reader in readers:
                reader.ask(path)
            one, two = (reader.told() for reader in readers)
            if one != two or not one:
                differ.append(seed)
                KEPT.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, KEPT / f"{seed}.pcap")
                first, second = dict(eval(one or "[]")), dict(eval(two or "[]"))  # noqa: S307  our own process wrote it
                print(f"case {seed}: {[name for name in {**first, **second} if first.get(name) != second.get(name)] or 'a process ended'}", flush=True)
    for reader in readers:
        reader.end()
    return differ


def main(arguments: Sequence[str] | None = None) -> int:
    """Compares; 1 where something differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--other", type=Path, help="a checkout of other code; default: this code without its compiled modules")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        other = given.other
        if other is None:
            other = Path(folder)
            shutil.copytree(ROOT / "analyzer", other / "analyzer", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
        differ = compared(given.cases, other.resolve())
    print(f"{given.cases:,} damaged captures compared, {len(differ)} differ")
    return 1 if differ else 0


if __name__ == "__main__":
    sys.exit(main())
