import pytest

from analyzer.records.finding import Severity
from tests.build.talk_http import ABSOLUTE, html, post, reply
from tests.build.talk_proxy import ask_sealed, direct, far_leg, near_leg, proxied, trip
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "http.path-not-found"


def test_a_path_of_winrm_without_a_listener() -> None:
    lan = Wire()
    one = trip(direct(lan), post(), reply(404, content=html("<title>Not Found</title>")))

    finding = judge(lan).one(RULE)

    assert finding.title == "404: nothing serves /wsman on 10.20.2.20"
    assert finding.severity is Severity.HIGH
    assert packets(finding) == [*one]
    assert names(finding, one.answered)
    assert "from Windows' web server (Microsoft-HTTPAPI/2.0), not from WinRM" in finding.why
    assert "urlacl" in finding.advice
    assert "Wecsvc" not in finding.advice


@pytest.mark.parametrize("path", ["/wsmann", "/wsman/x", "/powershell-live"])
def test_a_path_that_is_none_of_winrm(path: str) -> None:
    lan = Wire()
    trip(direct(lan), ask_sealed(1, path), reply(404))
    finding = judge(lan).one(RULE)
    assert f"The path is {path}, which is not a path of WinRM" in finding.why
    assert finding.advice.startswith("Check the endpoint's URL")


@pytest.mark.parametrize("path", ["/wsman/SubscriptionManager/WEC", "/wsman/subscriptions/5B5C0D6A-0000-4000-8000-000000000000/1"])
def test_the_paths_of_event_forwarding(path: str) -> None:
    lan = Wire()
    trip(direct(lan), post(path), reply(404))
    finding = judge(lan).one(RULE)
    assert "where sources of event forwarding reach their collector" in finding.why
    assert "Wecsvc" in finding.advice


def test_a_proxy_without_a_route() -> None:
    lan = Wire()
    trip(near_leg(lan), post(ABSOLUTE), reply(404, ("Via", "1.1 proxy")).without("Server").plus(("Server", "nginx")))
    assert judge(lan).one(RULE).advice.startswith("Add a route for /wsman on the proxy")


def test_both_sides_tell_it_once() -> None:
    lan = Wire()
    hop = proxied(near_leg(lan), far_leg(lan), ask_sealed(1, ABSOLUTE), reply(404))
    finding = judge(lan).one(RULE)
    assert finding.exchanges == ("c1.x1", "c2.x1")
    assert packets(finding) == sorted((*hop.near, *hop.far))


def test_a_path_that_is_there() -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(200))
    assert judge(lan).found(RULE) == []


@pytest.mark.parametrize(("status", "found"), [(404, True), (410, True), (411, False), (405, False)])
def test_the_statuses_that_say_so(status: int, *, found: bool) -> None:
    lan = Wire()
    trip(direct(lan), post(), reply(status, content=html("<title>No</title>")))
    assert bool(judge(lan).found(RULE)) is found
