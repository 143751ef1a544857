"""The command that gives the names back in a text that was shared with pseudonyms."""

from __future__ import annotations

from pathlib import Path

import click

from analyzer.case.writing import refuse
from analyzer.cli.printing import remark, write_to
from analyzer.errors import InputError

_file = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", metavar="FILE", type=_file)
@click.option("--pseudonyms", "key", metavar="KEYFILE", required=True, type=_file, help="The key file that the pseudonyms were made with.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Write to this file instead.")
@click.option("--clobber", is_flag=True, help="Overwrite FILE when it exists.")
def restore(file: Path, key: Path, output: Path | None, *, clobber: bool) -> int:
    """Give the names back in a text that was shared with pseudonyms: an answer to it, a report, a table.

    FILE is text: HTML, CSV, JSON, what someone wrote about it. For packets, Parquet, workbooks and databases the original evidence is the way back.
    """
    from analyzer.case.shared import restored

    if output is not None:
        refuse(output, (str(file),), clobber=clobber)
    try:
        data = file.read_bytes()
    except OSError as error:
        msg = f"cannot read {file}: {error.strerror or error}"
        raise InputError(msg) from error
    if b"\0" in data[:4096]:
        msg = f"{file} is no text; only in texts can names be given back"
        raise InputError(msg)
    write_to(output, [restored(data.decode("utf-8", "surrogateescape"), key)], (str(file),), clobber=clobber)
    if output is not None:
        remark(f"{output}")
    return 0
