"""Connections whose segments come in any order are put together alike by the loops over columns (compiled, and as their source has it) and without them."""

import os
import random
from array import array
from types import ModuleType

import pytest

from analyzer.formats import forms
from analyzer.records.capture import Flow, Segments, Verdict
from analyzer.records.issues import Issue
from analyzer.records.transport import Connection
from analyzer.settings import Limits
from analyzer.transport import columns, connections, plain, reassembly, rows, silence, strays, weird
from analyzer.transport.connections import connection

CASES = int(os.environ.get("DAMAGED_CASES", "1000"))
_FIN, _SYN, _RST, _ACK = 1, 2, 4, 16
_WRAP = 1 << 32
_USERS = (connections, reassembly, rows, silence, strays, weird)


class _Sender:
    """One side: what it sends next, and what it has received."""

    def __init__(self, dice: random.Random) -> None:
        self.seq = dice.choice((dice.randrange(_WRAP), _WRAP - dice.randrange(5000)))
        self.got = -1


def _rows(dice: random.Random) -> list[tuple[int, ...]]:  # noqa: C901, PLR0912  one branch for each way of being odd
    """direction, seq, ack, flags, size, wire size, file offset, ident, ttl, window."""
    found: list[tuple[int, ...]] = []
    sides = [_Sender(dice), _Sender(dice)]
    content = 0

    def send(side: int, flags: int, size: int = 0, back: int = 0) -> None:
        nonlocal content
        own, other = sides[side], sides[1 - side]
        seq = (own.seq - back) % _WRAP
        cut = size if dice.random() > 0.01 else dice.randrange(size + 1)
        place = content if not back else dice.choice((content, max(content - back, 0)))
        ident = (dice.choice((0, len(found) + 1)) << 16) | 7
        window = dice.choice((0, 1, 500, 500, 500)) if dice.random() < 0.05 else 500
        found.append((side, seq, own.got, flags, cut, size, place, ident, 64 if dice.random() > 0.01 else 3, window))
        content += size
        if not back:
            own.seq = (own.seq + size + (1 if flags & (_SYN | _FIN) else 0)) % _WRAP
            if dice.random() > 0.03:
                other.got = own.seq

    if dice.random() < 0.8:
        send(0, _SYN)
        send(1, _SYN | _ACK)
    else:
        sides[0].got, sides[1].got = sides[1].seq, sides[0].seq
    odd = dice.choice((0.0, 0.0, 0.02, 0.2))
    for _ in range(dice.randrange(1, 40)):
        side = dice.randrange(2)
        if dice.random() < odd:
            what = dice.randrange(6)
            if what == 0:
                send(side, _ACK, dice.choice((1, 100)), dice.choice((1, 100, 3000, 1 << 20, 1 << 24)))
            elif what == 1 and found:
                found.append(found[dice.randrange(len(found))])
            elif what == 2:
                sides[side].seq = (sides[side].seq + dice.choice((1, 1460, 1 << 20, 1 << 26))) % _WRAP
            elif what == 3:
                send(side, dice.choice((_RST, _RST | _ACK, _SYN, _FIN | _ACK)), dice.choice((0, 0, 5)), dice.choice((0, 0, 1 << 22)))
            elif what == 4 and len(found) > 1:
                at = dice.randrange(len(found) - 1)
                found[at], found[at + 1] = found[at + 1], found[at]
            else:
                sides[side].got = dice.randrange(-1, _WRAP)
        else:
            send(side, _ACK, dice.choice((0, 1, 500, 1460, 1460)))
    for side in (0, 1):
        if dice.random() < 0.6:
            send(side, _ACK | _FIN)
    return found[dice.choice((0, 0, 0, 5)) :] or found


def _flow(dice: random.Random) -> Flow:
    made = Segments()
    at_ns = 10**18
    for number, (direction, seq, ack, flags, size, wire_size, file_at, ident, ttl, window) in enumerate(_rows(dice), 1):
        at_ns += dice.choice((1000, 1_000_000, 40_000_000_000)) if dice.random() < 0.3 else 1000
        values = {"key": number, "ts_ns": at_ns, "direction": direction, "seq": seq, "ack": ack, "flags": flags, "size": size, "wire_size": wire_size}
        values |= {"source": 0, "file_at": file_at, "ident": ident, "ttl": ttl, "window": window}
        for name, value in values.items():
            getattr(made, name).append(value)
    return Flow(0, ("10.0.0.1", "10.0.0.2"), (50000, 5985), Verdict.HTTP, made)


def _read(number: int) -> tuple[Connection, tuple[Issue, ...]]:
    dice = random.Random(number)
    flow = _flow(dice)
    contents = random.Random(-number).randbytes(1 << 16)
    return connection("c1", [flow], lambda _, at, size: contents[at : at + size], Limits())


