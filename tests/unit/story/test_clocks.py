"""What servers told of their clocks: bounds of each time, all of them together, and what tells nothing."""

import pytest
from msgspec.structs import replace

from analyzer.auth.schemes import der
from analyzer.engine.work import told
from analyzer.records.evidence import Evidence
from analyzer.records.http import Header, Request, Response
from analyzer.records.story import ServerClock
from analyzer.reports.clocks import clock_lines
from analyzer.reports.lines import plain
from analyzer.story.clocks import server_clocks
from tests.build import evidence as build

DAY = "Fri, 02 Jan 2026"
S = 1_000_000_000


def clocks(*dates: str | None, extra: tuple[Header, ...] = ()) -> tuple[ServerClock, ...]:
    """Of the direct connection of `tests.build.evidence`, with these Date fields in its answers, one after the other."""
    made = told(build.direct().evidence)
    exchanges = {}
    for (name, one), date in zip(made.exchanges.items(), dates, strict=False):
        assert isinstance(one.response, Response)
        fields = (*one.response.headers, *(() if date is None else (Header("Date", date, 0),)), *extra)
        exchanges[name] = replace(one, response=replace(one.response, headers=fields))
    own = {connection: tuple(exchanges.get(one.id, one) for one in all_) for connection, all_ in made.exchanges_of.items()}
    changed = replace(made, exchanges={**made.exchanges, **exchanges}, exchanges_of=own, conversations_of={})
    return server_clocks(changed, made.story.parties, made.story.ends, made.story.fates)


def test_a_date_bounds_the_clock_by_its_request_and_its_answer() -> None:
    (clock,) = clocks(f"{DAY} 03:04:15 GMT")
    first = next(iter(build.direct().evidence.exchanges.values()))
    assert isinstance(first.request, Request)
    assert isinstance(first.response, Response)
    said = build.T0 + 10 * S
    assert clock.ahead_ns - clock.error_ns == pytest.approx(said - first.response.first_ns, abs=2)
    assert clock.ahead_ns + clock.error_ns == pytest.approx(said + 2 * S - first.request.first_ns, abs=2)
    assert (clock.steady, clock.date, clock.ntlm) == (True, 1, 0)


def test_times_that_contradict_each_other_are_no_steady_clock() -> None:
    (clock,) = clocks(f"{DAY} 03:04:15 GMT", f"{DAY} 05:04:15 GMT")
    assert not clock.steady
    assert len(clock.packets) == 2
    assert 2 * clock.error_ns == pytest.approx(7200 * S, abs=3 * S)


@pytest.mark.parametrize("date", [None, "", "yesterday", "Fri, 32 Jan 2026 03:04:15 GMT", "Fri, 02 Jan 2026 03:04:15 +0100", "Fri, 02 Jan 0000 00:00:00 GMT"])
def test_what_is_no_time_tells_nothing(date: str | None) -> None:
    assert clocks(date) == ()


def test_an_answer_out_of_a_cache_tells_nothing() -> None:
    assert clocks(f"{DAY} 03:04:15 GMT", extra=(Header("Age", "12", 0),)) == ()


def words(**changed: object) -> str:
    made = told(build.direct().evidence)
    party = next(one for one in made.story.parties if one.listens)
    clock = ServerClock(party.id, 0, 400 * S, 20_000_000, steady=True, ntlm=1, kerberos=0, date=0, first_ns=build.T0, last_ns=build.T0, packets=(7,))
    seen: Evidence = replace(made, story=replace(made.story, clocks=(replace(clock, **changed),)))
    return " ".join(plain(clock_lines(seen, 200)).split())


def test_the_words_for_a_clock() -> None:
    assert "6 min 40 s ahead of the capture's clock (± 0.020 s; packet 7); Kerberos allows 5 minutes" in words()
    assert "2.000 s behind the capture's clock" in words(ahead_ns=-2 * S)
    assert "by +6 min 20 s and +7 min 0 s (packet 7): set meanwhile, or several machines" in words(steady=False, error_ns=20 * S)
    assert words(ahead_ns=S, error_ns=S) == ""


@pytest.mark.parametrize(
    ("time", "microseconds", "expected"),
    [
        (b"20260102030405Z", 250_000, build.T0 + S // 4),
        (b"20260102030405", 0, None),
        (b"20261302030405Z", 0, None),
        (b"20260102030405Z", 1_000_000, None),
        (b"20260102030405Z", -1, None),
        (b"", 0, None),
    ],
)
def test_times_of_kerberos(time: bytes, microseconds: int, expected: int | None) -> None:
    assert der.kerberos_ns(time, microseconds) == expected
