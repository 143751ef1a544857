"""What of a command or shell is not in the capture, in words."""

from collections.abc import Sequence

from analyzer.records.capture import Capture
from analyzer.records.wsman import Missing
from analyzer.tables.packets import packet_set

_WHERE = {"command": "the request that runs it", "input": "its input", "output": "its output"}


def sentence(one: Missing) -> str:
    """One sentence about it."""
    if one.what == "start":
        return "The request that began it is not in the capture."
    if one.what == "answer":
        size = f" ({_count(one.size)})" if one.size else ""
        return f"An answer to Receive could not be read{size}, so output may be missing."
    if one.what == "request":
        size = f" ({_count(one.size)} missing)" if one.size else ""
        return f"A request could not be read{size}, so input or a command may be missing."
    if one.what == "exchange":
        return f"A request and its answer are not in the capture{f' ({_count(one.size)})' if one.size else ''}: input, output or a command may be missing."
    beginning = f"{_count(one.size)} of" if one.size else "A part of"
    proof = " No signature proves the rest of that message." if one.unproved else ""
    are = "are" if (one.size or 1) > 1 else "is"
    return f"{beginning} {_WHERE[one.what]} {are} not in the capture.{proof}"


def _count(size: int | None) -> str:
    return f"{size:,} bytes" if size != 1 else "1 byte"


def sentences(missing: Sequence[Missing], captures: Sequence[Capture]) -> str | None:
    """All of it, each with its packets; None where nothing is known to be missing."""
    told = [f"{sentence(one)}{_packets(one, captures)}" for one in missing]
    return " ".join(told) or None


def _packets(one: Missing, captures: Sequence[Capture]) -> str:
    found = packet_set(one.packets, captures, named=True)
    return f" (packets {found})" if found else ""
