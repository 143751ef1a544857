"""docs/tables.md, made of the declarations: ``python -m analyzer.tables.document > docs/tables.md``."""

import sys
from collections.abc import Iterator

from analyzer.tables.registry import TABLES, AnyTable

_PREFACE = """# Tables

Made of the declarations in `analyzer/tables/` by `python -m analyzer.tables.document`; a test holds it up to date.

DataFrames, CSV, JSON, JSON lines and Parquet share these columns. Every value can be null.

| type | DataFrame | CSV, JSON | Parquet, SQL |
|---|---|---|---|
| text | `string` | text | `VARCHAR` |
| integer | `Int64` | number | `BIGINT` |
| number | `float64` | number | `DOUBLE` |
| flag | `boolean` | `true`, `false` | `BOOLEAN` |
| time | `datetime64[ns, UTC]` | RFC 3339 with nanoseconds and `Z` | `TIMESTAMP_NS`, UTC |

Columns whose name ends in `_s` are seconds, in `_bytes` bytes. Packets are sets as Wireshark writes them without their braces (`12..17,21`) and numbered as it
numbers them; when a row rests on packets of several captures, it is `leg-a.pcapng:12..17;leg-b.pcapng:5`.

Texts come from the capture exactly as they were sent. CSV and the terminal show control and direction-changing characters as escapes; JSON, Parquet and
DataFrames keep them. Passwords in commands, scripts and output, and all keys that were given, are masked in all of them, unless they are asked for with
`--show-secrets`, in Python with `case.show_secrets()`.
"""


def document() -> str:
    """The whole page."""
    return "\n".join([_PREFACE, *(line for table in TABLES for line in _section(table))])


def _section(table: AnyTable) -> Iterator[str]:
    yield f"## {table.name}\n"
    yield f"{table.means}\n"
    yield "| column | type | meaning |"
    yield "|---|---|---|"
    for column in table.columns:
        yield f"| `{column.name}` | {column.dtype.value} | {column.means} |"
    yield ""


if __name__ == "__main__":
    sys.stdout.write(document())
