"""Event logs of Windows (EVTX) through the library evtx, whose records come as JSON."""

from collections.abc import Iterator

from evtx import PyEvtxParser


def records(path: str) -> Iterator[tuple[bytes | None, str]]:
    """Each record's JSON, or None and what was wrong with it. `OSError`, `RuntimeError`: the file is none."""
    found = iter(PyEvtxParser(path).records_json())
    while True:
        try:
            record = next(found)
        except StopIteration:
            return
        except RuntimeError as error:  # a damaged record or chunk: the next ones are read
            yield None, str(error)
            continue
        if record is not None:
            yield str(record["data"]).encode(), ""