def _in_form(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    for user in _USERS:
        for name in vars(user).keys() & vars(columns).keys():
            if callable(getattr(columns, name)) and getattr(getattr(columns, name), "__module__", "").startswith(columns.__name__):
                monkeypatch.setattr(user, name, getattr(module, name))


def _nothing_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "plain", lambda *_: None)
    monkeypatch.setattr(rows, "no_copies", lambda *_: False)
    monkeypatch.setattr(strays, "all_in_place", lambda *_: False)
    monkeypatch.setattr(reassembly, "furthest_acked", lambda *_: -2)
    monkeypatch.setattr(reassembly, "in_order", lambda *_: (0, array("q"), array("q"), 0, -1))


@pytest.mark.parametrize("first", range(0, CASES, 200))
def test_segments_in_any_order_make_one_connection(first: int) -> None:
    source, own = forms.source(columns), forms.source(plain).plain
    for number in range(first, first + 200):
        with pytest.MonkeyPatch.context() as changed:
            _nothing_in_order(changed)
            slowly = _read(number)
        assert _read(number) == slowly, f"case {number}"
        with pytest.MonkeyPatch.context() as changed:
            _in_form(source, changed)
            changed.setattr(connections, "plain", own)
            assert vars(rows)["no_copies"] is source.no_copies
            assert _read(number) == slowly, f"case {number}, source"


def test_the_cases_are_of_all_kinds() -> None:
    whole = cut = odd = ordinary = 0
    for number in range(600):
        flow = _flow(random.Random(number)).segments
        every = array("q", range(len(flow.key)))
        own = columns.of_side(flow, every, 0)
        base, _ = reassembly.first_base(flow, own)
        done = columns.in_order(flow, own, base or 0, 1 << 24)[0]
        is_plain = plain.plain(flow, int(Limits().pause_s * 1e9)) is not None
        ordinary, odd = ordinary + is_plain, odd + (not is_plain)
        whole, cut = whole + (done == len(own)), cut + (done < len(own))
    assert min(whole, cut, odd, ordinary) > 20, (whole, cut, odd, ordinary)


def _plain_but_for_one(dice: random.Random) -> Flow:
    """A connection in which nothing is odd, but for one number."""
    made, at_ns, content = Segments(), 10**18, 0
    seqs, got = [dice.choice((dice.randrange(_WRAP), _WRAP - dice.randrange(9000))) for _ in range(2)], [-1, -1]
    sides = [(0, _SYN, 0), (1, _SYN | _ACK, 0), *((dice.randrange(2), _ACK, dice.choice((0, 1, 500, 1460))) for _ in range(dice.randrange(12)))]
    sides += [(side, _FIN | _ACK, 0) for side in dice.sample((0, 1), dice.randrange(3))]
    sides += [(side, _ACK, 0) for side in (0, 1)]
    for number, (side, flags, size) in enumerate(sides, 1):
        at_ns += 1000
        values = {"key": number, "ts_ns": at_ns, "direction": side, "seq": seqs[side], "ack": got[side], "flags": flags, "size": size, "wire_size": size}
        values |= {"source": 0, "file_at": content, "ident": number << 16 | 7, "ttl": 64, "window": 500}
        for name, value in values.items():
            getattr(made, name).append(value)
        content += size
        seqs[side] = (seqs[side] + size + bool(flags & (_SYN | _FIN))) % _WRAP
        got[1 - side] = seqs[side]
    name, row = dice.choice(Segments.__struct_fields__), dice.randrange(len(sides))
    column = getattr(made, name)
    if dice.random() < 0.9 and name not in ("key", "source"):
        if name == "direction":
            column[row] ^= 1
        elif name == "flags":
            column[row] ^= dice.choice((_FIN, _SYN, _RST, _ACK))
        elif name in ("seq", "ack"):
            column[row] = (column[row] + dice.choice((-1460, -1, 1, 2, 500, 1 << 20, 1 << 24, (1 << 24) + 5000, 1 << 31))) % _WRAP
        elif name == "ts_ns":
            column[row] += dice.choice((-5000, 5000, 10**11, -(10**11)))
        else:
            column[row] = dice.choice((0, 1, 500, column[row] + 1))
    return Flow(0, ("10.0.0.1", "10.0.0.2"), (50000, 5985), dice.choice((Verdict.HTTP, Verdict.TLS, Verdict.UNDECIDED)), made)


@pytest.mark.parametrize("first", range(0, CASES, 500))
def test_one_odd_number_makes_the_same_connection(first: int) -> None:
    own, found = forms.source(plain).plain, 0
    for number in range(first, first + 500):
        dice = random.Random(number)
        flow = _plain_but_for_one(dice)
        contents = random.Random(-number).randbytes(1 << 16)

        def read(flow: Flow = flow, contents: bytes = contents) -> tuple[Connection, tuple[Issue, ...]]:
            return connection("c1", [flow], lambda _, at, size: contents[at : at + size], Limits())

        with pytest.MonkeyPatch.context() as changed:
            changed.setattr(connections, "plain", lambda *_: None)
            slowly = read()
        assert read() == slowly, f"case {number}"
        found += plain.plain(flow.segments, int(Limits().pause_s * 1e9)) is not None
        assert plain.plain(flow.segments, 10**9) == own(flow.segments, 10**9), f"case {number}, source"
    assert 50 < found < 450
