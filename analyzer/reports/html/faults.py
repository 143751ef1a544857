"""The section *Faults*: WS-Management faults with their meaning, counted. What WinRM does while it waits is told apart from trouble."""

from typing import NamedTuple

from analyzer.reports.html.source import Row, Source, text


class Fault(NamedTuple):
    """Faults of one code, counted."""

    code: str
    meaning: str
    times: int
    first: int | None
    last: int | None
    answered: str
    example: str
    normal: bool


TIMEOUT = "2150858793"
"""OperationTimeout: how a Receive that found nothing ends. It is how WinRM waits."""


def faults(source: Source) -> list[Fault]:
    """One entry per code and kind of operation that it answered; what is normal comes last."""
    asked = {text(row, "exchange_id"): text(row, "operation") for row in source.messages if row["direction"] == "request"}
    grouped: dict[tuple[str, str], list[Row]] = {}
    for row in source.messages:
        if row["fault_code"]:
            grouped.setdefault((text(row, "fault_code"), asked.get(text(row, "exchange_id")) or "unknown"), []).append(row)
    found = [_fault(code, operation, own) for (code, operation), own in grouped.items()]
    return sorted(found, key=lambda fault: (fault.normal, -fault.times, fault.code))


def _fault(code: str, operation: str, own: list[Row]) -> Fault:
    times = [int(row["time"]) for row in own if row["time"] is not None]
    where = ", ".join(part for part in (text(own[0], "exchange_id"), f"packets {text(own[0], 'packets')}" if own[0]["packets"] else "") if part)
    meaning = text(own[0], "fault_meaning") or "not known here"
    return Fault(code, meaning, len(own), min(times, default=None), max(times, default=None), operation, where, code == TIMEOUT and operation == "Receive")
