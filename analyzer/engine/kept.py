"""How much is kept of what commands put out and take in (of one connection, one capture and one run), and which messages were too large to be read."""

from collections import Counter
from collections.abc import Iterable, Iterator

from msgspec.structs import replace

from analyzer.records.evidence import Evidence
from analyzer.records.issues import Issue
from analyzer.records.quality import Absent, Why
from analyzer.records.sealing import Message
from analyzer.records.wsman import Operation
from analyzer.settings import Limits


def affordable(operations: Iterable[Operation], evidence: Evidence, limits: Limits) -> tuple[list[Operation], tuple[Issue, ...]]:
    """The operations in their order, those whose streams are too much without them, and an issue for each limit that was reached.

    Once a limit is reached, nothing later is kept of that connection (capture, run): a stream with a part left out would read as another one.
    """
    kept: list[Operation] = []
    sums: Counter[tuple[str, object]] = Counter()
    full: dict[tuple[str, object], list[int]] = {}
    first: dict[tuple[str, object], Operation] = {}
    for operation in operations:
        size = sum([len(piece.data) for piece in operation.streams]) if operation.streams else 0
        if not size:
            kept.append(operation)
            continue
        exchange = evidence.exchanges[operation.exchange]
        sides = {
            ("kept_connection_bytes", exchange.connection): limits.kept_connection_bytes,
            ("kept_capture_bytes", exchange.capture): limits.kept_capture_bytes,
            ("kept_run_bytes", None): limits.kept_run_bytes,
        }
        over = next((side for side, most in sides.items() if side in full or sums[side] + size > most), None)
        if over is not None:
            first.setdefault(over, operation)
            full.setdefault(over, []).append(size)
            kept.append(replace(operation, streams=()))
            continue
        sums.update(dict.fromkeys(sides, size))
        kept.append(operation)
    return kept, tuple(_issue(side, sizes, first[side], evidence, limits) for side, sizes in full.items())


def _issue(side: tuple[str, object], sizes: list[int], first: Operation, evidence: Evidence, limits: Limits) -> Issue:
    name, which = side
    told = (
        f"{name}={getattr(limits, name)}: {sum(sizes)} bytes of output and input in {len(sizes)} messages were left out, those of message {first.message} first"
    )
    capture = evidence.exchanges[first.exchange].capture
    return Issue("wsman.limit", told, which if isinstance(which, str) else None, capture, repeats=len(sizes))


def unlooked(message: Message, limits: Limits) -> Iterator[str]:
    """What is said of a message of which not all was looked at."""
    if message.size > limits.opened_bytes:
        yield f"opened_bytes={limits.opened_bytes}: of {message.size} bytes of a body no more were looked at for commands and their output"


def too_much(messages: Iterable[Message], evidence: Evidence, limits: Limits) -> Iterator[Issue]:
    """An issue for each message that would become too large."""
    for one in messages:
        if isinstance(one.operation, Absent) and one.operation.why is Why.OVER_LIMIT:
            told = f"opened_bytes={limits.opened_bytes}: {one.operation.detail}"
            yield Issue("wsman.limit", told, one.id, evidence.exchanges[one.exchange].capture)
