from analyzer.records.finding import Severity
from tests.build.talk_http import post, reply, soap
from tests.build.talk_proxy import ALICE, UPSTREAM_LEG, Trip, ask_sealed, direct, far_leg, handshake, near_leg, proxied_handshake, sealed_reply, trip
from tests.build.talk_tokens import ntlm
from tests.build.talks import Wire
from tests.rules.judging import judge, names, packets

RULE = "tcp.request-lost-after-auth"


def logon_and_close(lan: Wire, port: int, client: str = ALICE) -> tuple[Trip, int]:
    """A handshake with empty requests that the server side closes; the last round trip, and the FIN."""
    talk = direct(lan, client, port)
    *_, last = handshake(talk, ntlm(number=port))
    return last, talk.close_by_server(after=0.01)


def test_two_logons_in_a_row_lead_nowhere() -> None:
    lan = Wire()
    first, fin = logon_and_close(lan, 50001)
    second, other_fin = logon_and_close(lan, 50002)
    direct(lan, port=50003)

    finding = judge(lan).one(RULE)

    assert (finding.severity, finding.confidence) == (Severity.CRITICAL, 0.9)
    assert set(packets(finding)) >= {first.answered, fin, second.answered, other_fin}
    assert finding.connections == ("c1", "c2")
    assert set(finding.exchanges) >= {"c1.x3", "c2.x3"}
    assert finding.user == "LAB\\alice"
    assert names(finding, first.answered, fin)
    assert finding.why.startswith("2 logons of LAB\\alice in a row")


def test_once_may_be_chance() -> None:
    lan = Wire()
    logon_and_close(lan, 50001)
    direct(lan, port=50002)
    assert judge(lan).found(RULE) == []


def test_logons_more_than_thirty_seconds_apart_are_no_row() -> None:
    lan = Wire()
    logon_and_close(lan, 50001)
    direct(lan, port=50002)  # a sign that the client was not done
    lan.wait(31)
    logon_and_close(lan, 50003)
    direct(lan, port=50004)
    assert judge(lan).found(RULE) == []


def test_a_request_of_that_client_that_was_served_in_between() -> None:
    lan = Wire()
    logon_and_close(lan, 50001)
    other = direct(lan, port=50005)
    handshake(other, ntlm(number=5))
    trip(other, ask_sealed(1), sealed_reply(1))
    logon_and_close(lan, 50002)
    direct(lan, port=50003)
    assert judge(lan).found(RULE) == []


def test_a_request_that_went_with_the_last_message_was_not_lost() -> None:
    lan = Wire()
    for port in (50001, 50002):
        talk = direct(lan, port=port)
        handshake(talk, ntlm(number=port), content=soap(number=port), last=reply(200, content=soap("CreateResponse", port + 100)))
        talk.close_by_server()
    direct(lan, port=50003)
    assert judge(lan).found(RULE) == []


def test_a_client_that_closes_by_itself_only_tests_its_logon() -> None:
    lan = Wire()
    for port in (50001, 50002, 50003):
        talk = direct(lan, port=port)
        handshake(talk, ntlm(number=port))
        talk.close_by_client()
    assert judge(lan).found(RULE) == []


def test_two_clients_with_one_loss_each_are_no_row() -> None:
    lan = Wire()
    logon_and_close(lan, 50001)
    direct(lan, port=50002)
    logon_and_close(lan, 50003, client="10.10.1.12")
    direct(lan, "10.10.1.12", 50004)
    assert judge(lan).found(RULE) == []


def test_the_upstream_leg_alone_does_not_show_what_the_client_wanted() -> None:
    lan = Wire()
    for port in (40001, 40002):
        near, far = near_leg(lan, port=port + 10_000), far_leg(lan, port)
        proxied_handshake(near, far, ntlm(number=port))
        far.close_by_client()
    far_leg(lan, 40003).send(post())
    assert judge(lan, hosts=UPSTREAM_LEG).found(RULE) == []


def test_a_capture_that_ends_after_the_first_close_says_nothing() -> None:
    lan = Wire()
    _, fin = logon_and_close(lan, 50001)
    logon_and_close(lan, 50002)
    assert judge(lan, last=fin + 2).found(RULE) == []
