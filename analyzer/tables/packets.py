"""Packets as people handle them: sets of numbers as text, and filters to paste into Wireshark."""

from collections.abc import Iterable, Sequence

from analyzer.records.capture import Capture
from analyzer.records.ids import key_capture, key_number


def numbers_by_capture(keys: Iterable[int]) -> dict[int, list[int]]:
    """Packet numbers, sorted and each once, by the ordinal of their capture."""
    own = sorted(set(keys))
    if own and key_capture(own[0]) == key_capture(own[-1]):
        before = own[0] - key_number(own[0])
        return {key_capture(own[0]): [key - before for key in own]}
    found: dict[int, list[int]] = {}
    for key in own:
        found.setdefault(key_capture(key), []).append(key_number(key))
    return found


def number_set(numbers: Sequence[int], joiner: str = ",") -> str:
    """Sorted numbers as a Wireshark set without its braces: ``12..17,21``."""
    if len(numbers) == 1:
        return str(numbers[0])
    pieces: list[str] = []
    first = last = None
    for number in numbers:
        if last is not None and number == last + 1:
            last = number
            continue
        if last is not None:
            pieces.append(str(last) if first == last else f"{first}..{last}")
        first = last = number
    if last is not None:
        pieces.append(str(last) if first == last else f"{first}..{last}")
    return joiner.join(pieces)


def packet_set(keys: Iterable[int], captures: Sequence[Capture], *, named: bool = False) -> str | None:
    """``12..17,21`` when all packets are of one capture, else ``leg-a.pcapng:12..17;leg-b.pcapng:5``; None without packets. ``named`` where no column says
    which capture it is: then it is named unless there is only one."""
    if len(captures) == 1:
        return number_set(sorted(set(map(key_number, keys)))) or None
    found = numbers_by_capture(keys)
    if len(found) <= 1 and not (named and len(captures) > 1):
        return next((number_set(numbers) for numbers in found.values()), None)
    return ";".join(f"{captures[ordinal].name}:{number_set(numbers)}" for ordinal, numbers in found.items()) or None


def capture_of(keys: Sequence[int], captures: Sequence[Capture]) -> str | None:
    """The name of the capture of the first of the packets; None without packets."""
    return captures[key_capture(keys[0])].name if keys else None


def frame_filter(keys: Iterable[int], ordinal: int) -> str | None:
    """The Wireshark filter that shows those of the packets that are in the capture ``ordinal``; None when none is."""
    numbers = numbers_by_capture(keys).get(ordinal)
    return f"frame.number in {{{number_set(numbers, ', ')}}}" if numbers else None
