"""How long the viewer's pages take in a case of a million requests: python -m benchmarks.viewer [ROWS].

The case is a sample's, with the rows of ``exchanges`` and ``requests`` made many, each with an id of its own.
"""

import shutil
import sys
import tempfile
import time
from pathlib import Path

import duckdb

import analyzer
from analyzer.case.opened import opened_folder
from analyzer.engine.store import stored_files
from analyzer.tables.paging import StoredTables
from analyzer.viewer.app import Viewer, app

SAMPLE = Path(__file__).parents[1] / "sample_pcaps" / "evil-winrm-py-session"
HOST = "127.0.0.1:8080"
EACH = 16
"""Exchanges of a connection."""
PAGES = (
    "",
    "table/exchanges",
    "table/exchanges?first={last}",
    "table/exchanges?order=request_time&down=1",
    "table/exchanges?q=wsman",
    "row/connections/c1",
    "row/exchanges/c{connections}.x16",
    "ladder/c1",
    "search?q=wsman",
    "sql?q=select status, count(*) from exchanges group by 1",
)


def main() -> None:
    """Make the case, and ask for each page once."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder, "case")
        analyzer.analyze(SAMPLE, secrets=SAMPLE / "secrets.toml").save(case)
        for table, identity in (("exchanges", "exchange_id"), ("requests", "request_id")):
            _many(case / f"{table}.parquet", identity, rows)
        began = time.perf_counter()
        viewer = Viewer("case", [], StoredTables(stored_files(case)), opened_folder(case).shown_rows, "t", sql=True)
        pages = app(viewer, [HOST]).test_client()
        print(f"{rows:,} exchanges and as many requests; opened in {time.perf_counter() - began:.2f} s\n\n| page | seconds |\n|---|---|")
        for page in PAGES:
            address = page.format(last=rows - 100, connections=rows // EACH)
            began = time.perf_counter()
            answer = pages.get(f"/t/{address}", base_url=f"http://{HOST}")
            print(f"| `{address or 'overview'}` | {time.perf_counter() - began:.2f} |" + ("" if answer.status_code == 200 else f" {answer.status_code}"))


def _many(path: Path, identity: str, rows: int) -> None:
    made = {identity: f"'c' || (n // {EACH} + 1) || '.x' || (n % {EACH} + 1)", "connection_id": f"'c' || (n // {EACH} + 1)"}
    with duckdb.connect() as database:
        names = [item[0] for item in database.execute(f"SELECT * FROM '{path}' LIMIT 0").description]
        cells = ", ".join(f"{made[name]} AS {name}" if name in made else name for name in names)
        query = f"SELECT {cells} FROM (SELECT * FROM '{path}' LIMIT 1), range({rows}) AS r(n)"
        database.execute(f"COPY ({query}) TO '{path}.new' (FORMAT parquet, COMPRESSION zstd)")
    shutil.move(f"{path}.new", path)


if __name__ == "__main__":
    main()
