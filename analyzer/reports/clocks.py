"""Clocks of servers that do not go with the capture's, for the first screen: times of hosts' logs are to be read with that in mind."""

from collections.abc import Iterator

from analyzer.records.evidence import Evidence
from analyzer.records.story import Party, ServerClock
from analyzer.reports.lines import Line, paragraph
from analyzer.tables.packets import capture_of, packet_set

_NS = 1_000_000_000
_KERBEROS_NS = 300 * _NS
"""Microsoft Learn, "Maximum tolerance for computer clock synchronization": 5 minutes by default."""
_SHOWN = 4


def clock_lines(evidence: Evidence, width: int) -> Iterator[Line]:
    """A line for each clock that is certainly more than a second off, the furthest first; the table ``clocks`` has all."""
    parties = {one.id: one for one in evidence.story.parties}
    far = sorted((one for one in evidence.story.clocks if _off_ns(one) > _NS), key=_off_ns, reverse=True)
    for clock in far[:_SHOWN]:
        yield from paragraph(_words(evidence, clock, parties[clock.party]), width, label="clock: ", indent=2)
    if len(far) > _SHOWN:
        yield from paragraph(f"{len(far) - _SHOWN:,} more; `show clocks` lists them", width, label="clock: ", indent=2)


def _off_ns(clock: ServerClock) -> int:
    """How far it is off at least; of a clock that moved, how far at most."""
    return abs(clock.ahead_ns) - clock.error_ns if clock.steady else abs(clock.ahead_ns) + clock.error_ns


def _words(evidence: Evidence, clock: ServerClock, party: Party) -> str:
    where = str(party.listens[0]) if party.listens else party.id
    of = capture_of(clock.packets, evidence.captures) if len(evidence.captures) > 1 else "the capture"
    packets = packet_set(clock.packets, evidence.captures, named=True) or ""
    at = f"packet{'s' if len(clock.packets) > 1 else ''} {packets}"
    if not clock.steady:
        least, most = sorted((clock.ahead_ns - clock.error_ns, clock.ahead_ns + clock.error_ns))
        return f"{where} differs from {of}'s by {_signed(least)} and {_signed(most)} ({at}): set meanwhile, or several machines"
    tolerance = "; Kerberos allows 5 minutes unless it is set otherwise" if _off_ns(clock) > _KERBEROS_NS else ""
    way = "ahead of" if clock.ahead_ns > 0 else "behind"
    return f"{where} is {_length(abs(clock.ahead_ns))} {way} {of}'s clock (± {_length(clock.error_ns)}; {at}){tolerance}"


def _signed(ns: int) -> str:
    text = _length(abs(ns))
    return text if text == "0.000 s" else f"{'+' if ns > 0 else '-'}{text}"


def _length(ns: int) -> str:
    """``9 h 59 min 58 s``, ``3.191 s``."""
    minutes, rest = divmod(ns, 60 * _NS)
    hours, minutes = divmod(minutes, 60)
    if not hours and not minutes:
        return f"{ns / _NS:.3f} s"
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{minutes} min", f"{rest // _NS} s") if part)
