"""Exchanges by status, field, protection and role are those that a walk over all of them finds, in the same order; each is worked out once."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from analyzer import analyze
from analyzer.records import candidates
from analyzer.records.evidence import Evidence, Index
from analyzer.records.halves import header, request, response, status
from analyzer.records.http import Exchange, Request, Response
from analyzer.records.kinds import Said
from analyzer.records.proxy import Role
from analyzer.records.sealing import Protection

SAMPLES = Path(__file__).resolve().parents[2] / "sample_pcaps"
NAMES = ("squid-close-after-200", "badproxy-swap-clear", "squid-connect-clear-http")


@pytest.fixture(scope="module", params=NAMES)
def evidence(request: pytest.FixtureRequest) -> Evidence:
    return analyze([SAMPLES / request.param]).evidence


def _all(evidence: Evidence) -> list[Exchange]:
    return [one for one in evidence.exchanges.values() if one.connection in evidence.winrm]


def _is(evidence: Evidence, half: Request | Response | None, protection: Protection) -> bool:
    found = None if half is None else evidence.messages.get(half.id)
    return found is not None and found.protection is protection


def test_those_of_winrm(evidence: Evidence) -> None:
    assert list(candidates.winrm(evidence)) == _all(evidence) != []
    assert candidates.winrm(evidence) is candidates.winrm(evidence)


def test_by_role(evidence: Evidence) -> None:
    for role in Role:
        assert list(candidates.with_role(evidence, role)) == [one for one in _all(evidence) if evidence.roles.get(one.connection, Role.UNKNOWN) is role]


def test_by_status(evidence: Evidence) -> None:
    codes = {status(one) for one in _all(evidence)} - {None}
    assert codes
    assert list(candidates.with_status(evidence, 200, 401)) == [one for one in _all(evidence) if status(one) in (200, 401)]
    assert candidates.with_status(evidence, 299) == ()


@pytest.mark.parametrize("name", ["authorization", "www-authenticate", "content-length", "via", "no-such-field"])
def test_by_field(evidence: Evidence, name: str) -> None:
    assert list(candidates.asked_with(evidence, name)) == [one for one in _all(evidence) if header(request(one), name) is not None]
    assert list(candidates.answered_with(evidence, name)) == [one for one in _all(evidence) if header(response(one), name) is not None]


def test_by_several_fields_each_exchange_comes_once(evidence: Evidence) -> None:
    found = candidates.asked_with(evidence, "host", "content-length")
    assert list(found) == [one for one in _all(evidence) if header(request(one), "host") is not None or header(request(one), "content-length") is not None]


def test_by_protection(evidence: Evidence) -> None:
    for protection in Protection:
        asked = [one for one in _all(evidence) if _is(evidence, request(one), protection)]
        answered = [one for one in _all(evidence) if _is(evidence, response(one), protection)]
        assert list(candidates.asked_in(evidence, protection)) == asked
        assert list(candidates.answered_in(evidence, protection)) == answered
        assert list(candidates.said_in(evidence, protection)) == [one for one in _all(evidence) if one in asked or one in answered]


def test_by_message(evidence: Evidence) -> None:
    found = candidates.with_message(evidence, "large", lambda one: one.size > 100)
    large = {one.exchange for one in evidence.messages.values() if one.size > 100}
    assert list(found) == [one for one in _all(evidence) if one.id in large] != []


def test_an_answer_is_worked_out_once() -> None:
    made: list[int] = []
    index = Index()

    def answer() -> str:
        made.append(1)
        return "answer"

    assert [index.once("name", answer) for _ in range(3)] == ["answer"] * 3
    assert made == [1]


@pytest.mark.parametrize("name", ["authorization", "content-length", "user-agent", "no-such-field"])
def test_by_the_value_of_a_field(evidence: Evidence, name: str) -> None:
    own = candidates.winrm(evidence)
    expected: dict[str, list[int]] = {}
    for place, one in enumerate(own):
        value = header(request(one), name)
        if value is not None:
            expected.setdefault(value, []).append(place)
    assert {value: list(places) for value, places in candidates.asked_values(evidence, name).items()} == expected


def test_by_what_is_asked_for_and_by_version(evidence: Evidence) -> None:
    targets = candidates.asked_targets(evidence)
    for target, places in targets.items():
        assert [one.id for one in candidates.at_places(evidence, [places])] == [
            one.id for one in _all(evidence) if (asked := request(one)) is not None and asked.target == target
        ]
    assert sum(map(len, targets.values())) == sum(request(one) is not None for one in _all(evidence))
    for version in ("HTTP/1.1", "HTTP/1.0", "HTTP/2"):
        expected = [one for one in _all(evidence) if version in {half.version for half in (request(one), response(one)) if half is not None}]
        assert list(candidates.in_version(evidence, version)) == expected


def test_those_in_clear(evidence: Evidence) -> None:
    def clear(half: Request | Response | None) -> bool:
        return candidates.is_clear(None if half is None else evidence.messages.get(half.id))

    assert list(candidates.asked_clear(evidence)) == [one for one in _all(evidence) if clear(request(one))]
    assert list(candidates.said_clear(evidence)) == [one for one in _all(evidence) if clear(request(one)) or clear(response(one))]


def test_each_exchange_is_of_one_kind_and_is_what_that_says(evidence: Evidence) -> None:
    own = candidates.winrm(evidence)
    known = candidates.alike(evidence)
    assert sorted(place for kind in known for place in kind.places) == list(range(len(own)))
    for kind in known:
        assert list(kind.places) == sorted(kind.places)
        for exchange in (own[place] for place in kind.places):
            asked, answer = request(exchange), response(exchange)
            assert (kind.asked is None) == (asked is None)
            assert (kind.answered is None) == (answer is None)
            if asked is not None and kind.asked is not None:
                assert (kind.asked.method, kind.asked.target, kind.asked.version) == (asked.method, asked.target, asked.version)
                _says(evidence, asked, kind.asked.said)
            if answer is not None and kind.answered is not None:
                assert (kind.answered.status, kind.answered.version) == (answer.status, answer.version)
                _says(evidence, answer, kind.answered.said)
    assert len({(kind.asked, kind.answered) for kind in known}) == len(known)


def _says(evidence: Evidence, half: Request | Response, said: Said | None) -> None:
    found = evidence.messages.get(half.id)
    assert (said is None) == (found is None)
    if said is not None and found is not None:
        assert said[:5] == (found.protection, found.operation, found.action, found.resource_uri, found.wsman)
        assert said.whole == (half.body.complete and not half.body.missing)
        assert said.is_clear == candidates.is_clear(found)


def test_of_several_kinds_exchanges_come_in_order(evidence: Evidence) -> None:
    assert list(candidates.of_kinds(evidence, lambda _: True)) == _all(evidence)
    assert candidates.of_kinds(evidence, lambda _: False) == ()
    wanted = [one for one in _all(evidence) if status(one) != 401]
    assert list(candidates.of_kinds(evidence, lambda kind: kind.answered is None or kind.answered.status != 401)) == wanted


def test_what_is_not_plain_is_searched_for_what_few_have(evidence: Evidence) -> None:
    for encrypted in (lambda one: one.opened, lambda one: one.protection is Protection.SEALED, lambda one: one.fault_code, lambda one: one.codings):
        all_of_them = [one for one in evidence.messages.values() if encrypted(one)]
        assert list(candidates.messages_where(replace(evidence), "few", encrypted, plain=False)) == all_of_them
    calls: list[str] = []
    candidates.messages_where(replace(evidence), "counted", lambda one: calls.append(one.id), plain=False)
    assert len(calls) < len(evidence.messages)


def test_the_fields_themselves_once_for_each_object(evidence: Evidence) -> None:
    for of_request in (True, False):
        halves = [half for one in _all(evidence) if (half := request(one) if of_request else response(one)) is not None]
        for names in candidates.fields(evidence, of_request=of_request):
            own = [half.headers for half in halves if tuple(field.name for field in half.headers) == names]
            heads = candidates.heads(evidence, names, of_request=of_request)
            assert {id(one) for one in heads} == {id(one) for one in own}
            assert len(heads) == len({id(one) for one in own})


def test_connections_by_client_host_and_endpoint(evidence: Evidence) -> None:
    own = candidates.connections(evidence)
    found = candidates.by_place(evidence)
    assert {place: list(group) for place, group in found.items()} == {
        place: [one for one in own if (one.client.host, one.server.host, one.server.port) == place] for place in found
    }
    assert sum(map(len, found.values())) == len(own) > 0
    assert [group[0] for group in found.values()] == sorted([group[0] for group in found.values()], key=own.index)
