"""A declared opinion becomes findings: grouping, values of parameters, words that depend on what was seen."""

from collections.abc import Iterator, Mapping

import pytest
from msgspec.structs import replace

from analyzer.records.evidence import Evidence, captures_only
from analyzer.records.finding import Severity
from analyzer.records.quality import Absent, Why
from analyzer.rules.telling import Opinion, Owner, Param, Sign, Tell, alone, endpoint, once, together, told
from tests.build import evidence as build
from tests.build.talk_http import post, reply
from tests.build.talks import Wire
from tests.rules.judging import judge

SLOW = Param("slow_s", 1.0, "seconds", "how long an answer may take")


def lan() -> Evidence:
    wire = Wire()
    for client, port in (("10.0.0.1", 50001), ("10.0.0.1", 50002), ("10.0.0.2", 50001)):
        talk = wire.connect(client, port, "10.0.0.9", 5985)
        talk.send(post())
        wire.wait(2.0)
        talk.answer(reply(500))
    return judge(wire).evidence


def see(evidence: Evidence, values: Mapping[str, float]) -> Iterator[Sign[str]]:
    for exchange in evidence.exchanges.values():
        asked, answer = exchange.request, exchange.response
        if (answer.first_ns - asked.last_ns) / 1e9 >= values["slow_s"]:  # type: ignore[union-attr]
            yield Sign(exchange.id, (exchange.id,), asked.packets[:1], user="LAB\\alice")  # type: ignore[union-attr]


def why(tell: Tell[str]) -> str:
    return f"{tell.count} slow of more than {tell.value('slow_s')} s, first {tell.first.fact} in {tell.packet(tell.first.packets[0])}"


def opinion(**changed: object) -> Opinion:
    given: dict[str, object] = {
        "title": "Slow",
        "severity": Severity.LOW,
        "confidence": 0.8,
        "reference": "RFC 9110",
        "advice": "Be faster.",
        "see": see,
        "why": why,
        "owner": Owner.SERVER,
        "params": (SLOW,),
    }
    return Opinion(**{**given, **changed})  # type: ignore[arg-type]


def test_signs_are_grouped_by_client_and_server() -> None:
    first, second = told(opinion(), "tcp.slow", lan())
    assert (first.rule, first.connections, first.exchanges) == ("tcp.slow", ("c1", "c2"), ("c1.x1", "c2.x1"))
    assert (first.source, first.destination, first.owner, first.user) == ("10.0.0.1", "10.0.0.9:5985", "server", "LAB\\alice")
    assert second.connections == ("c3",)
    assert "packet " in first.why


def test_other_ways_to_group() -> None:
    evidence = lan()
    counts = [len(list(told(opinion(each=each), "tcp.slow", evidence))) for each in (alone, endpoint, together)]
    assert counts == [3, 1, 1]


def test_a_threshold_comes_from_the_configuration() -> None:
    evidence = lan()
    assert list(told(opinion(), "tcp.slow", evidence, {"slow_s": 3.0})) == []
    assert "more than 1.5 s" in next(told(opinion(), "tcp.slow", evidence, {"slow_s": 1.5})).why


def test_words_may_depend_on_what_was_seen() -> None:
    changed = opinion(
        title=lambda tell: f"Slow {tell.count} times",
        severity=lambda tell: Severity.HIGH if tell.count > 1 else Severity.LOW,
        confidence=lambda tell: 0.5 + tell.count / 10,
        owner=lambda _: Owner.PROXY,
    )
    many, one = told(changed, "tcp.slow", lan())
    assert (many.title, many.severity, many.confidence, many.owner) == ("Slow 2 times", Severity.HIGH, 0.7, "proxy")
    assert (one.title, one.severity) == ("Slow 1 times", Severity.LOW)


def _tell(*users: str | None) -> Tell[int]:
    signs = tuple(Sign(place, connections=(f"c{place}", "c9"), user=user) for place, user in enumerate(users))
    return Tell(captures_only((), ()), signs, {})


def test_connections_and_users_without_repeats() -> None:
    assert _tell("a", None, "a", "b").connections == ("c0", "c9", "c1", "c2", "c3")
    assert _tell("a", None, "a", "b").users == ("a", "b")
    assert _tell(None).users == ()
    assert _tell("a").connections == ("c0", "c9")
    assert _tell("a", "b").facts == (0, 1)


def test_what_is_worked_out_is_kept_and_not_part_of_it() -> None:
    one, other = _tell("a", "b"), _tell("a", "b")
    assert one.connections is one.connections
    assert one == other


def test_a_question_is_asked_once_of_each_finding() -> None:
    asked: list[int] = []

    @once
    def count(tell: Tell[int]) -> int:
        asked.append(tell.count)
        return tell.count

    one, other = _tell("a"), _tell("a", "b")
    assert [count(one), count(one), count(other), count(one)] == [1, 1, 2, 1]
    assert asked == [1, 2]
    assert count.__name__ == "count"


def test_one_sign_is_told_as_several_are() -> None:
    evidence = lan()
    signs = [Sign("", (identity,), (30, 10, 10), ("c3",), "LAB\\alice", 0.4) for identity in evidence.exchanges]
    (one,) = told(opinion(see=lambda *_: iter(signs[2:])), "tcp.slow", evidence)
    (twice,) = told(opinion(see=lambda *_: iter(signs[2:] * 2), title="Slow"), "tcp.slow", evidence)
    assert one == replace(twice, why=one.why)
    assert (one.packets, one.confidence, one.user) == ((10, 30), 0.4, "LAB\\alice")


@pytest.mark.parametrize("asked", [(5, 6), (6, 5), (8, 12)])
@pytest.mark.parametrize("answered", [(7, 9), (9, 7), (4, 4), None])
def test_times_are_those_of_the_first_and_the_last_half(asked: tuple[int, int], answered: tuple[int, int] | None) -> None:
    own = build.exchange(build.connection(1))
    request = replace(own.request, first_ns=asked[0], last_ns=asked[1])  # type: ignore[type-var]
    response = Absent(Why.NOT_CAPTURED) if answered is None else replace(own.response, first_ns=answered[0], last_ns=answered[1])  # type: ignore[type-var]
    evidence = build.evidence([], [build.connection(1)], [replace(own, request=request, response=response)])
    (found,) = told(opinion(see=lambda *_: iter([Sign("", (own.id,), (1,))]), why=lambda _: ""), "tcp.slow", evidence)
    assert (found.first_ns, found.last_ns) == (min((*asked, *(answered or ()))), max((*asked, *(answered or ()))))
