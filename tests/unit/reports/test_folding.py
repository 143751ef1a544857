"""Polls are folded where nothing is hidden by it, in both kinds of drawing alike."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analyzer
from analyzer.reports.drawings import ladder_of
from analyzer.reports.folding import folded_drawing, folded_ladder
from analyzer.reports.sequence import Arrow, Lane, Sequence, sequences
from tests.golden.samples import captures, truth

SAMPLES = Path(__file__).parents[3] / "sample_pcaps"
LANES = (Lane("client", "10.0.0.1"), Lane("proxy", "10.0.0.5"), Lane("server", "10.0.0.9"))
MS = 1_000_000


def arrow(packet: int, *, left: int = 0, rightward: bool = True, head: str = "POST /wsman", details: str = "Receive, encrypted 1,200 bytes",
          record: str = "c1.x1", kind: str = "message", tone: str = "sealed") -> Arrow:  # fmt: skip
    return Arrow(packet * MS, packet, left, rightward, kind, f"#{packet} {head}, {details} [{record}]", str(packet), head, details, record, tone)


def poll(
    position: int, packet: int, *, legs: int = 1, head: str = "200 OK", answer: str = "ReceiveResponse, encrypted 900 bytes", tone: str = "encrypted"
) -> list[Arrow]:
    """One poll on one leg, or on both legs of a proxy."""
    asked = [arrow(packet + leg, left=leg, record=f"c{leg + 1}.x{position}") for leg in range(legs)]
    answered = [
        arrow(packet + 2 * legs - 1 - leg, left=leg, rightward=False, head=head, details=answer, record=f"c{leg + 1}.x{position}", tone=tone)
        for leg in reversed(range(legs))
    ]
    return [*asked, *answered]


def drawn(*arrows: Arrow) -> Sequence:
    return Sequence("r1", LANES, arrows)


def heads(one: Sequence) -> list[str]:
    return [arrow.text for arrow in folded_drawing(one).arrows]


@pytest.mark.parametrize("legs", [1, 2])
def test_polls_are_one_round(legs: int) -> None:
    rounds = [one for place in range(214) for one in poll(place + 5, 20 + 10 * place, legs=legs)]
    made = folded_drawing(drawn(arrow(1, details="Command, encrypted 10 bytes"), *rounds, arrow(9999, kind="end", head="FIN of c1"))).arrows
    assert len(made) == 2 + 2 * legs
    assert made[1].text == f"#20 to #2150 POST /wsman, Receive ×214, encrypted, in {(2150 + 2 * legs - 1 - 20) / 1000:,.3f} s [c1.x5 to c1.x218]"
    assert made[-2].packets.startswith(f"{20 + 2 * legs - 1} to #")
    assert "ReceiveResponse ×214" in made[-2].details
    assert made[-1].kind == "end"


def test_two_are_no_run() -> None:
    rounds = [*poll(1, 10), *poll(2, 20)]
    assert folded_drawing(drawn(*rounds)).arrows == tuple(rounds)


def test_how_winrm_waits_is_no_failure() -> None:
    rounds = [one for place in range(4) for one in poll(place, 10 * place + 1, head="500", answer="OperationTimeout, encrypted 1,530 bytes")]
    rounds += poll(5, 100)
    made = heads(drawn(*rounds))
    assert len(made) == 2
    assert "500 ×4, 200 OK ×1, OperationTimeout ×4, ReceiveResponse ×1" in made[1]


@pytest.mark.parametrize(
    "odd",
    [
        [arrow(55, kind="gap", head="40 bytes of c1 not in the capture", details="", tone="")],
        [arrow(55, kind="end", head="RST of c1", details="", tone="reset", record="c1")],
        poll(50, 55, head="500", answer="Fault, encrypted 900 bytes", tone="refused"),
        poll(50, 55, head="401", answer="offers Negotiate, empty", tone=""),
        [arrow(55, details="NTLM authenticate as alice, encrypted 100 bytes"), arrow(56, rightward=False, head="200", details="encrypted 10 bytes")],
        [arrow(55, details="Receive, encrypted 100 bytes", record="c1.x50")],
        [arrow(55, rightward=False, head="200 OK", details="encrypted 100 bytes", record="c1.x50")],
        poll(50, 55, answer="Fault, encrypted 900 bytes"),
        [
            arrow(55, details="Command, encrypted 900 bytes", record="c1.x50"),
            arrow(56, rightward=False, head="200", details="CommandResponse, encrypted 10 bytes", record="c1.x50"),
        ],
    ],
    ids=["hole", "reset", "error", "challenge", "logon", "unanswered", "unasked", "fault", "command"],
)  # fmt: skip
def test_what_matters_ends_the_run_and_is_drawn(odd: list[Arrow]) -> None:
    before = [one for place in range(4) for one in poll(place, 10 * place + 1)]
    after = [one for place in range(60, 64) for one in poll(place, 10 * place + 1)]
    made = folded_drawing(drawn(*before, *odd, *after)).arrows
    assert [one for one in made if one in odd] == odd
    assert [one.details for one in made if "×" in one.details and one.rightward] == ["Receive ×4, encrypted, in 0.031 s"] * 2


def test_another_upstream_connection_ends_the_run() -> None:
    rounds = [one for place in range(4) for one in poll(place, 10 * place + 1, legs=2)]
    moved = [one._replace(record=one.record.replace("c2", "c7")) for place in range(4, 8) for one in poll(place, 10 * place + 1, legs=2)]
    made = folded_drawing(drawn(*rounds, *moved)).arrows
    assert len(made) == 8
    assert {one.record for one in made if one.left == 1} == {"c2.x0 to c2.x3", "c7.x4 to c7.x7"}


def _of_word(word: str, place: int, at: int, legs: int) -> list[Arrow]:
    alone = {"gap": arrow(at, kind="gap", head="hole", details="", tone=""), "end": arrow(at, kind="end", head="FIN of c1", details="", tone="")}
    if word in alone:
        return [alone[word]]
    answers = {
        "timeout": ("500", "OperationTimeout, encrypted 5 bytes", "encrypted"),
        "error": ("503", "not WinRM 10 bytes", "refused"),
        "logon": ("401", "NTLM challenge, empty", "empty"),
    }
    head, answer, tone = answers.get(word, ("200 OK", "ReceiveResponse, encrypted 900 bytes", "encrypted"))
    made = poll(place, at, legs=legs, head=head, answer=answer, tone=tone)
    return made[:1] if word == "half" else made


@given(st.lists(st.sampled_from(["poll", "timeout", "error", "gap", "end", "logon", "half"]), max_size=40), st.sampled_from([1, 2]))
@settings(max_examples=200)
def test_nothing_but_polls_is_ever_folded(words: list[str], legs: int) -> None:
    arrows: list[Arrow] = []
    for place, word in enumerate(words):
        arrows += _of_word(word, place, 10 * place + 1, legs)
    made = folded_drawing(drawn(*arrows)).arrows
    kept = [one for one in made if "×" not in one.text]
    assert [one for one in arrows if one in kept] == kept, "what is drawn as it is stays in its order"
    for one in arrows:
        grave = one.kind != "message" or one.tone == "refused" or "NTLM" in one.details
        assert not grave or one in kept
    counted = sum(int(re.findall(r"Receive ×(\d+)", one.details)[0]) for one in made if "Receive ×" in one.details)
    assert counted + sum(one.details.startswith("Receive,") for one in kept) == sum(one.details.startswith("Receive,") for one in arrows)
    assert [one.time_ns for one in made] == sorted(one.time_ns for one in made)


@cache
def case(name: str) -> analyzer.Case:
    folder = SAMPLES / name
    return analyzer.analyze(captures(folder, truth(folder)), secrets=folder / "secrets.toml")


def both(name: str) -> Iterator[tuple[Sequence, list[tuple[object, ...]]]]:
    evidence = case(name).evidence
    for one in sequences(evidence):
        steps = folded_ladder(ladder_of(one, evidence.captures)).steps
        yield folded_drawing(one), [(step.head, step.details, step.packets, step.record) for step in steps]


@pytest.mark.parametrize("name", ["direct-psrp-large-output", "direct-long-poll-healthy", "squid-ntlm-healthy", "badproxy-reauth", "unreliable-link-squid"])
def test_both_kinds_of_drawing_fold_alike(name: str) -> None:
    for drawing, steps in both(name):
        assert [(one.head, one.details, one.packets, one.record) for one in drawing.arrows] == steps


def test_a_sample_in_text_and_svg() -> None:
    one = case("direct-long-poll-healthy")
    folded, whole = one.ladder(width=120), one.ladder(width=120, fold=False)
    assert "#24 to #44 POST /wsman, Receive ×3, encrypted, in 5.209 s [c1.x6 to c1.x8]" in folded
    assert "×" not in whole
    assert whole.count("Receive, ") == 3
    assert "Receive ×3" in one.ladder(form="svg")
    assert "Receive ×3" in one.ladder(form="mermaid")


def test_a_proxy_that_asks_for_a_logon_each_time_hides_nothing() -> None:
    assert "×" not in case("badproxy-reauth").ladder(width=120)
